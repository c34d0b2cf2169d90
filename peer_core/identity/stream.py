"""The bytes that come in on one connection, as http.client reads them: through all answers, and without a copy between.

One thread at a time.
"""

import io
import ssl
import time
from collections.abc import Callable
from typing import Any, Protocol, cast

READ_BYTES = 1 << 14
# A large read goes on from record to record for so long, so that those who count bytes hear of them now and then.
TOGETHER_SECONDS = 0.05


class Clock(Protocol):
    """Who watches over the time that reading takes, and over what came in."""

    def before_read(self, sock: ssl.SSLSocket) -> None:
        """Sets how long the next reads may wait. Raises TimeoutError when there is no time left."""

    def after_read(self, count: int) -> None: ...


class Stream(io.BufferedIOBase):
    """In the place of both the socket and its file that an HTTPResponse asks for. Closing an answer leaves it open:
    what was read beyond one answer is the beginning of the next."""

    def __init__(self, clock: Clock, sock: ssl.SSLSocket) -> None:
        self.sock = sock
        # Into a buffer it gives a number of bytes; its types do not say so.
        self._read_some: Callable[[int, bytearray | memoryview], int] = cast(Any, sock.read)
        self._clock = clock
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

    def read1(self, count: int = -1) -> bytes:
        """What is here already, or what comes next; nothing at the end."""
        if not self._early and not self._more():
            return b""
        part = self._early if count < 0 else self._early[:count]
        self._early = self._early[len(part) :]
        return part.tobytes()

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # a buffer is what it gets
        """At least one byte, or 0 at the end; as many as come within a moment."""
        view = memoryview(buffer)
        got = min(len(view), len(self._early))
        if got:
            view[:got] = self._early[:got]
            self._early = self._early[got:]
        return got + self._read(view[got:]) if got < len(view) else got

    def _more(self) -> bool:
        buffer = bytearray(READ_BYTES)
        self._clock.before_read(self.sock)
        count = self._read_some(READ_BYTES, buffer)
        self._clock.after_read(count)
        self._early = memoryview(buffer)[:count]
        return count > 0

    def _read(self, view: memoryview) -> int:
        """TLS gives 16 KiB at a time, so what is done for each of them counts."""
        self._clock.before_read(self.sock)
        read, now, size, got = self._read_some, time.monotonic, len(view), 0
        until = now() + TOGETHER_SECONDS
        try:
            while got < size:
                count = read(size - got, view[got:])
                got += count
                if not count or now() > until:
                    break
        finally:
            self._clock.after_read(got)
        return got
