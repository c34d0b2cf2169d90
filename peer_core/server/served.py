"""What is given under a content id: a shared file, or the pieces of a download that are here."""

import os
from collections.abc import Callable
from io import FileIO
from pathlib import Path
from typing import Protocol

from peer_core.content import Manifest
from peer_core.library.serving import open_held, watcher
from peer_core.library.types import HeldFile
from peer_core.transfer.bitmap import Bitmap
from peer_core.transfer.exchange import Shown


class Served(Protocol):
    @property
    def manifest(self) -> Manifest: ...

    def pieces(self) -> bytes:
        """Which pieces are here, as bits."""

    def coming(self) -> str:
        """Which are being fetched, as runs."""

    def covers(self, start: int, length: int) -> bool:
        """Whether all these bytes are here."""

    def open(self, resolved: Callable[[Path], Path] = Path.resolve) -> FileIO:
        """`resolved`: as of `open_held`. Raises ChangedError or OSError when they cannot be read now."""

    def watch(self, file: FileIO) -> Callable[[], bool]:
        """To be asked while it is sent: whether it is still what it was."""


class ServedFile:
    def __init__(self, held: HeldFile) -> None:
        self._held = held
        self.manifest = held.manifest

    def pieces(self) -> bytes:
        count = self.manifest.count
        return Bitmap(count, b"\xff" * -(-count // 8)).to_bytes()

    def coming(self) -> str:
        return ""

    def covers(self, start: int, length: int) -> bool:
        return True

    def open(self, resolved: Callable[[Path], Path] = Path.resolve) -> FileIO:
        return open_held(self._held, resolved)

    def watch(self, file: FileIO) -> Callable[[], bool]:
        return watcher(self._held, file)


class ServedPart:
    """Pieces only come: what is here now stays."""

    def __init__(self, shown: Shown) -> None:
        self._part = shown.part
        self.coming = shown.coming
        self.manifest = shown.part.manifest

    def pieces(self) -> bytes:
        return self._part.present.to_bytes()

    def covers(self, start: int, length: int) -> bool:
        first, last = start // self.manifest.piece_size, (start + length - 1) // self.manifest.piece_size
        return all(piece in self._part.present for piece in range(first, last + 1))

    def open(self, resolved: Callable[[Path], Path] = Path.resolve) -> FileIO:
        return self._part.open_again()

    def watch(self, file: FileIO) -> Callable[[], bool]:
        size = self.manifest.size
        return lambda: os.fstat(file.fileno()).st_size == size
