"""A share as a tree, page by page: what other members may see of it. Any thread; reads the index, never the disk.

Paths are looked up as they are, so one with `..` or a backslash names nothing.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from peer_core.database import Database
from peer_core.errors import BadInputError, NotFoundError
from peer_core.library.index import joined

MAX_PAGE = 1000
MAX_PATH_CHARACTERS = 5000
# Bytes of the texts of one page; names are short, so this ends a page only where somebody made them long.
PAGE_BYTES = 600_000
_ROW_BYTES = 160
_FOLDERS_CHUNK = 64
# As in the index `folders_tree`.
_KEY = "replace(path, '/', char(0)) || char(0)"
# Behind everything that begins with a key.
_LAST = "\U0010ffff"


@dataclass(frozen=True)
class SharedRoot:
    """A share as others see it; `files` and `bytes` are all below it."""

    name: str
    files: int
    bytes: int


@dataclass(frozen=True)
class SubFolder:
    """`files` and `bytes` are all below it, at any depth."""

    name: str
    files: int
    bytes: int


@dataclass(frozen=True)
class SharedFile:
    """`folder`: relative to the folder that was asked for, "" for itself. `modified`: seconds since 1970."""

    folder: str
    name: str
    size: int
    content_id: bytes
    modified: int


@dataclass(frozen=True)
class TreePage:
    """Folders before files, each by name. `after` asks for the rest, None: there is none. A file is a page of one."""

    folders: tuple[SubFolder, ...]
    files: tuple[SharedFile, ...]
    after: str | None
    is_file: bool = False


class Browsing:
    """All raise StorageError; those with a path also NotFoundError and BadInputError."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def shares(self) -> list[SharedRoot]:
        """By name; those whose folder is away are left out."""
        with self._database.read() as db:
            rows = db.execute(
                "SELECT name, files, bytes FROM shares WHERE removed = 0 AND available = 1 ORDER BY name"
            ).fetchall()
        return [SharedRoot(*row) for row in rows]

    def page(self, path: str, after: str = "", limit: int = 200) -> TreePage:
        """One folder: `path` is SHARE or SHARE/FOLDERS; `after`: the last row's name, of a folder with "/" behind.

        The cost grows with the rows and with the folders below those of the page, not with the files.
        """
        share_name, folder = _split(path, after, limit)
        with self._database.read() as db:
            share = _share(db, share_name)
            if not _exists(db, share, folder):
                return TreePage((), (_only_file(db, share, folder),), None, is_file=True)
            budget = _Budget(limit)
            folders: list[SubFolder] = []
            if not after or after.endswith("/"):
                for row in _subfolders(db, share, folder, after[:-1]):
                    if not budget.takes(row.name):
                        return TreePage(tuple(folders), (), folders[-1].name + "/")
                    folders.append(row)
                after = ""
            files: list[SharedFile] = []
            for file in _files_in(db, share, folder, "", after, budget.left + 1):
                if not budget.takes(file.name):
                    return TreePage(tuple(folders), tuple(files), _last(folders, files))
                files.append(file)
            return TreePage(tuple(folders), tuple(files), None)

    def below(self, path: str, after: str = "", limit: int = 1000) -> TreePage:
        """All files at any depth below a folder, in the order of the tree; `after`: folder and name of the last one."""
        share_name, folder = _split(path, after, limit)
        with self._database.read() as db:
            share = _share(db, share_name)
            if not _exists(db, share, folder):
                return TreePage((), (_only_file(db, share, folder),), None, is_file=True)
            budget = _Budget(limit)
            files: list[SharedFile] = []
            after_folder, _, after_name = after.rpartition("/")
            for place in _folders_from(db, share, folder, after_folder):
                relative = place[len(folder) :].removeprefix("/")
                name = after_name if relative == after_folder else ""
                for file in _files_in(db, share, place, relative, name, budget.left + 1):
                    if not budget.takes(file.folder + file.name):
                        return TreePage((), tuple(files), joined(files[-1].folder, files[-1].name))
                    files.append(file)
            return TreePage((), tuple(files), None)


class _Budget:
    """Rows and bytes that a page has left; one row always fits."""

    def __init__(self, rows: int) -> None:
        self.left = rows
        self._bytes = PAGE_BYTES
        self._begun = False

    def takes(self, text: str) -> bool:
        self.left -= 1
        self._bytes -= len(text.encode()) + _ROW_BYTES
        fits = self.left >= 0 and (self._bytes >= 0 or not self._begun)
        self._begun = True
        return fits


