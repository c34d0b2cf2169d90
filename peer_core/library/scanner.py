"""One walk over one share, compared with the index folder by folder; it finds out, and others write it down.

Runs in the library's thread; keeps one folder's entries in memory at a time.
"""

import os
import stat
from array import array
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from peer_core.library import rules
from peer_core.library.disk import is_hidden, is_link, is_vanished, reason, signature_of
from peer_core.library.index import Index, joined
from peer_core.library.records import FileState, Found, KnownFile, KnownRow, ShareRow, Signature, Step, Withheld
from peer_core.library.types import Problem

MAX_PROBLEMS = 1000

_SETTLED = frozenset({FileState.PENDING, FileState.SHARED})


class ShareUnreachableError(Exception):
    """The share's root cannot be had; says why."""


class Root:
    """A share's root folder as it is now. Raises ShareUnreachableError."""

    def __init__(self, share: ShareRow) -> None:
        try:
            status = share.path.stat()
            signature = signature_of(status)
            self.device, self.inode = signature.device, signature.inode
            if not stat.S_ISDIR(status.st_mode):
                raise ShareUnreachableError("there is no folder any more")
            with os.scandir(share.path) as entries:
                empty = next(entries, None) is None
        except OSError as error:
            raise ShareUnreachableError(reason(error)) from error
        # The place where a disk was mounted is left as an empty folder, and another one than before.
        if empty and share.inode and (share.device, share.inode) != (self.device, self.inode):
            raise ShareUnreachableError("the folder is empty and another one than before; is its disk connected?")

    def same_as(self, other: "Root") -> bool:
        return (self.device, self.inode) == (other.device, other.inode)


