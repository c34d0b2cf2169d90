"""Brings the central's record of what this peer shares up to date, by numbered changes. Owns one thread."""

import logging
import random
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from peer_core.directory.central import CentralClient
from peer_core.errors import BadInputError, BarrioError, CentralMisbehavedError
from peer_core.library.types import Change

# Messages stay under 1 MiB: the sum of texts in a batch, and what each change costs beside them.
MAX_BATCH_BYTES = 700_000
CHANGE_BYTES = 80
log = logging.getLogger("barrio.directory")


class Journal(Protocol):
    """What the publisher needs of the library."""

    @property
    def index_id(self) -> bytes: ...
    def last_sequence(self) -> int: ...
    def changes_after(self, sequence: int, limit: int) -> list[Change]: ...
    def forget_tombstones(self, up_to: int) -> None: ...


class Publisher:
    """Publishes once `registered` has told where the central stands, and at each `wake`."""

    def __init__(self, central: CentralClient, journal: Journal, pace: Callable[[], tuple[int, float]]) -> None:
        self._central = central
        self._journal = journal
        self._pace = pace
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="publisher")
        self._lock = threading.Lock()
        # Guarded by _lock. None: the central has not said yet.
        self._acknowledged: int | None = None
        self._full = False

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join()

    def wake(self) -> None:
        self._wake.set()

    def registered(self, acknowledged: int) -> None:
        """The central holds everything up to `acknowledged`; 0, or more than there is: all is published again."""
        with self._lock:
            self._full = acknowledged == 0 or acknowledged > self._journal.last_sequence()
            self._acknowledged = 0 if self._full else acknowledged
        self._wake.set()

    def pending(self) -> int:
        """Changes that the central does not know yet (an upper bound: numbers may have gaps)."""
        with self._lock:
            acknowledged = self._acknowledged or 0
            return max(self._journal.last_sequence() - acknowledged, int(self._full and acknowledged == 0))

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.wait()
            self._wake.clear()
            try:
                self._publish_all()
            except BadInputError as error:
                log.error("the central does not take a publication: %s", error.message)
                self._retry_later()
            except BarrioError as error:
                log.info("publishing is tried again: %s", error.message)
                self._retry_later()

    def _retry_later(self) -> None:
        self._stop.wait(self._pace()[1] * random.uniform(0.5, 1.5))
        self._wake.set()

    def _publish_all(self) -> None:
        while not self._stop.is_set():
            with self._lock:
                previous, full = self._acknowledged, self._full
            if previous is None:
                return
            changes = self._journal.changes_after(previous, self._pace()[0])
            if not changes and not full:
                self._journal.forget_tombstones(previous)
                return
            changes = _fitting(changes)
            last = changes[-1].sequence if changes else self._journal.last_sequence()
            # A full publication begins by forgetting all, so what is gone need not be told.
            sent = [c for c in changes if not c.deleted] if previous == 0 else changes
            answer = self._central.publish(self._journal.index_id, previous, last, sent)
            if answer.resync and previous == 0:
                raise CentralMisbehavedError("The central does not take a publication from its beginning.")
            with self._lock:
                if self._acknowledged != previous:
                    continue  # the peer registered anew meanwhile
                if answer.resync and answer.acknowledged_sequence >= previous:
                    # It refuses what it says it holds: only starting over helps.
                    self._acknowledged, self._full = 0, True
                else:
                    self._acknowledged = answer.acknowledged_sequence
                    self._full = answer.resync and answer.acknowledged_sequence == 0


def _fitting(changes: Sequence[Change]) -> list[Change]:
    """The first changes whose texts fit into one message; at least one."""
    total = 0
    fitting: list[Change] = []
    for change in changes:
        total += len(change.path.encode()) + len(change.share.encode()) + CHANGE_BYTES
        if fitting and total > MAX_BATCH_BYTES:
            break
        fitting.append(change)
    return fitting
