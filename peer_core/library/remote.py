"""The worker, seen from the peer's process: passes on what is asked, and remembers it until it is done.

Any thread; nothing here waits for the worker.
"""

import json
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from peer_core.library.helper import Helper
from peer_core.library.marks import Marks, merged
from peer_core.library.records import Report
from peer_core.library.reports import heard_report
from peer_core.library.wire import Message, told_marks

IDLE_SECONDS = 60.0


class Indexing(Protocol):
    """What the library needs of its worker, wherever it runs."""

    def start(self) -> None: ...
    def stop_soon(self) -> None: ...
    def stop(self) -> None: ...
    def ask(self, shares: Mapping[int, Marks]) -> None: ...
    def removed(self) -> None: ...
    def pause(self, paused: bool) -> None: ...
    def busy(self) -> set[int]: ...
    def report(self) -> Report: ...
    @property
    def pid(self) -> int | None: ...


class WorkerProcess:
    """Runs while there is something to do, and is started again when it dies."""

    def __init__(
        self,
        database: Path,
        *,
        excluded: Iterable[Path],
        on_change: Callable[[], None],
        on_report: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_change` and `on_report` are called in a thread of this object."""
        config = {"database": str(database), "excluded": [str(p) for p in excluded], "idle_seconds": IDLE_SECONDS}
        self._on_change = on_change
        self._on_report = on_report
        self._helper = Helper(
            "library-worker",
            ["worker", json.dumps(config)],
            greeting=self._greeting,
            received=self._received,
            ended=self._ended,
        )
        self._lock = threading.Lock()
        # Under _lock.
        self._ticket = 0
        self._outstanding: dict[int, tuple[int, Marks]] = {}
        self._paused = False
        # Of the process that runs, or ran last; and the sums of those before it.
        self._report = Report()
        self._before = Report()

    @property
    def pid(self) -> int | None:
        return self._helper.pid

    def start(self) -> None:
        self._helper.start()
        # What waited when the last run ended is known to the index only.
        self.removed()

    def stop_soon(self) -> None:
        self._helper.stop_soon()

    def stop(self) -> None:
        self._helper.stop()

    def ask(self, shares: Mapping[int, Marks]) -> None:
        if not shares:
            return
        with self._lock:
            self._ticket += 1
            for share, marks in shares.items():
                before = self._outstanding.get(share)
                self._outstanding[share] = self._ticket, marks if before is None else merged(before[1], marks)
            order = {"ask": told_marks(shares), "ticket": self._ticket}
        self._order(order)

    def removed(self) -> None:
        with self._lock:
            self._ticket += 1
            order = {"removed": True, "ticket": self._ticket}
        self._order(order)

    def pause(self, paused: bool) -> None:
        with self._lock:
            self._ticket += 1
            self._paused = paused
            order = {"pause": paused, "ticket": self._ticket}
        self._order(order)

    def busy(self) -> set[int]:
        with self._lock:
            return set(self._outstanding)

    def report(self) -> Report:
        with self._lock:
            now, before = self._report, self._before
        return replace(
            now,
            looks=now.looks + before.looks,
            files_hashed=now.files_hashed + before.files_hashed,
            bytes_hashed=now.bytes_hashed + before.bytes_hashed,
        )

    def _order(self, order: Message) -> None:
        self._helper.send(order)
        self._helper.want()

    # The helper's thread

    def _greeting(self) -> list[Message]:
        with self._lock:
            asked = {share: marks for share, (_, marks) in self._outstanding.items()}
            return [{"pause": self._paused, "ask": told_marks(asked), "ticket": self._ticket}]

    def _received(self, message: Message) -> None:
        if "report" in message:
            report = heard_report(message["report"])
            with self._lock:
                self._report = report
                self._outstanding = {
                    share: asked for share, asked in self._outstanding.items() if asked[0] > report.ticket
                }
            self._on_report()
        if "sequence" in message:
            self._on_change()

    def _ended(self, in_order: bool) -> bool:
        with self._lock:
            before, last = self._before, self._report
            self._before = Report(
                looks=before.looks + last.looks,
                files_hashed=before.files_hashed + last.files_hashed,
                bytes_hashed=before.bytes_hashed + last.bytes_hashed,
            )
            # What could not be read stays true until the next look.
            self._report = Report(ticket=last.ticket, problems=last.problems)
            return not in_order or self._ticket > last.ticket


def in_a_process(
    database: Path, excluded: Sequence[Path], on_change: Callable[[], None], on_report: Callable[[], None]
) -> Indexing:
    return WorkerProcess(database, excluded=excluded, on_change=on_change, on_report=on_report)
