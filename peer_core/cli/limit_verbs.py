"""The verb `limits`: how fast, and for how many at a time. Returns the exit status."""

import argparse
from datetime import datetime
from typing import Any

from peer_core.cli.client import LocalClient
from peer_core.cli.output import as_json, say, table
from peer_core.cli.parsing import checked
from peer_core.limits.parsing import parse_rate, parse_schedule, parse_slots, parse_switch
from peer_core.sizes import human as size

_RATES = (
    ("upload_rate", "up", "sent in all"),
    ("download_rate", "down", "received in all"),
    ("upload_rate_per_peer", "up-per-peer", "sent to each peer"),
    ("download_rate_per_peer", "down-per-peer", "received from each peer"),
)
_SLOTS = (("upload_slots", "peers served at a time"), ("download_slots", "transfers at a time"))
Arguments = argparse.Namespace


def add_options(parser: argparse.ArgumentParser) -> None:
    """One for each setting that is a limit, with a short name for the usual ones."""
    for key, short, text in _RATES:
        for prefix, when in (("", ""), ("slow_", " in slow mode")):
            names = (_option(prefix + key), f"--{prefix.replace('_', '-')}{short}")
            about = f"most that is {text}{when}: 500K, 2M, none"
            parser.add_argument(*names, dest=prefix + key, type=checked(parse_rate), metavar="RATE", help=about)
    for key, text in _SLOTS:
        parser.add_argument(_option(key), type=checked(parse_slots), metavar="N", help=f"{text}: 3, none")
    parser.add_argument(
        "--slow-mode",
        "--slow",
        dest="slow_mode",
        type=checked(parse_switch),
        metavar="on|off",
        help="switch slow mode; what you say holds until the schedule next changes it",
    )
    parser.add_argument(
        "--slow-schedule",
        "--schedule",
        dest="slow_schedule",
        type=checked(parse_schedule),
        metavar="HOURS",
        help="when slow mode comes and goes by itself: “mon-fri 09:00-18:00; sat 22:00-02:00”, none",
    )


def limits(client: LocalClient, arguments: Arguments) -> int:
    """Changes what was given, and shows what there is."""
    keys = [prefix + key for prefix in ("", "slow_") for key, _, _ in _RATES]
    keys += [key for key, _ in _SLOTS] + ["slow_mode", "slow_schedule"]
    changes = {key: getattr(arguments, key) for key in keys if getattr(arguments, key) is not None}
    if changes:
        client.call("PATCH", "/v1/settings", changes)
    values = {s["key"]: s["value"] for s in client.call("GET", "/v1/settings")["settings"] if s["key"] in keys}
    now = client.call("GET", "/v1/status")["limits"]
    if arguments.json:
        as_json({"in_force": now, "settings": values})
        return 0
    rows = [(text, _rate(values[key]), _rate(values[f"slow_{key}"])) for key, _, text in _RATES]
    rows += [(text, str(values[key] or "no limit"), "the same") for key, text in _SLOTS]
    table(rows, ("", "USUALLY", "IN SLOW MODE"))
    say(f"slow mode is {_slow(now)}; by itself: {values['slow_schedule'] or 'never'}")
    say(f"now: {_rate(now['upload_rate'])} up, {_rate(now['download_rate'])} down")
    return 0


def _slow(now: dict[str, Any]) -> str:
    state = "on" if now["slow"] else "off"
    by = ", by the schedule" if now["scheduled"] else ""
    until = f", until {datetime.fromisoformat(now['until']).astimezone():%a %H:%M} at most" if now["until"] else ""
    return f"{state}{by}{until}"


def _rate(value: int) -> str:
    return f"{size(value)}/s" if value else "no limit"


def _option(key: str) -> str:
    return f"--{key.replace('_', '-')}"
