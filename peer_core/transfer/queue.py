"""All transfers of this peer: what is asked of them, and what is told about them. The room's front door."""

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from peer_core.content import Manifest
from peer_core.errors import BadInputError, ConflictError, NotFoundError
from peer_core.identity.store import Identity
from peer_core.limits.intake import Intake
from peer_core.settings import parse_folder
from peer_core.transfer.adding import Adding, is_lost
from peer_core.transfer.exchange import Exchange
from peer_core.transfer.finishing import make_usable
from peer_core.transfer.folder import Folder, sources_of
from peer_core.transfer.folder_work import FolderWork, pardoned
from peer_core.transfer.job import Surroundings
from peer_core.transfer.moving import follow, follow_folder
from peer_core.transfer.quarantine import Quarantine
from peer_core.transfer.record import Record
from peer_core.transfer.roster import Roster, Unit
from peer_core.transfer.runner import Runner, Wish
from peer_core.transfer.store import TransferStore
from peer_core.transfer.types import (
    Adopter,
    Finder,
    Locator,
    ManyAdopter,
    ManyLocator,
    Move,
    Priority,
    Receipt,
    SourceState,
    Transfer,
    TransferState,
    Trouble,
    Wanted,
)

# Codes of StorageError and MissingPartError.
DISK_TROUBLES = ("storage", "missing-part")
_ENDED = (TransferState.DONE, TransferState.FAILED)


