"""What the process needs around Qt: Python's collector kept on Qt's thread, and signals that end it well."""

import gc
import signal
from types import FrameType, TracebackType
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal

_TICK_MS = 250
_SETTLE_TICKS = 8
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Runtime(QObject):
    """Once entered: no automatic garbage collection, a timer collects instead. It would destroy Qt's objects in worker
    threads; and in Qt's own thread it may start inside a destructor, destroy a second object there, and wait for a lock
    that the first one holds. So it stays off for the rest of the process. The same timer lets Python see signals while
    Qt waits. `end_wanted`: a signal came."""

    end_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._timer = QTimer(self)
        self._timer.setInterval(_TICK_MS)
        self._timer.timeout.connect(self._tick)
        self._former: dict[int, Any] = {}
        self._ticks = 0

    def __enter__(self) -> "Runtime":
        gc.disable()
        self._timer.start()
        for number in _SIGNALS:
            self._former[number] = signal.signal(number, self._end)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._timer.stop()
        for number, handler in self._former.items():
            signal.signal(number, handler)
        gc.collect()

    def _tick(self) -> None:
        self._ticks += 1
        if self._ticks == _SETTLE_TICKS:
            # Modules and widgets are there by now: looking through them again and again would only cost frames.
            gc.freeze()
        # The oldest generation that is due, as the automatic collector chooses.
        due = [
            age
            for age, (count, limit) in enumerate(zip(gc.get_count(), gc.get_threshold(), strict=True))
            if count > limit
        ]
        if due:
            gc.collect(due[-1])

    def _end(self, number: int, frame: FrameType | None) -> None:
        self.end_wanted.emit()
