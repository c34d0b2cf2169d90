"""The library's face: shares, lookups, the journal of numbered changes. Any thread; nothing here waits for a scan."""

import os
import stat
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from peer_core.content import Manifest
from peer_core.database import Database
from peer_core.errors import BadInputError, ConflictError, NotFoundError, StorageError
from peer_core.library import rules
from peer_core.library.browsing import Browsing
from peer_core.library.disk import is_hidden, is_link, reason, renumbered_devices, signature_of
from peer_core.library.index import KIND, Index
from peer_core.library.keeper import Keeper, Watch
from peer_core.library.ledger import Ledger
from peer_core.library.records import Done, Report, ShareRow
from peer_core.library.remote import Indexing, in_a_process
from peer_core.library.serving import is_same
from peer_core.library.types import Change, HeldFile, Problem, Progress, Share, ShareState, Totals, Work
from peer_core.library.writing import Writing
from protos.sentences import from_text, say

MAX_PROBLEMS = 100

# Database, excluded folders, what to call when the journal has grown, what to call when there is something to tell.
MakeWorker = Callable[[Path, Sequence[Path], Callable[[], None], Callable[[], None]], Indexing]


class Library:
    """What this device shares; `browsing` shows it as others see it, `ledger` knows what the central holds of it.

    `excluded`: folders that are never shared, such as the data folder. `on_change` is called in any thread when the
    journal has grown. `watch`: who looks for changes when they happen; with nobody they are found at the regular looks.
    """

    def __init__(
        self,
        database: Path,
        *,
        rescan_seconds: float = 900.0,
        excluded: Sequence[Path] = (),
        on_change: Callable[[], None] = lambda: None,
        watch: Watch = Watch.APART,
        worker: MakeWorker = in_a_process,
    ) -> None:
        """Opens the index, and brings an older one up to date. Raises DataVersionError and StorageError."""
        self._excluded = tuple(path.expanduser().resolve() for path in excluded)
        self._database = Database(database, KIND)
        self._index = Index(self._database)
        self.browsing = Browsing(self._database)
        self.ledger = Ledger(self._database)
        self._writing = Writing(self._database)
        self._on_change = on_change
        self._worker = worker(database, self._excluded, on_change, lambda: self._keeper.poke())
        self._keeper = Keeper(self._index, self._worker, rescan_seconds=max(1.0, rescan_seconds), watch=watch)

    def start(self) -> None:
        """Starts the worker, which begins with a look at every share."""
        self._worker.pause(self._index.paused())
        # Before it runs: a share must not pass for ready until it was looked at.
        self._ask(share.id for share in self._index.shares())
        self._worker.start()
        self._keeper.start()

    def stop(self) -> None:
        """Ends the worker and closes the index; afterwards every other call raises StorageError."""
        # Both at once: each has a moment to end in order.
        self._worker.stop_soon()
        self._keeper.stop()
        self._worker.stop()
        self._database.close()

    def _ask(self, shares: Iterable[int]) -> None:
        self._worker.ask(dict.fromkeys(shares))

    # Shares

    def shares(self) -> list[Share]:
        """By name."""
        busy, report = self._worker.busy(), self._worker.report()
        return [self._described(row, busy, report) for row in self._index.shares()]

    def share(self, name: str) -> Share:
        """Raises NotFoundError."""
        busy, report = self._worker.busy(), self._worker.report()
        return self._described(self._row(name), busy, report)

    def add_share(
        self, path: str | Path, name: str | None = None, exclude: Sequence[str] = (), hidden: bool = False
    ) -> Share:
        """Shares a folder, under its own name unless another is given; looking at it begins by itself.

        `exclude`: patterns in gitignore syntax. `hidden`: whether hidden files are shared too.
        Raises BadInputError and ConflictError.
        """
        share_rules = rules.ShareRules(exclude, hidden)
        given, folder = self._checked_folder(path)
        wanted = None if name is None else rules.share_name(name)

        def choose_name(present: list[ShareRow]) -> str:
            for row in present:
                _check_apart(folder, row)
            taken = {row.name.casefold() for row in present}
            if wanted is None:
                return _free_name(rules.name_for_folder(folder.name if given.name in ("", "..") else given.name), taken)
            if wanted.casefold() in taken:
                raise ConflictError(
                    "There is a share called “{name}” already; give this one another name.",
                    "share-name-taken",
                    name=wanted,
                )
            return wanted

        row = self._writing.add_share(folder, choose_name, share_rules.patterns, hidden)
        self._ask([row.id])
        return self._described(row, {row.id}, self._worker.report())

    def change_share(self, name: str, *, exclude: Sequence[str] | None = None, hidden: bool | None = None) -> Share:
        """Other rules for what is left out; what is known is not hashed again. Raises NotFoundError, BadInputError."""
        row = self._row(name)
        share_rules = rules.ShareRules(
            row.exclude if exclude is None else exclude, row.hidden if hidden is None else hidden
        )
        if (share_rules.patterns, share_rules.hidden) != (row.exclude, row.hidden):
            self._writing.set_rules(row.id, share_rules.patterns, share_rules.hidden)
            self._ask([row.id])
            self._keeper.poke()
        return self.share(name)

    def remove_share(self, name: str) -> None:
        """Stops sharing a folder; the files stay where they are. Raises NotFoundError."""
        if self._writing.remove_share(name) is None:
            raise _no_share(name)
        self._worker.removed()
        self._keeper.poke()

    def rescan(self, name: str | None = None) -> None:
        """Asks for a full look at one share or at all, which begins from now on. Raises NotFoundError."""
        rows = self._index.shares() if name is None else [self._row(name)]
        self._ask(row.id for row in rows)

    def totals(self) -> Totals:
        """Over all shares; `pending` are the files that wait to be hashed."""
        rows = self._index.shares()
        return Totals(sum(r.files for r in rows), sum(r.bytes for r in rows), sum(r.pending for r in rows))

    def duplicates(self) -> tuple[int, int]:
        """Shared files that are copies of another shared one: how many, and their bytes."""
        return self._index.duplicates()

    def paused(self) -> bool:
        return self._index.paused()

    def pause(self, paused: bool) -> None:
        """While paused nothing is hashed, also after a restart; what is gone is withdrawn all the same."""
        self._writing.set_paused(paused)
        self._worker.pause(paused)

    def work(self) -> Work:
        """Counters since this object was made; they may lag a moment behind the index."""
        report = self._worker.report()
        return Work(report.looks, report.files_hashed, report.bytes_hashed)

    def processes(self) -> dict[str, int]:
        """Ids of the processes that work for it now: `worker`, `watcher`."""
        found = {"worker": self._worker.pid, "watcher": self._keeper.watcher_pid}
        return {name: pid for name, pid in found.items() if pid is not None}

    def rate(self) -> float:
        """Bytes hashed in a second, now."""
        return self._worker.report().byte_rate

    def trouble(self) -> StorageError | None:
        """Why the index cannot be written now, or None; the worker tries again by itself."""
        message = self._worker.report().trouble
        return None if message is None else StorageError(from_text(message))

    def unwatched(self) -> list[str]:
        """Why some shares are not watched, in sentences for a person."""
        reasons = self._keeper.unwatched()
        return [
            say("“{share}”: {reason}.", "share-unwatched", share=row.name, reason=reasons[row.id])
            for row in self._index.shares()
            if row.id in reasons
        ]

    def _row(self, name: str) -> ShareRow:
        row = next((row for row in self._index.shares() if row.name == name), None)
        if row is None:
            raise _no_share(name)
        return row

    def _described(self, row: ShareRow, busy: set[int], report: Report) -> Share:
        """`busy`: asked for before the row, so that the end of a look cannot fall between the two unseen."""
        if row.id in busy:
            state = ShareState.SCANNING
        elif not row.available:
            state = ShareState.UNAVAILABLE
        else:
            state = ShareState.HASHING if row.pending else ShareState.READY
        problems = list(report.problems.get(row.id, ()))
        unwatched = self._keeper.unwatched().get(row.id)
        if unwatched is not None:
            problems.insert(0, Problem(str(row.path), unwatched))
        if report.trouble is not None:
            problems.insert(0, Problem(str(self._database.path), from_text(report.trouble)))
        return Share(
            row.name,
            row.path,
            state,
            row.files,
            row.bytes,
            row.pending,
            row.unavailable,
            row.exclude,
            row.hidden,
            _progress(row, report),
            tuple(problems[:MAX_PROBLEMS]),
        )

    def _checked_folder(self, path: str | Path) -> tuple[Path, Path]:
        """(as given, without links). Raises BadInputError."""
        try:
            given = Path(path).expanduser()
            folder = given.resolve(strict=True)
        except FileNotFoundError as error:
            raise BadInputError("There is no folder {path}.", "folder-missing", path=rules.shown(str(path))) from error
        except OSError as error:
            raise BadInputError(
                "The folder {path} cannot be shared: {reason}.",
                "share-refused",
                path=rules.shown(str(path)),
                reason=reason(error),
            ) from error
        except (RuntimeError, ValueError) as error:
            raise BadInputError("That is not the path of a folder.", "path-no-folder") from error
        if not given.is_absolute():
            raise BadInputError(
                "Give the whole path of the folder, not {path}.", "share-whole-path", path=rules.shown(str(given))
            )
        if not rules.is_text(str(folder)):
            raise BadInputError(
                "The folder's name is not valid text (UTF-8); rename it to share it.", "share-name-encoding"
            )
        if not folder.is_dir():
            raise BadInputError(
                "{folder} is not a folder; choose the folder that holds it.", "share-file", folder=folder
            )
        if any(_is_inside(folder, other) for other in self._excluded):
            raise BadInputError(
                "{folder} holds Barrio's own data and is never shared; choose another folder.",
                "share-own-data",
                folder=folder,
            )
        try:
            with os.scandir(folder):
                return given, folder
        except OSError as error:
            raise BadInputError(
                "The folder {path} cannot be shared: {reason}.", "share-refused", path=folder, reason=reason(error)
            ) from error

    # Contents

    def find(self, content_id: bytes) -> HeldFile | None:
        """A file with this content that is on the disk as it was when it was hashed."""
        stale = set()
        found = None
        for share, held in self._index.holders(content_id):
            if _is_as_indexed(held):
                found = held
                break
            stale.add(share)
        if stale:
            self._ask(stale)
        return found

    def has(self, content_ids: Iterable[bytes]) -> set[bytes]:
        """Those of the contents that some share holds, by the index."""
        return self._index.held(content_ids)

    def adopt(self, files: Sequence[tuple[Path, Manifest]]) -> None:
        """Indexes finished, verified files without reading them, those that lie in a share."""
        shares = self._index.shares()
        folders: dict[Path, Path | None] = {}
        for path, manifest in files if shares else ():
            if path.parent not in folders:
                folders[path.parent] = _resolved(path.parent)
            folder = folders[path.parent]
            row = next((row for row in shares if folder is not None and folder.is_relative_to(row.path)), None)
            if folder is not None and row is not None:
                self._adopt(row, folder / path.name, manifest)

    def _adopt(self, row: ShareRow, place: Path, manifest: Manifest) -> None:
        try:
            status = place.lstat()
        except OSError:
            return
        if any(_is_inside(place, other) for other in self._excluded):
            return
        inside = place.relative_to(row.path)
        regular = stat.S_ISREG(status.st_mode) and not is_link(status) and (row.hidden or not is_hidden(status))
        left_out = rules.ShareRules(row.exclude, row.hidden).leave_out_path(inside.as_posix())
        if not regular or left_out or status.st_size != manifest.size or rules.refusal(str(inside), status.st_size):
            return
        folder = "" if len(inside.parts) == 1 else inside.parent.as_posix()
        signature = signature_of(status, renumbered_devices())
        self._writing.adopt(row.id, folder, place.name, signature, manifest)
        self._on_change()

    # Journal

    @property
    def index_id(self) -> bytes:
        """16 bytes, made with the database."""
        return self._index.index_id

    def last_sequence(self) -> int:
        """The number of the newest change; it never falls."""
        return self._index.last_sequence()

    def changes_after(self, sequence: int, limit: int) -> list[Change]:
        """At most `limit` changes in order, only the newest of each entry; a rename's two halves stay together."""
        return self._index.changes_after(sequence, limit)

    def forget_tombstones(self, up_to: int) -> None:
        """To be called when the central has every change up to this number."""
        self._writing.forget_tombstones(up_to)


