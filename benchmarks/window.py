"""The real window with its own peer, told by lines on its standard input; how late its loop came, as JSON.

`python -m benchmarks.window DATA_DIR`, in a data folder that has joined. It says `ready`; `mark` begins to count anew,
`end` closes the window as a person would, and prints what was counted since.
"""

import asyncio
import json
import os
import sys
import threading
import time
from pathlib import Path

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QApplication

from desktop import bridge
from desktop.app import Desktop
from desktop.arguments import Options
from desktop.runtime import Runtime

TICK_MS = 10


class Lateness:
    """How late a timer of 10 ms on Qt's thread comes, in milliseconds."""

    def __init__(self) -> None:
        self.late: list[float] = []
        self._last = time.perf_counter()
        self._timer = QTimer()
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)
        self._timer.start(TICK_MS)

    def _tick(self) -> None:
        now = time.perf_counter()
        self.late.append(max(0.0, (now - self._last) * 1000 - TICK_MS))
        self._last = now


async def _live(qt: QApplication, data_dir: Path) -> int:
    desktop = Desktop(qt, Options(data_dir))
    window = asyncio.ensure_future(desktop.run())
    while desktop.window.shell is None:
        await asyncio.sleep(0.05)
    # The page that shows how far the indexing is.
    desktop.window.shell.go("library")
    lateness = Lateness()
    heard: asyncio.Queue[str] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    def listen() -> None:
        for line in sys.stdin:
            loop.call_soon_threadsafe(heard.put_nowait, line.strip())

    threading.Thread(target=listen, daemon=True).start()
    print("ready", flush=True)
    while await heard.get() != "end":
        lateness.late.clear()
    print(json.dumps(lateness.late), flush=True)
    desktop.window.close()
    return await window


def main() -> None:
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    qt = QApplication(sys.argv[:1])
    with Runtime():
        bridge.run(qt, lambda: _live(qt, Path(sys.argv[1])))


if __name__ == "__main__":
    main()
