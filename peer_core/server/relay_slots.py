"""How many questions are passed on at a time, in all and for one member: never all workers. Any thread."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from peer_core.errors import BarrioError

SLOTS = 8
SLOTS_PER_CALLER = 2


class BusyError(BarrioError):
    title = "This peer is busy"
    status = 503


class RelaySlots:
    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Guarded by _lock: questions under way, by peer id.
        self._taken: Counter[str] = Counter()

    @contextmanager
    def slot(self, caller: str) -> Iterator[None]:
        """Raises BusyError at once where there is none; the caller asks its next neighbour."""
        with self._lock:
            if self._taken[caller] >= SLOTS_PER_CALLER or self._taken.total() >= SLOTS:
                raise BusyError("This peer passes on as many questions as it can; ask another neighbour.", "relay-full")
            self._taken[caller] += 1
        try:
            yield
        finally:
            with self._lock:
                self._taken[caller] -= 1
                if not self._taken[caller]:
                    del self._taken[caller]
