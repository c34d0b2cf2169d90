"""Holders that were caught lying, and until when nothing is fetched from them. Kept over a restart; any thread."""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from peer_core.errors import StorageError
from peer_core.transfer.store import QuarantineRow, TransferStore
from peer_core.transfer.types import SourceReport, SourceState

# By how often it was caught.
SECONDS = (3600.0, 6 * 3600.0, 24 * 3600.0, 7 * 24 * 3600.0)
FORGET_SECONDS = 30 * 24 * 3600.0
log = logging.getLogger("barrio.transfer")


@dataclass(frozen=True)
class Quarantined:
    """`since`, `until`: seconds since 1970."""

    peer_id: str
    name: str
    reason: str
    since: float
    until: float


class Quarantine:
    def __init__(self, store: TransferStore, clock: Callable[[], float] = time.time) -> None:
        """Raises StorageError."""
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        # Under _lock.
        self._rows: dict[str, QuarantineRow] = {row[0]: row for row in store.quarantined()}

    def put(self, peer_id: str, name: str, reason: str) -> float:
        """Until when it holds, longer each time. Raises StorageError."""
        with self._lock:
            now, old = self._clock(), self._rows.get(peer_id)
            times = old[5] + 1 if old is not None and now - old[3] < FORGET_SECONDS else 1
            until = now + SECONDS[min(times, len(SECONDS)) - 1]
            row = (peer_id, name, reason, now, until, times)
            self._store.save_quarantined(row)
            self._rows[peer_id] = row
            return until

    def keep(self, report: SourceReport) -> SourceReport:
        """Nothing is fetched for a while from a holder that was caught, by no transfer; the report tells until when."""
        if report.state is not SourceState.BANNED:
            return report
        try:
            return replace(report, until=self.put(report.peer_id, report.name, report.reason or ""))
        except StorageError as error:
            log.warning("a quarantine could not be kept: %s", error.logged)
            return report

    def holds(self, peer_id: str) -> bool:
        return self.entry(peer_id) is not None

    def entry(self, peer_id: str) -> Quarantined | None:
        """None once its time is over. A clock that was set back does not make it longer."""
        with self._lock:
            row = self._rows.get(peer_id)
            if row is None or not row[3] - FORGET_SECONDS < self._clock() < row[4]:
                return None
            return Quarantined(*row[:5])

    def all(self) -> list[Quarantined]:
        """Those that it holds for now, the last one first."""
        with self._lock:
            ids = list(self._rows)
        found = [entry for entry in map(self.entry, ids) if entry is not None]
        return sorted(found, key=lambda entry: -entry.since)

    def lift(self, peer_ids: Iterable[str]) -> list[str]:
        """Those of the holders that may be asked again, and could not before. Raises StorageError."""
        lifted = []
        for peer_id in peer_ids:
            if self.holds(peer_id):
                with self._lock:
                    row = self._rows[peer_id]
                    # How often it was caught still counts.
                    row = (*row[:4], row[3], row[5])
                    self._store.save_quarantined(row)
                    self._rows[peer_id] = row
                lifted.append(peer_id)
        return lifted
