"""When the folder for downloads has moved: which transfers go with it. Looks at the disk; changes only records."""

from collections.abc import Iterable
from pathlib import Path

from peer_core.transfer.record import FolderRecord, Record
from peer_core.transfer.types import TransferState


def follow(records: Iterable[Record], old: Path, new: Path) -> list[Record]:
    """Those below `old` whose file, or partial file, lies at the same place below `new` now, or, not begun or skipped,
    whose old folder is gone; they are changed."""
    moved = []
    gone = not old.exists()
    for record in records:
        file = record.path if record.state is TransferState.DONE else record.part
        away = _moved(file, old, new) if file is not None else None
        if away is not None and file is not None:
            follows = not file.exists() and away.exists()
        else:
            follows = file is None and gone
        folder = _moved(record.folder, old, new)
        if folder is None or not follows:
            continue
        record.folder = folder
        record.path = _moved(record.path, old, new) if record.path is not None else None
        record.part = _moved(record.part, old, new) if record.part is not None else None
        moved.append(record)
    return moved


def follow_folder(folder: FolderRecord, old: Path, new: Path) -> bool:
    """True when it lies below `new` now; it is changed."""
    path, around = _moved(folder.path, old, new), _moved(folder.folder, old, new)
    if path is None or around is None or folder.path.exists() or not (path.exists() or not old.exists()):
        return False
    folder.path, folder.folder = path, around
    return True


def _moved(path: Path, old: Path, new: Path) -> Path | None:
    return new / path.relative_to(old) if path.is_relative_to(old) else None
