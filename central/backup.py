"""Backups: one private file with all that a central needs to go on, made while it runs. `restoring` puts it back.

The file is a tar archive of four members in this order: `barrio-backup.json` (what follows: names, sizes, SHA-256), the
authority's key and certificate, and the database as it was at one moment.
"""

import hashlib
import json
import os
import shutil
import sqlite3
import tarfile
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from central.authority import CERTIFICATE_FILE, KEY_FILE, Authority
from central.data_folder import AUTHORITY_FOLDER, DATABASE_FILE
from central.database import Database, is_full, storage_error
from central.errors import StorageError

FORMAT = 1
CONTENTS = "barrio-backup.json"
KEY = f"{AUTHORITY_FOLDER}/{KEY_FILE}"
CERTIFICATE = f"{AUTHORITY_FOLDER}/{CERTIFICATE_FILE}"
MEMBERS = (KEY, CERTIFICATE, DATABASE_FILE)
BLOCK = 512
CHUNK = 1 << 20
# Beyond what is needed, so that a backup is not what fills a disk.
SPARE = 16 << 20


@dataclass(frozen=True)
class Backup:
    """What a backup holds; `made` in seconds since 1970, `bytes` of the whole file."""

    file: str
    bytes: int
    made: int
    version: str
    network_name: str
    fingerprint: str
    members: int
    entries: int


def make_backup(database_path: Path, data_dir: Path, target: Path, version: str) -> Backup:
    """Writes a backup of a central, which may run meanwhile, to `target`, which must not exist.

    The file appears whole or not at all, with mode 0600. Raises StorageError.
    """
    _must_be_new(target)
    authority = Authority.load(data_dir / AUTHORITY_FOLDER)
    database = Database.open(database_path)
    try:
        size = _size(database)
        # The copy of the database, and the archive.
        need_room(target.parent, 2 * size)
        with workshop(target.parent, target.name) as shop:
            copy = shop / DATABASE_FILE
            facts = _copy(database, copy)
            files = {
                KEY: data_dir / AUTHORITY_FOLDER / KEY_FILE,
                CERTIFICATE: data_dir / AUTHORITY_FOLDER / CERTIFICATE_FILE,
                DATABASE_FILE: copy,
            }
            made = int(time.time())
            contents = {
                "format": FORMAT,
                "made": made,
                "version": version,
                "fingerprint": authority.fingerprint,
                **facts,
                "files": [
                    {"name": name, "size": path.stat().st_size, "sha256": _digest(path)} for name, path in files.items()
                ],
            }
            whole = shop / "archive"
            _write_archive(whole, json.dumps(contents, indent=1).encode(), files, made)
            _put(whole, target)
    except sqlite3.Error as error:
        if is_full(error):
            raise StorageError(f"{target.parent} is full; make room, or choose another place") from error
        raise storage_error(database_path, error) from error
    except OSError as error:
        raise StorageError(f"the backup {target} cannot be written ({error.strerror}); nothing was left") from error
    finally:
        database.close()
    name, members, entries = str(facts["network_name"]), int(facts["members"]), int(facts["entries"])
    return Backup(
        str(target), target.stat().st_size, made, version, name, authority.fingerprint, members=members, entries=entries
    )


def _must_be_new(target: Path) -> None:
    if target.exists() or target.is_symlink():
        raise StorageError(f"{target} is there already; choose another name for the backup")
    if not target.parent.is_dir():
        raise StorageError(f"there is no folder {target.parent}; make it first")


def _size(database: Database) -> int:
    read = database.read().execute
    return int(read("PRAGMA page_count").fetchone()[0]) * int(read("PRAGMA page_size").fetchone()[0])


def need_room(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < needed + SPARE:
        mib = -(-(needed + SPARE) >> 20)
        raise StorageError(
            f"{folder} has {free >> 20} MiB free, and {mib} MiB are needed; make room, or choose another"
        )


@contextmanager
def workshop(folder: Path, name: str) -> Iterator[Path]:
    """A private folder on the same disk, gone afterwards."""
    shop = Path(tempfile.mkdtemp(prefix=f".{name[:40]}.", dir=folder))
    try:
        yield shop
    finally:
        shutil.rmtree(shop, ignore_errors=True)


def _copy(database: Database, path: Path) -> dict[str, str | int]:
    """The database as it is at one moment, whoever writes meanwhile; returns facts about it. Raises StorageError."""
    path.touch(mode=0o600)
    copy = sqlite3.connect(path)
    try:
        copy.execute("PRAGMA synchronous = OFF")
        # In one step: begun again at each foreign write, it would not come to an end.
        database.read().backup(copy, pages=-1)
        # One file alone, without a log beside it.
        copy.execute("PRAGMA journal_mode = DELETE")
        found = copy.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            raise StorageError(f"the database {database.path} is damaged ({found}); go back to an earlier backup")
        read = copy.execute
        name = read("SELECT value FROM setting WHERE key = 'network_name'").fetchone()
        return {
            "network_name": name[0] if name else "",
            "members": read("SELECT count(*) FROM member WHERE revocation IS NULL").fetchone()[0],
            "entries": read("SELECT coalesce(sum(entries), 0) FROM publication").fetchone()[0],
        }
    finally:
        copy.close()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_archive(path: Path, contents: bytes, files: dict[str, Path], made: int) -> None:
    with os.fdopen(
        os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0), 0o600), "wb"
    ) as out:
        _add(out, CONTENTS, len(contents), made)
        out.write(contents + bytes(-len(contents) % BLOCK))
        for name, part in files.items():
            size = part.stat().st_size
            _add(out, name, size, made)
            with part.open("rb") as file:
                shutil.copyfileobj(file, out, CHUNK)
            out.write(bytes(-size % BLOCK))
        out.write(bytes(2 * BLOCK))
        out.flush()
        os.fsync(out.fileno())


def _add(out: IO[bytes], name: str, size: int, made: int) -> None:
    head = tarfile.TarInfo(name)
    head.size, head.mtime, head.mode = size, made, 0o600
    # Sizes over 8 GiB stay in one block in this format.
    out.write(head.tobuf(tarfile.GNU_FORMAT))


def _put(whole: Path, target: Path) -> None:
    """Gives the file its name, unless somebody took it meanwhile."""
    try:
        os.link(whole, target)
    except FileExistsError as error:
        raise StorageError(f"{target} is there already; choose another name for the backup") from error
    except OSError:
        # A file system without second names.
        _must_be_new(target)
        whole.rename(target)
    sync(target.parent)


def sync(folder: Path) -> None:
    """A new name is on the disk when this returns, where folders can be synced at all."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
