"""What people and programs write for limits: rates, slots, switches, schedules. Pure."""

import re
from typing import Any

from peer_core.errors import BadInputError
from peer_core.limits.schedule import Schedule

LEAST_RATE = 1000
MOST_RATE = 10**12
MOST_SLOTS = 1000
_RATE = re.compile(r"(\d{1,15})(?:[.,](\d{1,6}))? *([kmg]?)(?:i?b)?(?:/s)?", re.ASCII)
_UNITS = {"": 1, "k": 1000, "m": 1000**2, "g": 1000**3}
_NONE = ("", "0", "none", "no", "off", "unlimited")


def parse_rate(value: Any) -> int:
    """Bytes a second from a number, or from a text such as `500K`, `1.5 MB/s` or `none`; 0: no limit.

    Raises BadInputError.
    """
    rate = -1
    if isinstance(value, int) and not isinstance(value, bool):
        rate = value
    elif isinstance(value, str):
        text = value.strip().lower()
        match = _RATE.fullmatch(text)
        if text in _NONE:
            rate = 0
        elif match is not None:
            whole, part, unit = match.groups()
            rate = round(float(f"{whole}.{part or 0}") * _UNITS[unit])
    if rate == 0 or LEAST_RATE <= rate <= MOST_RATE:
        return rate
    raise BadInputError(
        "A limit is a number of bytes a second, 1000 at least, such as 500K or 2M; 0 or “none” means no limit.",
        "limit-rate",
    )


def parse_slots(value: Any) -> int:
    """0: no limit. Raises BadInputError."""
    slots = -1
    if isinstance(value, int) and not isinstance(value, bool):
        slots = value
    elif isinstance(value, str):
        text = value.strip().lower()
        slots = 0 if text in _NONE else int(text) if text.isascii() and text.isdigit() and len(text) < 9 else -1
    if not 0 <= slots <= MOST_SLOTS:
        raise BadInputError(
            "The number at a time goes from 1 to {most}; 0 or “none” means no limit.", "limit-slots", most=MOST_SLOTS
        )
    return slots


def parse_switch(value: Any) -> bool:
    """Raises BadInputError."""
    known = {"on": True, "true": True, "1": True, "yes": True, "off": False, "false": False, "0": False, "no": False}
    text = str(value).strip().lower()
    if not isinstance(value, str | bool) or text not in known:
        raise BadInputError("It is either on (true) or off (false).", "on-or-off")
    return known[text]


def parse_schedule(value: Any) -> str:
    """In its shortest form; empty: never. Raises BadInputError."""
    if not isinstance(value, str) or len(value) > 1000:
        raise BadInputError(
            "The hours are a text such as “mon-fri 09:00-18:00; sat 22:00-02:00”, or empty.", "hours-text"
        )
    try:
        return str(Schedule.parse("" if value.strip().lower() in _NONE else value))
    except ValueError as error:
        raise BadInputError(error.args[0]) from error


def parse_moment(value: Any) -> int:
    """Seconds since 1970. Raises BadInputError."""
    number = int(value) if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 13 else value
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < 10**12:
        raise BadInputError("A moment is a number of seconds since 1970.", "moment-number")
    return number
