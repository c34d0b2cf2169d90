"""How the command line shows things: sizes, tables, the progress of a download. Writes to standard output."""

import json
import shutil
import sys
import unicodedata
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from peer_core.sizes import human as size

BAR_CELLS = 24


def say(text: str = "") -> None:
    print(text, flush=True)


def as_json(value: Any) -> None:
    say(json.dumps(value, indent=1, ensure_ascii=False))


def plain(text: str) -> str:
    """Text of another peer without anything that a terminal would act on."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def width(text: str) -> int:
    """Cells of a terminal."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def count(number: int, what: str) -> str:
    """`1 file`, `2 files`."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def when(moment: str | None) -> str:
    """A time of the local API, for a person: of this place, to the minute."""
    return f"{datetime.fromisoformat(moment).astimezone():%Y-%m-%d %H:%M}" if moment else ""


def columns() -> int | None:
    """Of the terminal; None where standard output is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def cut(text: str, cells: int) -> str:
    if width(text) <= cells:
        return text
    kept = ""
    for char in text:
        if width(kept + char) > cells - 1:
            break
        kept += char
    return kept + "…"


def table(rows: Sequence[Sequence[str]], heads: Sequence[str]) -> None:
    """Columns side by side; the first one is cut to what the terminal has room for."""
    cells_there = columns()
    shown = [tuple(heads), *[tuple(map(plain, row)) for row in rows]]
    widths = [max(width(row[i]) for row in shown) for i in range(len(heads))]
    if cells_there is not None:
        room = cells_there - sum(widths[1:]) - 2 * (len(widths) - 1)
        widths[0] = max(12, min(widths[0], room))
    for row in shown:
        cells = [cut(cell, w) if i == 0 else cell for i, (cell, w) in enumerate(zip(row, widths, strict=True))]
        say("  ".join(c + " " * (w - width(c)) for c, w in zip(cells, widths, strict=True)).rstrip())


def duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    whole = int(seconds)
    if whole >= 3600:
        return f"{whole // 3600}:{whole % 3600 // 60:02}:{whole % 60:02}"
    return f"{whole // 60}:{whole % 60:02}"


def in_line_at(transfer: dict[str, Any]) -> list[str]:
    """Names of the holders at which a transfer waits in line; none while anybody gives something."""
    states = {s["state"] for s in transfer["sources"]}
    if transfer["state"] != "running" or states & {"active", "connecting"}:
        return []
    return [s["name"] for s in transfer["sources"] if s["state"] == "in-line"]


class TransferProgress:
    """A bar that redraws its line on a terminal; plain lines at each tenth elsewhere; nothing when `quiet`."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._tty = sys.stdout.isatty()
        self._tenth = -1
        self._state = ""

    def show(self, transfer: dict[str, Any]) -> None:
        if self._quiet:
            return
        if self._tty:
            self._redraw(self._line(transfer))
        else:
            self._report(transfer)

    def end(self, text: str) -> None:
        """Leaves the bar and says how it ended."""
        if self._quiet:
            return
        if self._tty:
            self._redraw(text)
            say()
        else:
            say(text)

    def _line(self, transfer: dict[str, Any]) -> str:
        if transfer["state"] in ("queued", "locating"):
            return "looking for holders …"
        part = _part(transfer)
        full = round(part * BAR_CELLS)
        bar = "█" * full + "░" * (BAR_CELLS - full)
        moving = f"{size(transfer['rate'])}/s {duration(transfer['eta_seconds'])}"
        line = in_line_at(transfer)
        moving = f"in line at {', '.join(map(plain, line))}" if line else moving
        people = [plain(s["name"]) for s in transfer["sources"] if s["state"] in ("active", "idle")]
        state = f"{moving}  {', '.join(people)}" if transfer["state"] == "running" else transfer["state"]
        tail = f"  {bar} {part:4.0%}  {state}"
        columns = shutil.get_terminal_size().columns
        name = cut(plain(transfer["name"]), max(12, columns - 1 - width(tail)))
        return cut(name + tail, columns - 1)

    @staticmethod
    def _redraw(text: str) -> None:
        sys.stdout.write(f"\r{text}\x1b[K")
        sys.stdout.flush()

    def _report(self, transfer: dict[str, Any]) -> None:
        tenth = int(_part(transfer) * 10)
        state, line = transfer["state"], in_line_at(transfer)
        if state + "".join(line) != self._state:
            self._state = state + "".join(line)
            if line:
                say(f"{plain(transfer['name'])}: waiting in line at {', '.join(map(plain, line))}")
            elif state in ("queued", "locating"):
                say("looking for holders")
            elif state not in ("running", "done"):
                say(f"{plain(transfer['name'])}: {state}")
        if state == "running" and tenth > self._tenth:
            self._tenth = tenth
            done = f"{size(transfer['bytes_done'])} of {size(transfer['size'])}"
            say(f"{plain(transfer['name'])}: {_part(transfer):.0%}, {done}")


def _part(transfer: dict[str, Any]) -> float:
    if not transfer["size"]:
        return 1.0 if transfer["state"] == "done" else 0.0
    return min(1.0, float(transfer["bytes_done"]) / float(transfer["size"]))
