"""Counts bytes and tells their rate. Any thread."""

import math
import threading
import time

MEMORY_SECONDS = 2.0


class Meter:
    """`total` bytes since the start; `rate()` bytes a second, older ones forgotten exponentially."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Guarded by _lock.
        self._total = 0
        self._weight = 0.0
        self._at = time.monotonic()

    def add(self, count: int) -> None:
        with self._lock:
            self._decay()
            self._total += count
            self._weight += count

    @property
    def total(self) -> int:
        return self._total

    def rate(self) -> float:
        with self._lock:
            self._decay()
            return self._weight / MEMORY_SECONDS

    def _decay(self) -> None:
        now = time.monotonic()
        self._weight *= math.exp(-(now - self._at) / MEMORY_SECONDS)
        self._at = now