def _split(path: str, after: str, limit: int) -> tuple[str, str]:
    """(share, folder). Raises BadInputError."""
    if len(path) > MAX_PATH_CHARACTERS or len(after) > MAX_PATH_CHARACTERS:
        raise BadInputError("A path has at most {most} characters.", "path-most", most=MAX_PATH_CHARACTERS)
    if not 1 <= limit <= MAX_PAGE:
        raise BadInputError("A page has 1 to {most} rows.", "page-rows", most=MAX_PAGE)
    if "\0" in path or "\0" in after or not _is_text(path + after):
        raise BadInputError("A path is text without NUL characters.", "path-nul")
    share, _, folder = path.partition("/")
    return share, folder


def _is_text(text: str) -> bool:
    return not any("\ud800" <= c <= "\udfff" for c in text)


def _share(db: sqlite3.Connection, name: str) -> int:
    row = db.execute("SELECT id FROM shares WHERE name = ? AND removed = 0 AND available = 1", (name,)).fetchone()
    if row is None:
        raise NotFoundError("There is no such share here now.", "share-gone")
    return int(row[0])


def _prefix(folder: str) -> str:
    """What the keys of all folders below begin with."""
    return folder.replace("/", "\0") + "\0" if folder else ""


def _end(prefix: str) -> str:
    return prefix[:-1] + "\1" if prefix else _LAST


def _exists(db: sqlite3.Connection, share: int, folder: str) -> bool:
    prefix = _prefix(folder)
    return not folder or bool(
        db.execute(
            f"SELECT 1 FROM folders WHERE share = ? AND {_KEY} >= ? AND {_KEY} < ? AND files > 0 LIMIT 1",
            (share, prefix, _end(prefix)),
        ).fetchone()
    )


def _only_file(db: sqlite3.Connection, share: int, path: str) -> SharedFile:
    folder, _, name = path.rpartition("/")
    rows = db.execute(f"{_FILES} AND f.name = ?", (share, folder, name)).fetchall()
    if not rows:
        raise NotFoundError("There is no such folder or file in that share.", "share-nothing-there")
    return _file("", rows[0])


def _subfolders(db: sqlite3.Connection, share: int, folder: str, after: str) -> Iterator[SubFolder]:
    """From one to the next by the index, whatever lies below each."""
    prefix = _prefix(folder)
    end = _end(prefix)
    start = prefix + (after + "\1" if after else "\1")
    while True:
        row = db.execute(
            f"SELECT path FROM folders WHERE share = ? AND {_KEY} >= ? AND {_KEY} < ? AND files > 0 "
            f"ORDER BY {_KEY} LIMIT 1",
            (share, start, end),
        ).fetchone()
        if row is None:
            return
        name = row[0][len(prefix) :].partition("/")[0]
        below = prefix + name
        files, size = db.execute(
            f"SELECT sum(files), sum(bytes) FROM folders WHERE share = ? AND {_KEY} >= ? AND {_KEY} < ? AND files > 0",
            (share, below + "\0", below + "\1"),
        ).fetchone()
        yield SubFolder(name, files, size)
        start = below + "\1"


def _folders_from(db: sqlite3.Connection, share: int, folder: str, after: str) -> Iterator[str]:
    """Paths of the folder and those below that hold files, from `after` (relative, inclusive), in the tree's order."""
    prefix = _prefix(folder)
    start = prefix + _prefix(after)
    comparison = ">="
    while True:
        rows = db.execute(
            f"SELECT path, {_KEY} FROM folders WHERE share = ? AND {_KEY} {comparison} ? AND {_KEY} < ? AND files > 0 "
            f"ORDER BY {_KEY} LIMIT {_FOLDERS_CHUNK}",
            (share, start, _end(prefix)),
        ).fetchall()
        yield from (path for path, _ in rows)
        if len(rows) < _FOLDERS_CHUNK:
            return
        start, comparison = rows[-1][1], ">"


_FILES = (
    "SELECT f.name, f.size, c.content_id, f.mtime_ns FROM files f JOIN contents c ON c.id = f.content "
    "WHERE f.folder = (SELECT id FROM folders WHERE share = ? AND path = ?) AND f.state = 1"
)


def _files_in(
    db: sqlite3.Connection, share: int, folder: str, relative: str, after: str, limit: int
) -> Iterator[SharedFile]:
    rows = db.execute(f"{_FILES} AND f.name > ? ORDER BY f.name LIMIT ?", (share, folder, after, max(1, limit)))
    return (_file(relative, row) for row in rows.fetchall())


def _file(relative: str, row: tuple[str, int, bytes, int]) -> SharedFile:
    name, size, content_id, mtime_ns = row
    return SharedFile(relative, name, size, content_id, mtime_ns // 1_000_000_000)


def _last(folders: list[SubFolder], files: list[SharedFile]) -> str:
    return files[-1].name if files else folders[-1].name + "/"
