"""Where a download lands: room on the disk before, and the file's last step from `.part` to its name. Any thread."""

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from peer_core.content import Manifest, piece_hash
from peer_core.errors import NoRoomError, StorageError
from peer_core.safe_names import inside, numbered, shorten
from peer_core.sizes import Size
from peer_core.system_words import system_words
from peer_core.transfer.part_file import storage_error
from protos.sentences import say

SPARE_BYTES = 16 << 20
MAX_NUMBER = 10_000
_NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV, errno.EACCES)


def part_path(folder: Path, name: str, transfer_id: str) -> Path:
    """The unfinished file beside the finished one, so that the last step is a rename."""
    return part_beside(inside(folder, name), transfer_id)


def part_beside(path: Path, transfer_id: str) -> Path:
    """The same for a name that is safe already."""
    ending = f".{transfer_id}.part"
    return path.with_name(shorten(path.name, 240 - len(ending)) + ending)


def make_usable(folder: Path) -> None:
    """Makes the folder where it is missing. Raises StorageError when files cannot be written there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return
    except OSError as error:
        reason = system_words(error) if error.strerror else say("it is not writable", "not-writable")
        raise StorageError(
            "Nothing can be written into {folder} ({reason}); choose another folder.",
            "folder-unwritable",
            folder=folder,
            reason=reason,
        ) from error


def bytes_on_disk(part: Path) -> int:
    """What a partial file takes already; holes do not count where the system tells."""
    try:
        status = part.stat()
    except OSError:
        return 0
    blocks: int | None = getattr(status, "st_blocks", None)
    return status.st_size if blocks is None else blocks * 512


def check_room(folder: Path, needed: int, promised: int) -> None:
    """Raises NoRoomError unless `needed` bytes fit beside the `promised` ones of other downloads."""
    existing = next(p for p in (folder, *folder.parents) if p.exists())
    try:
        free = shutil.disk_usage(existing).free
    except OSError as error:
        raise storage_error(folder, error) from error
    if needed + promised + SPARE_BYTES > free:
        raise NoRoomError(
            "There is not enough room in {folder}: {needed_bytes} are needed, {free_bytes} are free. "
            "Make room, and it goes on.",
            "room-needed",
            folder=folder,
            needed_bytes=Size(needed + promised),
            free_bytes=Size(free),
        )


def free_names(folder: Path, name: str) -> Iterator[Path]:
    """`film.mkv`, `film (2).mkv` …: those that nothing has in the folder now. Raises StorageError after 10,000."""
    wanted = inside(folder, name)
    for number in range(1, MAX_NUMBER):
        path = numbered(wanted, number)
        if not os.path.lexists(path):
            yield path
    raise StorageError(
        "{folder} holds too many files named {name}; take some away and resume.",
        "names-used-up",
        folder=folder,
        name=wanted.name,
    )


def give_name(part: Path, path: Path, sync: bool = True) -> bool:
    """Gives the whole file its name; False when something has it by now. Never replaces. Raises StorageError.

    Without `sync` the folder is to be synced afterwards."""
    try:
        _rename_new(part, path)
    except FileExistsError:
        return False
    except OSError as error:
        raise storage_error(path, error) from error
    if sync:
        sync_folder(path.parent)
    return True


def is_whole(path: Path, manifest: Manifest) -> bool:
    """Reads a file and proves it piece by piece; False also when it cannot be read or is a link."""
    try:
        if path.is_symlink() or path.stat().st_size != manifest.size:
            return False
        with path.open("rb") as file:
            for piece in range(manifest.count):
                if piece_hash(file.read(manifest.span(piece)[1])) != manifest.hash_of(piece):
                    return False
    except OSError:
        return False
    return True


def _rename_new(part: Path, target: Path) -> None:
    """Raises FileExistsError where `target` exists: a hard link is the portable way to never replace."""
    if os.name != "nt":
        try:
            os.link(part, target, follow_symlinks=False)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
        else:
            part.unlink()
            return
        if os.path.lexists(target):
            raise FileExistsError(target)
    # On Windows a rename refuses by itself when the target exists.
    part.rename(target)


def sync_folder(folder: Path) -> None:
    """Makes a rename outlive a power cut, where the system lets folders be synced."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
