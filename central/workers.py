"""The threads that answer requests of one port. Any thread."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Workers(ThreadPoolExecutor):
    """Counts what it has done, by which one that has much to do differs from one that hangs."""

    def __init__(self, threads: int, name: str) -> None:
        super().__init__(threads, name)
        self._lock = threading.Lock()
        # Guarded by _lock.
        self._finished = 0

    @property
    def finished(self) -> int:
        with self._lock:
            return self._finished

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> "Future[T]":
        future = super().submit(fn, *args, **kwargs)
        future.add_done_callback(self._count)
        return future

    def comes_to_it(self, seconds: float) -> bool:
        """Whether one more thing to do is done within `seconds`; it is not counted. Raises RuntimeError when ended."""
        asked = super().submit(int)
        try:
            asked.result(seconds)
        except TimeoutError:
            asked.cancel()
            return False
        return True

    def _count(self, future: "Future[T]") -> None:
        if not future.cancelled():
            with self._lock:
                self._finished += 1
