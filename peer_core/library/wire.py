"""What the library's processes say to each other: one JSON object a line. Pure; any thread.

To the worker: `ask` with `ticket`, `removed`, `pause`, `stop`. From it: `sequence`, `report`, `rest`.
To the watcher: `watch`, `stop`. From it: `dirty`, `watching`, `trouble`.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from peer_core.library.marks import Marks
from peer_core.library.records import Done, Report
from peer_core.library.types import Problem
from protos.sentences import as_text, from_text

Message = dict[str, Any]


def line(message: Message) -> bytes:
    return json.dumps(message, separators=(",", ":")).encode("ascii") + b"\n"


def parse(data: bytes) -> Message:
    """Raises ValueError."""
    message = json.loads(data)
    if not isinstance(message, dict):
        raise ValueError("not an object")
    return message


def told_marks(shares: Mapping[int, Marks]) -> list[Any]:
    return [[share, None if marks is None else dict(marks)] for share, marks in shares.items()]


def heard_marks(told: list[Any]) -> dict[int, Marks]:
    return dict(map(tuple, told))


def told_report(report: Report) -> Message:
    return {
        **asdict(report),
        "done": [[share, done.files, done.bytes, done.unrecorded_bytes] for share, done in report.done.items()],
        "problems": [
            [share, [[p.path, as_text(p.reason)] for p in listed]] for share, listed in report.problems.items()
        ],
    }


def heard_report(told: Message) -> Report:
    done = {share: Done(*numbers) for share, *numbers in told.pop("done")}
    problems = {
        share: tuple(Problem(path, from_text(reason)) for path, reason in listed)
        for share, listed in told.pop("problems")
    }
    return Report(**told, done=done, problems=problems)
