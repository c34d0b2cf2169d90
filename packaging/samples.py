"""Makes the sample files of the ready-made neighbourhood: small, of several kinds, all made here (CC0)."""

import math
import random
import struct
import wave
import zipfile
import zlib
from pathlib import Path

RECIPES = {
    "Tortilla de patatas.txt": "Tortilla de patatas\n\n6 huevos, 4 patatas, 1 cebolla, aceite de oliva, sal.\n",
    "Gazpacho.txt": "Gazpacho\n\n1 kg tomates, 1 pepino, 1 pimiento, ajo, aceite, vinagre, sal. Servir muy frío.\n",
    "Bread for the street party.md": "# Bread for the street party\n\n1 kg flour, 700 g water, 20 g salt, time.\n",
}


def _wav(path: Path, seconds: int, tone: float) -> None:
    rate = 44_100
    frames = bytearray()
    for i in range(rate):
        left = int(9000 * math.sin(2 * math.pi * round(tone) * i / rate))
        right = int(6000 * math.sin(2 * math.pi * round(tone * 1.5) * i / rate))
        frames += struct.pack("<hh", left, right)
    with wave.open(str(path), "wb") as out:
        out.setparams((2, 2, rate, 0, "NONE", ""))
        for second in range(seconds):
            # A number at the start of each second keeps the pieces different from each other.
            out.writeframesraw(struct.pack("<I", second) + bytes(frames[4:]))


def _png(path: Path, width: int, height: int, seed: int) -> None:
    pick = random.Random(seed)
    spots = [(pick.random() * width, pick.random() * height, 0.3 + pick.random()) for _ in range(12)]
    rows = bytearray()
    for y in range(height):
        rows.append(0)
        for x in range(width):
            glow = sum(s / (1 + ((x - a) ** 2 + (y - b) ** 2) / 900) for a, b, s in spots)
            rows += bytes((min(255, int(40 + 150 * glow)), min(255, int(60 + 60 * glow + y * 80 / height)), 120))

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(rows))) + chunk(b"IEND", b"")
    )


def _pdf(path: Path, lines: list[str]) -> None:
    text = "BT /F1 18 Tf 72 760 Td 26 TL " + " ".join(f"({line}) Tj T*" for line in lines) + " ET"
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R"
        " /Resources << /Font << /F1 5 0 R >> >> >>",
        f"<< /Length {len(text)} >>\nstream\n{text}\nendstream",
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
    ]
    out, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n".encode("latin-1")
    table = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
    out += (
        f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}"
        f"trailer << /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{len(out)}\n%%EOF\n"
    ).encode()
    path.write_bytes(out)


def _zip(path: Path, picture: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(1, 4):
            info = zipfile.ZipInfo(f"mercado/foto-{number}.png", (2026, 5, 1, 12, 0, 0))
            archive.writestr(info, picture.read_bytes())


def make_samples(ana: Path, bruno: Path, recording_seconds: int = 600) -> str:
    """Fills two folders; returns a name that both share, so that its pieces come from both."""
    recipes, garden, music = ana / "Recetas", ana / "Community garden", ana / "Recordings"
    market, papers = bruno / "Fotos del mercado", bruno / "Asamblea"
    for folder in (recipes, garden, music, market, papers, bruno / "Recordings"):
        folder.mkdir(parents=True)
    for name, text in RECIPES.items():
        (recipes / name).write_text(text, "utf-8")
    _pdf(garden / "Community garden plan.pdf", ["Community garden", "Beds, paths and water", "Spring 2026"])
    _png(garden / "Garden map.png", 320, 200, 1)
    recording = "Plaza at dawn (field recording).wav"
    _wav(music / recording, recording_seconds, 220)
    _wav(music / "Campana de la torre.wav", 8, 330)
    (bruno / "Recordings" / recording).hardlink_to(music / recording)
    _png(market / "Puestos del mercado.png", 320, 200, 2)
    _png(market / "Street party poster.png", 240, 340, 3)
    _zip(market / "Fotos del mercado.zip", market / "Puestos del mercado.png")
    votes = "fecha,propuesta,votos\n2026-03-02,Huerto en la plaza,41\n2026-06-15,Fiesta de la calle,57\n"
    (papers / "Actas de la asamblea.csv").write_text(votes, "utf-8")
    (papers / "Acta marzo.md").write_text("# Acta de marzo\n\nSe aprueba el huerto.\n", "utf-8")
    return recording
