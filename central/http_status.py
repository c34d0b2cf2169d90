"""Metrics and health over plain HTTP, meant for loopback. One thread listens; each request has one, not for long."""

import contextlib
import json
import math
import selectors
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from central.config import Address
from central.errors import StartError
from central.metrics import CONTENT_TYPE, Metrics
from central.readiness import Readiness

# A connection that sends nothing is dropped after this long, and so is one that does not take its answer by then: that
# bounds how long stopping takes.
IDLE_SECONDS = 1.5
# For the whole request, however steadily it drips.
REQUEST_SECONDS = 5.0
MAX_CONNECTIONS = 32


class _Unread:
    """Connections whose request has not come in yet, with the monotonic time by which it has to. Any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Guarded by _lock.
        self._due: dict[socket.socket, float] = {}

    def add(self, connection: socket.socket) -> None:
        with self._lock:
            self._due[connection] = time.monotonic() + REQUEST_SECONDS

    def remove(self, connection: socket.socket) -> None:
        with self._lock:
            self._due.pop(connection, None)

    def cut(self, until: float) -> float | None:
        """Ends those that are due by then, which wakes their threads; returns when the next one is."""
        with self._lock:
            for connection in [one for one, due in self._due.items() if due <= until]:
                del self._due[connection]
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            return min(self._due.values(), default=None)


class _Server(ThreadingHTTPServer):
    # Stopping waits for the threads of requests, so that none is left.
    daemon_threads = False
    block_on_close = True
    # A connection that is gone before it is taken is not waited for.
    timeout = 0
    # On Windows it would let two programs share the port.
    allow_reuse_address = sys.platform != "win32"

    def __init__(
        self, address: tuple[str, int], metrics: Metrics, readiness: Readiness, stopping: Callable[[], bool]
    ) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.metrics = metrics
        self.readiness = readiness
        self.stopping = stopping
        self.room = threading.BoundedSemaphore(MAX_CONNECTIONS)
        self.unread = _Unread()
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        # HTTPServer would look up this machine's full name, which can take seconds.
        socketserver.TCPServer.server_bind(self)

    def process_request(self, request: Any, client_address: Any) -> None:
        self.unread.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self.unread.remove(request)
        super().shutdown_request(request)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    timeout = IDLE_SECONDS
    server_version = "barrio-central"
    sys_version = ""

    def handle(self) -> None:
        if not self.server.room.acquire(blocking=False):
            return
        try:
            super().handle()
        except OSError:
            # The client went away or never spoke; there is nobody to tell.
            self.close_connection = True
        finally:
            self.server.room.release()

    def do_GET(self) -> None:
        self.server.unread.remove(self.connection)
        path = self.path.partition("?")[0]
        stopping = self.server.stopping()
        if path == "/metrics":
            self._send(HTTPStatus.OK, CONTENT_TYPE, self.server.metrics.text())
        elif path in ("/healthz", "/health"):
            self._tell(not stopping, {"status": "stopping" if stopping else "serving"})
        elif path == "/readyz":
            # What is wrong is in the log: it may name paths, which are not for whoever asks.
            troubles = self.server.readiness.report().troubles
            parts = {part: "failed" if part in troubles else "ok" for part in self.server.readiness.parts}
            is_ready = not troubles and not stopping
            self._tell(is_ready, {"status": "ready" if is_ready else "not ready", "parts": parts})
        else:
            self.send_error(HTTPStatus.NOT_FOUND, "only /metrics, /healthz and /readyz are here")

    def _tell(self, well: bool, found: dict[str, object]) -> None:
        status = HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE
        self._send(status, "application/json", json.dumps(found).encode() + b"\n")

    def _send(self, status: HTTPStatus, kind: str, data: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Scrapers come every few seconds: no line for each."""


class HttpStatus:
    """Listens from the start; `stop` waits until no thread is left."""

    def __init__(self, address: Address, metrics: Metrics, readiness: Readiness, stopping: Callable[[], bool]) -> None:
        try:
            self._server = _Server((address.host, address.port), metrics, readiness, stopping)
        except OSError as error:
            raise StartError(
                f"{address} is not free for metrics ({error.strerror}); choose another with --http"
            ) from error
        self.address = Address(address.host, self._server.server_address[1])
        # Waits for connections and for the stop alike; `serve_forever` would look for the stop again and again.
        self._stop_heard, self._stop_said = socket.socketpair()
        self._thread = threading.Thread(target=self._serve, name="http-status")
        self._thread.start()

    def _serve(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._server, selectors.EVENT_READ)
            selector.register(self._stop_heard, selectors.EVENT_READ)
            seconds: float | None = None
            while all(key.fileobj is self._server for key, _ in selector.select(seconds)):
                self._server.handle_request()
                due = self._server.unread.cut(time.monotonic())
                seconds = None if due is None else max(0.0, due - time.monotonic())

    def stop(self) -> None:
        """Answers that have begun are sent; requests that have not come in yet are not waited for."""
        self._stop_said.send(b".")
        self._thread.join()
        self._server.unread.cut(math.inf)
        self._server.server_close()
        self._stop_heard.close()
        self._stop_said.close()
