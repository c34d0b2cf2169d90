"""Who publishes lets those who search go first: both need the interpreter, and only one of them is waited for."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_NAP_SECONDS = 0.001
# A publisher gives way at most so long at a time, so that searches without a pause do not end publishing.
_LONGEST_SECONDS = 0.004


class Courtesy:
    """Any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards _searching
        self._searching = 0

    @contextmanager
    def searching(self) -> Iterator[None]:
        with self._lock:
            self._searching += 1
        try:
            yield
        finally:
            with self._lock:
                self._searching -= 1

    def give_way(self) -> None:
        """Waits a little while somebody searches."""
        ends = time.monotonic() + _LONGEST_SECONDS
        while self._searching and time.monotonic() < ends:
            time.sleep(_NAP_SECONDS)
