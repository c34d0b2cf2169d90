"""One connection of waitress, made fit for strangers: everything has a deadline, one thread touches the socket.

Owns the connection's socket and buffers. Runs in the loop thread of its server, save the inherited path from
`service` to `write_soon`, in which a worker fills the buffers.
"""

import ipaddress
import json
import logging
import re
import socket
import threading
import time
from collections.abc import MutableMapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from waitress.buffers import ReadOnlyFileBasedBuffer
from waitress.channel import HTTPChannel
from waitress.task import ErrorTask, WSGITask

from peer_core.errors import Fault
from protos.sentences import as_json

if TYPE_CHECKING:
    from peer_core.server.listener import Listener

CHUNK_BYTES = 1 << 18
READ_BYTES = 1 << 14
READS_A_TURN = 16
MAX_PIPELINED = 16


_PATH = re.compile(r"(while serving) .*", re.DOTALL)


class _PlainText(logging.LoggerAdapter[logging.Logger]):
    """For what waitress says. Paths name what was asked for, and strangers could fake lines of the log with them."""

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        text = _PATH.sub(r"\1 a request", str(msg))
        return (text if text.isprintable() else ascii(text)), kwargs


log = _PlainText(logging.getLogger("barrio.server"), {})


@dataclass(frozen=True)
class Patience:
    """How long, in seconds, one connection may take for what."""

    handshake: float = 5.0
    # From the first byte of a request to its last; a body earns more time by arriving at `body_rate` bytes a second.
    request: float = 10.0
    body_rate: int = 4096
    # Between requests, or without taking a byte of the answer.
    idle: float = 120.0
    # For the other side to read our last words before the socket is closed.
    farewell: float = 2.0


class Task(WSGITask):  # type: ignore[misc]  # waitress has no types
    """Tells the application who asks."""

    logger = log

    def get_environment(self) -> dict[str, Any]:
        environ: dict[str, Any] = super().get_environment()
        environ["barrio.peer_names"] = self.channel.peer_names
        environ["barrio.peer_id"] = self.channel.peer_id
        return environ


