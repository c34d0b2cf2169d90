"""When the folder for downloads has moved: which transfers go with it. Looks at the disk; changes only records."""

import os
from collections.abc import Iterable
from pathlib import Path

from peer_core.transfer.record import FolderRecord, Record
from peer_core.transfer.types import TransferState


def follow(records: Iterable[Record], old: Path, new: Path) -> list[Record]:
    """Those below `old` whose file, or partial file, lies at the same place below `new` now, or, not begun or skipped,
    whose old folder is gone; they are changed."""
    begun: list[Record] = []
    others: list[Record] = []
    for record in records:
        (others if _file_of(record) is None else begun).append(record)
    moved = [record for record in begun if _has_moved(record, old, new)]
    # Somebody may have made folders there anew between the move and the word of it.
    if not old.exists() or (moved and not _holds_files(old)):
        moved += [record for record in others if _moved(record.folder, old, new) is not None]
    for record in moved:
        record.folder = _moved(record.folder, old, new) or record.folder
        record.path = _moved(record.path, old, new) if record.path is not None else None
        record.part = _moved(record.part, old, new) if record.part is not None else None
    return moved


def follow_folder(folder: FolderRecord, files: Iterable[Record], old: Path, new: Path) -> bool:
    """True when it lies below `new` now, its files, which followed before, with it; it is changed."""
    path, around = _moved(folder.path, old, new), _moved(folder.folder, old, new)
    if path is None or around is None or not (path.exists() or not old.exists()):
        return False
    if folder.path.exists() and not all(file.folder.is_relative_to(path) for file in files):
        return False
    folder.path, folder.folder = path, around
    return True


def _file_of(record: Record) -> Path | None:
    return record.path if record.state is TransferState.DONE else record.part


def _has_moved(record: Record, old: Path, new: Path) -> bool:
    file = _file_of(record)
    away = _moved(file, old, new) if file is not None else None
    below = _moved(record.folder, old, new) is not None
    return below and file is not None and away is not None and not file.exists() and away.exists()


def _holds_files(folder: Path) -> bool:
    return any(files for _, _, files in os.walk(folder))


def _moved(path: Path, old: Path, new: Path) -> Path | None:
    return new / path.relative_to(old) if path.is_relative_to(old) else None
