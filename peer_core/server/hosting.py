"""One HTTP server of the peer: binds, starts and drains waitress with its own socket map, loop thread and workers."""

import errno
import queue
import select
import socket
import ssl
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from waitress import wasyncore
from waitress.adjustments import Adjustments

from peer_core.errors import BadInputError, BarrioError, InUseError
from peer_core.limits.policy import Limits
from peer_core.limits.turns import Turns
from peer_core.server.channels import Channel, Patience, log
from peer_core.server.listener import Listener
from peer_core.server.tls import TlsChannel
from peer_core.system_words import system_words
from protos.operating.logs import request

LOOK_SECONDS = 0.5
LEAST_WAIT_SECONDS = 0.005
QUIET_SECONDS = 30.0
DRAIN_LOOK_SECONDS = 0.05
FAREWELL_SECONDS = 0.3
HEADER_BYTES = 32 << 10
MEMORY_BODY_BYTES = 128 << 10
# A manifest of 16,384 pieces is a little over 512 KiB and shall not go through a temporary file.
MEMORY_ANSWER_BYTES = 1 << 20
WATERMARK_BYTES = 1 << 20
# Windows waits with select(), which takes 512 sockets.
SELECT_LIMIT = 480


class WorkerPool:
    """Threads that run the application, started as they are needed, since each keeps what it worked with.

    At most one task a connection waits, so the queue is bounded by them.
    """

    def __init__(self, name: str, threads: int) -> None:
        self._name, self._most = name, threads
        self._queue: queue.SimpleQueue[Channel | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        # Under _lock. Free ones are those that no task in the queue is meant for; waiting tasks have none.
        self._threads: list[threading.Thread] = []
        self._free = self._waiting = 0

    def add_task(self, channel: Channel) -> None:
        """A name of waitress's dispatcher."""
        with self._lock:
            if self._free:
                self._free -= 1
            elif len(self._threads) < self._most:
                # Daemons, so that an application stuck for ever cannot keep the process.
                name = f"{self._name}-worker-{len(self._threads)}"
                thread = threading.Thread(target=self._work, name=name, daemon=True)
                self._threads.append(thread)
                thread.start()
            else:
                self._waiting += 1
        self._queue.put(channel)

    def stop(self, deadline: float) -> None:
        """Ends the threads after the tasks that wait; `deadline` is of the monotonic clock."""
        with self._lock:
            threads = list(self._threads)
            self._most = 0
        for _ in threads:
            self._queue.put(None)
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))
                if thread.is_alive():
                    log.warning("%s still runs a request and is left behind", thread.name)

    def _work(self) -> None:
        while (channel := self._queue.get()) is not None:
            with request():
                self._serve(channel)
            with self._lock:
                if self._waiting:
                    self._waiting -= 1
                else:
                    self._free += 1

    @staticmethod
    def _serve(channel: Channel) -> None:
        try:
            channel.service()
        except Exception:
            log.exception("a request failed outside the application")
            channel.will_close = True
            channel.server.pull_trigger()


