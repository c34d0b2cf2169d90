"""Asking a program to end by a signal. Main thread only."""

import queue
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Stop:
    """Asked for in a signal's handler, waited for by the thread that it interrupts.

    Not an Event: its `set` would wait for the lock that the interrupted `wait` holds, for ever.
    """

    def __init__(self) -> None:
        self._asked: queue.SimpleQueue[None] = queue.SimpleQueue()

    def ask(self) -> None:
        self._asked.put(None)

    def wait(self, seconds: float) -> bool:
        """True when it was asked for; False after that long."""
        try:
            self._asked.get(timeout=seconds)
        except queue.Empty:
            return False
        # It stays asked for.
        self._asked.put(None)
        return True


@contextmanager
def stop_signals() -> Iterator[Stop]:
    """What SIGINT and SIGTERM (and Ctrl-Break on Windows) ask for inside."""
    stop = Stop()

    def handle(number: int, frame: FrameType | None) -> None:
        stop.ask()

    numbers = [signal.SIGINT, signal.SIGTERM, *([signal.SIGBREAK] if hasattr(signal, "SIGBREAK") else [])]
    before = {number: signal.signal(number, handle) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