def _resolved(folder: Path) -> Path | None:
    try:
        return folder.resolve()
    except OSError:
        return None


def _progress(row: ShareRow, report: Report) -> Progress | None:
    """How far the files of a share that waited are; None when none waits."""
    if not row.pending:
        return None
    done = report.done.get(row.id, Done())
    total = done.bytes + row.pending_bytes
    bytes_done = max(0, min(total, done.bytes + done.unrecorded_bytes))
    left = [(row.pending, report.file_rate), (total - bytes_done, report.byte_rate)]
    # Rates of the last moments, so the one that lets it wait longer is nearer to the truth.
    times = [count / rate for count, rate in left if rate > 0.5]
    eta = max(times) if times else None
    return Progress(done.files, done.files + row.pending, bytes_done, total, report.byte_rate, eta)


def _no_share(name: str) -> NotFoundError:
    return NotFoundError(
        "There is no share called “{name}”; list the shares to see their names.",
        "share-unknown",
        name=rules.shown(name),
    )


def _is_inside(path: Path, folder: Path) -> bool:
    """Also when they are the same."""
    return Path(os.path.normcase(path)).is_relative_to(os.path.normcase(folder))


def _check_apart(folder: Path, share: ShareRow) -> None:
    """Raises ConflictError when one lies inside the other."""
    inside, around = _is_inside(folder, share.path), _is_inside(share.path, folder)
    if inside and around:
        raise ConflictError(
            "{folder} is shared already, as “{share}”.", "share-already", folder=folder, share=share.name
        )
    if inside:
        raise ConflictError(
            "{folder} lies inside the share “{share}” and is shared with it.",
            "share-inside",
            folder=folder,
            share=share.name,
        )
    if around:
        raise ConflictError(
            "{folder} contains the share “{share}”; remove that one first.",
            "share-around",
            folder=folder,
            share=share.name,
        )


def _free_name(name: str, taken: set[str]) -> str:
    """`name`, or with the first free number."""
    free, number = name, 1
    while free.casefold() in taken:
        number += 1
        free = f"{name} ({number})"
    return free


def _is_as_indexed(held: HeldFile) -> bool:
    try:
        return is_same(held, held.path.lstat())
    except OSError:
        return False
