"""The sources at work for one download: hires them, hands out runs, helps out slow ones, dismisses them.

`picker` and `sources` are guarded by one condition; each source has a thread of its own. Whom it helps or lets go is
decided in `choosing`.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from peer_core.content import Manifest
from peer_core.errors import BarrioError, NoSourceError, PeerMisbehavedError, PeerUnreachableError, StorageError
from peer_core.identity.store import Identity
from peer_core.limits.intake import Intake
from peer_core.transfer import choosing
from peer_core.transfer.bitmap import Bitmap
from peer_core.transfer.coming import write_coming
from peer_core.transfer.part_file import PartFile
from peer_core.transfer.picker import Picker, Run
from peer_core.transfer.record import runs_of
from peer_core.transfer.source import Source
from peer_core.transfer.types import Holder, SourceReport, SourceState
from peer_core.transfer.work import Work

MAX_SOURCES = 8
TICK_SECONDS = 0.25
# A source without work looks up after this long what its holder has by now.
IDLE_SECONDS = 0.5
MOST_LEADS = 256
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
        clock: Callable[[], float] = time.monotonic,
        make_source: Callable[[Identity, Holder, bytes, Work], Source] = Source,
        chance: random.Random | None = None,
    ) -> None:
        self.manifest: Manifest = part.manifest
        self.intake = intake
        # Set before anybody is hired.
        self.public = False
        self._identity = identity
        self._content_id = content_id
        self._part = part
        self._banned = banned
        self._count_received = received
        self._clock = clock
        self._make_source = make_source
        self._condition = threading.Condition(threading.RLock())
        # Guarded by _condition.
        have = Bitmap(self.manifest.count, part.present.to_bytes())
        self._picker = Picker(self.manifest.count, have, chance)
        self._pieces_done = len(have)
        self._bytes_done = sum(self.manifest.span(piece)[1] for piece in have)
        self._sources: dict[str, Source] = {}
        self._given: dict[str, set[int]] = {}
        self._verified_at: dict[str, float] = {}
        self._failure: StorageError | None = None
        self._over = False
        self._rate = 0.0
        self._rotated_at = float("-inf")
        self._leads: set[str] = set()
        self._seen: dict[str, int] = {}
        self._last_tick = clock()

    def hire(self, holders: Sequence[Holder]) -> int:
        """Puts holders to work that are not at work, not caught lying, and not lost just now; returns how many."""
        now, fresh = self._clock(), []
        with self._condition:
            alive = sum(s.alive for s in self._sources.values())
            if alive >= MAX_SOURCES and any(h.peer_id not in self._sources for h in holders):
                self._rotate(now)
            # Those that were never asked come first, and whole files before parts.
            for holder in sorted(holders, key=lambda h: (h.peer_id in self._sources, h.partial)):
                old = self._sources.get(holder.peer_id)
                if alive >= MAX_SOURCES or self._over:
                    break
                if holder.peer_id in self._banned or (old is not None and not choosing.may_return(old, now)):
                    continue
                source = self._make_source(self._identity, holder, self._content_id, self)
                source.hired_at = source.piece_at = now
                if old is not None:
                    source.carry_over(old)
                self._sources[holder.peer_id] = source
                self._picker.add_source(holder.peer_id, Bitmap(self.manifest.count) if holder.partial else None)
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
            self.tick()
            return self._ended()

    def tick(self) -> None:
        """Measures, and lets idle sources take over what a slow one will not finish soon."""
        with self._condition:
            now = self._clock()
            seconds = now - self._last_tick
            if seconds < TICK_SECONDS:
                return
            self._last_tick = now
            sources = self._sources
            for key, source in sources.items():
                choosing.measure(source, source.received - self._seen.get(key, 0), seconds)
                self._seen[key] = source.received
            self._rate = sum(s.rate for s in sources.values() if s.alive)
            if not self.intake.holding:
                for source in choosing.to_help(sources.values(), now):
                    self._picker.stalled(source.key)

    @property
    def alive(self) -> int:
        with self._condition:
            return sum(s.alive for s in self._sources.values())

    def leads(self) -> set[str]:
        """Members that the holders named since this was asked last, and that do not work here."""
        with self._condition:
            leads, self._leads = self._leads, set()
            return leads - self._sources.keys() - self._banned

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
        return replace(source.report(), received=source.bytes + source.wasted, retries=retries, verified=verified)

    def coming(self) -> str:
        """What is being fetched, as others are told."""
        with self._condition:
            return write_coming(self._picker.taken)

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
            return PeerMisbehavedError(
                "{reason} Nobody else online has the file. What is here stays.",
                "no-other-source",
                reason=banned[0].reason,
            )
        if lost:
            return PeerUnreachableError(
                "{reason} Nobody else online has the file now; it is tried again.",
                "no-other-source-again",
                reason=lost[-1].reason,
            )
        return NoSourceError("Nobody online has this file now; it goes on when a holder returns.", "no-source-waits")

    # What the sources call, from their threads (the protocol `Work`).

    def take(self, key: str) -> Run | None:
        until = self._clock() + IDLE_SECONDS
        with self._condition:
            while not self._ended() and self._failure is None:
                run = self.take_now(key)
                if run is not None:
                    return run
                if self._clock() >= until:
                    return Run(0, 0)
                self._condition.wait(TICK_SECONDS)
                # Whoever has nothing to do looks after the others, too: the job may be asking for holders.
                self.tick()
            return None

    def take_now(self, key: str) -> Run | None:
        """The next run of a source, or None when there is nothing for it now."""
        with self._condition:
            return None if self._ended() else self._picker.next(key, self._sources[key].run_pieces)

    def take_ahead(self, key: str) -> Run | None:
        with self._condition:
            return self.take_now(key) if self._picker.plenty else None

    def has(self, key: str, pieces: Bitmap, coming: Bitmap) -> None:
        with self._condition:
            self._picker.has_now(key, pieces, coming)

    def told(self, peer_ids: list[str]) -> None:
        with self._condition:
            if peer_ids:
                self._picker.others_download()
            if len(self._leads) < MOST_LEADS:
                self._leads.update(peer_ids)

    def wanted(self, piece: int) -> bool:
        return self._picker.wanted(piece)

    def suspected(self, key: str) -> None:
        with self._condition:
            self._picker.suspect(key)

    def cleared(self, key: str) -> None:
        with self._condition:
            self._picker.clear(key)

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
        """Lets one go that is of little use, when others wait. Holds the condition."""
        if now - self._rotated_at < choosing.ROTATE_AFTER_SECONDS:
            return
        worst = choosing.to_let_go(self._sources.values(), now)
        if worst is not None:
            self._rotated_at, worst.slow = now, True
            worst.stop()

    def _ended(self) -> bool:
        return self._over or self._picker.complete
