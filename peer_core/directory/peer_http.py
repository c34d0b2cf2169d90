"""Small requests to other peers over kept connections: relay, probe. Any thread; size and time are bounded."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence

from peer_core.errors import PeerUnreachableError
from peer_core.identity.connection import USER_AGENT, PeerConnection, converted, read_bounded
from peer_core.identity.store import Identity

CONNECT_SECONDS = 4.0
IDLE_SECONDS = 50.0
MAX_IDLE_PER_PEER = 2


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
        started: Callable[[PeerConnection], None] = lambda connection: None,
        fresh_only: bool = False,
    ) -> tuple[int, dict[str, str], bytes]:
        """(status, headers with lower-case names, body), within `timeout` seconds in all.

        `started` gets the connection, so that another thread can abort it. `fresh_only`: no kept connection will do,
        whether one can be made is the question. Raises PeerUnreachableError,
        PeerMisbehavedError.
        """
        who = name or f"The peer {peer_id[:8]}…"
        deadline = time.monotonic() + timeout
        sent = {"User-Agent": USER_AGENT, **(headers or {})}
        kept = None if fresh_only else self._take(peer_id, addresses)
        if kept is not None:
            started(kept)
            try:
                return self._exchange(peer_id, kept, method, path, body, sent, max_bytes, deadline)
            except PeerUnreachableError:
                # The other side may have closed a kept connection: then nothing was answered, and a fresh one tells.
                if self._closed or kept.answering or time.monotonic() > deadline:
                    raise
        fresh = PeerConnection(self._identity, peer_id, who, addresses, timeout)
        self._start(fresh)
        started(fresh)
        try:
            fresh.open(min(CONNECT_SECONDS, timeout))
        except BaseException:
            self._finish(peer_id, fresh, keep=False)
            raise
        return self._exchange(peer_id, fresh, method, path, body, sent, max_bytes, deadline)

    def forget(self) -> None:
        """This computer has moved: no connection of before is used again."""
        with self._lock:
            idle = self._take_idle()
        for connection in idle:
            connection.close()

    def close(self) -> None:
        with self._lock:
            self._closed = True
            idle = self._take_idle()
            busy = list(self._busy)
        for connection in idle:
            connection.close()
        for connection in busy:
            connection.abort()

    def _take_idle(self) -> list[PeerConnection]:
        """The caller holds the lock."""
        idle = [c for entries in self._idle.values() for _, c in entries]
        self._idle.clear()
        return idle

    def _exchange(
        self,
        peer_id: str,
        connection: PeerConnection,
        method: str,
        path: str,
        body: bytes | None,
        headers: Mapping[str, str],
        max_bytes: int,
        deadline: float,
    ) -> tuple[int, dict[str, str], bytes]:
        keep = False
        connection.deadline = deadline
        try:
            with converted(connection.who):
                connection.request(method, path, body, dict(headers))
                with connection.getresponse() as response:
                    data = read_bounded(response, max_bytes, connection.who)
                    keep = not response.will_close
                    return response.status, {k.lower(): v for k, v in response.getheaders()}, data
        finally:
            self._finish(peer_id, connection, keep)

    def _take(self, peer_id: str, addresses: Sequence[str]) -> PeerConnection | None:
        """A kept connection, unless the peer has moved since."""
        with self._lock:
            entries = self._idle.get(peer_id)
            if not entries:
                return None
            since, connection = entries.pop()
            self._busy.add(connection)
        if time.monotonic() - since < IDLE_SECONDS and connection.address in addresses:
            return connection
        self._finish(peer_id, connection, keep=False)
        return None

    def _start(self, connection: PeerConnection) -> None:
        with self._lock:
            if not self._closed:
                self._busy.add(connection)
                return
        raise PeerUnreachableError("This peer is stopping.", "stopping")

    def _finish(self, peer_id: str, connection: PeerConnection, keep: bool) -> None:
        old = []
        now = time.monotonic()
        with self._lock:
            self._busy.discard(connection)
            keep = keep and not self._closed and len(self._idle.get(peer_id, ())) < MAX_IDLE_PER_PEER
            if keep:
                self._idle.setdefault(peer_id, []).append((now, connection))
            for key, entries in list(self._idle.items()):
                old += [c for since, c in entries if now - since >= IDLE_SECONDS]
                self._idle[key] = [e for e in entries if now - e[0] < IDLE_SECONDS]
                if not self._idle[key]:
                    del self._idle[key]
        for connection_ in old if keep else [*old, connection]:
            connection_.close()
