"""Which limits are in force now: the usual ones or those of slow mode, by hand or by the time of day.

`Policy` may be asked by any thread, and cheaply: it looks again when its answer may have changed.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from peer_core.limits.schedule import Schedule

# So that a clock that was set, or another time zone, is noticed.
LOOK_SECONDS = 20.0


@dataclass(frozen=True)
class Limits:
    """Rates in bytes a second; 0 means no limit, for slots too."""

    upload_rate: int = 0
    download_rate: int = 0
    upload_rate_per_peer: int = 0
    download_rate_per_peer: int = 0
    upload_slots: int = 0
    download_slots: int = 0
    slow: bool = False
    # Whether the schedule, not a hand, decided about slow mode; and when it changes by itself, in seconds since 1970.
    scheduled: bool = False
    until: float | None = None


NO_LIMITS = Limits()
_RATES = ("upload_rate", "download_rate", "upload_rate_per_peer", "download_rate_per_peer")
_SLOTS = ("upload_slots", "download_slots")


class Values(Protocol):
    """The settings: the fields of `Limits` by name, the rates of slow mode with `slow_` before, `slow_mode`,
    `slow_since` (when a hand last switched it, in seconds since 1970) and `slow_schedule`."""

    def __getitem__(self, key: str) -> Any: ...


class Policy:
    def __init__(self, values: Values, clock: Callable[[], float] = time.time) -> None:
        """`clock`: seconds since 1970."""
        self._values = values
        self._clock = clock
        # Replaced whole, so readers need no lock: of which generation, from when, until when, what.
        self._known: tuple[int, float, float, Limits] | None = None
        self._generation = 0

    def now(self) -> Limits:
        """The same object as long as nothing changes."""
        known, generation, now = self._known, self._generation, self._clock()
        if known is not None and known[0] == generation and known[1] <= now < known[2]:
            return known[3]
        limits = limits_at(self._values, now)
        if known is not None and limits == known[3]:
            limits = known[3]
        end = now + LOOK_SECONDS if limits.until is None else min(now + LOOK_SECONDS, limits.until)
        self._known = (generation, now, end, limits)
        return limits

    def settings_changed(self) -> None:
        """What was read before this call counts no more."""
        self._generation += 1


def limits_at(values: Values, now: float) -> Limits:
    """The last word counts: a hand's until the schedule next changes, then the schedule's."""
    schedule = Schedule.parse(values["slow_schedule"])
    slow, scheduled, until = bool(values["slow_mode"]), False, None
    if schedule:
        turned = schedule.last_change(now)
        until = schedule.next_change(now)
        if turned is not None and min(values["slow_since"], now) < turned:
            slow, scheduled = schedule.covers(now), True
    rates = {name: values[f"slow_{name}" if slow else name] for name in _RATES}
    slots = {name: values[name] for name in _SLOTS}
    return Limits(**rates, **slots, slow=slow, scheduled=scheduled, until=until)
