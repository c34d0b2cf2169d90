"""For tests of the library: its worker without a process of its own."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from peer_core.database import Database
from peer_core.library.index import KIND, Index
from peer_core.library.remote import Indexing
from peer_core.library.worker import Worker
from peer_core.library.writing import Writing


class InThisProcess(Worker):
    """The worker without a process of its own: quick, and what it uses can be exchanged for the test."""

    def __init__(self, database: Database, *args: Any, **kwargs: Any) -> None:
        self._database = database
        super().__init__(Index(database), Writing(database), *args, **kwargs)

    @property
    def pid(self) -> None:
        return None

    def stop(self) -> None:
        super().stop()
        self._database.close()


def in_this_process(
    database: Path, excluded: Sequence[Path], on_change: Callable[[], None], on_report: Callable[[], None]
) -> Indexing:
    return InThisProcess(Database(database, KIND), excluded=excluded, on_change=on_change, on_report=on_report)
