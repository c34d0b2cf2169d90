"""Metrics and health of a peer for programs that watch it: no token, nothing that can be changed, nothing personal.

Served only where the setting `http` says so. Runs in a worker of its own server.
"""

import json
from collections.abc import Callable, Iterable
from typing import Any

from peer_core.addresses import parse_listen
from peer_core.errors import BarrioError
from peer_core.server.hosting import HostedServer
from peer_core.server.metrics import CONTENT_TYPE, Measured, PeerMetrics

CONNECTIONS = 16
Answer = tuple[str, str, bytes]


def monitoring_server(peer: Measured, where: str) -> HostedServer:
    """Bound to HOST:PORT, not started yet. Raises InUseError or BadInputError."""
    return HostedServer(
        monitoring(peer),
        parse_listen(where),
        name="monitoring",
        threads=1,
        connection_limit=CONNECTIONS,
        max_body_bytes=0,
    )


def monitoring(peer: Measured) -> Callable[..., Iterable[bytes]]:
    """The WSGI application: `/metrics`, `/healthz`, `/readyz`."""
    metrics = PeerMetrics(peer)

    def ready() -> Answer:
        # The sentences may name paths and addresses, which are for this peer's own user.
        parts = {part: "failed" if trouble else "ok" for part, trouble in peer.health().items()}
        is_ready = "failed" not in parts.values()
        found = {"status": "ready" if is_ready else "not ready", "parts": parts}
        return ("200 OK" if is_ready else "503 Service Unavailable"), "application/json", _json(found)

    answers: dict[str, Callable[[], Answer]] = {
        "/metrics": lambda: ("200 OK", CONTENT_TYPE, metrics.text()),
        "/healthz": lambda: ("200 OK", "application/json", _json({"status": "serving"})),
        "/readyz": ready,
    }

    def application(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        status, kind, body = _answer(answers, environ["REQUEST_METHOD"], environ.get("PATH_INFO", ""))
        start(status, [("Content-Type", kind), ("Content-Length", str(len(body))), ("Cache-Control", "no-store")])
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else body]

    return application


def _answer(answers: dict[str, Callable[[], Answer]], method: str, path: str) -> Answer:
    text = "text/plain; charset=utf-8"
    if method not in ("GET", "HEAD"):
        return "405 Method Not Allowed", text, b"this address only tells: use GET\n"
    if path not in answers:
        return "404 Not Found", text, b"only /metrics, /healthz and /readyz are here\n"
    try:
        return answers[path]()
    except BarrioError as error:
        # The sentence may name paths.
        return "503 Service Unavailable", text, f"{error.title}\n".encode()


def _json(found: object) -> bytes:
    return json.dumps(found, ensure_ascii=False).encode() + b"\n"
