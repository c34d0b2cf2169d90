"""What is kept of a transfer over a restart. Plain values; changed by the queue alone."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from peer_core.errors import BarrioError, Fault
from peer_core.transfer.types import Priority, SourceReport, SourceState, Transfer, TransferState, Trouble
from protos.agreed import encode_id
from protos.sentences import as_json, as_text, from_json, from_text


@dataclass(slots=True)
class Record:
    """One transfer at rest. `part` and `path` are set once the name is known; times are seconds since 1970.

    `size`: what was promised, then what the manifest says; None before. `parent`: the folder it is file `number` of;
    `position`: its place in the queue when it is a file by itself, the least first. `given`: of each holder the pieces
    that are from it, as runs [first, last].
    """

    id: str
    content_id: bytes
    name: str
    folder: Path
    created: float
    state: TransferState = TransferState.QUEUED
    path: Path | None = None
    part: Path | None = None
    size: int | None = None
    pieces: int = 0
    pieces_done: int = 0
    bytes_done: int = 0
    trouble: Trouble | None = None
    finished: float | None = None
    sources: tuple[SourceReport, ...] = field(default=())
    parent: str = ""
    number: int = 0
    have: bool = False
    priority: Priority = Priority.NORMAL
    position: float = 0.0
    given: dict[str, list[list[int]]] = field(default_factory=dict)

    def snapshot(self) -> Transfer:
        return Transfer(
            id=self.id,
            content_id=self.content_id,
            name=self.name,
            folder=self.folder,
            path=self.path or self.folder / (self.name or encode_id(self.content_id)[:16]),
            state=self.state,
            size=self.size,
            pieces=self.pieces,
            pieces_done=self.pieces_done,
            bytes_done=self.bytes_done,
            rate=0.0,
            eta_seconds=None,
            trouble=self.trouble,
            created=self.created,
            finished=self.finished,
            sources=self.sources,
            parent=self.parent,
            priority=self.priority,
            have=self.have,
        )


@dataclass(slots=True)
class FolderRecord:
    """A folder that is one transfer: `path` is where its files lie below, `folder` the one around it."""

    id: str
    name: str
    folder: Path
    path: Path
    created: float
    priority: Priority = Priority.NORMAL
    position: float = 0.0
    paused: bool = False
    finished: float | None = None


def trouble_of(error: BarrioError) -> Trouble:
    return Trouble(error.code, error.title, error.message, error.fault)


def trouble_to_json(trouble: Trouble | None) -> str | None:
    return (
        None
        if trouble is None
        else json.dumps({**asdict(trouble), **as_json(trouble.message, "message"), "fault": trouble.fault.value})
    )


def trouble_from_json(text: str | None) -> Trouble | None:
    if text is None:
        return None
    value = json.loads(text)
    return Trouble(value["code"], value["title"], from_json(value, "message"), Fault(value["fault"]))


def sources_to_json(sources: tuple[SourceReport, ...]) -> str:
    # Not asdict, which copies what cannot change: there may be very many of them.
    return json.dumps(
        [
            {**vars(s), "state": s.state.value, "reason": None if s.reason is None else as_text(s.reason)}
            for s in sources
        ]
    )


def sources_from_json(text: str) -> tuple[SourceReport, ...]:
    values: list[dict[str, Any]] = json.loads(text)
    return tuple(
        SourceReport(
            **{**v, "state": SourceState(v["state"]), "reason": None if v["reason"] is None else from_text(v["reason"])}
        )
        for v in values
    )


def runs_of(pieces: Iterable[int]) -> list[list[int]]:
    """Numbers as runs [first, last]."""
    runs: list[list[int]] = []
    for piece in sorted(pieces):
        if runs and runs[-1][1] == piece - 1:
            runs[-1][1] = piece
        else:
            runs.append([piece, piece])
    return runs


def joined_runs(before: list[list[int]], now: list[list[int]]) -> list[list[int]]:
    """Both together, where none overlap."""
    runs: list[list[int]] = []
    for first, last in sorted([*before, *now]):
        if runs and runs[-1][1] >= first - 1:
            runs[-1][1] = max(runs[-1][1], last)
        else:
            runs.append([first, last])
    return runs


def merged(before: tuple[SourceReport, ...], now: tuple[SourceReport, ...]) -> tuple[SourceReport, ...]:
    """The receipt over several sessions: what each holder gave, added up; the newest state counts."""
    by_id = {s.peer_id: s for s in before}
    for report in now:
        old = by_id.get(report.peer_id)
        if old is not None:
            report = SourceReport(
                report.peer_id,
                report.name,
                report.state,
                report.pieces + old.pieces,
                report.bytes + old.bytes,
                report.rate,
                report.failures + old.failures,
                report.reason or old.reason,
                report.received + old.received,
                report.retries + old.retries,
                report.verified or old.verified,
                report.until or old.until,
            )
        by_id[report.peer_id] = report
    return tuple(by_id.values())
