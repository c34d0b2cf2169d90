"""What downloads give each other: the pieces of those that run here, and who else downloads what is served here.

Only contents that somebody shares with the whole barrio are shown, so that what is meant for few stays with them.
Any thread.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from peer_core.transfer.part_file import PartFile

KEPT_SECONDS = 60.0
MOST_CONTENTS = 4096
MOST_PEERS = 64
MOST_TOLD = 16


@dataclass(frozen=True)
class Shown:
    """A download as others may see it; `coming` tells what it is fetching, as `write_coming` does."""

    part: PartFile
    coming: Callable[[], str]


class Exchange:
    """Downloaders are remembered for a minute after they last asked, in memory alone, and not without bound."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        # Guarded by _lock. Peers with the time at which they asked, the latest last; contents likewise.
        self._parts: dict[bytes, list[Shown]] = {}
        self._peers: OrderedDict[bytes, OrderedDict[str, float]] = OrderedDict()

    @contextmanager
    def showing(self, content_id: bytes, part: PartFile, coming: Callable[[], str]) -> Iterator[None]:
        """Meanwhile others may have the pieces of `part` that are here."""
        shown = Shown(part, coming)
        with self._lock:
            self._parts.setdefault(content_id, []).append(shown)
        try:
            yield
        finally:
            with self._lock:
                self._parts[content_id].remove(shown)
                if not self._parts[content_id]:
                    del self._parts[content_id]

    def part(self, content_id: bytes) -> Shown | None:
        """The fullest one of a content that is being downloaded."""
        with self._lock:
            return max(self._parts.get(content_id, ()), key=lambda shown: len(shown.part.present), default=None)

    def meet(self, content_id: bytes, peer_id: str) -> list[str]:
        """Remembers that a peer downloads a content and serves what it has of it; who else does, the latest first."""
        with self._lock:
            peers = self._peers.setdefault(content_id, OrderedDict())
            self._peers.move_to_end(content_id)
            peers[peer_id] = self._clock()
            peers.move_to_end(peer_id)
            while len(peers) > MOST_PEERS:
                peers.popitem(last=False)
            while len(self._peers) > MOST_CONTENTS:
                self._peers.popitem(last=False)
            return [other for other in self._fresh(content_id) if other != peer_id][:MOST_TOLD]

    def others(self, content_id: bytes) -> list[str]:
        """Who downloads a content and told so here."""
        with self._lock:
            return self._fresh(content_id)[:MOST_TOLD]

    def _fresh(self, content_id: bytes) -> list[str]:
        since = self._clock() - KEPT_SECONDS
        return [p for p, asked in reversed(self._peers.get(content_id, OrderedDict()).items()) if asked >= since]
