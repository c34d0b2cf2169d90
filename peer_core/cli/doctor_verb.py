"""`doctor`: what works, and what to do about the rest. Also answers when no peer runs."""

import argparse
from typing import Any

from peer_core.checks import Check, State
from peer_core.cli.client import LocalClient, NoPeerError, is_joined
from peer_core.cli.hints import reworded
from peer_core.cli.output import as_json, plain, say

_MARKS = {"good": "ok   ", "note": "note ", "bad": "BAD  ", "skipped": "-    "}


def doctor(arguments: argparse.Namespace) -> int:
    """Exit status 0 when nothing is bad."""
    found = _ask(arguments)
    if arguments.json:
        as_json(found)
        return 0 if found["good"] else 1
    for check in found["checks"]:
        message = reworded(arguments, plain(check["message"]))
        say(f"{_MARKS.get(check['state'], '?    ')}{check['name']:<12} {message}")
    bad = sum(check["state"] == "bad" for check in found["checks"])
    say("all is well" if found["good"] else f"{bad} {'thing needs' if bad == 1 else 'things need'} you")
    return 0 if found["good"] else 1


def _ask(arguments: argparse.Namespace) -> dict[str, Any]:
    try:
        with LocalClient(arguments.data_dir) as client:
            found: dict[str, Any] = client.call("GET", "/v1/doctor")
            return found
    except NoPeerError:
        if is_joined(arguments.data_dir):
            check = Check("running", State.BAD, "not-running", {"path": str(arguments.data_dir)})
        else:
            check = Check("joined", State.BAD, "not-joined")
        shown = {"name": check.name, "state": check.state.value, "code": check.code}
        return {"good": False, "checks": [{**shown, "details": dict(check.details), "message": check.message}]}
