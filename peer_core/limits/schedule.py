"""Days and hours of a week, as in `mon-fri 09:00-18:00; sat 22:00-02:00`. Pure; times are those of the local clock."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from protos.sentences import say

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MINUTES = 24 * 60
MAX_SPANS = 32
EXAMPLE = "“mon-fri 09:00-18:00; sat 22:00-02:00”"
_SPAN = re.compile(r"([a-z,\- ]+?) +(\d{1,2}):(\d{2}) *- *(\d{1,2}):(\d{2})", re.ASCII)


@dataclass(frozen=True)
class Span:
    """From `start` to `end`, minutes of the day, on each of `days` (0: Monday). An end at or before the start is on the
    day after."""

    days: frozenset[int]
    start: int
    end: int

    def covers(self, when: datetime) -> bool:
        minute, day = when.hour * 60 + when.minute, when.weekday()
        if self.start < self.end:
            return day in self.days and self.start <= minute < self.end
        return (day in self.days and minute >= self.start) or ((day - 1) % 7 in self.days and minute < self.end)


@dataclass(frozen=True)
class Schedule:
    """True when it has any hours."""

    spans: tuple[Span, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.spans)

    @classmethod
    def parse(cls, text: str) -> "Schedule":
        """Raises ValueError with a sentence."""
        parts = [part.strip() for part in text.lower().split(";")]
        parts = [part for part in parts if part]
        if len(parts) > MAX_SPANS:
            raise ValueError(say("A schedule has at most {most} parts.", "schedule-most", most=MAX_SPANS))
        return cls(tuple(map(_span, parts)))

    def covers(self, now: float) -> bool:
        """`now` in seconds since 1970."""
        return self._covers(datetime.fromtimestamp(now))

    def next_change(self, now: float) -> float | None:
        """When it next begins or ends; None when it never does: always on, or empty."""
        return self._change(now, 1)

    def last_change(self, now: float) -> float | None:
        """When it last began or ended, `now` included."""
        return self._change(now, -1)

    def __str__(self) -> str:
        return "; ".join(f"{_days_text(s.days)} {_time_text(s.start)}-{_time_text(s.end)}" for s in self.spans)

    def _covers(self, when: datetime) -> bool:
        return any(span.covers(when) for span in self.spans)

    def _change(self, now: float, direction: int) -> float | None:
        here = datetime.fromtimestamp(now)
        midnight = here.replace(hour=0, minute=0, second=0, microsecond=0)
        minutes = sorted({0} | {m for s in self.spans for m in (s.start, s.end % DAY_MINUTES)})
        edges = sorted(
            midnight + timedelta(days=day, minutes=minute) for day in range(-8, 9) for minute in minutes if self.spans
        )
        before = timedelta(minutes=1)
        turns = [edge for edge in edges if self._covers(edge) != self._covers(edge - before)]
        if direction > 0:
            return min((edge.timestamp() for edge in turns if edge > here), default=None)
        return max((edge.timestamp() for edge in turns if edge <= here), default=None)


def _span(text: str) -> Span:
    match = _SPAN.fullmatch(text)
    if match is None:
        raise ValueError(
            say(
                "“{text}” is no part of a schedule; write it like {example}.",
                "schedule-part",
                text=text[:60],
                example=EXAMPLE,
            )
        )
    days, *numbers = match.groups()
    start_hour, start_minute, end_hour, end_minute = map(int, numbers)
    start, end = start_hour * 60 + start_minute, end_hour * 60 + end_minute
    if start_minute > 59 or end_minute > 59 or start >= DAY_MINUTES or end > DAY_MINUTES:
        raise ValueError(
            say("“{text}” has a time that is none; hours go from 00:00 to 24:00.", "schedule-time", text=text[:60])
        )
    return Span(frozenset(_days(days, text)), start, end)


def _days(text: str, whole: str) -> Iterable[int]:
    if text.strip() in ("daily", "every day"):
        return range(7)
    chosen: set[int] = set()
    for part in text.split(","):
        ends = [end.strip()[:3] for end in part.split("-")]
        if len(ends) > 2 or any(end not in DAYS for end in ends):
            raise ValueError(
                say(
                    "“{text}” names no days; they are {days}, as in {example}.",
                    "schedule-days",
                    text=whole[:60],
                    days=", ".join(DAYS),
                    example=EXAMPLE,
                )
            )
        first, last = DAYS.index(ends[0]), DAYS.index(ends[-1])
        chosen.update((first + step) % 7 for step in range((last - first) % 7 + 1))
    return chosen


def _days_text(days: frozenset[int]) -> str:
    if len(days) == 7:
        return "daily"
    ordered = sorted(days)
    in_a_row = len(ordered) > 2 and ordered == list(range(ordered[0], ordered[-1] + 1))
    return f"{DAYS[ordered[0]]}-{DAYS[ordered[-1]]}" if in_a_row else ",".join(DAYS[day] for day in ordered)


def _time_text(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"
