"""Who publishes lets those who search go first: both need the interpreter, and only one of them is waited for."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_NAP_SECONDS = 0.001
# What one batch gives away in all, so that searches without a pause do not end publishing.
_BATCH_SECONDS = 0.015


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

    def for_batch(self) -> Callable[[], None]:
        """To be called now and then during a batch: waits while somebody searches, not for long in all."""
        left = _BATCH_SECONDS

        def give_way() -> None:
            nonlocal left
            began = time.monotonic()
            while self._searching and time.monotonic() - began < left:
                time.sleep(_NAP_SECONDS)
            left -= min(left, time.monotonic() - began)

        return give_way