class HostedServer:
    """Serves one WSGI application. `start` and `stop` from any thread but the server's own loop.

    `tls` is asked for each new connection, so a renewed certificate is used at once. The application finds
    `barrio.peer_id` and `barrio.peer_names` in its environment: who the verified client certificate is for.
    """

    def __init__(
        self,
        app: Callable[..., Any],
        listen: tuple[str, int],
        *,
        name: str,
        threads: int,
        tls: Callable[[], ssl.SSLContext] | None = None,
        connection_limit: int = 1000,
        per_address_limit: int | None = None,
        per_peer_limit: int | None = None,
        max_body_bytes: int = 1 << 20,
        channel_timeout: float = 120.0,
        patience: Patience | None = None,
        limits: Callable[[], Limits] | None = None,
    ) -> None:
        """Binds at once. `limits`: asked in each turn of the loop, for the bytes of files; none without it.

        Raises InUseError or BadInputError, with what to do.
        """
        if not hasattr(select, "poll"):
            connection_limit = min(connection_limit, SELECT_LIMIT)
        self.name = name
        self._sockets: dict[int, Any] = {}
        self._pool = WorkerPool(name, threads)
        sock = bound_socket(*listen)
        try:
            adjustments = Adjustments(
                sockets=[sock],
                url_scheme="https" if tls else "http",
                ident="barrio",
                threads=threads,
                connection_limit=connection_limit,
                max_request_header_size=HEADER_BYTES,
                # waitress refuses a body of exactly its limit.
                max_request_body_size=max_body_bytes + 1,
                inbuf_overflow=MEMORY_BODY_BYTES,
                outbuf_overflow=MEMORY_ANSWER_BYTES,
                outbuf_high_watermark=WATERMARK_BYTES,
                log_socket_errors=False,
            )
            self._listener = Listener(
                app,
                self._sockets,
                sock,
                adj=adjustments,
                dispatcher=self._pool,
                channel_class=TlsChannel if tls else Channel,
                patience=patience or Patience(idle=channel_timeout),
                per_address_limit=per_address_limit,
                per_peer_limit=per_peer_limit,
                new_context=tls,
                turns=Turns(limits),
            )
        except BaseException as error:
            sock.close()
            if isinstance(error, OSError):
                raise _listen_error(*listen, error) from error
            raise
        self._address = (str(self._listener.effective_host), int(self._listener.effective_port))
        self._thread = threading.Thread(target=self._run, name=f"{name}-loop", daemon=True)
        self._errands: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._lock = threading.Lock()  # guards: _started, _stopped
        self._started = False
        self._stopped = False
        # Set once by `stop`, read by the loop.
        self._drain_until: float | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Host and port that are in use, also when port 0 was asked for."""
        return self._address

    def start(self) -> None:
        with self._lock:
            if self._started or self._stopped:
                return
            self._started = True
            self._thread.start()

    def stop(self, seconds: float = 3.0) -> None:
        """Takes nothing new, lets running requests end and their answers leave for `seconds`, cuts the rest."""
        with self._lock:
            if self._stopped:
                return
            self._stopped = True
            deadline = time.monotonic() + seconds
            if self._started:
                self._drain_until = deadline
                self._listener.pull_trigger()
                self._thread.join()
            else:
                self._listener.close()
            self._pool.stop(max(deadline, time.monotonic() + 0.5))
            self._listener.close_trigger()

    def close_peer(self, peer_id: str) -> int:
        """Cuts all connections of one peer, whatever runs on them. Returns how many, when they are closed."""
        if not peer_id:
            return 0
        closed: list[Channel] = []
        done = threading.Event()

        def close() -> None:
            closed.extend(channel for channel in self._listener.channels if channel.peer_id == peer_id)
            for channel in closed:
                channel.handle_close()
            done.set()

        self._errands.put(close)
        self._listener.pull_trigger()
        while self._thread.is_alive() and not done.wait(0.1):
            pass
        return len(closed)

    def _run(self) -> None:
        listener = self._listener
        listener.loop_thread = threading.get_ident()
        next_look = 0.0
        while True:
            now = time.monotonic()
            if self._drain_until is not None:
                listener.drain(FAREWELL_SECONDS)
                if now >= self._drain_until or not listener.channels:
                    break
            try:
                wasyncore.loop(self._wait_seconds(), use_poll=True, map=self._sockets, count=1)
            except Exception:
                log.exception("the loop of %s stumbled", self.name)
                time.sleep(0.1)
            now = time.monotonic()
            look = now >= next_look or self._drain_until is not None
            if look:
                next_look = now + LOOK_SECONDS
            listener.end_turn(now, look)
            self._run_errands()
        self._run_errands()
        for channel in listener.channels:
            channel.handle_close()

    def _wait_seconds(self) -> float:
        held = self._listener.seconds_until_turn()
        if self._drain_until is not None:
            return DRAIN_LOOK_SECONDS
        if self._listener.quiet:
            return QUIET_SECONDS
        return LOOK_SECONDS if held is None else min(LOOK_SECONDS, max(LEAST_WAIT_SECONDS, held))

    def _run_errands(self) -> None:
        while not self._errands.empty():
            self._errands.get()()


def bound_socket(host: str, port: int) -> socket.socket:
    """A listening address, claimed. Raises InUseError or BadInputError."""
    if not 0 <= port <= 65535:
        raise BadInputError(
            "{port} is not a port; choose one from 1024 to 65535, or 0 for any free one.", "port-number", port=port
        )
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        raise BadInputError(
            "{host} is not an address of this computer; use 0.0.0.0 for all of its addresses or 127.0.0.1 for itself.",
            "host-elsewhere-or-self",
            host=host,
        ) from error
    sock = socket.socket(family, kind, protocol)
    try:
        if sys.platform == "win32":
            # There SO_REUSEADDR would let a second server take the same port without an error.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if address[0] == "::" else 1)
        sock.bind(address)
    except OSError as error:
        sock.close()
        raise _listen_error(host, port, error) from error
    return sock


def _listen_error(host: str, port: int, error: OSError) -> BarrioError:
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if error.errno == errno.EADDRINUSE:
        return InUseError(
            "{where} is in use by another program; stop that one or choose another port.", "port-in-use", where=where
        )
    if error.errno == errno.EACCES:
        return BadInputError(
            "This user may not listen on {where}; choose a port above 1023.", "port-forbidden", where=where
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return BadInputError(
            "{host} is not an address of this computer; choose one that is, or 0.0.0.0 for all.",
            "host-elsewhere",
            host=host,
        )
    return BadInputError(
        "Cannot listen on {where} ({reason}); choose another address or port.",
        "listen-failed",
        where=where,
        reason=system_words(error),
    )
