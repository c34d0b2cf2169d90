"""The hours of slow mode as the peer writes them, as far as the window edits them: days, from when to when. Pure."""

import re
from dataclasses import dataclass

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_ONE = re.compile(r"([a-z,\-]+) (\d\d:\d\d)-(\d\d:\d\d)", re.ASCII)


@dataclass(frozen=True)
class Hours:
    """`days`: 0 is Monday; `start`, `end`: HH:MM, 24:00 at most."""

    days: frozenset[int] = frozenset()
    start: str = "09:00"
    end: str = "18:00"

    def __str__(self) -> str:
        days = ",".join(DAYS[day] for day in sorted(self.days))
        return f"{days} {self.start}-{self.end}" if days else ""


def hours_from(text: str) -> Hours | None:
    """None for what the window does not edit: several parts, or something of a newer peer."""
    if not text:
        return Hours()
    match = _ONE.fullmatch(text)
    if match is None:
        return None
    named, start, end = match.groups()
    if named == "daily":
        return Hours(frozenset(range(7)), start, end)
    days: set[int] = set()
    for part in named.split(","):
        first, _, last = part.partition("-")
        if first not in DAYS or (last or first) not in DAYS:
            return None
        begin, length = DAYS.index(first), DAYS.index(last or first) - DAYS.index(first)
        days.update((begin + step) % 7 for step in range(length % 7 + 1))
    return Hours(frozenset(days), start, end)
