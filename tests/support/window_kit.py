"""For tests of the window: waiting inside Qt's loop, the names of what the barrio of the tests shares."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from processes import Central, HeadlessPeer
from PySide6.QtCore import QTimer

from desktop.app import Desktop
from desktop.arguments import Options
from desktop.views.shell import Shell

RECORDING = "Plaza at dawn.wav"
RECORDING_BYTES = 6_000_000
MARKUP_NAME = "<img src=x>&b<b>plain.txt"
TICK_SECONDS = 0.010
TURNED_NAME = "cuenta\u202etxt.exe"


class Drive(Protocol):
    """`drive(options, scenario)`: the window lives while the scenario runs, then closes as a person would close it."""

    def __call__(self, options: Options, scenario: Callable[[Desktop], Awaitable[None]]) -> None: ...


@dataclass
class Barrio:
    """A central and Ana, who shares a recording and some papers."""

    central: Central
    ana: HeadlessPeer
    files: Path


async def until(condition: Callable[[], Any], what: str, seconds: float = 20.0) -> Any:
    """The condition's first true value, asked for between turns of the loop; AssertionError names `what`."""
    for _ in range(round(seconds / 0.02)):
        value = condition()
        if value:
            return value
        await asyncio.sleep(0.02)
    raise AssertionError(f"waited {seconds} s for {what}")


async def shell_of(desktop: Desktop) -> Shell:
    """The main page, as soon as it is there."""
    shell = await until(lambda: desktop.window.shell, "the main page")
    assert isinstance(shell, Shell)
    return shell


class Ticks:
    """Gaps between the beats of a timer on Qt's thread, in seconds."""

    def __init__(self) -> None:
        self.gaps: list[float] = []
        self._last = time.perf_counter()
        self._timer = QTimer()
        self._timer.timeout.connect(self._tick)
        self._timer.start(round(TICK_SECONDS * 1000))

    def stop(self) -> None:
        self._timer.stop()

    def _tick(self) -> None:
        now = time.perf_counter()
        self.gaps.append(now - self._last)
        self._last = now
