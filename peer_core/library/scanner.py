"""One walk over one share or some of its folders, compared with the index folder by folder.

It finds out, and others write it down. Runs in the worker's thread; keeps one folder's entries in memory at a time.
"""

import os
import stat
from array import array
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from peer_core.library import rules
from peer_core.library.disk import READ_BY_ALL, is_hidden, is_link, is_vanished, may_read, reason, signature_of
from peer_core.library.index import Index, joined
from peer_core.library.marks import Marks, above
from peer_core.library.reasons import Reason
from peer_core.library.records import (
    FileState,
    Found,
    KnownFile,
    KnownRow,
    Sealed,
    ShareRow,
    Signature,
    Step,
    Withheld,
)
from peer_core.library.roots import Root, ShareUnreachableError
from peer_core.library.seals import listing, seal, told
from peer_core.library.types import Problem

MAX_PROBLEMS = 1000

# States up to this one need no step when the file is as it was.
_LAST_SETTLED = int(FileState.SHARED)
_AWAY = frozenset({FileState.LEFT_OUT, FileState.GONE})
# On the other systems a folder's kind and name say it all.
_CAN_BE_HIDDEN = os.name == "nt" or hasattr(os, "chflags")


class Walk:
    """`steps()` once; then `missing` (entries that were not met) and `problems` are complete.

    `marks`: what to look at. Raises BadInputError when the share's rules cannot be read.
    `displaced` remembers what was known of files whose entry another file took, over the walks of one look.
    `breathe` is called between folders, and may raise to end the walk.
    """

    def __init__(
        self,
        share: ShareRow,
        index: Index,
        *,
        marks: Marks = None,
        excluded: frozenset[str] = frozenset(),
        renumbered: frozenset[int] = frozenset(),
        displaced: dict[Signature, int] | None = None,
        breathe: Callable[[], None] = lambda: None,
    ) -> None:
        self.missing = array("q")
        self.problems: list[Problem] = []
        self._share = share
        self._place = str(share.path).rstrip(os.sep)
        self._index = index
        self._excluded = excluded
        self._renumbered = renumbered
        self._displaced = {} if displaced is None else displaced
        self._breathe = breathe
        self._rules = rules.ShareRules(share.exclude, share.hidden)
        # Known files were let in by the rules of their time.
        self._recheck = share.rules != share.walked
        self._unreadable: set[str] = set()
        self._left_out: set[str] = set()
        self._marks = marks
        self._unvisited = index.folders(share.id, marks)
        # Of the folder at hand: whether it must be compared the next time too.
        self._differs = False
        # Folders to look at, and whether those below them too.
        self._ahead: list[tuple[str, bool]] = []

    def steps(self, root: Root) -> Iterator[Step]:
        """Raises ShareUnreachableError; what was yielded before is true all the same."""
        if self._marks is None:
            self._ahead.append(("", True))
        else:
            ways: dict[str, bool] = {}
            self._ahead.extend((f, deep) for f, deep in self._marks.items() if self._is_let_in(f, ways))
        while self._ahead:
            self._breathe()
            yield from self._folder(*self._ahead.pop())
        # A disk that was pulled out meanwhile looks like deleted folders.
        if not Root(self._share).same_as(root):
            raise ShareUnreachableError(Reason.EXCHANGED)
        for folder, (id_, _) in self._unvisited.items():
            self._breathe()
            yield from self._not_met(folder, self._index.files_in(id_).values())

    def _problem(self, path: str, text: str) -> None:
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(Problem(rules.shown(path), text))

    def _not_met(self, folder: str, rows: Iterable[KnownRow]) -> Iterator[Step]:
        files = [file for file in map(KnownFile._make, rows) if file.state != FileState.GONE]
        if _is_below(folder, self._unreadable):
            yield from (Withheld(file.id) for file in files if file.state != FileState.WITHHELD)
        elif _is_below(folder, self._left_out):
            yield from (Withheld(file.id, by_rules=True) for file in files if file.state != FileState.LEFT_OUT)
        else:
            self.missing.extend(file.id for file in files)

    def _is_let_in(self, folder: str, ways: dict[str, bool]) -> bool:
        """Whether a walk from the root would come there. `ways`: what was found out about folders."""
        known = ways.get(folder)
        if known is None:
            above, _, name = folder.rpartition("/")
            known = not folder or (self._is_let_in(above, ways) and self._is_open(above, name))
            ways[folder] = known
        return known

    def _is_open(self, above: str, name: str) -> bool:
        path = joined(above, name)
        place = self._share.path / path
        try:
            status = place.lstat()
        except OSError as error:
            if not is_vanished(error):
                self._problem(path, reason(error))
                self._unreadable.add(path)
            return False
        if not stat.S_ISDIR(status.st_mode) or is_link(status) or rules.refusal(path, 0) is not None:
            return False
        if self._rules.leave_out(above, name, True) or (is_hidden(status) and not self._rules.hidden):
            self._left_out.add(path)
            return False
        return os.path.normcase(place) not in self._excluded

    def _folder(self, folder: str, deep: bool) -> Iterator[Step]:
        place = f"{self._place}{os.sep}{folder}" if folder else self._place or os.sep
        folder_id, sealed = self._unvisited.pop(folder, (None, None))
        if sealed is not None and not self._recheck and self._is_sealed(folder, place, deep, sealed):
            return
        # Asked before the disk is: an entry that a finished download adds in between is then met, never missed.
        known = {} if folder_id is None else self._index.files_in(folder_id)
        said: list[str | int] = []
        self._differs = bool(self._share.pending) and FileState.PENDING in {row[3] for row in known.values()}
        before = len(self.missing), len(self.problems)
        for step in self._compared(folder, place, deep, known, said):
            self._differs = True
            yield step
        if folder_id is not None and said and not self._differs and before == (len(self.missing), len(self.problems)):
            yield Sealed(folder_id, seal(said), self._share.rules)

    def _is_sealed(self, folder: str, place: str, deep: bool, sealed: bytes) -> bool:
        """Whether the disk says what it did when nothing was new. Nearly all of a look's time is spent here."""
        said: list[str | int] = []
        below = []
        try:
            with listing(place) as entries:
                for entry in entries:
                    if entry.is_file(follow_symlinks=False):
                        status = entry.stat(follow_symlinks=False)
                        said += told(entry.name, status)
                    elif entry.is_dir(follow_symlinks=False):
                        below.append(entry)
                if seal(said) != sealed:
                    return False
                for entry in below:
                    if self._rules.leave_out(folder, entry.name, True):
                        self._left_out.add(joined(folder, entry.name))
                    else:
                        self._enter(folder, entry, deep)
        except OSError:
            return False
        return True

    def _compared(
        self, folder: str, place: str, deep: bool, known: dict[str, KnownRow], said: list[str | int]
    ) -> Iterator[Step]:
        """`known` is used up. `said` gets what the disk says of each file."""
        recheck, regular = self._recheck, stat.S_ISREG
        news: list[tuple[str, Signature, bool, KnownFile | None]] = []
        try:
            with listing(place) as entries:
                for entry in entries:
                    name = entry.name
                    row = known.get(name)
                    if row is None or recheck or row[3] > _LAST_SETTLED:
                        is_folder = entry.is_dir(follow_symlinks=False)
                        if self._rules.leave_out(folder, name, is_folder):
                            if is_folder:
                                self._left_out.add(joined(folder, name))
                                continue
                            _say(said, entry)
                            if row is not None:
                                del known[name]
                                if row[3] not in _AWAY:
                                    yield Withheld(row[4], by_rules=True)
                            continue
                        if is_folder:
                            self._enter(folder, entry, deep)
                            continue
                    try:
                        status = entry.stat(follow_symlinks=False)
                    except OSError as error:
                        if not is_vanished(error):
                            self._problem(joined(folder, name), reason(error))
                            if row is not None:
                                del known[name]
                                yield Withheld(row[4])
                        continue
                    if (
                        row is not None
                        and status.st_mtime_ns == row[1]
                        and status.st_size == row[0]
                        and (status.st_ino == row[2] or not (row[2] and status.st_ino))
                        and row[3] <= _LAST_SETTLED
                        and regular(status.st_mode)
                        and (status.st_mode & READ_BY_ALL == READ_BY_ALL or may_read(f"{place}{os.sep}{name}", status))
                    ):
                        del known[name]
                        said += told(name, status)
                        continue
                    signature = self._wanted(folder, entry, status, deep)
                    if signature is not None:
                        known.pop(name, None)
                        readable = may_read(f"{place}{os.sep}{name}", status)
                        # One that was never read waits for the hasher, which says why it cannot.
                        if row is not None and row[6] is not None and not readable:
                            self._problem(joined(folder, name), Reason.NO_RIGHT)
                            if row[3] != FileState.WITHHELD:
                                yield Withheld(row[4])
                            continue
                        news.append((name, signature, readable, None if row is None else KnownFile._make(row)))
        except OSError as error:
            if not is_vanished(error):
                self._problem(folder, reason(error))
                self._unreadable.add(folder)
        inodes = self._index.known_inodes([signature.inode for _, signature, _, _ in news]) if news else set()
        for name, signature, readable, file in news:
            yield from self._news(folder, name, signature, readable, file, known, inodes)
        if known:
            yield from self._not_met(folder, known.values())

    def _enter(self, folder: str, entry: os.DirEntry[str], deep: bool) -> None:
        path = joined(folder, entry.name)
        if not deep:
            return
        if _CAN_BE_HIDDEN:
            with suppress(OSError):
                status = entry.stat(follow_symlinks=False)
                if is_link(status):
                    return
                if is_hidden(status) and not self._rules.hidden:
                    self._left_out.add(path)
                    return
        if self._excluded and os.path.normcase(self._share.path / path) in self._excluded:
            return
        # Checked for each of its files too, but a name that is no text makes one problem, not many.
        refusal = rules.refusal(path, 0)
        if refusal is not None:
            self._problem(path, refusal)
        else:
            self._ahead.append((path, True))

    def _wanted(self, folder: str, entry: os.DirEntry[str], status: os.stat_result, deep: bool) -> Signature | None:
        """The signature of a file that is to be shared, or None."""
        if entry.is_dir(follow_symlinks=False):
            self._enter(folder, entry, deep)
            return None
        if os.name == "nt":
            # A listing on Windows has no file ids, and sizes and times that may lag behind.
            with suppress(OSError):
                status = (self._share.path / folder / entry.name).lstat()
        if not stat.S_ISREG(status.st_mode) or is_link(status):
            return None
        self._differs = True
        if is_hidden(status) and not self._rules.hidden:
            return None
        path = joined(folder, entry.name)
        refusal = rules.refusal(path, status.st_size)
        if refusal is not None:
            self._problem(path, refusal)
            return None
        return signature_of(status, self._renumbered)

    def _news(
        self,
        folder: str,
        name: str,
        signature: Signature,
        readable: bool,
        file: KnownFile | None,
        left: dict[str, KnownRow],
        inodes: set[int],
    ) -> Iterator[Step]:
        """`left`: this folder's entries that were not met. `inodes`: ids that hashed files had."""
        if file is not None and _is_unchanged(file, signature):
            if file.state > _LAST_SETTLED:
                yield Found(folder, name, signature, file.content)
            return
        if file is not None and file.content is not None and file.inode:
            self._displaced[Signature(file.size, file.mtime_ns, file.device, file.inode)] = file.content
        content, moved_from = None, None
        # What is known of its content is of no use while nobody can be given it.
        if readable and signature.inode and (signature.inode in inodes or signature in self._displaced):
            content, moved_from = self._known_elsewhere(folder, signature, left)
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


def _say(said: list[str | int], entry: os.DirEntry[str]) -> None:
    with suppress(OSError):
        if entry.is_file(follow_symlinks=False):
            status = entry.stat(follow_symlinks=False)
            said += told(entry.name, status)


def _is_below(folder: str, others: set[str]) -> bool:
    """Whether it is one of the others, or below one."""
    return bool(others) and ("" in others or folder in others or any(a in others for a in above(folder)))


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
