"""What becomes a transfer when something is asked for: new ones, those that are there already, lost ones again.

All is called with the queue's condition held.
"""

import secrets
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from peer_core.safe_names import inside, safe_name
from peer_core.transfer.folder import Folder
from peer_core.transfer.record import FolderRecord, Record
from peer_core.transfer.roster import Roster
from peer_core.transfer.store import TransferStore
from peer_core.transfer.types import TransferState, Wanted

_Place = tuple[bytes, Path, str]


@dataclass
class Added:
    """`found`: the record of each wanted file, in their order; `resting`: those of them to be taken up again;
    `new`: the ids of those that were not there before."""

    found: list[Record]
    resting: list[Record]
    new: set[str] = field(default_factory=set)


class Adding:
    def __init__(self, roster: Roster, store: TransferStore) -> None:
        self._roster = roster
        self._store = store

    def file(self, content_id: bytes, name: str | None, folder: Path, paused: bool, size: int | None = None) -> Record:
        """Raises StorageError."""
        state = TransferState.PAUSED if paused else TransferState.QUEUED
        named = safe_name(name) if name else ""
        record = Record(secrets.token_hex(6), content_id, named, folder, time.time(), state, size=size)
        record.position = self._roster.next_position()
        self._store.save(record)
        self._roster.add(record)
        return record

    def files(self, wanted: Sequence[Wanted], root: Path) -> Added:
        """Each by itself. Raises BadInputError for a folder that would lie elsewhere, StorageError."""
        added = Added([], [])
        known, places = self._known(), _places(root, wanted)
        new: dict[_Place, Record] = {}
        now = time.time()
        for number, file in enumerate(wanted):
            key = (file.content_id, places[file.parts], safe_name(file.name))
            record = new.get(key) or known.get(key)
            if record is None or (is_lost(record) and not record.parent):
                # They keep the order of the tree.
                record = Record(secrets.token_hex(6), *_named(key), now + number * 1e-6, size=file.size)
                record.position = self._roster.next_position()
                new[key] = record
            elif _rests(record):
                added.resting.append(record)
            added.found.append(record)
        self._store.save_all(list(new.values()))
        for record in new.values():
            self._roster.add(record)
        added.new.update(record.id for record in new.values())
        return added

    def tree(
        self, wanted: Sequence[Wanted], root: Path, name: str, held: Collection[bytes], skip_held: bool, paused: bool
    ) -> tuple[Folder, Added]:
        """All as one folder below `root`: the one that is there for that place already, or a new one.

        `held`: contents that are on this device. Raises BadInputError, StorageError.
        """
        path = inside(root, name)
        added = Added([], [])
        known, places = self._known(), _places(root, wanted)
        there = next((f for f in self._roster.folders.values() if f.record.path == path), None)
        now = time.time()
        folder = there.record if there else FolderRecord(secrets.token_hex(6), path.name, root, path, now)
        if there is None:
            folder.position, folder.paused = self._roster.next_position(), paused
        count = len(there.files) if there else 0
        new: dict[_Place, Record] = {}
        absorbed: list[Record] = []
        changed: list[Record] = []
        for file in wanted:
            key = (file.content_id, places[file.parts], safe_name(file.name))
            if key in new:
                continue
            record = known.get(key)
            if record is not None and record.parent == folder.id:
                if is_lost(record):
                    _begin_again(record)
                    changed.append(record)
                elif _rests(record):
                    added.resting.append(record)
                added.found.append(record)
                continue
            if record is not None and not record.parent and not is_lost(record):
                absorbed.append(record)
                if _rests(record):
                    added.resting.append(record)
            else:
                here = record is not None and record.state is not TransferState.SKIPPED and not is_lost(record)
                have = file.content_id in held
                state = TransferState.SKIPPED if here or (have and skip_held) else TransferState.QUEUED
                record = Record(secrets.token_hex(6), *_named(key), now, state, size=file.size, have=have)
            new[key] = record
            added.found.append(record)
        for number, record in enumerate(new.values(), count):
            record.number = number
        for record in absorbed:
            self._roster.absorb(record)
            record.parent = folder.id
        for record in new.values():
            record.parent = folder.id
        self._store.save_all([*new.values(), *changed], [folder])
        if there is None:
            there = self._roster.add_folder(folder, list(new.values()))
        else:
            self._roster.add_files(there, list(new.values()))
        for record in changed:
            self._roster.settle(record)
        return there, added

    def _known(self) -> dict[_Place, Record]:
        return {(r.content_id, r.folder, r.name): r for r in self._roster.records.values()}


def is_lost(record: Record) -> bool:
    """Done, but the file is not where it was put, or has another size by now."""
    if record.state is not TransferState.DONE:
        return False
    try:
        return record.path is None or not record.path.is_file() or record.path.stat().st_size != record.size
    except OSError:
        return True


def _rests(record: Record) -> bool:
    return not record.state.active and record.state not in (TransferState.DONE, TransferState.SKIPPED)


def _begin_again(record: Record) -> None:
    record.state, record.trouble, record.finished = TransferState.QUEUED, None, None
    record.path = record.part = None
    record.pieces_done = record.bytes_done = 0


def _named(key: _Place) -> tuple[bytes, str, Path]:
    content_id, place, name = key
    return content_id, name, place


def _places(root: Path, wanted: Sequence[Wanted]) -> dict[tuple[str, ...], Path]:
    """The folder below `root` of each folder of another peer. Raises BadInputError when a link leads elsewhere."""
    places: dict[tuple[str, ...], Path] = {(): root}
    for parts in {file.parts for file in wanted}:
        place = root
        for depth in range(1, len(parts) + 1):
            place = places.get(parts[:depth]) or inside(place, parts[depth - 1])
            places[parts[:depth]] = place
    return places
