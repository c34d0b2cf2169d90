"""Days and hours, and which limits are in force when: by hand, by the clock, and when clocks jump."""

import os
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peer_core.limits.policy import LOOK_SECONDS, Policy
from peer_core.limits.schedule import Schedule

MONDAY = datetime(2026, 11, 23)
MINUTE = 60.0


def at(text: str, day: int = 0) -> float:
    """A time of that week, 0 being Monday."""
    hour, minute = map(int, text.split(":"))
    return (MONDAY + timedelta(days=day, hours=hour, minutes=minute)).timestamp()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("", ""),
        (" ; ", ""),
        ("Mon-Fri 9:00-18:00", "mon-fri 09:00-18:00"),
        ("sat,sun 22:00 - 02:00;mon 0:00-24:00", "sat,sun 22:00-02:00; mon 00:00-24:00"),
        ("fri-mon 08:00-09:00", "mon,fri,sat,sun 08:00-09:00"),
        ("every day 08:00-09:00", "daily 08:00-09:00"),
        ("Monday, Wednesday 08:00-09:00", "mon,wed 08:00-09:00"),
    ],
)
def test_schedules_are_read_and_shown(text: str, shown: str) -> None:
    schedule = Schedule.parse(text)
    assert str(schedule) == shown
    assert Schedule.parse(shown) == schedule


@pytest.mark.parametrize(
    "text",
    [
        "9-18",
        "mon",
        "mon 9:00",
        "xyz 09:00-10:00",
        "mon 25:00-26:00",
        "mon 24:00-10:00",
        "mon 09:60-10:00",
        "mon-tue-wed 09:00-10:00",
        ";".join(["mon 09:00-10:00"] * 40),
        "m" * 10_000,
    ],
)
def test_nonsense_is_told(text: str) -> None:
    with pytest.raises(ValueError, match=r"\.$"):
        Schedule.parse(text)


@given(st.text(max_size=60))
def test_any_text_is_a_schedule_or_a_sentence(text: str) -> None:
    try:
        schedule = Schedule.parse(text)
    except ValueError as error:
        assert str(error).endswith(".")
    else:
        assert Schedule.parse(str(schedule)) == schedule


def test_hours_over_midnight_belong_to_the_day_on_which_they_begin() -> None:
    schedule = Schedule.parse("sun 22:00-02:00; wed 10:00-11:00")
    assert [schedule.covers(at(t, 6)) for t in ("21:59", "22:00", "23:59")] == [False, True, True]
    assert [schedule.covers(at(t)) for t in ("00:00", "01:59", "02:00")] == [True, True, False]
    assert not schedule.covers(at("00:30", 1))
    assert schedule.next_change(at("12:00")) == at("10:00", 2)
    assert schedule.last_change(at("12:00")) == at("02:00")
    assert schedule.next_change(at("22:00", 6)) == at("02:00", 7)
    assert schedule.last_change(at("22:00", 6)) == at("22:00", 6)


def test_always_and_never_do_not_change() -> None:
    for text in ("daily 00:00-24:00", ""):
        schedule = Schedule.parse(text)
        assert schedule.next_change(at("12:00")) is None and schedule.last_change(at("12:00")) is None


DAYS = st.sets(st.sampled_from(["mon", "tue", "wed", "thu", "fri", "sat", "sun"]), min_size=1)
MINUTES = st.integers(0, 24 * 60 - 1)


@given(st.lists(st.tuples(DAYS, MINUTES, MINUTES), min_size=1, max_size=4), st.integers(0, 7 * 24 * 60 - 1))
def test_changes_are_where_it_changes(spans: list[tuple[set[str], int, int]], minute: int) -> None:
    parts = [f"{','.join(d)} {a // 60:02}:{a % 60:02}-{b // 60:02}:{b % 60:02}" for d, a, b in spans]
    schedule = Schedule.parse("; ".join(parts))
    now = (MONDAY + timedelta(minutes=minute)).timestamp()
    turn = schedule.next_change(now)
    if turn is None:
        assert all(schedule.covers(now + hour * 3600) == schedule.covers(now) for hour in range(200))
        return
    assert now < turn <= now + 8 * 86_400
    assert schedule.covers(turn) != schedule.covers(turn - MINUTE)
    assert schedule.covers(turn - MINUTE) == schedule.covers(now)
    assert schedule.last_change(turn) == turn


