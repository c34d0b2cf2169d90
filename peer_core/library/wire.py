"""What the library's processes say to each other: one JSON object a line. Pure; any thread.

To the worker: `ask` with `ticket`, `removed`, `pause`, `stop`. From it: `sequence`, `report`, `rest`.
To the watcher: `watch`, `stop`. From it: `dirty`, `watching`, `trouble`.
"""

import json
from collections.abc import Mapping
from typing import Any

from peer_core.library.marks import Marks

Message = dict[str, Any]
# Before the arguments of a helper that a frozen program starts through itself.
FLAG = "--barrio-helper"


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
