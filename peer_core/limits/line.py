"""Upload slots: how many peers get content at a time, and the line of those that wait. Any thread.

A slot is a peer's, for all its connections. Who finds none is told when to ask again, and keeps its place by asking.
While others wait, a slot goes round: after its turn a peer goes to the end of the line.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

# A slot is kept for the next request of the same peer, and while others wait for a turn at most.
LINGER_SECONDS = 1.0
TURN_SECONDS = 30.0
OVERTIME_SECONDS = 30.0
LEAST_RETRY = 1
MOST_RETRY = 5
# Whoever does not come back this long after the time it was told loses its place.
GRACE_SECONDS = 4.0


@dataclass(frozen=True)
class Place:
    """Where somebody is in line, 1 being next, and in how many seconds to ask again."""

    position: int
    retry_seconds: int


@dataclass
class _Served:
    since: float
    answers: int = 0
    quiet_since: float = 0.0


class UploadLine:
    def __init__(self, slots: Callable[[], int] = lambda: 0, clock: Callable[[], float] = time.monotonic) -> None:
        """`slots`: how many there are now; 0: no limit."""
        self._slots = slots
        self._clock = clock
        self._lock = threading.Lock()
        # Guarded by _lock: who is served; who waits, in order, with the time by which it must have asked again.
        self._served: dict[str, _Served] = {}
        self._waiting: dict[str, float] = {}

    def enter(self, peer: str) -> Place | None:
        """None: an answer may begin, and `leave` must follow. Else the peer's place in line."""
        with self._lock:
            now, slots = self._clock(), self._slots()
            self._forget(now)
            free = slots - self._taken(now) if slots else len(self._waiting) + 1
            served = self._served.get(peer)
            if served is not None:
                others = len(self._waiting) - (peer in self._waiting)
                if now - served.since < TURN_SECONDS or others <= max(0, free):
                    self._waiting.pop(peer, None)
                    served.answers += 1
                    return None
                if not served.answers:
                    free += self._takes(served, now)
                    del self._served[peer]
            ahead = self._ahead(peer)
            if served is None and ahead < free:
                self._waiting.pop(peer, None)
                self._served[peer] = _Served(now, 1)
                return None
            place = Place(max(1, ahead - max(0, free) + 1), min(MOST_RETRY, max(LEAST_RETRY, ahead)))
            self._waiting[peer] = now + place.retry_seconds + GRACE_SECONDS
            return place

    def leave(self, peer: str) -> None:
        """One answer has ended, whole or not."""
        with self._lock:
            served = self._served.get(peer)
            if served is not None:
                served.answers -= 1
                served.quiet_since = self._clock()

    @property
    def waiting(self) -> int:
        with self._lock:
            self._forget(self._clock())
            return len(self._waiting)

    @staticmethod
    def _takes(served: _Served, now: float) -> bool:
        """Who reads an answer for long after its turn keeps it, but nobody waits for that."""
        return now - served.since < TURN_SECONDS + OVERTIME_SECONDS

    def _taken(self, now: float) -> int:
        return sum(self._takes(served, now) for served in self._served.values())

    def _ahead(self, peer: str) -> int:
        ahead = 0
        for other in self._waiting:
            if other == peer:
                break
            ahead += 1
        return ahead

    def _forget(self, now: float) -> None:
        """Lets go of slots that nobody uses, and of places that nobody came back to."""
        quiet = [p for p, s in self._served.items() if not s.answers and now - s.quiet_since >= LINGER_SECONDS]
        for peer in quiet:
            del self._served[peer]
        for peer in [p for p, until in self._waiting.items() if now > until]:
            del self._waiting[peer]