class Transfers:
    """Public methods may be called from any thread. Until `start`, nothing runs."""

    def __init__(
        self,
        store: TransferStore,
        default_folder: Callable[[], Path],
        received: Callable[[int], None],
        intake: Intake | None = None,
        slots: Callable[[], int] = lambda: 4,
    ) -> None:
        """`received` gets the number of content bytes whenever some came in, wasted ones included; `intake`: how fast
        they may; `slots`: how many transfers run at a time, 0 for no limit."""
        self._store = store
        self._received = received
        self._intake = intake or Intake()
        self._default_folder = default_folder
        self.exchange = Exchange()
        self.quarantine = Quarantine(store)
        self._condition = threading.Condition()
        # All guarded by _condition.
        self._roster = Roster(store)
        self._adding = Adding(self._roster, store)
        self._runner = Runner(self._condition, self._roster, store, slots)
        self._folders = FolderWork(self._roster, self._runner, store, self.quarantine)

    def start(
        self,
        identity: Identity,
        locate: Locator,
        adopt: Adopter,
        find: Finder = lambda ids: [],
        locate_all: ManyLocator | None = None,
        adopt_all: ManyAdopter | None = None,
    ) -> None:
        """Begins with the transfers that were active when the last run ended."""

        def one_by_one(files: Sequence[tuple[Path, Manifest]]) -> None:
            for path, manifest in files:
                adopt(path, manifest)

        many = locate_all or (lambda ids: [locate(content_id) for content_id in ids])
        adopting = adopt_all or one_by_one
        received, intake = self._received, self._intake
        around = (identity, self._store, locate, adopt, self._promised, received, intake)
        self._runner.start(Surroundings(*around, self.quarantine, self.exchange, find, many, adopting))

    def stop_soon(self) -> None:
        """Tells all jobs to stop where they are; they go on at the next start."""
        self._runner.stop_soon()

    def stop(self) -> None:
        """Waits for all jobs; a job that asks the directory ends when that has stopped."""
        self._runner.stop_soon()
        self._runner.join()
        self._store.close()

    def add(
        self,
        content_id: bytes,
        name: str | None = None,
        folder: str | Path | None = None,
        paused: bool = False,
        size: int | None = None,
    ) -> Transfer:
        """Queues a download. One of the same content into the same folder is taken up again instead, and told as done
        when its file is still there. `size`: what was promised, in bytes.

        Raises BadInputError for a folder that cannot be one, StorageError.
        """
        where = self._usable(folder)
        with self._condition:
            for record in self._roster.of_content(content_id):
                if record.folder == where and record.state is not TransferState.SKIPPED:
                    if record.state.active:
                        return self._file(record)
                    if record.state is not TransferState.DONE:
                        return self._take_up(record)
                    if not is_lost(record):
                        return self._file(record)
            record = self._adding.file(content_id, name, where, paused, size)
            self._condition.notify_all()
            return self._file(record)

    def add_folder(self, files: Sequence[Wanted], folder: str | Path | None = None) -> tuple[list[Transfer], set[str]]:
        """Queues files each by itself, each below the output folder where it lay at the other peer, by safe names.

        What is on its way there already, or done and still in its place, is not fetched again. Returns the transfer of
        each, and the ids of those that are new. Raises as `add` does.
        """
        root = self._usable(folder)
        with self._condition:
            added = self._adding.files(files, root)
            for record in added.resting:
                self._take_up(record)
            self._condition.notify_all()
            return [self._file(record) for record in added.found], added.new

    def add_tree(
        self,
        files: Sequence[Wanted],
        name: str,
        folder: str | Path | None = None,
        held: Collection[bytes] = (),
        skip_held: bool = False,
        paused: bool = False,
    ) -> Transfer:
        """Queues a folder as one transfer; `files` lie below one named `name`. Otherwise as `add_folder`.

        `held`: contents that are on this device already; they are counted, and left out when `skip_held`.
        """
        root = self._usable(folder)
        with self._condition:
            made, added = self._adding.tree(files, root, name, held, skip_held, paused)
            for record in added.resting:
                self._take_up(record)
            self._condition.notify_all()
            return self._folder(made)

    def all(self) -> list[Transfer]:
        """Files, by themselves and inside folders; newest first."""
        with self._condition:
            return [self._file(r) for r in sorted(self._roster.records.values(), key=lambda r: -r.created)]

    def listed(self) -> list[Transfer]:
        """Files by themselves, and folders; newest first."""
        with self._condition:
            return [self._unit(unit.id) for unit in self._roster.units()]

    def states(self) -> Counter[TransferState]:
        """How many files, by themselves and inside folders, are in each state."""
        with self._condition:
            records = self._roster.records.values()
            return Counter(self._runner.snapshot(r).state if r.state.active else r.state for r in records)

    def page(self, limit: int, cursor: str = "") -> tuple[list[Transfer], str]:
        """A part of `listed`, with the cursor of the next one, "" at the end. Raises BadInputError."""
        with self._condition:
            units, following = self._roster.page(limit, cursor)
            return [self._unit(unit.id) for unit in units], following

    def files(self, folder_id: str, limit: int, after: int = 0) -> tuple[list[Transfer], int | None]:
        """Files of a folder's transfer from number `after`, and the number to go on from. Raises NotFoundError."""
        with self._condition:
            folder = self._roster.folders.get(folder_id)
            if folder is None:
                raise NotFoundError("There is no such folder among the transfers.", "transfer-no-folder")
            shown = folder.files[after : after + limit]
            following = after + len(shown)
            return [self._file(file) for file in shown], following if following < len(folder.files) else None

    def find(self, content_ids: Iterable[bytes]) -> list[Transfer]:
        """The newest file with each of the contents, also in folders; those that are not wanted do not count."""
        with self._condition:
            found = []
            for content_id in content_ids:
                wanted = [r for r in self._roster.of_content(content_id) if r.state is not TransferState.SKIPPED]
                if wanted:
                    found.append(self._file(max(wanted, key=lambda record: record.created)))
            return found

    def get(self, transfer_id: str) -> Transfer:
        """Of a folder with what each holder gave to all its files. Raises NotFoundError."""
        with self._condition:
            folder = self._roster.folders.get(transfer_id)
            if folder is None:
                return self._file(self._record(transfer_id))
            whole = sources_of(self._runner.snapshot(file) for file in folder.files)
            return replace(self._folder(folder), sources=whole)

    def receipt(self, transfer_id: str) -> Receipt:
        """Of a folder without the pieces of each file. Raises NotFoundError."""
        with self._condition:
            record = self._roster.records.get(transfer_id)
            return Receipt(self.get(transfer_id), {} if record is None else self._runner.given(record))

    def pause(self, transfer_id: str) -> Transfer:
        """Raises NotFoundError, ConflictError for an ended one."""
        with self._condition:
            folder = self._roster.folders.get(transfer_id)
            if folder is not None:
                self._folders.pause(folder)
                return self._folder(folder)
            record = self._record(transfer_id)
            if record.state in (*_ENDED, TransferState.SKIPPED):
                raise ConflictError("This transfer has ended; there is nothing to pause.", "transfer-ended")
            if not self._runner.runs(transfer_id):
                if record.state.active:
                    self._runner.forget(transfer_id)
                    record.state, record.trouble = TransferState.PAUSED, None
                    self._roster.settle(record)
                    self._store.save(record)
                return self._file(record)
            self._runner.stop_jobs([transfer_id], Wish.PAUSE)
            rests = not self._runner.runs(transfer_id)
            return replace(self._file(record), state=record.state if rests else TransferState.PAUSED)

    def resume(self, transfer_id: str) -> Transfer:
        """Queues a paused, waiting or failed one again; holders that were caught lying get another chance."""
        with self._condition:
            folder = self._roster.folders.get(transfer_id)
            if folder is not None:
                self._folders.resume(folder)
                self._condition.notify_all()
                return self._folder(folder)
            record = self._record(transfer_id)
            if record.state in (TransferState.DONE, TransferState.SKIPPED):
                raise ConflictError("This transfer is done already.", "transfer-done")
            return self._take_up(record)

    def cancel(self, transfer_id: str, keep: bool = False) -> None:
        """Takes a transfer off the list, and its partial file away unless `keep`. A file of a folder is skipped.

        Raises NotFoundError, StorageError.
        """
        with self._condition:
            folder = self._roster.folders.get(transfer_id)
            if folder is not None:
                self._folders.cancel(folder, keep)
                return
            record = self._record(transfer_id)
            if record.parent:
                raise BadInputError("This file belongs to a folder; set “wanted” to false instead.", "file-want-folder")
            if self._runner.runs(transfer_id):
                self._runner.stop_jobs([transfer_id], Wish.KEEP if keep else Wish.CANCEL)
            else:
                self._runner.remove(record, keep)

    def end(self, transfer_ids: Iterable[str], trouble: Trouble) -> None:
        """Those that are not done fail for that reason, and may be resumed; what is here of them stays.

        Raises StorageError.
        """
        with self._condition:
            found = [self._roster.records.get(each) for each in transfer_ids]
            self._runner.fail([record for record in found if record is not None], trouble)

    def pause_all(self) -> None:
        """All that would go on by itself. Raises StorageError."""
        with self._condition:
            active = [r for r in self._roster.records.values() if not r.parent and r.state.active]
            for record in active:
                if not self._runner.runs(record.id):
                    self._runner.forget(record.id)
                    record.state, record.trouble = TransferState.PAUSED, None
                    self._roster.settle(record)
            folders = [f for f in self._roster.folders.values() if f.unfinished and not f.record.paused]
            for folder in folders:
                folder.record.paused = True
                self._roster.folder_changed(folder)
            self._store.save_all(active, [folder.record for folder in folders])
            inside = [each for folder in folders for each in self._runner.running_in(folder.record.id)]
            self._runner.stop_jobs([r.id for r in active], Wish.PAUSE, also=(inside, Wish.REST))

    def resume_all(self) -> None:
        """All that is paused; what failed stays. Raises StorageError."""
        with self._condition:
            for record in self._roster.records.values():
                if not record.parent and record.state is TransferState.PAUSED:
                    self._take_up(record)
            for folder in self._roster.folders.values():
                if folder.unfinished and folder.snapshot({}, None).state is TransferState.PAUSED:
                    self._folders.resume(folder)
            self._condition.notify_all()

    def clear_done(self) -> None:
        """Takes what is done off the list; the files stay. Raises StorageError."""
        with self._condition:
            done = [r for r in self._roster.records.values() if not r.parent and r.state is TransferState.DONE]
            done = [r for r in done if not self._runner.runs(r.id)]
            folders = [f for f in self._roster.folders.values() if f.state(()) is TransferState.DONE]
            inside = [file for folder in folders for file in folder.files]
            self._store.delete([*done, *inside], [folder.record for folder in folders])
            for record in done:
                self._roster.remove(record)
            for folder in folders:
                self._roster.remove_folder(folder)

    def choose(self, folder_id: str, wanted: bool, ids: Collection[str] | None = None, have: bool = False) -> Transfer:
        """Which files of a folder are to be fetched: all, or `ids`, or with `have` those whose content was here before.
        A file that is done stays as it is.

        Raises NotFoundError, StorageError.
        """
        with self._condition:
            folder = self._roster.folders.get(folder_id)
            if folder is None:
                raise NotFoundError("There is no such folder among the transfers.", "transfer-no-folder")
            self._folders.choose(folder, wanted, ids, have)
            self._condition.notify_all()
            return self._folder(folder)

    def move(self, transfer_id: str, where: Move) -> Transfer:
        """Among those of its priority. Raises NotFoundError, BadInputError for a file of a folder, StorageError."""
        with self._condition:
            unit = self._own_unit(transfer_id)
            self._save_units(self._roster.move(unit, where))
            self._condition.notify_all()
            return self._unit(transfer_id)

    def set_priority(self, transfer_id: str, priority: Priority) -> Transfer:
        """Raises NotFoundError, BadInputError for a file of a folder, StorageError."""
        with self._condition:
            unit = self._own_unit(transfer_id)
            self._roster.set_priority(unit, priority)
            self._save_units([unit])
            self._condition.notify_all()
            return self._unit(transfer_id)

    def follow(self, old: Path, new: Path) -> None:
        """The folder for downloads is another one now: transfers go with the files that were moved there. Those that
        run are stopped for that, and go on. Raises StorageError."""
        with self._condition:
            below = [r for r in self._roster.records.values() if r.folder.is_relative_to(old)]
            running = [record.id for record in below if self._runner.runs(record.id)]
            # So that no other one begins at the old place meanwhile.
            self._runner.halted = True
            try:
                self._runner.stop_jobs(running, Wish.REST)
            finally:
                self._runner.halted = False
            moved = follow((record for record in below if not self._runner.runs(record.id)), old, new)
            folders = [f.record for f in self._roster.folders.values() if follow_folder(f.record, f.files, old, new)]
            self._store.save_all(moved, folders)
            for record in moved:
                trouble = record.trouble if record.state is TransferState.PAUSED else None
                # Its trouble with the old place is over; it may have come between the move and the word of it.
                if trouble is not None and (record.id in running or trouble.code in DISK_TROUBLES):
                    self._take_up(record)
            self._condition.notify_all()

    def slots_changed(self) -> None:
        """More slots are taken at once. Of fewer, running transfers keep theirs until they rest."""
        with self._condition:
            self._condition.notify_all()

    def _usable(self, folder: str | Path | None) -> Path:
        where = Path(parse_folder(str(folder))) if folder is not None else self._default_folder()
        make_usable(where)
        return where

    def _take_up(self, record: Record) -> Transfer:
        """Queues a resting transfer."""
        self._runner.take_back(record.id, Wish.PAUSE, Wish.FAIL)
        if not self._runner.runs(record.id):
            self.quarantine.lift(s.peer_id for s in record.sources if s.state is SourceState.BANNED)
            record.state, record.trouble = TransferState.QUEUED, None
            record.sources = tuple(pardoned(s) for s in record.sources)
            self._runner.forget(record.id)
            self._store.save(record)
            self._roster.settle(record)
            self._condition.notify_all()
        return self._file(record)

    def _record(self, transfer_id: str) -> Record:
        record = self._roster.records.get(transfer_id)
        if record is None:
            raise NotFoundError("There is no such transfer; it may have been taken off the list.", "transfer-unknown")
        return record

    def _own_unit(self, transfer_id: str) -> Unit:
        folder = self._roster.folders.get(transfer_id)
        if folder is not None:
            return folder.record
        record = self._record(transfer_id)
        if record.parent:
            raise BadInputError("This file belongs to a folder; order the folder instead.", "file-order-folder")
        return record

    def _save_units(self, units: Sequence[Unit]) -> None:
        records = [unit for unit in units if isinstance(unit, Record)]
        self._store.save_all(records, [unit for unit in units if not isinstance(unit, Record)])

    def _unit(self, unit_id: str) -> Transfer:
        folder = self._roster.folders.get(unit_id)
        return self._folder(folder) if folder is not None else self._file(self._roster.records[unit_id])

    def _file(self, record: Record) -> Transfer:
        snapshot = self._runner.snapshot(record)
        if not record.parent:
            return replace(snapshot, place=self._roster.place(record.id))
        if self._runner.runs(record.id):
            return snapshot
        return self._roster.folders[record.parent].of_file(snapshot)

    def _folder(self, folder: Folder) -> Transfer:
        running = [self._roster.records[each] for each in self._runner.running_in(folder.record.id)]
        snapshots = {record.number: self._runner.snapshot(record) for record in running}
        return folder.snapshot(snapshots, self._roster.place(folder.record.id))

    def _promised(self, record: Record) -> int:
        """Bytes that the other running downloads into the same folder still need."""
        with self._condition:
            others = self._runner.others(record)
        snapshots = [job.snapshot() for job in others if job.record.folder == record.folder]
        return sum(s.size - s.bytes_done for s in snapshots if s.size is not None)
