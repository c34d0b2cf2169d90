"""The sources at work for one download: hires them, hands out runs, helps out slow ones, dismisses them.

`picker` and `sources` are guarded by one condition; each source has a thread of its own.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from peer_core.content import Manifest
from peer_core.errors import BarrioError, NoSourceError, PeerMisbehavedError, PeerUnreachableError, StorageError
from peer_core.identity.store import Identity
from peer_core.limits.intake import Intake
from peer_core.transfer.bitmap import Bitmap
from peer_core.transfer.part_file import PartFile
from peer_core.transfer.picker import Picker, Run
from peer_core.transfer.record import runs_of
from peer_core.transfer.source import Source
from peer_core.transfer.types import Holder, SourceReport, SourceState

MAX_SOURCES = 8
RUN_BYTES = 8 << 20
TICK_SECONDS = 0.25
# A source whose run takes longer than this, while another one has nothing to do, is helped out.
HELP_AFTER_SECONDS = 2.0
# A source that brings no piece for this long makes room when another holder waits.
ROTATE_AFTER_SECONDS = 10.0
REHIRE_SECONDS = 5.0
MAX_REHIRE_SECONDS = 300.0
RATE_MEMORY_SECONDS = 2.0
log = logging.getLogger("barrio.transfer")


@dataclass(frozen=True)
class CrewProgress:
    """A moment of a running download; `rate` in bytes a second."""

    pieces_done: int
    bytes_done: int
    rate: float
    sources: tuple[SourceReport, ...]


class Crew:
    """Fills `part` by `hire`d holders; `banned`: peer ids caught lying earlier. Sources call it as their `Work`."""

    def __init__(
        self,
        identity: Identity,
        content_id: bytes,
        part: PartFile,
        banned: frozenset[str],
        received: Callable[[int], None],
        intake: Intake,
    ) -> None:
        self.manifest: Manifest = part.manifest
        self.intake = intake
        self._identity = identity
        self._content_id = content_id
        self._part = part
        self._banned = banned
        self._count_received = received
        self._condition = threading.Condition()
        # Guarded by _condition.
        have = Bitmap(self.manifest.count, part.present.to_bytes())
        self._picker = Picker(self.manifest.count, have, max(1, RUN_BYTES // self.manifest.piece_size))
        self._pieces_done = len(have)
        self._bytes_done = sum(self.manifest.span(piece)[1] for piece in have)
        self._sources: dict[str, Source] = {}
        self._given: dict[str, set[int]] = {}
        self._verified_at: dict[str, float] = {}
        self._failure: StorageError | None = None
        self._over = False
        self._rate = 0.0
        self._seen: dict[str, int] = {}
        self._last_tick = time.monotonic()

    def hire(self, holders: Sequence[Holder]) -> int:
        """Puts holders to work that are not at work, not caught lying, and not lost just now; returns how many."""
        now, fresh = time.monotonic(), []
        with self._condition:
            alive = sum(s.alive for s in self._sources.values())
            if alive >= MAX_SOURCES and any(h.peer_id not in self._sources for h in holders):
                self._rotate(now)
            # Those that were never asked come first.
            for holder in sorted(holders, key=lambda h: h.peer_id in self._sources):
                old = self._sources.get(holder.peer_id)
                if alive >= MAX_SOURCES or self._over:
                    break
                if holder.peer_id in self._banned or (old is not None and not _may_return(old, now)):
                    continue
                source = Source(self._identity, holder, self._content_id, self)
                if old is not None:
                    source.carry_over(old)
                self._sources[holder.peer_id] = source
                self._picker.add_source(holder.peer_id)
                fresh.append(source)
                alive += 1
            for source in fresh:
                source.start()
        return len(fresh)

    def wait(self) -> bool:
        """One tick; True when all pieces are here, or the crew was stopped. Raises StorageError."""
        with self._condition:
            if not self._ended():
                self._condition.wait(TICK_SECONDS)
            if self._failure is not None:
                raise self._failure
            now = time.monotonic()
            if now - self._last_tick >= TICK_SECONDS:
                self._tick(now - self._last_tick, now)
                self._last_tick = now
            return self._ended()

    @property
    def alive(self) -> int:
        with self._condition:
            return sum(s.alive for s in self._sources.values())

    def stop_soon(self) -> None:
        """Wakes everything up and hires nobody any more; returns at once."""
        with self._condition:
            self._over = True
            sources = list(self._sources.values())
            self._condition.notify_all()
        for source in sources:
            source.stop()

    def dismiss(self) -> None:
        """Ends all sources and waits for their threads; the part file is nobody's afterwards."""
        self.stop_soon()
        with self._condition:
            sources = list(self._sources.values())
        for source in sources:
            source.join()

    def progress(self) -> CrewProgress:
        with self._condition:
            reports = tuple(self._report(s) for s in self._sources.values())
            return CrewProgress(self._pieces_done, self._bytes_done, self._rate, reports)

    def _report(self, source: Source) -> SourceReport:
        """With what the receipt tells."""
        retries = source.errors if source.alive else max(0, source.errors - 1)
        verified = self._verified_at.get(source.key)
        return replace(source.report(), received=source.received, retries=retries, verified=verified)

    def given(self) -> dict[str, list[list[int]]]:
        """Of each holder the pieces that are from it, as runs [first, last]."""
        with self._condition:
            return {key: runs_of(pieces) for key, pieces in self._given.items()}

    def reason(self) -> BarrioError:
        """Why nobody is left, by what the sources ended with."""
        with self._condition:
            ended = list(self._sources.values())
        banned = [s for s in ended if s.state is SourceState.BANNED]
        lost = [s for s in ended if s.state is SourceState.LOST and s.reason]
        if banned and not lost:
            return PeerMisbehavedError(f"{banned[0].reason} Nobody else online has the file. What is here stays.")
        if lost:
            return PeerUnreachableError(f"{lost[-1].reason} Nobody else online has the file now; it is tried again.")
        return NoSourceError("Nobody online has this file now; it goes on when a holder returns.")

    # What the sources call, from their threads (the protocol `Work`).

    def take(self, key: str) -> Run | None:
        with self._condition:
            while not self._ended() and self._failure is None:
                run = self._picker.next(key)
                if run is not None:
                    return run
                self._condition.wait(TICK_SECONDS)
            return None

    def accept(self, key: str, piece: int, data: memoryview) -> bool:
        with self._condition:
            if self._over or not self._picker.wanted(piece):
                return False
        self._part.write(piece, data)
        with self._condition:
            new = self._picker.arrived(key, piece)
            if new:
                self._given.setdefault(key, set()).add(piece)
                self._verified_at[key] = time.time()
                self._pieces_done += 1
                self._bytes_done += len(data)
            if self._picker.complete:
                self._condition.notify_all()
            return new

    def give_back(self, key: str, run: Run) -> None:
        with self._condition:
            self._picker.gave_back(key, run)
            self._condition.notify_all()

    def received(self, count: int) -> None:
        self._count_received(count)

    def stalled(self, key: str) -> None:
        with self._condition:
            self._picker.stalled(key)
            self._condition.notify_all()

    def ended(self, key: str, error: BarrioError | None) -> None:
        with self._condition:
            self._picker.remove_source(key)
            if isinstance(error, StorageError):
                self._failure = error
            self._condition.notify_all()

    def _rotate(self, now: float) -> None:
        """Lets a source go that has brought nothing for a while, when others wait. Holds the condition."""
        idle_for = {s: now - s.piece_at for s in self._sources.values() if s.alive and not s.leaving}
        if idle_for:
            worst = max(idle_for, key=lambda s: idle_for[s])
            if idle_for[worst] > ROTATE_AFTER_SECONDS:
                worst.stop()

    def _ended(self) -> bool:
        return self._over or self._picker.complete

    def _tick(self, seconds: float, now: float) -> None:
        """Measures, and lets idle sources take over what a slow one will not finish soon. Holds the condition."""
        weight = min(1.0, seconds / RATE_MEMORY_SECONDS)
        sources = self._sources
        for key, source in sources.items():
            rate = (source.received - self._seen.get(key, 0)) / seconds
            self._seen[key] = source.received
            source.rate += (rate - source.rate) * weight
        self._rate = sum(s.rate for s in sources.values() if s.alive)
        if not self.intake.holding and any(s.state is SourceState.IDLE and s.alive for s in sources.values()):
            for key, source in sources.items():
                if source.seconds_to_finish(now) > HELP_AFTER_SECONDS:
                    self._picker.stalled(key)


def _may_return(source: Source, now: float) -> bool:
    """A lost source gets another thread after a while, longer each time; its last one has ended by then."""
    wait = MAX_REHIRE_SECONDS if source.gone else min(REHIRE_SECONDS * source.failures, MAX_REHIRE_SECONDS)
    return source.state is SourceState.LOST and source.finished and now - source.ended_at >= wait
