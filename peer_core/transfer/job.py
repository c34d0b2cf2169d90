"""One running download, step by step: a whole file needs nobody; else locate, manifest, pieces, name.

`run` belongs to one thread. Each step is on disk before its effect, so a killed program enters at the right one.
"""

import threading
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace

from peer_core.content import Manifest
from peer_core.errors import BarrioError, MissingPartError, NoSourceError, PeerMisbehavedError
from peer_core.identity.store import Identity
from peer_core.limits.intake import Intake
from peer_core.safe_names import safe_name
from peer_core.transfer.choosing import LocatePace
from peer_core.transfer.crew import Crew
from peer_core.transfer.exchange import Exchange
from peer_core.transfer.finishing import bytes_on_disk, check_room, free_names, give_name, is_whole, part_path
from peer_core.transfer.manifest_race import ManifestRace
from peer_core.transfer.part_file import PartFile
from peer_core.transfer.quarantine import Quarantine
from peer_core.transfer.record import Record, joined_runs, merged
from peer_core.transfer.store import TransferStore
from peer_core.transfer.types import (
    Adopter,
    Finder,
    Holder,
    Locator,
    ManyAdopter,
    ManyLocator,
    Transfer,
    TransferState,
)
from protos.agreed import encode_id

ASK_AGAIN_SECONDS = 2.0
MOST_ASKED = 64


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
    intake: Intake
    quarantine: Quarantine
    exchange: Exchange
    find: Finder
    locate_all: ManyLocator
    adopt_all: ManyAdopter