class Walk:
    """`steps()` once; then `missing` (entries that were not met) and `problems` are complete.

    `displaced` remembers what was known of files whose entry another file took, over the walks of one look.
    `breathe` is called between folders, and may raise to end the walk.
    """

    def __init__(
        self,
        share: ShareRow,
        index: Index,
        *,
        excluded: frozenset[str] = frozenset(),
        renumbered: frozenset[int] = frozenset(),
        displaced: dict[Signature, int] | None = None,
        breathe: Callable[[], None] = lambda: None,
    ) -> None:
        self.missing = array("q")
        self.problems: list[Problem] = []
        self._share = share
        self._index = index
        self._excluded = excluded
        self._renumbered = renumbered
        self._displaced = {} if displaced is None else displaced
        self._breathe = breathe
        self._unreadable: list[str] = []
        self._unvisited = index.folders(share.id)
        self._ahead: list[str] = []

    def steps(self, root: Root) -> Iterator[Step]:
        """Raises ShareUnreachableError; what was yielded before is true all the same."""
        self._ahead.append("")
        while self._ahead:
            self._breathe()
            yield from self._folder(self._ahead.pop())
        # A disk that was pulled out meanwhile looks like deleted folders.
        if not Root(self._share).same_as(root):
            raise ShareUnreachableError("the folder was exchanged while it was read")
        for folder, id_ in self._unvisited.items():
            self._breathe()
            yield from self._not_met(folder, self._index.files_in(id_).values())

    def _problem(self, path: str, text: str) -> None:
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(Problem(rules.shown(path), text))

    def _not_met(self, folder: str, rows: Iterable[KnownRow]) -> Iterator[Step]:
        files = [file for file in map(KnownFile._make, rows) if file.state != FileState.GONE]
        if any(not u or folder == u or folder.startswith(u + "/") for u in self._unreadable):
            yield from (Withheld(file.id) for file in files)
        else:
            self.missing.extend(file.id for file in files)

    def _folder(self, folder: str) -> Iterator[Step]:
        # Asked before the disk is: an entry that a finished download adds in between is then met, never missed.
        folder_id = self._unvisited.pop(folder, None)
        known = {} if folder_id is None else self._index.files_in(folder_id)
        place = os.path.join(self._share.path, folder) if folder else str(self._share.path)  # noqa: PTH118
        news: list[tuple[str, Signature, KnownFile | None]] = []
        try:
            with os.scandir(place) as entries:
                for entry in entries:
                    name = entry.name
                    row = known.get(name)
                    if row is None:
                        # Those that are known were let in by the same rules.
                        if rules.is_left_out(name):
                            continue
                        if entry.is_dir(follow_symlinks=False):
                            self._enter(folder, entry)
                            continue
                    try:
                        status = entry.stat(follow_symlinks=False)
                    except OSError as error:
                        if not is_vanished(error):
                            self._problem(joined(folder, name), reason(error))
                            if row is not None:
                                del known[name]
                                yield Withheld(KnownFile._make(row).id)
                        continue
                    if row is not None and _is_settled(row, status):
                        del known[name]
                        continue
                    signature = self._wanted(folder, entry, status)
                    if signature is not None:
                        known.pop(name, None)
                        news.append((name, signature, None if row is None else KnownFile._make(row)))
        except OSError as error:
            if not is_vanished(error):
                self._problem(folder, reason(error))
                self._unreadable.append(folder)
        for name, signature, file in news:
            yield from self._news(folder, name, signature, file, known)
        yield from self._not_met(folder, known.values())

    def _enter(self, folder: str, entry: os.DirEntry[str]) -> None:
        path = joined(folder, entry.name)
        with suppress(OSError):
            status = entry.stat(follow_symlinks=False)
            if is_link(status) or is_hidden(status) or os.path.normcase(entry.path) in self._excluded:
                return
        refusal = rules.refusal(path, 0)
        if refusal is not None:
            self._problem(path, refusal)
        else:
            self._ahead.append(path)

    def _wanted(self, folder: str, entry: os.DirEntry[str], status: os.stat_result) -> Signature | None:
        """The signature of a file that is to be shared, or None."""
        if entry.is_dir(follow_symlinks=False):
            self._enter(folder, entry)
            return None
        if os.name == "nt":
            # A listing on Windows has no file ids, and sizes and times that may lag behind.
            with suppress(OSError):
                status = Path(entry.path).lstat()
        if not stat.S_ISREG(status.st_mode) or is_link(status) or is_hidden(status):
            return None
        path = joined(folder, entry.name)
        refusal = rules.refusal(path, status.st_size)
        if refusal is not None:
            self._problem(path, refusal)
            return None
        return signature_of(status, self._renumbered)

    def _news(
        self, folder: str, name: str, signature: Signature, file: KnownFile | None, left: dict[str, KnownRow]
    ) -> Iterator[Step]:
        """`left`: this folder's entries that were not met."""
        if file is not None and _is_unchanged(file, signature):
            if file.state not in _SETTLED:
                yield Found(folder, name, signature, file.content)
            return
        if file is not None and file.content is not None and file.inode:
            self._displaced[Signature(file.size, file.mtime_ns, file.device, file.inode)] = file.content
        content, moved_from = self._known_elsewhere(folder, signature, left) if signature.inode else (None, None)
        yield Found(folder, name, signature, content, moved_from)

    def _known_elsewhere(
        self, folder: str, signature: Signature, left: dict[str, KnownRow]
    ) -> tuple[int | None, int | None]:
        """(content, entry that the file left) of a file that was hashed under another name."""
        content = self._displaced.get(signature)
        here = str(self._share.path)
        for match in self._index.matches(signature):
            content = match.content if content is None else content
            if match.state != FileState.SHARED:
                continue
            if (match.root, match.folder) == (here, folder):
                has_left = match.name in left
            else:
                has_left = _has_left(Path(match.root, match.folder, match.name), signature)
            if has_left:
                return match.content, match.file
        return content, None


def _is_settled(row: KnownRow, status: os.stat_result) -> bool:
    """The quick answer for nearly every file."""
    return (
        status.st_mtime_ns == row[1]
        and status.st_size == row[0]
        and (status.st_ino == row[2] or not (row[2] and status.st_ino))
        and row[3] in _SETTLED
        and stat.S_ISREG(status.st_mode)
    )


def _is_unchanged(file: KnownFile, signature: Signature) -> bool:
    # One that was gone counts as new: it is looked up by its id, as it may come from another entry.
    return (
        file.state != FileState.GONE
        and (file.size, file.mtime_ns) == (signature.size, signature.mtime_ns)
        and (file.inode == signature.inode or not (file.inode and signature.inode))
    )


def _has_left(path: Path, signature: Signature) -> bool:
    """Whether the file with this signature is not at `path` any more."""
    try:
        now = signature_of(path.lstat())
    except OSError as error:
        return is_vanished(error)
    return (now.device, now.inode) != (signature.device, signature.inode)
