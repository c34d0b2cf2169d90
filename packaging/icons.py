"""Draws the icons of Windows and macOS from the window's own: `python packaging/icons.py`, after that has changed."""

import os
import struct
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "desktop" / "resources" / "app.svg"
ICO = ROOT / "packaging" / "windows" / "barrio.ico"
ICNS = ROOT / "packaging" / "macos" / "barrio.icns"
ICO_SIZES = (16, 24, 32, 48, 64, 256)
# The types of PNG entries, and their pixels; "ic11" to "ic14" are for screens of twice the density.
ICNS_TYPES = {"icp4": 16, "icp5": 32, "ic11": 32, "ic12": 64, "ic07": 128, "ic13": 256, "ic08": 256, "ic09": 512}
ICNS_TYPES |= {"ic14": 512, "ic10": 1024}


def ico(pictures: dict[int, bytes]) -> bytes:
    """An icon file of PNGs by their size in pixels (at most 256)."""
    head, entries, data = struct.pack("<HHH", 0, 1, len(pictures)), b"", b""
    start = len(head) + 16 * len(pictures)
    for size, picture in sorted(pictures.items()):
        # A byte of 0 stands for 256.
        entries += struct.pack("<BBBBHHII", size % 256, size % 256, 0, 0, 1, 32, len(picture), start + len(data))
        data += picture
    return head + entries + data


def icns(pictures: dict[int, bytes]) -> bytes:
    parts = [(kind.encode("ascii"), pictures[size]) for kind, size in ICNS_TYPES.items()]
    body = b"".join(kind + struct.pack(">I", 8 + len(picture)) + picture for kind, picture in parts)
    return b"icns" + struct.pack(">I", 8 + len(body)) + body


def draw(sizes: set[int]) -> dict[int, bytes]:
    """PNGs of the window's icon."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from PySide6.QtCore import QBuffer, QIODevice, QRectF
    from PySide6.QtGui import QGuiApplication, QImage, QPainter
    from PySide6.QtSvg import QSvgRenderer

    application = QGuiApplication.instance() or QGuiApplication(sys.argv[:1])
    renderer, pictures = QSvgRenderer(str(SOURCE)), {}
    for size in sizes:
        image = QImage(size, size, QImage.Format.Format_ARGB32)
        image.fill(0)
        painter = QPainter(image)
        renderer.render(painter, QRectF(0, 0, size, size))
        painter.end()
        buffer = QBuffer()
        buffer.open(QIODevice.OpenModeFlag.WriteOnly)
        image.save(buffer, "PNG")  # type: ignore[call-overload]  # the stubs want bytes for the format
        pictures[size] = bytes(buffer.data().data())
    del application
    return pictures


def main() -> None:
    pictures = draw({*ICO_SIZES, *ICNS_TYPES.values()})
    ICO.write_bytes(ico({size: pictures[size] for size in ICO_SIZES}))
    ICNS.write_bytes(icns(pictures))


if __name__ == "__main__":
    main()
