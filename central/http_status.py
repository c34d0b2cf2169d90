"""Metrics and health over plain HTTP, meant for loopback. One thread listens; each request has one, not for long."""

import json
import socket
import socketserver
import sys
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from central.config import Address
from central.errors import StartError
from central.metrics import Metrics

# A connection that sends nothing is dropped after this long; it also bounds how long stopping takes.
IDLE_SECONDS = 1.5
MAX_CONNECTIONS = 32


class _Server(ThreadingHTTPServer):
    # Stopping waits for the threads of requests, so that none is left.
    daemon_threads = False
    block_on_close = True
    # On Windows it would let two programs share the port.
    allow_reuse_address = sys.platform != "win32"

    def __init__(self, address: tuple[str, int], metrics: Metrics, healthy: Callable[[], bool]) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.metrics = metrics
        self.healthy = healthy
        self.room = threading.BoundedSemaphore(MAX_CONNECTIONS)
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        # HTTPServer would look up this machine's full name, which can take seconds.
        socketserver.TCPServer.server_bind(self)


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
        path = self.path.partition("?")[0]
        if path == "/metrics":
            self._send(HTTPStatus.OK, "text/plain; version=0.0.4; charset=utf-8", self.server.metrics.text())
        elif path == "/health":
            healthy = self.server.healthy()
            status = HTTPStatus.OK if healthy else HTTPStatus.SERVICE_UNAVAILABLE
            self._send(status, "application/json", json.dumps({"status": "serving" if healthy else "stopping"}) + "\n")
        else:
            self.send_error(HTTPStatus.NOT_FOUND, "only /metrics and /health are here")

    def _send(self, status: HTTPStatus, kind: str, body: str) -> None:
        data = body.encode()
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

    def __init__(self, address: Address, metrics: Metrics, healthy: Callable[[], bool]) -> None:
        try:
            self._server = _Server((address.host, address.port), metrics, healthy)
        except OSError as error:
            raise StartError(
                f"{address} is not free for metrics ({error.strerror}); choose another with --http"
            ) from error
        self.address = Address(address.host, self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="http-status")
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
