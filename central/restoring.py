"""Restoring: a backup is put into a data folder without a barrio. Reads what `backup` writes, and nothing else."""

import hashlib
import json
import os
import stat
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from central.authority import CERTIFICATE_FILE, KEY_FILE, Authority
from central.backup import BLOCK, CERTIFICATE, CHUNK, CONTENTS, FORMAT, KEY, MEMBERS, Backup, need_room, sync, workshop
from central.data_folder import AUTHORITY_FOLDER, DATABASE_FILE, make_folder, serve_lock
from central.database import Database
from central.errors import StorageError
from central.members import is_harmless

MAX_CONTENTS = 64 << 10
MAX_PEM = 64 << 10
MAX_DATABASE = 1 << 45
# The end of the year 9999, as far as a date can be told.
MAX_TIME = 253_402_300_800
MAX_COUNT = 1 << 63
# Of the version, the name of the barrio and the fingerprint of its authority.
MAX_FACT = 128


def restore_backup(source: Path, database_path: Path, data_dir: Path) -> Backup:
    """Puts a backup into a data folder that holds no barrio. All is verified before anything is put in place.

    Raises StorageError.
    """
    try:
        # Opening a pipe would wait until somebody writes into it.
        handle = os.open(source, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        is_file = stat.S_ISREG(os.fstat(handle).st_mode)
    except OSError as error:
        raise StorageError(f"the backup {source} cannot be read ({error.strerror})") from error
    if not is_file:
        os.close(handle)
        raise StorageError(f"{source} is not a regular file; give the file that a backup wrote")
    with os.fdopen(handle, "rb") as file:
        contents = _read_contents(file, source)
        make_folder(data_dir)
        with serve_lock(data_dir):
            _must_be_empty(database_path, data_dir)
            try:
                return _restore(file, contents, source, database_path, data_dir)
            except OSError as error:
                raise StorageError(
                    f"the backup cannot be put into {data_dir} ({error.strerror}); nothing was changed"
                ) from error


@dataclass(frozen=True)
class _Part:
    name: str
    size: int
    sha256: str


def _read_contents(file: IO[bytes], source: Path) -> dict[str, object]:
    """The first member, checked; `parts` holds what follows. Raises StorageError."""
    try:
        data = _take(file, _next(file, CONTENTS, MAX_CONTENTS))
        contents = json.loads(data)
        if contents["format"] != FORMAT:
            raise StorageError(f"{source} was made by a newer Barrio; update this program to use it")
        parts = [_Part(str(one["name"]), int(one["size"]), str(one["sha256"])) for one in contents["files"]]
        if tuple(part.name for part in parts) != MEMBERS:
            raise ValueError("other files than a backup has")
        limits = (MAX_PEM, MAX_PEM, MAX_DATABASE)
        if not all(0 < part.size <= most for part, most in zip(parts, limits, strict=True)):
            raise ValueError("impossible sizes")
        facts = {key: _fact(contents[key]) for key in ("version", "network_name", "fingerprint")}
        numbers = {key: int(contents[key]) for key in ("made", "members", "entries")}
        if not (0 <= numbers["made"] < MAX_TIME and all(0 <= number < MAX_COUNT for number in numbers.values())):
            raise ValueError("impossible numbers")
        return facts | numbers | {"parts": parts}
    except (KeyError, TypeError, ValueError, OverflowError, RecursionError) as error:
        raise _no_backup(source) from error


def _fact(value: object) -> str:
    """It is shown at a terminal. Raises ValueError."""
    if not isinstance(value, str) or len(value) > MAX_FACT or not is_harmless(value):
        raise ValueError("nothing that can be shown")
    return value


def _no_backup(source: Path) -> StorageError:
    return StorageError(f"{source} is no whole backup of a Barrio central; nothing was changed")


def _next(file: IO[bytes], name: str, most: int) -> int:
    """Reads the head of the next member, which must be the plain file `name`; returns its size. Raises ValueError."""
    try:
        head = tarfile.TarInfo.frombuf(file.read(BLOCK), "utf-8", "strict")
    except (tarfile.TarError, UnicodeError) as error:
        raise ValueError("no member") from error
    if head.name != name or head.type != tarfile.REGTYPE or not 0 <= head.size <= most:
        raise ValueError("another member")
    return head.size


def _take(file: IO[bytes], size: int) -> bytes:
    data = file.read(size)
    if len(data) != size or len(file.read(-size % BLOCK)) != -size % BLOCK:
        raise ValueError("cut short")
    return data


def _must_be_empty(database_path: Path, data_dir: Path) -> None:
    """An old log beside a restored database would be played into it."""
    beside = database_path.parent.glob(f"{database_path.name}*") if database_path.parent.is_dir() else ()
    for path in (data_dir / AUTHORITY_FOLDER, *beside):
        if path.exists() or path.is_symlink():
            raise StorageError(f"{path} is there already; move it away, or restore into an empty folder (--data-dir)")


def _restore(file: IO[bytes], contents: dict[str, object], source: Path, database_path: Path, data_dir: Path) -> Backup:
    parts = contents.pop("parts")
    assert isinstance(parts, list)
    database_path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    need_room(database_path.parent, sum(part.size for part in parts))
    with workshop(data_dir, "restore") as shop, workshop(database_path.parent, "restore") as beside:
        authority = shop / AUTHORITY_FOLDER
        authority.mkdir(mode=0o700)
        places = {KEY: authority / KEY_FILE, CERTIFICATE: authority / CERTIFICATE_FILE}
        copy = beside / DATABASE_FILE
        try:
            for part in parts:
                _unpack(file, part, places.get(part.name, copy))
            end = file.read(tarfile.RECORDSIZE + 1)
            if any(end) or len(end) > tarfile.RECORDSIZE:
                raise ValueError("more than a backup has")
        except ValueError as error:
            raise _no_backup(source) from error
        found = Authority.load(authority)
        if found.fingerprint != contents["fingerprint"]:
            raise _no_backup(source)
        Database(copy).close()
        sync(authority)
        # First the database: without an authority it is refused, while an authority alone would begin anew.
        copy.rename(database_path)
        try:
            authority.rename(data_dir / AUTHORITY_FOLDER)
        except OSError:
            database_path.rename(copy)
            raise
        sync(database_path.parent)
        sync(data_dir)
    return Backup(file=str(source), bytes=source.stat().st_size, **contents)  # type: ignore[arg-type]


def _unpack(file: IO[bytes], part: _Part, place: Path) -> None:
    """Writes one member to `place`. Raises ValueError unless it is what the contents say."""
    size = _next(file, part.name, MAX_DATABASE)
    if size != part.size:
        raise ValueError("another size")
    digest, left = hashlib.sha256(), size
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
    with os.fdopen(os.open(place, flags, 0o600), "wb") as out:
        while left and (data := file.read(min(left, CHUNK))):
            digest.update(data)
            out.write(data)
            left -= len(data)
        out.flush()
        os.fsync(out.fileno())
    if left or len(file.read(-size % BLOCK)) != -size % BLOCK or digest.hexdigest() != part.sha256:
        raise ValueError("damaged")
