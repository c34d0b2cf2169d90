"""Limits as people and programs write them."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peer_core.errors import BadInputError
from peer_core.limits.parsing import parse_moment, parse_rate, parse_schedule, parse_slots, parse_switch
from peer_core.limits.policy import Policy
from peer_core.settings import Settings


@pytest.mark.parametrize(
    ("written", "rate"),
    [
        (0, 0),
        (1000, 1000),
        ("none", 0),
        ("", 0),
        ("unlimited", 0),
        ("500K", 500_000),
        ("500 kB/s", 500_000),
        ("1.5M", 1_500_000),
        ("1,5 MB/s", 1_500_000),
        ("2 MiB", 2_000_000),
        ("1G", 10**9),
        ("250000", 250_000),
    ],
)
def test_rates(written: Any, rate: int) -> None:
    assert parse_rate(written) == rate


@pytest.mark.parametrize("written", [-1, 1, 999, True, 1.5, None, "fast", "1e6", "9" * 40, "5T", [1], "١٠٠٠"])
def test_no_rates(written: Any) -> None:
    with pytest.raises(BadInputError, match="500K"):
        parse_rate(written)


@given(st.one_of(st.text(max_size=30), st.integers(), st.floats(), st.none(), st.booleans(), st.lists(st.integers())))
def test_anything_is_a_value_or_a_sentence(written: Any) -> None:
    for parse in (parse_rate, parse_slots, parse_switch, parse_schedule, parse_moment):
        try:
            value = parse(written)
        except BadInputError as error:
            assert error.message.endswith(".")
        else:
            assert parse(value) == value


def test_slots_and_switches() -> None:
    assert [parse_slots(v) for v in (0, 5, "5", "none")] == [0, 5, 5, 0]
    assert [parse_switch(v) for v in (True, "on", "off", "false")] == [True, True, False, False]
    for parse, wrong in ((parse_slots, -1), (parse_slots, True), (parse_slots, 10**9), (parse_switch, 1)):
        with pytest.raises(BadInputError):
            parse(wrong)


def test_the_settings_are_the_limits_and_outlive_a_restart(tmp_path: Path) -> None:
    settings = Settings(tmp_path)
    policy = Policy(settings)
    usual = policy.now()
    assert (usual.upload_rate, usual.download_rate, usual.upload_slots, usual.download_slots) == (0, 0, 0, 4)
    settings.change({"upload_rate": "2M", "slow_mode": True, "slow_upload_rate": 30_000, "upload_slots": "3"})
    policy.settings_changed()
    for limits in (policy.now(), Policy(Settings(tmp_path)).now()):
        assert limits.slow and limits.upload_rate == 30_000 and limits.upload_slots == 3
    settings.change({"slow_mode": "off"})
    policy.settings_changed()
    assert policy.now().upload_rate == 2_000_000
