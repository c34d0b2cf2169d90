"""One running download: finds holders, keeps sources at work, and ends with a verified file or a reason.

`run` belongs to one thread; its sources have a thread each; what they share is guarded by `_condition`.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from peer_core.content import Manifest
from peer_core.errors import BarrioError, NoSourceError, PeerMisbehavedError, PeerUnreachableError, StorageError
from peer_core.identity.store import Identity
from peer_core.transfer.bitmap import Bitmap
from peer_core.transfer.finishing import bytes_on_disk, check_room, give_name, part_path
from peer_core.transfer.part_file import PartFile
from peer_core.transfer.picker import Picker, Run
from peer_core.transfer.record import Record, merged
from peer_core.transfer.source import Source, fetch_manifest
from peer_core.transfer.store import TransferStore
from peer_core.transfer.types import Adopter, Holder, Locator, SourceState, Transfer, TransferState
from protos.agreed import encode_id

MAX_SOURCES = 8
RUN_BYTES = 8 << 20
TICK_SECONDS = 0.25
STALLED_AFTER_SECONDS = 3.0
LOCATE_AGAIN_SECONDS = 30.0
REHIRE_SECONDS = 5.0
RATE_MEMORY_SECONDS = 2.0
log = logging.getLogger("barrio.transfer")


class Stopped(Exception):
    """The download was asked to stop; not an error."""


@dataclass(frozen=True)
class Surroundings:
    """What a job needs from outside. `promised`: bytes that the other downloads into that folder still need."""

    identity: Identity
    store: TransferStore
    locate: Locator
    adopt: Adopter
    promised: Callable[[Record], int]
    received: Callable[[int], None]


class Job:
    """Works on `record`, which is its own while it runs; `changed` is called at each change of state."""

    manifest: Manifest

    def __init__(self, record: Record, around: Surroundings, changed: Callable[[Record], None]) -> None:
        self.record = record
        self._around = around
        self._changed = changed
        self._before = record.sources
        self._condition = threading.Condition()
        # Guarded by _condition.
        self._stopping = False
        self._sources: dict[str, Source] = {}
        self._failure: StorageError | None = None
        self._picker: Picker | None = None
        self._part: PartFile | None = None
        self._bytes_done = record.bytes_done
        self._pieces_done = record.pieces_done
        self._rate = 0.0
        self._seen: dict[str, int] = {}

    def stop(self) -> None:
        """Ends `run` soon with Stopped; returns at once."""
        with self._condition:
            self._stopping = True
            sources = list(self._sources.values())
            self._condition.notify_all()
        for source in sources:
            source.stop()

    def run(self) -> None:
        """Returns when the file is whole and has its name.

        Raises Stopped; NoSourceError or another NetworkError when nobody online can give the rest; StorageError;
        PeerMisbehavedError when all holders were caught lying. What is here stays in all cases.
        """
        record = self.record
        self._enter(TransferState.LOCATING)
        holders = self._locate()
        manifest = self._around.store.manifest(record) or self._first_manifest(holders)
        self.manifest = manifest
        record.size, record.pieces = manifest.size, manifest.count
        part = record.part or part_path(record.folder, record.name, record.id)
        record.part = part
        check_room(record.folder, manifest.size - bytes_on_disk(part), self._around.promised(record))
        self._enter(TransferState.RUNNING)
        with self._condition:
            self._part = PartFile(part, self._around.store.bits_path(record), manifest)
        try:
            self._fetch_all(holders)
            self._part.vouch()
        finally:
            self._dismiss_all()
            self._keep_progress()
            self._part.close()
        record.path = give_name(part, record.folder, record.name)
        self._around.store.forget_pieces(record)
        self._around.adopt(record.path, manifest)

    def snapshot(self) -> Transfer:
        """The record with what moves: progress, rate, sources. Any thread."""
        base = self.record.snapshot()
        with self._condition:
            reports = merged(self._before, tuple(s.report() for s in self._sources.values()))
            left = (base.size or 0) - self._bytes_done
            eta = left / self._rate if self._rate > 1 and base.state is TransferState.RUNNING else None
            return replace(
                base,
                bytes_done=self._bytes_done,
                pieces_done=self._pieces_done,
                rate=self._rate,
                eta_seconds=eta,
                sources=reports,
            )

    # What the sources call, from their threads (the protocol `Work`).

    def take(self, key: str) -> Run | None:
        with self._condition:
            picker = self._picker
            while picker is not None and not self._stopping and not picker.complete and self._failure is None:
                run = picker.next(key)
                if run is not None:
                    return run
                self._condition.wait(TICK_SECONDS)
            return None

    def accept(self, key: str, piece: int, data: memoryview) -> None:
        with self._condition:
            picker, part = self._picker, self._part
            if picker is None or part is None or not picker.wanted(piece):
                return
        part.write(piece, data)
        with self._condition:
            if picker.arrived(key, piece):
                self._pieces_done += 1
                self._bytes_done += len(data)
            if picker.complete:
                self._condition.notify_all()

    def give_back(self, key: str, run: Run) -> None:
        with self._condition:
            if self._picker is not None:
                self._picker.gave_back(key, run)
                self._condition.notify_all()

    def received(self, count: int) -> None:
        self._around.received(count)

    def ended(self, key: str, error: BarrioError | None) -> None:
        with self._condition:
            if self._picker is not None:
                self._picker.remove_source(key)
            if isinstance(error, StorageError):
                self._failure = error
            self._condition.notify_all()

    # Steps of `run`, in its thread.

    def _enter(self, state: TransferState) -> None:
        self._check_stop()
        self.record.state = state
        self.record.trouble = None
        self._changed(self.record)

    def _check_stop(self) -> None:
        if self._stopping:
            raise Stopped

    def _locate(self) -> list[Holder]:
        """Holders that were not caught lying. Raises NoSourceError, PeerMisbehavedError, NetworkError."""
        located = self._around.locate(self.record.content_id)
        self._check_stop()
        if not self.record.name:
            self.record.name = located.name or encode_id(self.record.content_id)[:16]
        own = self._around.identity.peer_id
        holders = [h for h in located.holders if h.peer_id != own]
        if not holders:
            raise NoSourceError("Nobody online has this file now; it goes on when a holder returns.")
        banned = {s.peer_id: s for s in self._before if s.state is SourceState.BANNED}
        good = [h for h in holders if h.peer_id not in banned]
        if not good:
            reason = next(iter(banned.values())).reason or "a holder sent wrong bytes"
            raise PeerMisbehavedError(f"No honest holder is online. {reason} What is here stays; try again later.")
        return good

    def _first_manifest(self, holders: Sequence[Holder]) -> Manifest:
        """Asks one holder after the other. Raises the last one's error."""
        failure: BarrioError = NoSourceError("Nobody online has this file now.")
        for holder in holders[:MAX_SOURCES]:
            self._check_stop()
            try:
                manifest = fetch_manifest(self._around.identity, holder, self.record.content_id)
            except (PeerUnreachableError, PeerMisbehavedError) as error:
                log.info("no manifest from %s: %s", holder.peer_id[:12], error.message)
                failure = error
                continue
            self._around.store.save_manifest(self.record, manifest)
            return manifest
        raise failure

    def _fetch_all(self, holders: list[Holder]) -> None:
        part = self._part
        assert part is not None
        manifest = self.manifest
        with self._condition:
            have = Bitmap(manifest.count, part.present.to_bytes())
            self._picker = Picker(manifest.count, have, max(1, RUN_BYTES // manifest.piece_size))
            self._pieces_done = len(have)
            self._bytes_done = sum(manifest.span(piece)[1] for piece in have)
        located_at = last_tick = time.monotonic()
        self._hire(holders)
        while True:
            with self._condition:
                if not self._picker.complete and not self._stopping and self._failure is None:
                    self._condition.wait(TICK_SECONDS)
                if self._failure is not None:
                    raise self._failure
                self._check_stop()
                if self._picker.complete:
                    return
                now = time.monotonic()
                if now - last_tick >= TICK_SECONDS:
                    self._tick(now - last_tick, now)
                    last_tick = now
                alive = sum(s.alive for s in self._sources.values())
            if alive == 0 or now - located_at > LOCATE_AGAIN_SECONDS:
                located_at = now
                self._find_more(must=alive == 0)
            elif alive < MAX_SOURCES:
                self._hire(holders)

    def _find_more(self, must: bool) -> None:
        """Locates again and hires. With `must`, raises when that brings nobody."""
        try:
            hired = self._hire(self._locate())
        except BarrioError:
            if must:
                self._raise_reason()
            return
        if must and not hired:
            self._raise_reason()

    def _raise_reason(self) -> None:
        """Says why nobody is left, by what the sources of this run ended with."""
        banned = [s for s in self._sources.values() if s.state is SourceState.BANNED]
        lost = [s for s in self._sources.values() if s.state is SourceState.LOST]
        if banned and not lost:
            raise PeerMisbehavedError(f"{banned[0].reason} Nobody else online has the file. What is here stays.")
        if lost and lost[-1].reason:
            raise PeerUnreachableError(f"{lost[-1].reason} Nobody else online has the file now; it is tried again.")
        raise NoSourceError("Nobody online has this file now; it goes on when a holder returns.")

    def _hire(self, holders: Sequence[Holder]) -> int:
        """Puts holders to work that are not at work, not caught lying, and not lost just now; returns how many."""
        now, fresh = time.monotonic(), []
        banned = {s.peer_id for s in self._before if s.state is SourceState.BANNED}
        with self._condition:
            alive = sum(s.alive for s in self._sources.values())
            for holder in holders:
                old = self._sources.get(holder.peer_id)
                if alive >= MAX_SOURCES or self._stopping or self._picker is None:
                    break
                if holder.peer_id in banned or (old is not None and not _may_return(old, now)):
                    continue
                source = Source(self._around.identity, holder, self.record.content_id, self)
                if old is not None:
                    source.pieces, source.bytes, source.failures = old.pieces, old.bytes, old.failures
                self._sources[holder.peer_id] = source
                self._picker.add_source(holder.peer_id)
                fresh.append(source)
                alive += 1
            for source in fresh:
                source.start()
        return len(fresh)

    def _tick(self, seconds: float, now: float) -> None:
        weight = min(1.0, seconds / RATE_MEMORY_SECONDS)
        total = 0.0
        for key, source in self._sources.items():
            rate = (source.bytes - self._seen.get(key, 0)) / seconds
            self._seen[key] = source.bytes
            source.rate += (rate - source.rate) * weight
            total += source.rate if source.alive else 0.0
            silent = source.state is SourceState.ACTIVE and now - source.moved_at > STALLED_AFTER_SECONDS
            if silent and self._picker is not None:
                self._picker.stalled(key)
        self._rate = total

    def _dismiss_all(self) -> None:
        with self._condition:
            sources = list(self._sources.values())
            self._picker = None
            self._condition.notify_all()
        for source in sources:
            source.stop()
        for source in sources:
            source.join()

    def _keep_progress(self) -> None:
        record = self.record
        with self._condition:
            record.pieces_done, record.bytes_done = self._pieces_done, self._bytes_done
            record.sources = merged(self._before, tuple(s.report() for s in self._sources.values()))
            self._rate = 0.0


def _may_return(source: Source, now: float) -> bool:
    """A lost source gets another thread after a while, once its last one has ended."""
    lost = source.state in (SourceState.LOST, SourceState.IDLE)
    return lost and source.finished and now - source.ended_at >= REHIRE_SECONDS