class Problem(ErrorTask):  # type: ignore[misc]  # waitress has no types
    """What waitress itself refuses (broken, endless, too large requests), in the form of all our errors."""

    logger = log

    def execute(self) -> None:
        error = self.request.error
        problem = {
            "type": "about:blank",
            "title": error.reason,
            **as_json(error.body),
            "status": error.code,
            "code": "bad-input" if error.code < 500 else "internal",
            "fault": Fault.ME.value,
        }
        body = json.dumps(problem).encode()
        self.status = f"{error.code} {error.reason}"
        self.response_headers.append(("Content-Type", "application/problem+json"))
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class Channel(HTTPChannel):  # type: ignore[misc]  # waitress has no types
    """One connection. Only the loop thread reads, writes or closes it; workers fill its buffers."""

    logger = log
    task_class = Task
    error_task_class = Problem
    handshaking = False
    peer_names: tuple[str, ...] = ()
    peer_id = ""
    will_close: bool

    def __init__(self, server: "Listener", sock: socket.socket, addr: Any) -> None:
        self.origin = origin_of(addr[0])
        self.born = self.moved = time.monotonic()
        self._partial: Any = None
        self._partial_since = 0.0
        self._farewell_until: float | None = None
        self._share = self._bulk_share = 0
        # For `Turns`: when it last got on; and bytes that it was granted, and has to offer once more before others.
        self.served = self.owed = 0
        # Written by a worker, read by the loop: a pipelined request waits until the answer before it is gone.
        self.held = False
        self._writing = False
        super().__init__(server, sock, addr, server.adj, map=server.sockets)
        self.sendbuf_len = CHUNK_BYTES

    @property
    def idle(self) -> bool:
        """Nothing asked, nothing to be sent."""
        return not self.requests and not self.total_outbufs_len and not self.close_when_flushed

    @property
    def bulk(self) -> bool:
        """What comes next are bytes of a file: they go by turns and limits, all else goes at once."""
        return self.total_outbufs_len > 0 and isinstance(self.outbufs[0], ReadOnlyFileBasedBuffer)

    @property
    def who(self) -> str:
        """Between whom bytes are shared out: members, or addresses where there are none."""
        return self.peer_id or self.origin

    @property
    def leaving(self) -> bool:
        return self._farewell_until is not None

    def readable(self) -> bool:
        if self.socket is None or self.will_close:
            return False
        return self.leaving or (not self.server.draining and super().readable())

    def writable(self) -> bool:
        if self.socket is None:
            return False
        if self.will_close:
            return True
        if self.leaving or not (self.held or super().writable()):
            return False
        return not (self.bulk and self.server.holds(self))

    def handle_read(self) -> None:
        if self.leaving:
            return self._discard()
        for _ in range(READS_A_TURN):
            data = self.receive()
            if data is None:
                return None
            if not data:
                return self.handle_close()
            self.moved = time.monotonic()
            self.received(data)
            if self.request is not self._partial:
                self._partial, self._partial_since = self.request, self.moved
            if len(self.requests) > MAX_PIPELINED:
                log.info("%s sent too many requests at once", self.addr[0])
                return self.handle_close()
            if not self.readable():
                return None
        return None

    def handle_write(self) -> None:
        if not self.will_close and not self.bulk:
            self._share = self.server.take_share()
            self._flush()
        if self.bulk and not self.will_close:
            # It can be written to, so its reader is alive, however long the limits let it wait.
            self.moved = time.monotonic()
            self.server.wait_for_turn(self)
        else:
            self._written()

    def send_bulk(self, most: int) -> int:
        """Its part of a turn: bytes used up, `most` at most; promised ones count when they are promised."""
        promised = self.owed
        self._share, self._bulk_share = 0, most + promised
        self._flush()
        sent = most + promised - self._bulk_share
        used = max(0, sent + self.owed - promised)
        self._bulk_share = 0
        self._written()
        return used

    def _flush(self) -> None:
        _, failed = self._flush_exception(self._flush_some_if_lockable)
        if failed:
            log.info("an answer to %s was cut: its file changed or cannot be read", self.addr[0])

    def _written(self) -> None:
        if self.will_close:
            self.handle_close()
        elif self.total_outbufs_len:
            return
        elif self.held:
            self.held = False
            self.server.task_dispatcher.add_task(self)
        elif self.close_when_flushed:
            self.leave(self.server.patience.farewell)

    def handle_expt(self) -> None:
        # Urgent data (poll wakes for it until it is read): HTTP knows none.
        self.handle_close()

    def receive(self) -> bytes | None:
        """Bytes, b"" at the end of the connection, None when nothing is there now."""
        try:
            return bytes(self.socket.recv(READ_BYTES))
        except (BlockingIOError, InterruptedError):
            return None
        except OSError:
            return b""

    def transmit(self, view: memoryview) -> int:
        """Bytes that the system took. Raises OSError when the connection is gone."""
        try:
            return int(self.socket.send(view))
        except (BlockingIOError, InterruptedError):
            return 0

    def say_goodbye(self) -> None:
        """For a protocol that ends with a word of its own."""

    def send(self, data: bytes | memoryview, do_close: bool = True) -> int:
        """As wasyncore's: bytes taken, 0 when no more can go now, or when it is not this thread's business.

        Sending from one thread keeps a fast reader from holding a worker, and a TLS object from two threads.
        """
        if self.server.loop_thread != threading.get_ident():
            return 0
        bulk = self.bulk
        share = self._bulk_share if bulk else self._share
        if share <= 0 or self.will_close:
            return 0
        try:
            sent = self.transmit(memoryview(data)[:share])
        except OSError:
            self.will_close = True
            return 0
        if bulk:
            self._bulk_share -= sent
        else:
            self._share -= sent
        if sent:
            self.moved = time.monotonic()
        return sent

    def write_soon(self, data: Any) -> int:
        self._writing = True
        try:
            return int(super().write_soon(data))
        finally:
            self._writing = False

    def _flush_outbufs_below_high_watermark(self) -> None:
        # WORKAROUND waitress 3.0.2 channel.py `service`: between two pipelined requests it would wait here, with a
        # worker, for as long as a reader likes. `Listener.add_task` holds the next request back instead.
        if self._writing:
            super()._flush_outbufs_below_high_watermark()

    def overdue(self, now: float) -> str | None:
        """Why this connection has had its time, or None."""
        patience = self.server.patience
        if self._farewell_until is not None:
            return "closed" if now > self._farewell_until else None
        if self.requests or self.total_outbufs_len:
            self._partial_since = now
            if not self.total_outbufs_len:
                # The application is thinking: not the client's fault.
                self.moved = now
            return "stopped reading" if now - self.moved > patience.idle else None
        if self.request is not None:
            earned = self.request.body_bytes_received / patience.body_rate
            return "request too slow" if now - self._partial_since > patience.request + earned else None
        return "idle" if now - self.moved > patience.idle else None

    def leave(self, seconds: float) -> None:
        """Ends the connection so that the last answer arrives.

        Closing a socket with unread input resets it, and the reset may overtake the answer: so first only our
        direction is closed, and what still comes is thrown away, until the other side closes or `seconds` are over.
        """
        until = time.monotonic() + seconds
        if self._farewell_until is not None:
            self._farewell_until = min(self._farewell_until, until)
            return
        self._farewell_until = until
        try:
            self.say_goodbye()
            self.socket.shutdown(socket.SHUT_WR)
        except (OSError, ValueError):
            self.handle_close()

    def _discard(self) -> None:
        for _ in range(READS_A_TURN):
            try:
                if not self.socket.recv(READ_BYTES):
                    return self.handle_close()
            except (BlockingIOError, InterruptedError):
                return None
            except OSError:
                return self.handle_close()
        return None

    def handle_close(self) -> None:
        if self.socket is not None and self.connected and self.idle and not self.leaving and not self.handshaking:
            # After a transfer that was cut there is no goodbye: the other side must see that it was cut.
            try:
                self.say_goodbye()
            except (OSError, ValueError):
                log.debug("%s went without a goodbye", self.addr[0])
        super().handle_close()
        with self.requests_lock:
            # Bodies may be in temporary files. The first request belongs to the worker that serves it.
            for request in self.requests if self.held else self.requests[1:]:
                request.close()
            if self.request is not None:
                self.request.close()


def origin_of(host: str) -> str:
    """What counts as one address: an IPv4 address, or the /64 network that one IPv6 customer gets."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return host
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((int(address) >> 64 << 64, 64)))