VALUES: dict[str, Any] = {
    "upload_rate": 1000_000,
    "download_rate": 0,
    "upload_rate_per_peer": 0,
    "download_rate_per_peer": 5,
    "slow_upload_rate": 10_000,
    "slow_download_rate": 20_000,
    "slow_upload_rate_per_peer": 0,
    "slow_download_rate_per_peer": 0,
    "upload_slots": 3,
    "download_slots": 4,
    "slow_mode": False,
    "slow_since": 0,
    "slow_schedule": "",
}


class Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def values() -> dict[str, Any]:
    return dict(VALUES)


def test_slow_mode_by_hand_has_rates_of_its_own(values: dict[str, Any]) -> None:
    policy = Policy(values, Clock(at("12:00")))
    usual = policy.now()
    assert (usual.upload_rate, usual.download_rate, usual.download_rate_per_peer) == (1000_000, 0, 5)
    assert (usual.upload_slots, usual.download_slots, usual.slow) == (3, 4, False)
    values["slow_mode"] = True
    policy.settings_changed()
    slow = policy.now()
    assert (slow.upload_rate, slow.download_rate, slow.download_rate_per_peer) == (10_000, 20_000, 0)
    assert slow.slow and not slow.scheduled and slow.upload_slots == 3
    assert policy.now() is slow


def test_the_schedule_switches_and_a_hand_overrules_it_until_it_switches_again(values: dict[str, Any]) -> None:
    clock = Clock(at("08:59"))
    values["slow_schedule"] = "mon-fri 09:00-18:00"
    policy = Policy(values, clock)
    assert not policy.now().slow and policy.now().until == at("09:00")
    clock.now = at("09:00")
    assert policy.now().slow and policy.now().scheduled and policy.now().until == at("18:00")
    clock.now = at("12:00")
    values.update(slow_mode=False, slow_since=int(clock.now))
    policy.settings_changed()
    assert not policy.now().slow and not policy.now().scheduled
    clock.now = at("17:59")
    assert not policy.now().slow
    clock.now = at("20:00")
    assert not policy.now().slow and policy.now().scheduled
    values.update(slow_mode=True, slow_since=int(clock.now))
    policy.settings_changed()
    assert policy.now().slow and not policy.now().scheduled
    clock.now = at("08:00", 1)
    assert policy.now().slow
    clock.now = at("18:30", 1)
    assert not policy.now().slow


def test_a_clock_that_jumps_is_followed(values: dict[str, Any]) -> None:
    clock = Clock(at("12:00", 3))
    values["slow_schedule"] = "mon-fri 09:00-18:00"
    values.update(slow_mode=False, slow_since=int(at("12:00", 400)))
    policy = Policy(values, clock)
    assert not policy.now().slow, "a hand of the future is one of now"
    values["slow_since"] = 0
    policy.settings_changed()
    assert policy.now().slow
    clock.now = at("03:00", 1)
    assert not policy.now().slow
    clock.now = at("10:00", 100)
    assert policy.now().slow is (datetime.fromtimestamp(clock.now).weekday() < 5)


def test_the_same_limits_stay_the_same_object(values: dict[str, Any]) -> None:
    clock = Clock(at("12:00"))
    policy = Policy(values, clock)
    first = policy.now()
    clock.now += 10 * LOOK_SECONDS
    policy.settings_changed()
    assert policy.now() is first


@pytest.fixture
def madrid(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    if not hasattr(time, "tzset"):
        pytest.skip("this system cannot change its time zone for one process")
    before = os.environ.get("TZ")
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    yield
    monkeypatch.undo()
    assert os.environ.get("TZ") == before
    time.tzset()


def test_hours_are_those_of_the_local_clock_also_when_summer_time_ends(madrid: None) -> None:
    schedule = Schedule.parse("daily 01:00-05:00")
    one = datetime(2026, 10, 25, 1, 0).timestamp()
    assert schedule.next_change(one) == one + 5 * 3600, "that night has an hour more"
    assert schedule.covers(one + 4.9 * 3600) and not schedule.covers(one + 5 * 3600)
