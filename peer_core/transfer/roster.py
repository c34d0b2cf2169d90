"""All transfers in memory: which start next, which place each has. Guarded by the queue's condition."""

import time
from bisect import bisect_left, insort
from collections.abc import Sequence

from peer_core.errors import BadInputError
from peer_core.transfer.folder import Folder
from peer_core.transfer.line import Key, Line
from peer_core.transfer.record import FolderRecord, Record
from peer_core.transfer.store import TransferStore
from peer_core.transfer.types import Move, Priority, TransferState

STEP = 1e-6
Unit = Record | FolderRecord
_ENDED = (TransferState.DONE, TransferState.FAILED, TransferState.SKIPPED)


class Roster:
    """A unit is what one row of the list is: a file by itself, or a folder."""

    def __init__(self, store: TransferStore) -> None:
        """Raises StorageError."""
        self.records: dict[str, Record] = {}
        self.folders: dict[str, Folder] = {}
        self._line = Line()
        self._by_content: dict[bytes, set[str]] = {}
        self._newest: list[tuple[float, str]] = []
        self._open: set[str] = set()
        self._places: dict[str, int] | None = None
        self._last_position = 0.0
        files: dict[str, list[Record]] = {}
        records = store.all()
        for record in records:
            files.setdefault(record.parent, []).append(record)
        for folder in store.folders():
            self.add_folder(folder, sorted(files.pop(folder.id, []), key=lambda record: record.number))
        for record in files.get("", []):
            self.add(record)

    def add(self, record: Record) -> None:
        """A file by itself."""
        self._note(record)
        self._enter(record)
        self.settle(record)

    def add_folder(self, folder: FolderRecord, files: Sequence[Record]) -> Folder:
        made = self.folders[folder.id] = Folder(folder)
        self._enter(folder)
        self.add_files(made, files)
        return made

    def add_files(self, folder: Folder, files: Sequence[Record]) -> None:
        folder.add(files)
        for file in files:
            self._note(file)
            self.settle(file)
        self.folder_changed(folder)

    def absorb(self, record: Record) -> None:
        """A file by itself is to become one of a folder's: it leaves the list of units."""
        self._leave(record)

    def remove(self, record: Record) -> None:
        self._forget(record)
        self._leave(record)

    def remove_folder(self, folder: Folder) -> None:
        for file in folder.files:
            self._forget(file)
            self._line.leave(file.id)
        self.folders.pop(folder.record.id, None)
        self._leave(folder.record)

    def of_content(self, content_id: bytes) -> list[Record]:
        """All files with that content, by themselves or in folders."""
        return [self.records[each] for each in self._by_content.get(content_id, ())]

    def settle(self, record: Record, waits: bool = False) -> None:
        """Takes over what a record without a job is now; `waits`: it is not to start yet."""
        if record.parent:
            folder = self.folders[record.parent]
            was_unfinished = folder.unfinished
            folder.account(record)
            if folder.unfinished != was_unfinished:
                self.folder_changed(folder)
        else:
            self._mark_open(record.id, record.state not in _ENDED)
        if record.state.active and not waits:
            self._line.join(record.parent or record.id, record.number, record.id)
        else:
            self._line.leave(record.id)

    def started(self, record: Record) -> None:
        self._line.leave(record.id)

    def folder_changed(self, folder: Folder) -> None:
        """It was paused or resumed, or its last file came or went."""
        record = folder.record
        self._mark_open(record.id, folder.unfinished)
        if record.paused or folder.held:
            self._line.close(record.id)
        else:
            self._line.place(record.id, _key(record))

    def close(self, folder: Folder) -> None:
        """Nothing of it starts any more, until `folder_changed`."""
        self._line.close(folder.record.id)

    def first(self) -> Record | None:
        """What is to start next."""
        found = self._line.first()
        return None if found is None else self.records[found]

    def next_position(self) -> float:
        """Behind everything."""
        self._last_position = max(time.time(), self._last_position + STEP)
        return self._last_position

    def place(self, unit_id: str) -> int | None:
        """In the queue, from 1; None when it has ended."""
        if self._places is None:
            keys = sorted((_key(self._unit(each)), each) for each in self._open)
            self._places = {each: number for number, (_, each) in enumerate(keys, 1)}
        return self._places.get(unit_id)

    def move(self, unit: Unit, where: Move) -> list[Unit]:
        """Those whose position is another one now."""
        others = sorted(
            (other.position, other.id)
            for other in map(self._unit, self._open)
            if other.priority is unit.priority and other.id != unit.id
        )
        mine = bisect_left(others, (unit.position, unit.id))
        changed = [unit]
        match where:
            case Move.TOP | Move.BOTTOM if not others:
                return []
            case Move.TOP:
                unit.position = min(unit.position, others[0][0] - 1)
            case Move.BOTTOM:
                unit.position = max(unit.position, others[-1][0] + 1)
            case Move.UP | Move.DOWN:
                beside = mine - 1 if where is Move.UP else mine
                if not 0 <= beside < len(others):
                    return []
                other = self._unit(others[beside][1])
                unit.position, other.position = other.position, unit.position
                changed.append(other)
        self._replace(changed)
        return changed

    def priority_of(self, record: Record) -> Priority:
        """Its own, or its folder's."""
        return self._unit(record.parent or record.id).priority

    def set_priority(self, unit: Unit, priority: Priority) -> None:
        unit.priority = priority
        self._replace([unit])

    def units(self) -> list[Unit]:
        """Newest first."""
        return [self._unit(each) for _, each in reversed(self._newest)]

    def page(self, limit: int, cursor: str) -> tuple[list[Unit], str]:
        """Newest first, with the cursor of the next page, "" at the end. Raises BadInputError."""
        end = len(self._newest)
        if cursor:
            created, _, unit_id = cursor.partition("_")
            try:
                end = bisect_left(self._newest, (float(created), unit_id))
            except ValueError as error:
                raise BadInputError("The cursor is not one that was given.", "cursor-unknown") from error
        start = max(0, end - limit)
        rows = self._newest[start:end]
        following = f"{rows[0][0]!r}_{rows[0][1]}" if start > 0 else ""
        return [self._unit(each) for _, each in reversed(rows)], following

    def __len__(self) -> int:
        return len(self._newest)

    def _note(self, record: Record) -> None:
        self.records[record.id] = record
        self._by_content.setdefault(record.content_id, set()).add(record.id)

    def _forget(self, record: Record) -> None:
        self.records.pop(record.id, None)
        same = self._by_content.get(record.content_id, set())
        same.discard(record.id)
        if not same:
            self._by_content.pop(record.content_id, None)

    def _unit(self, unit_id: str) -> Unit:
        folder = self.folders.get(unit_id)
        return folder.record if folder is not None else self.records[unit_id]

    def _enter(self, unit: Unit) -> None:
        insort(self._newest, (unit.created, unit.id))
        self._last_position = max(self._last_position, unit.position)
        self._line.place(unit.id, _key(unit))

    def _leave(self, unit: Unit) -> None:
        place = bisect_left(self._newest, (unit.created, unit.id))
        if self._newest[place : place + 1] == [(unit.created, unit.id)]:
            del self._newest[place]
        self._line.leave(unit.id)
        self._line.close(unit.id)
        self._mark_open(unit.id, False)

    def _replace(self, units: Sequence[Unit]) -> None:
        self._places = None
        for unit in units:
            folder = self.folders.get(unit.id)
            if folder is None or not (folder.record.paused or folder.held):
                self._line.place(unit.id, _key(unit))

    def _mark_open(self, unit_id: str, is_open: bool) -> None:
        if is_open != (unit_id in self._open):
            self._places = None
            (self._open.add if is_open else self._open.discard)(unit_id)


def _key(unit: Unit) -> Key:
    return unit.priority.rank, unit.position
