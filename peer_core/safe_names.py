"""The one function that makes a file name from another peer's text safe, and the check after joining. Pure.

Sources: the reserved names and characters of Windows (learn.microsoft.com, "Naming Files, Paths, and Namespaces"),
the 255-byte limit of ext4, XFS and APFS, and Unicode TR 36 on control and bidirectional characters.
"""

import unicodedata
from pathlib import Path

from peer_core.errors import BadInputError

MAX_BYTES = 240
_FORBIDDEN = frozenset('/\\:*?"<>|')
_RESERVED = frozenset(
    ["con", "prn", "aux", "nul", "conin$", "conout$"] + [f"{d}{n}" for d in ("com", "lpt") for n in "0123456789¹²³"]
)
_UNNAMED = "unnamed"


def safe_name(text: str) -> str:
    """A file name of at most 240 bytes that is one path part on every system, whatever `text` is."""
    kept = [_safe_character(c) for c in unicodedata.normalize("NFC", text[:4096])]
    name = "".join(kept).strip(" .")
    if not name:
        return _UNNAMED
    if name.split(".", 1)[0].rstrip(" ").lower() in _RESERVED:
        name = "_" + name
    return shorten(name, MAX_BYTES)


def _safe_character(char: str) -> str:
    if char in _FORBIDDEN:
        return "_"
    if char == " " or char.isprintable():
        return char
    return " " if char in "\t\n\r" or unicodedata.category(char).startswith("Z") else ""


def shorten(name: str, max_bytes: int) -> str:
    """Cuts a name to `max_bytes` bytes of UTF-8, keeping a short extension whole and characters unbroken."""
    if len(name.encode()) <= max_bytes:
        return name
    stem, dot, extension = name.rpartition(".")
    tail = dot + extension
    if not stem or len(tail.encode()) > 20:
        stem, tail = name, ""
    room = max_bytes - len(tail.encode())
    return stem.encode()[:room].decode("utf-8", "ignore").rstrip(" .") + tail


def inside(folder: Path, name: str) -> Path:
    """`folder / safe_name(name)`. Raises BadInputError should the result leave the folder all the same."""
    root = folder.resolve()
    path = root / safe_name(name)
    if path.parent != root or path.resolve().parent != root:
        raise BadInputError(
            "The file name would leave the folder {folder}; choose another name.", "name-leaves-folder", folder=folder
        )
    return path


def numbered(path: Path, number: int) -> Path:
    """`film.mkv` → `film (2).mkv`; 1 is the path itself. Stays within the bytes of `safe_name`."""
    if number <= 1:
        return path
    mark = f" ({number})"
    name = path.name if path.suffix else path.name + "."
    stem, _, extension = name.rpartition(".")
    tail = mark + (f".{extension}" if extension else "")
    return path.with_name(shorten(stem, MAX_BYTES - len(tail.encode())) + tail)
