"""What is asked of a folder's transfer as a whole. All is called with the queue's condition held."""

from collections.abc import Collection
from dataclasses import replace

from peer_core.errors import ConflictError, NotFoundError
from peer_core.transfer.folder import Folder
from peer_core.transfer.quarantine import Quarantine
from peer_core.transfer.record import Record
from peer_core.transfer.roster import Roster
from peer_core.transfer.runner import Runner, Wish, drop_part
from peer_core.transfer.store import TransferStore
from peer_core.transfer.types import SourceReport, SourceState, TransferState


class FolderWork:
    """All raise StorageError."""

    def __init__(self, roster: Roster, runner: Runner, store: TransferStore, quarantine: Quarantine) -> None:
        self._quarantine = quarantine
        self._roster = roster
        self._runner = runner
        self._store = store

    def pause(self, folder: Folder) -> None:
        """Raises ConflictError when it has ended."""
        if not folder.unfinished:
            raise ConflictError("This transfer has ended; there is nothing to pause.", "transfer-ended")
        folder.record.paused = True
        self._store.save_all([], [folder.record])
        self._roster.folder_changed(folder)
        self._runner.stop_jobs(self._runner.running_in(folder.record.id), Wish.REST)

    def resume(self, folder: Folder) -> None:
        """Raises ConflictError when it has ended."""
        if not folder.unfinished:
            raise ConflictError("This transfer is done already.", "transfer-done")
        folder.record.paused = folder.held = False
        again = []
        caught: set[str] = set()
        for record in folder.files:
            self._runner.take_back(record.id, Wish.PAUSE, Wish.REST)
            resting = record.state in (TransferState.WAITING, TransferState.PAUSED, TransferState.FAILED)
            if resting and not self._runner.runs(record.id):
                record.state, record.trouble = TransferState.QUEUED, None
                caught.update(s.peer_id for s in record.sources if s.state is SourceState.BANNED)
                record.sources = tuple(pardoned(s) for s in record.sources)
                self._runner.forget(record.id)
                again.append(record)
        self._quarantine.lift(caught)
        self._store.save_all(again, [folder.record])
        for record in again:
            self._roster.settle(record)
        self._roster.folder_changed(folder)

    def cancel(self, folder: Folder, keep: bool) -> None:
        """Raises ConflictError while a file cannot be stopped."""
        self._roster.close(folder)
        self._runner.stop_jobs(self._runner.running_in(folder.record.id), Wish.REST)
        try:
            if self._runner.running_in(folder.record.id):
                raise ConflictError(
                    "One of its files is just being asked for; cancel again in a moment.", "file-being-asked"
                )
            self._store.delete(folder.files, [folder.record])
        except BaseException:
            self._roster.folder_changed(folder)
            raise
        self._roster.remove_folder(folder)
        for record in folder.files:
            self._runner.forget(record.id)
            if not keep:
                drop_part(record)

    def choose(self, folder: Folder, wanted: bool, ids: Collection[str] | None, have: bool) -> None:
        """Raises NotFoundError, before anything changes, when one of `ids` is no file of it."""
        chosen = folder.files if ids is None else [self._file(folder, each) for each in ids]
        if have:
            chosen = [record for record in chosen if record.have]
        chosen = [record for record in chosen if (record.state is TransferState.SKIPPED) == wanted]
        if not wanted:
            self._runner.stop_jobs([record.id for record in chosen], Wish.SKIP)
            chosen = [r for r in chosen if r.state not in (TransferState.DONE, TransferState.SKIPPED)]
        chosen = [record for record in chosen if not self._runner.runs(record.id)]
        for record in chosen:
            if wanted:
                record.state = TransferState.QUEUED
            else:
                self._runner.skip(record)
        self._store.save_all(chosen, [folder.record])
        for record in chosen:
            self._roster.settle(record)

    def _file(self, folder: Folder, record_id: str) -> Record:
        record = self._roster.records.get(record_id)
        if record is None or record.parent != folder.record.id:
            raise NotFoundError("“{text}” is no file of this folder.", "file-not-of-folder", text=record_id[:40])
        return record


def pardoned(source: SourceReport) -> SourceReport:
    if source.state is not SourceState.BANNED:
        return source
    return replace(source, state=SourceState.LOST)
