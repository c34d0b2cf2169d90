"""The bytes that come in on one connection, as http.client reads them: through all answers, and without a copy between.

One thread at a time.
"""

import io
import socket
import time
from typing import Protocol

READ_BYTES = 1 << 14
# A large read goes on from record to record for so long, so that those who count bytes hear of them now and then.
TOGETHER_SECONDS = 0.05


class Reader(Protocol):
    def read_into(self, sock: socket.socket, view: memoryview) -> int:
        """One read; 0 at the end. Raises OSError."""


class Stream(io.BufferedIOBase):
    """In the place of both the socket and its file that an HTTPResponse asks for. Closing an answer leaves it open:
    what was read beyond one answer is the beginning of the next."""

    def __init__(self, reader: Reader, sock: socket.socket) -> None:
        self.sock = sock
        self._reader = reader
        self._early = memoryview(b"")

    def makefile(self, mode: str) -> "Stream":
        return self

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        """Whoever owns the socket closes it."""

    def readline(self, limit: int | None = -1) -> bytes:
        most = READ_BYTES if limit is None or limit < 0 else limit
        line = b""
        while len(line) < most:
            if not self._early and not self._more():
                break
            part = self._early[: most - len(line)].tobytes()
            end = part.find(b"\n") + 1
            part = part[:end] if end else part
            self._early = self._early[len(part) :]
            line += part
            if end:
                break
        return line

    def read(self, count: int | None = -1) -> bytes:
        """Waits for all of them, or for the end."""
        parts, left = [], float("inf") if count is None or count < 0 else count
        while left:
            if not self._early and not self._more():
                break
            part = self._early[: int(min(left, len(self._early)))].tobytes()
            self._early = self._early[len(part) :]
            left -= len(part)
            parts.append(part)
        return b"".join(parts)

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # a buffer is what it gets
        """At least one byte, or 0 at the end; as many as come within a moment."""
        view = memoryview(buffer)
        got = min(len(view), len(self._early))
        if got:
            view[:got] = self._early[:got]
            self._early = self._early[got:]
        until = time.monotonic() + TOGETHER_SECONDS
        while got < len(view):
            count = self._reader.read_into(self.sock, view[got:])
            got += count
            if not count or time.monotonic() > until:
                break
        return got

    def _more(self) -> bool:
        buffer = bytearray(READ_BYTES)
        count = self._reader.read_into(self.sock, memoryview(buffer))
        self._early = memoryview(buffer)[:count]
        return count > 0