class Job:
    """Works on `record`, which is its own while it runs."""

    def __init__(self, record: Record, around: Surroundings) -> None:
        self.record = record
        self._around = around
        self._before = record.sources
        self._located_size = 0
        self._public = False
        self._partial: dict[str, Holder] = {}
        self._asked_at = float("-inf")
        self._lock = threading.Lock()
        # Guarded by _lock.
        self._stopping = False
        self._race: ManifestRace | None = None
        self._crew: Crew | None = None

    def stop(self) -> None:
        """Ends `run` soon with Stopped; returns at once."""
        with self._lock:
            self._stopping = True
            race, crew = self._race, self._crew
        if race is not None:
            race.stop()
        if crew is not None:
            crew.stop_soon()

    @property
    def stopping(self) -> bool:
        return self._stopping

    def run(self) -> None:
        """Returns when the file is whole and has its name.

        Raises Stopped; NoSourceError or another NetworkError when nobody online can give the rest; StorageError;
        PeerMisbehavedError when all holders were caught lying. What is here stays in all cases.
        """
        record, store = self.record, self._around.store
        manifest = store.manifest(record)
        if manifest is not None and self._was_named(manifest):
            return
        holders: list[Holder] = []
        if manifest is None:
            self._enter(TransferState.LOCATING)
            holders = self._locate()
            manifest = self._fetch_manifest(holders)
        if record.size not in (None, manifest.size):
            raise PeerMisbehavedError(
                "The file has another size than was promised; nothing of it is fetched.", "size-not-promised"
            )
        record.size, record.pieces = manifest.size, manifest.count
        self._check_part()
        record.part = record.part or part_path(record.folder, record.name, record.id)
        check_room(record.folder, manifest.size - bytes_on_disk(record.part), self._around.promised(record))
        self._enter(TransferState.RUNNING)
        part = PartFile(record.part, store.bits_path(record), manifest)
        try:
            self._fetch(part, holders)
            part.vouch()
        finally:
            part.close()
        self._name(manifest)

    def snapshot(self) -> Transfer:
        """The record with what moves: progress, rate, sources. Any thread."""
        base = self.record.snapshot()
        with self._lock:
            crew = self._crew
        if crew is None:
            return base
        now = crew.progress()
        left = (base.size or 0) - now.bytes_done
        return replace(
            base,
            bytes_done=now.bytes_done,
            pieces_done=now.pieces_done,
            rate=now.rate,
            eta_seconds=left / now.rate if now.rate > 1 and base.state is TransferState.RUNNING else None,
            sources=merged(self._before, now.sources),
        )

    def _check_part(self) -> None:
        """Raises MissingPartError, once, for a partial file that is not where it was: a hand may bring it back."""
        record = self.record
        if record.part is None or not record.bytes_done or record.part.exists():
            return
        record.pieces_done = record.bytes_done = 0
        raise MissingPartError(
            "The partial file {name} is not in {folder} any more. Bring it back, or set the folder "
            "for downloads to where it is now, and resume; otherwise resuming begins again.",
            "part-moved",
            name=record.part.name,
            folder=record.folder,
        )

    def _enter(self, state: TransferState) -> None:
        self._check_stop()
        self.record.state = state
        self.record.trouble = None
        self._around.store.save(self.record)

    def _check_stop(self) -> None:
        if self._stopping:
            raise Stopped

    def _locate(self) -> list[Holder]:
        """Holders that were not caught lying. Raises NoSourceError, PeerMisbehavedError, NetworkError."""
        located = self._around.locate(self.record.content_id)
        self._located_size = located.size
        self._public = self._public or located.public
        self._check_stop()
        if not self.record.name:
            self.record.name = safe_name(located.name) if located.name else encode_id(self.record.content_id)[:16]
        own = self._around.identity.peer_id
        holders = [h for h in located.holders if h.peer_id != own]
        if not holders:
            raise NoSourceError("Nobody online has this file now; it goes on when a holder returns.", "no-source-waits")
        caught = {h.peer_id: entry for h in holders if (entry := self._around.quarantine.entry(h.peer_id))}
        good = [h for h in holders if h.peer_id not in caught]
        if not good:
            reason = next(iter(caught.values())).reason
            raise PeerMisbehavedError(
                "No honest holder is online. {reason} What is here stays; try again later.",
                "no-honest-source",
                reason=reason,
            )
        return good

    def _fetch_manifest(self, holders: list[Holder]) -> Manifest:
        race = ManifestRace(self._around.identity, self.record.content_id, self._located_size, holders)
        with self._lock:
            self._check_stop()
            self._race = race
        try:
            manifest = race.run()
        except BarrioError:
            self._check_stop()
            raise
        finally:
            with self._lock:
                self._race = None
        self._check_stop()
        self._around.store.save_manifest(self.record, manifest)
        return manifest

    def _fetch(self, part: PartFile, holders: list[Holder]) -> None:
        """Until all pieces are in the part file. Locates only when pieces are missing."""
        around, content_id = self._around, self.record.content_id
        banned = frozenset(entry.peer_id for entry in around.quarantine.all())
        crew = Crew(around.identity, content_id, part, banned, around.received, around.intake)
        with self._lock:
            self._check_stop()
            self._crew = crew
        try:
            if not part.present.full:
                holders = holders or self._locate()
                crew.public = self._public
                with around.exchange.showing(content_id, part, crew.coming) if self._public else nullcontext():
                    self._attend(crew, holders)
        finally:
            crew.dismiss()
            record, progress = self.record, crew.progress()
            with self._lock:
                record.pieces_done, record.bytes_done = progress.pieces_done, progress.bytes_done
                record.sources = merged(self._before, tuple(map(around.quarantine.keep, progress.sources)))
                record.given = self._given(crew)
                self._crew = None

    def given(self) -> dict[str, list[list[int]]]:
        """Of each holder the pieces that are from it, as runs [first, last]. Any thread."""
        with self._lock:
            crew = self._crew
        return self.record.given if crew is None else self._given(crew)

    def _given(self, crew: Crew) -> dict[str, list[list[int]]]:
        before, now = self.record.given, crew.given()
        return {key: joined_runs(before.get(key, []), now.get(key, [])) for key in {*before, *now}}

    def _attend(self, crew: Crew, holders: list[Holder]) -> None:
        """Looks after the crew until it is done: locates again, sooner with fewer at work, at once with nobody."""
        pace = LocatePace(time.monotonic())
        crew.hire(holders)
        while not crew.wait():
            crew.hire(holders)
            crew.hire(self._downloaders(crew))
            alone = crew.alive == 0
            if alone or pace.due(time.monotonic(), crew.alive):
                hired = 0
                try:
                    holders = self._locate()
                    hired = crew.hire(holders)
                except BarrioError as error:
                    if alone:
                        raise crew.reason() from error
                finally:
                    pace.located(time.monotonic(), hired)
                if alone and not hired:
                    raise crew.reason()
        self._check_stop()

    def _downloaders(self, crew: Crew) -> list[Holder]:
        """Who else downloads the same, as the holders told, or as they told here."""
        now = time.monotonic()
        if self._public and now - self._asked_at >= ASK_AGAIN_SECONDS:
            told = crew.leads().union(self._around.exchange.others(self.record.content_id))
            new = sorted(told - self._partial.keys() - {self._around.identity.peer_id})
            if new:
                self._asked_at = now
                with suppress(BarrioError):
                    self._partial.update((holder.peer_id, holder) for holder in self._around.find(new[:MOST_ASKED]))
        return list(self._partial.values())

    def _name(self, manifest: Manifest) -> None:
        """The last step: the name is chosen and on disk before the file gets it."""
        record = self.record
        assert record.part is not None
        for path in free_names(record.folder, record.name):
            record.path = path
            self._around.store.save(record)
            if give_name(record.part, path):
                break
        self._done(manifest)

    def _was_named(self, manifest: Manifest) -> bool:
        """True when an earlier run was killed after the file got its name; the bytes are proven once more."""
        record = self.record
        if record.path is None or not is_whole(record.path, manifest):
            return False
        if record.part is not None:
            record.part.unlink(missing_ok=True)
        record.size, record.pieces = manifest.size, manifest.count
        record.pieces_done, record.bytes_done = manifest.count, manifest.size
        self._done(manifest)
        return True

    def _done(self, manifest: Manifest) -> None:
        """On disk first; whoever sees that it is done finds everything in its place."""
        record = self.record
        assert record.path is not None
        finished = time.time()
        self._around.store.save(replace(record, state=TransferState.DONE, trouble=None, finished=finished))
        self._around.store.forget_pieces(record)
        self._around.adopt(record.path, manifest)
        record.state, record.trouble, record.finished = TransferState.DONE, None, finished
