"""A thread that does a step again and again: waits between, can be woken and stopped, and outlives its own mistakes."""

import logging
import threading
from collections.abc import Callable

MISTAKE_SECONDS = 5.0
log = logging.getLogger("barrio")


class Loop:
    """Calls `step` in a thread of its own; it returns the seconds to wait for the next, or None: until woken."""

    def __init__(self, name: str, step: Callable[[], float | None]) -> None:
        self._step = step
        self._condition = threading.Condition()
        # Guarded by _condition.
        self._woken = False
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name=name)

    @property
    def stopping(self) -> bool:
        return self._stopping

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """The next step begins at once; when one runs now, another follows."""
        with self._condition:
            self._woken = True
            self._condition.notify_all()

    def stop_soon(self) -> None:
        """No step begins any more."""
        with self._condition:
            self._stopping = True
            self._condition.notify_all()

    def stop(self) -> None:
        """Waits for the step that runs."""
        self.stop_soon()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping:
            try:
                seconds = self._step()
            except Exception:
                # Whatever it was, the peer must not fall silent for it.
                log.exception("%s failed by a mistake in the program; it is tried again", self._thread.name)
                seconds = MISTAKE_SECONDS
            with self._condition:
                self._condition.wait_for(lambda: self._woken or self._stopping, seconds)
                self._woken = False
