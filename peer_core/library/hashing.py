"""Hashing one file piece by piece, and finding out whether it stood still meanwhile. Knows no index; any thread."""

import errno
import os
import stat
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import TracebackType

from peer_core.content import MAX_PIECE, MIN_PIECE, Manifest, piece_hash, piece_size_for
from peer_core.library.disk import signature_of
from peer_core.library.records import Signature

READ_BYTES = 1 << 20
STEP_BYTES = 4 << 20

_FLAGS = (
    os.O_RDONLY
    | getattr(os, "O_BINARY", 0)
    | getattr(os, "O_CLOEXEC", 0)
    # What was a file when it was scanned may be a link or a pipe by now.
    | getattr(os, "O_NOFOLLOW", 0)
    | getattr(os, "O_NONBLOCK", 0)
)
_NOT_A_FILE = (errno.ELOOP, errno.EISDIR, errno.ENXIO)
_COARSE_SECONDS = 2.1
_FINE_SECONDS = 0.02


class FileChangedError(Exception):
    """The file did not stand still; try again later."""


class Cancelled(Exception):
    """Hashing was given up."""


class Buffer:
    """Memory for one piece, used again for each; grows to 16 MiB when a large file needs it."""

    def __init__(self) -> None:
        self._memory = bytearray(MIN_PIECE)

    def view(self, length: int) -> memoryview:
        if length > len(self._memory):
            self._memory = bytearray(MAX_PIECE)
        return memoryview(self._memory)[:length]


class Bench:
    """Memory and threads to hash with: a second processor takes the second half of what is hashed in one step.

    Each half is read where it is hashed, so that its bytes stay in that processor's cache.
    Belongs to one thread. Close it.
    """

    def __init__(self, two: bool = (os.cpu_count() or 1) > 1 and hasattr(os, "preadv")) -> None:
        self.here, self.there = Buffer(), Buffer()
        self.aside = ThreadPoolExecutor(1, thread_name_prefix="hashing") if two else None
        if two:
            self._one, self._other = Bench(False), Bench(False)

    def close(self) -> None:
        if self.aside is not None:
            self.aside.shutdown()

    def share_out(self, work: Callable[["Bench"], None], both: bool = True) -> None:
        """Runs it in this thread, or in both at once, each with a bench of its own, until all have ended."""
        if self.aside is None or not both:
            work(self)
            return
        second = self.aside.submit(work, self._other)
        try:
            work(self._one)
        finally:
            second.exception()
        second.result()


def seconds_until_settled(mtime_ns: int) -> float:
    """How long to wait until a later write is sure to show another time; 0 for most files.

    A write within the same tick of the file system's clock as the last one would leave size and time as they are.
    """
    coarse = mtime_ns % 1_000_000_000 == 0
    window = _COARSE_SECONDS if coarse else _FINE_SECONDS
    # Both ways: a file server's clock may run ahead of ours.
    return window if abs(time.time_ns() - mtime_ns) < window * 1e9 else 0.0


class FileHash:
    """An open file on its way to a manifest; `bytes_done` tells how far. Close it."""

    def __init__(self, path: str | os.PathLike[str], renumbered: frozenset[int] = frozenset()) -> None:
        """Raises OSError; FileNotFoundError also when the path is not a regular file any more."""
        self._path = path
        self._renumbered = renumbered
        try:
            self._file = os.open(path, _FLAGS)
        except OSError as error:
            if error.errno in _NOT_A_FILE:
                raise FileNotFoundError(str(path)) from error
            raise
        try:
            status = os.fstat(self._file)
            if not stat.S_ISREG(status.st_mode):
                raise FileNotFoundError(str(path))
        except OSError:
            self.close()
            raise
        self.signature: Signature = signature_of(status, renumbered)
        self.bytes_done = 0
        self._piece_size = piece_size_for(self.signature.size)
        self._hashes = bytearray()

    def __enter__(self) -> "FileHash":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)

    @property
    def finished(self) -> bool:
        return self.bytes_done == self.signature.size

    def step(self, bench: Bench, cancelled: Callable[[], bool] = lambda: False) -> None:
        """Reads and hashes the next pieces. Raises OSError, FileChangedError and Cancelled.

        After Cancelled it can be gone on with.
        """
        size = self._piece_size
        # At least one piece for each processor, and few enough that others need not wait.
        end = min(
            self.signature.size, self.bytes_done + max(1, STEP_BYTES // size) * (2 * size if bench.aside else size)
        )
        middle = self.bytes_done + -(-(end - self.bytes_done) // size) // 2 * size
        if bench.aside is None or middle == self.bytes_done:
            hashes = self._hashed(bench.here, self.bytes_done, end, cancelled)
        else:
            second = bench.aside.submit(self._hashed, bench.there, middle, end, cancelled)
            try:
                hashes = self._hashed(bench.here, self.bytes_done, middle, cancelled)
            finally:
                # Whatever happens, nobody reads from a file that may be closed next.
                second.exception()
            hashes += second.result()
        self._hashes += hashes
        self.bytes_done = end

    def _hashed(self, buffer: Buffer, start: int, end: int, cancelled: Callable[[], bool]) -> bytes:
        hashes = []
        while start < end:
            length = min(self._piece_size, end - start)
            piece = buffer.view(length)
            filled = 0
            while filled < length:
                if cancelled():
                    raise Cancelled
                got = self._read(piece[filled : filled + READ_BYTES], start + filled)
                if not got:
                    raise FileChangedError
                filled += got
            hashes.append(piece_hash(piece))
            start += length
        return b"".join(hashes)

    def _read(self, into: memoryview, offset: int) -> int:
        if hasattr(os, "preadv"):
            return os.preadv(self._file, [into], offset)
        os.lseek(self._file, offset, os.SEEK_SET)
        data = os.read(self._file, len(into))
        into[: len(data)] = data
        return len(data)

    def manifest(self) -> Manifest:
        """Of the finished file. Raises FileChangedError when it was written to or exchanged, and OSError."""
        if signature_of(os.lstat(self._path), self._renumbered) != self.signature:
            raise FileChangedError
        # Where ids last, what the path leads to is the open file itself.
        if not self.signature.inode and signature_of(os.fstat(self._file), self._renumbered) != self.signature:
            raise FileChangedError
        return Manifest(self.signature.size, self._piece_size, bytes(self._hashes))
