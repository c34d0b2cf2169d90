"""A lock for each key."""

import threading


class KeyedLocks:
    """Locks are made when they are first asked for, and kept."""

    def __init__(self) -> None:
        self._locks: dict[int, threading.Lock] = {}

    def of(self, key: int) -> threading.Lock:
        # setdefault is one step for all threads.
        return self._locks.get(key) or self._locks.setdefault(key, threading.Lock())
