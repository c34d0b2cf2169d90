"""One job for many small files: located at once, fetched many in one answer, written and named together.

`run` belongs to one thread. What it cannot get this way it leaves; the usual job tells why, or gets it after all.
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from peer_core.content import SMALL_BYTES, Manifest, piece_hash, piece_size_for
from peer_core.errors import PeerMisbehavedError, PeerUnreachableError
from peer_core.transfer.answers import InLineError
from peer_core.transfer.bundle import MOST_BYTES, MOST_CONTENTS, Bundles
from peer_core.transfer.finishing import check_room, free_names, give_name
from peer_core.transfer.job import Stopped, Surroundings
from peer_core.transfer.landing import Landing
from peer_core.transfer.record import Record, merged
from peer_core.transfer.types import Holder, SourceReport, SourceState, Transfer, TransferState

# So long it waits in line in vain; then it looks for holders again.
LINE_SECONDS = 60.0
# Files of an answer that takes longer are on disk, and seen to be done, so often.
_LAND_SECONDS = 0.5

_Arrived = tuple[Record, bytes, Manifest]


def is_small(record: Record) -> bool:
    """By the size that it is said to have; not one that the usual job has begun."""
    return record.size is not None and record.size <= SMALL_BYTES and not record.pieces and bool(record.name)


@dataclass(frozen=True)
class SmallFile:
    """One file of the job, as the queue looks at jobs."""

    record: Record
    job: "SmallJob"

    def stop(self) -> None:
        self.job.stop()

    def snapshot(self) -> Transfer:
        return self.record.snapshot()

    def given(self) -> dict[str, list[list[int]]]:
        return self.record.given


class SmallJob:
    """Works on `records`, which are its own while it runs. Those that are done when `run` returns have that state."""

    def __init__(self, records: Sequence[Record], around: Surroundings) -> None:
        self.records = list(records)
        self._around = around
        self._landing = Landing()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        # Guarded by _lock.
        self._bundles: Bundles | None = None

    def stop(self) -> None:
        """Ends `run` soon with Stopped; returns at once."""
        with self._lock:
            self._stop.set()
            bundles = self._bundles
        if bundles is not None:
            bundles.stop()

    @property
    def stopping(self) -> bool:
        return self._stop.is_set()

    def run(self) -> None:
        """Raises Stopped, StorageError; what locating raises; InLineError when only those that let it wait have the
        rest. What is done is done in all cases."""
        waiting = {record.id: record for record in self.records if not self._was_named(record)}
        if not waiting:
            return
        located = self._around.locate_all([record.content_id for record in waiting.values()])
        own, holders, names = self._around.identity.peer_id, dict[str, Holder](), dict[str, set[str]]()
        for record, where in zip(list(waiting.values()), located, strict=True):
            for holder in where.holders:
                if holder.peer_id != own:
                    holders[holder.peer_id] = holder
                    names.setdefault(holder.peer_id, set()).add(record.id)
        for folder in {record.folder for record in waiting.values()}:
            inside = [r.size or 0 for r in waiting.values() if r.folder == folder]
            check_room(folder, sum(inside), 0)
        # Whoever has the most of them first; the next one is asked for what is left.
        asked = sorted(names, key=lambda p: -len(names[p]))
        until = time.monotonic() + LINE_SECONDS
        while asked:
            in_line: dict[str, InLineError] = {}
            for peer_id in asked:
                mine = [record for each, record in waiting.items() if each in names[peer_id]]
                # Another job may just have caught it.
                if mine and not self._around.quarantine.holds(peer_id):
                    told = self._fetch(holders[peer_id], mine)
                    if told is not None:
                        in_line[peer_id] = told
                    left = {each: r for each, r in waiting.items() if r.state is not TransferState.DONE}
                    if len(left) < len(waiting):
                        until = time.monotonic() + LINE_SECONDS
                    waiting = left
                self._check_stop()
            asked = list(in_line) if waiting else []
            if asked:
                soonest = min(in_line.values(), key=lambda told: told.seconds)
                if time.monotonic() > until:
                    if all(any(each in names[peer_id] for peer_id in asked) for each in waiting):
                        # Somebody else may have come meanwhile.
                        raise soonest
                    return
                self._stop.wait(soonest.seconds)

    def _fetch(self, holder: Holder, records: list[Record]) -> InLineError | None:
        around = self._around
        bundles = Bundles(around.identity, holder, around.intake, around.received)
        with self._lock:
            self._bundles = bundles
        try:
            self._check_stop()
            for some in _in_answers(records):
                self._fetch_answer(bundles, some)
        except InLineError as told:
            return told
        except (PeerUnreachableError, PeerMisbehavedError) as error:
            self._check_stop()
            state = SourceState.BANNED if isinstance(error, PeerMisbehavedError) else SourceState.LOST
            report = SourceReport(holder.peer_id, holder.name, state, 0, 0, 0.0, 1, error.message)
            report = around.quarantine.keep(report)
            for record in records:
                if record.state is not TransferState.DONE:
                    record.sources = merged(record.sources, (report,))
        finally:
            with self._lock:
                self._bundles = None
            bundles.close()
        return None

    def _fetch_answer(self, bundles: Bundles, records: list[Record]) -> None:
        """What came is kept, whatever the holder breaks off with after that; of a slow answer some now and then."""
        arrived: list[_Arrived] = []
        landed_at = time.monotonic()
        try:
            for record, got in zip(records, bundles.fetch([r.content_id for r in records]), strict=True):
                if got is not None and len(got[1]) == record.size:
                    arrived.append((record, got[1], got[2]))
                if arrived and time.monotonic() > landed_at + _LAND_SECONDS:
                    landing, arrived = arrived, []
                    self._land(bundles.holder, landing)
                    landed_at = time.monotonic()
        except (PeerUnreachableError, PeerMisbehavedError):
            self._land(bundles.holder, arrived)
            raise
        self._land(bundles.holder, arrived)

    def _land(self, holder: Holder, arrived: list[_Arrived]) -> None:
        """Writes and names them. Each step is on disk before the next, for all of them together."""
        if not arrived:
            return
        store, landing = self._around.store, self._landing
        report = SourceReport(holder.peer_id, holder.name, SourceState.IDLE, 1, 0, 0.0, 0, None)
        now = time.time()
        written = landing.write([(record, data) for record, data, _ in arrived])
        arrived = [each for each, there in zip(arrived, written, strict=True) if there]
        store.save_places([record for record, _, _ in arrived])
        for record, data, manifest in arrived:
            assert record.part is not None and record.path is not None
            while not give_name(record.part, record.path, sync=False):
                record.path = next(free_names(record.folder, record.name))
                store.save_places([record])
            landing.named(record.path)
            gave = replace(report, pieces=manifest.count, bytes=len(data), received=len(data), verified=now)
            record.sources = merged(record.sources, (gave,)) if record.sources else (gave,)
            record.given = {holder.peer_id: [[0, manifest.count - 1]]} if manifest.count else {}
        landing.sync()
        self._done([(record, manifest) for record, _, manifest in arrived])

    def _done(self, whole: list[tuple[Record, Manifest]]) -> None:
        """On disk first; whoever sees that they are done finds everything in its place."""
        now = time.time()
        for record, manifest in whole:
            record.size, record.pieces = manifest.size, manifest.count
            record.pieces_done, record.bytes_done = manifest.count, manifest.size
        self._around.store.save_done([record for record, _ in whole], now)
        self._around.adopt_all([(record.path, manifest) for record, manifest in whole if record.path is not None])
        for record, _ in whole:
            record.state, record.trouble, record.finished = TransferState.DONE, None, now

    def _was_named(self, record: Record) -> bool:
        """True when an earlier run was killed after the file got its name; the bytes are proven once more."""
        if record.path is None:
            return False
        try:
            if record.path.is_symlink() or record.path.stat().st_size > SMALL_BYTES:
                return False
            data = record.path.read_bytes()
        except OSError:
            return False
        manifest = Manifest(len(data), piece_size_for(len(data)), piece_hash(data) if data else b"")
        if manifest.content_id != record.content_id:
            return False
        if record.part is not None:
            record.part.unlink(missing_ok=True)
        self._done([(record, manifest)])
        return True

    def _check_stop(self) -> None:
        if self._stop.is_set():
            raise Stopped


def _in_answers(records: list[Record]) -> list[list[Record]]:
    """As many at a time as one answer holds."""
    answers: list[list[Record]] = [[]]
    total = 0
    for record in records:
        size = record.size or 0
        if len(answers[-1]) == MOST_CONTENTS or (answers[-1] and total + size > MOST_BYTES):
            answers.append([])
            total = 0
        answers[-1].append(record)
        total += size
    return answers
