"""Small requests to other peers over kept connections: relay, probe. Any thread; answers are bounded."""

import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.client import HTTPException

from peer_core.errors import PeerUnreachableError
from peer_core.identity.connection import USER_AGENT, PeerConnection, converted, open_connection, read_bounded
from peer_core.identity.store import Identity

CONNECT_SECONDS = 4.0
IDLE_SECONDS = 50.0
MAX_IDLE_PER_PEER = 2


@contextmanager
def _within(connection: PeerConnection, seconds: float | None) -> Iterator[None]:
    """Breaks the connection under the block when it takes longer."""
    if seconds is None:
        yield
        return
    timer = threading.Timer(seconds, connection.abort)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


class PeerHttp:
    """Keeps a few idle connections per peer; `close` ends them and every request under way."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._lock = threading.Lock()
        # Guarded by _lock: idle connections with the monotonic time of their last use, and those in use.
        self._idle: dict[str, list[tuple[float, PeerConnection]]] = {}
        self._busy: set[PeerConnection] = set()
        self._closed = False

    def request(
        self,
        peer_id: str,
        addresses: Sequence[str],
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float = 8.0,
        max_bytes: int = 1 << 20,
        name: str = "",
        total_seconds: float | None = None,
    ) -> tuple[int, dict[str, str], bytes]:
        """(status, headers with lower-case names, body). Raises PeerUnreachableError, PeerMisbehavedError.

        `timeout`: seconds for each step; `total_seconds`: for the answer as a whole, against one that drips.
        """
        who = name or f"The peer {peer_id[:8]}…"
        sent = {"User-Agent": USER_AGENT, **(headers or {})}
        kept = self._take(peer_id)
        if kept is not None:
            kept.sock.settimeout(timeout)
            try:
                with converted(who), _within(kept, total_seconds):
                    return self._exchange(peer_id, kept, method, path, body, sent, max_bytes, who)
            except PeerUnreachableError:
                # The other side may have closed a kept connection; a fresh one tells.
                if self._closed:
                    raise
        fresh = open_connection(self._identity, peer_id, who, addresses, min(CONNECT_SECONDS, timeout), timeout)
        self._start(fresh)
        with converted(who), _within(fresh, total_seconds):
            return self._exchange(peer_id, fresh, method, path, body, sent, max_bytes, who)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            idle = [c for entries in self._idle.values() for _, c in entries]
            self._idle.clear()
            busy = list(self._busy)
        for connection in idle:
            connection.close()
        for connection in busy:
            connection.abort()

    def _exchange(
        self,
        peer_id: str,
        connection: PeerConnection,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str],
        max_bytes: int,
        who: str,
    ) -> tuple[int, dict[str, str], bytes]:
        keep = False
        try:
            connection.request(method, path, body, dict(headers))
            with connection.getresponse() as response:
                data = read_bounded(response, max_bytes, who)
                keep = not response.will_close
                return response.status, {k.lower(): v for k, v in response.getheaders()}, data
        except (OSError, HTTPException) as error:
            if self._closed:
                raise PeerUnreachableError("This peer is stopping.") from error
            raise
        finally:
            self._finish(peer_id, connection, keep)

    def _take(self, peer_id: str) -> PeerConnection | None:
        with self._lock:
            entries = self._idle.get(peer_id, [])
            while entries:
                since, connection = entries.pop()
                if time.monotonic() - since < IDLE_SECONDS and connection.sock is not None:
                    self._busy.add(connection)
                    return connection
                connection.close()
        return None

    def _start(self, connection: PeerConnection) -> None:
        with self._lock:
            if not self._closed:
                self._busy.add(connection)
                return
        connection.close()
        raise PeerUnreachableError("This peer is stopping.")

    def _finish(self, peer_id: str, connection: PeerConnection, keep: bool) -> None:
        with self._lock:
            self._busy.discard(connection)
            entries = self._idle.setdefault(peer_id, [])
            if keep and not self._closed and len(entries) < MAX_IDLE_PER_PEER:
                entries.append((time.monotonic(), connection))
                return
        connection.close()
