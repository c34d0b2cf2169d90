"""Bytes of a file on their way into a socket, and the HTTP that goes with them: ranges, ETag, 206 and 416.

A `FilePiece` is made and prepared in a worker; from then on the loop thread of the server reads and closes it.
"""

import os
import re
from collections.abc import Callable, Iterator
from io import FileIO
from pathlib import Path

from waitress.buffers import ReadOnlyFileBasedBuffer
from werkzeug.wrappers import Response

from peer_core.errors import BadInputError

CHUNK_BYTES = 1 << 18
_RANGE = re.compile(r"bytes=[ \t]*(\d*)-(\d*)[ \t]*", re.ASCII | re.IGNORECASE)
_MAX_DIGITS = 18


class RangeNotSatisfiable(BadInputError):
    """`headers` belong into the answer (RFC 9110, 15.5.17)."""

    title = "The file is shorter than that"
    status = 416

    def __init__(self, size: int) -> None:
        super().__init__("The file has {size} bytes; ask for a range inside.", "range-outside", size=size)
        self.headers = {"Content-Range": f"bytes */{size}"}


class PieceGone(OSError):
    """The file is not what it was; the answer cannot be finished. An OSError, since waitress takes that quietly."""


class FilePiece(ReadOnlyFileBasedBuffer):  # type: ignore[misc]  # waitress has no types
    """`length` bytes of a file from `start`, each read once, into one buffer that is used again.

    waitress takes it as a whole: the worker is free while the loop sends. It owns `file` (open, raw) and closes it.
    `counted` gets the number of bytes at each step that the system took; `check` is asked each time that bytes were
    read, before they leave, and ends the answer by returning False. `ended` is called once, when it is closed, whole
    or not. All must be quick: the loop waits for them.
    """

    def __init__(
        self,
        file: FileIO,
        start: int,
        length: int,
        *,
        counted: Callable[[int], None] | None = None,
        check: Callable[[], bool] | None = None,
        ended: Callable[[], None] | None = None,
    ) -> None:
        self._ended = ended
        self.file = file
        self.remain = length
        self._position = start
        self._end = start + length
        self._counted = counted
        self._check = check
        self._buffer = memoryview(bytearray(min(CHUNK_BYTES, length)))
        self._taken = self._filled = 0

    def prepare(self, size: int | None = None) -> int:
        """Bytes to come. Reads the first ones, so that a file that is gone fails while an error can be answered."""
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(self.file.fileno(), self._position, self.remain, os.POSIX_FADV_SEQUENTIAL)
        if self.remain:
            self.get()
        return self.remain

    def get(self, numbytes: int = -1, skip: bool = False) -> memoryview:
        """What is to be sent next. Raises PieceGone."""
        if self._taken == self._filled:
            self._fill()
        view = self._buffer[self._taken : self._filled]
        if skip:
            self.skip(len(view))
        return view

    def skip(self, numbytes: int, allow_prune: bool = False) -> None:
        self._taken += numbytes
        self.remain -= numbytes
        if self._counted is not None:
            self._counted(numbytes)

    def __iter__(self) -> Iterator[bytes]:
        """For servers that do not know the buffer."""
        while self.remain:
            yield bytes(self.get(skip=True))

    def close(self) -> None:
        self.file.close()
        self.remain = 0
        ended, self._ended = self._ended, None
        if ended is not None:
            ended()

    def _fill(self) -> None:
        want = min(len(self._buffer), self._end - self._position)
        read = self._read_into(self._buffer[:want])
        if want and not read:
            raise PieceGone("the file got shorter while it was sent")
        self._position += read
        # Asked after reading: so bytes leave only when the file was the right one up to here.
        if self._check is not None and not self._check():
            raise PieceGone("the file changed while it was sent")
        self._taken, self._filled = 0, read

    def _read_into(self, view: memoryview) -> int:
        if hasattr(os, "preadv"):
            return os.preadv(self.file.fileno(), [view], self._position)
        # The file is ours alone, so its position needs no lock.
        self.file.seek(self._position)
        return self.file.readinto(view) or 0


def parse_range(
    header: str | None, size: int, *, if_range: str | None = None, etag: str | None = None
) -> tuple[int, int] | None:
    """(start, length) of a `Range` header, or None for the whole file (RFC 9110, 14.2).

    Whole: no header, one that is not understood, several ranges, or an `if_range` that is not `etag` (without quotes).
    Raises RangeNotSatisfiable.
    """
    if header is None or (if_range is not None and if_range.strip() != f'"{etag}"'):
        return None
    match = _RANGE.fullmatch(header.strip())
    if match is None or len(header) > 100:
        return None
    first, last = match.groups()
    if max(len(first), len(last)) > _MAX_DIGITS or not (first or last):
        return None
    if not first:
        length = min(int(last), size)
        if int(last) == 0:
            raise RangeNotSatisfiable(size)
        return (size - length, length) if size else None
    start = int(first)
    end = min(int(last), size - 1) if last else size - 1
    if last and int(last) < start:
        return None
    if start >= size:
        raise RangeNotSatisfiable(size)
    return start, end - start + 1


def piece_response(
    file: FileIO | Path,
    span: tuple[int, int] | None,
    total: int,
    etag: str,
    *,
    head: bool = False,
    counted: Callable[[int], None] | None = None,
    check: Callable[[], bool] | None = None,
    ended: Callable[[], None] | None = None,
) -> Response:
    """An answer with `span` (start, length) of a file of `total` bytes, or all of it when None.

    Takes over `file`, and `ended` (see `FilePiece`) unless it raises or is for HEAD. werkzeug never closes the body of
    an answer to HEAD: say so with `head`. Raises OSError when the file cannot be read, PieceGone (one of these) when it
    is too short or `check` says no.
    """
    start, length = span or (0, total)
    headers = {
        "Content-Type": "application/octet-stream",
        "Content-Length": str(length),
        "Accept-Ranges": "bytes",
        "ETag": f'"{etag}"',
        "Cache-Control": "private, immutable",
        "X-Content-Type-Options": "nosniff",
    }
    if span is not None:
        headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{total}"
    status = 206 if span is not None else 200
    if head:
        if not isinstance(file, Path):
            file.close()
        return Response((), status, headers)
    opened = FileIO(file) if isinstance(file, Path) else file
    try:
        piece = FilePiece(opened, start, length, counted=counted, check=check, ended=ended)
        # Here, where the application can still answer with an error; waitress would only close the connection.
        piece.prepare()
    except BaseException:
        opened.close()
        raise
    return Response(piece, status, headers, direct_passthrough=True)
