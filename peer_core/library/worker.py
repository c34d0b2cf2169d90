"""The thread that looks at shares when asked, hashes in between, and tells of changes. Lives in the worker process.

`ask`, `removed`, `pause` and `stop` may be called from any thread and return at once.
"""

import logging
import os
import threading
import time
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from peer_core.errors import StorageError
from peer_core.library.disk import renumbered_devices
from peer_core.library.hasher import Hasher
from peer_core.library.index import Index
from peer_core.library.marks import Marks, covers, merged
from peer_core.library.records import FileState, Gone, KnownFile, Report, ShareRow, Signature, Step, Withheld
from peer_core.library.roots import Root, ShareUnreachableError
from peer_core.library.scanner import Walk
from peer_core.library.types import Problem
from peer_core.library.writing import Writing
from protos.sentences import as_text

log = logging.getLogger(__name__)

BATCH_STEPS = 500
BATCH_SECONDS = 0.5
SWEEP_SECONDS = 600.0
MAX_PROBLEMS = 100
STOP_SECONDS = 10.0
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 60.0


class _Stopped(Exception):
    """`stop` was called."""


class _ShareRemoved(Exception):
    """The share that is being looked at was removed."""


class Worker:
    """Owns the thread; the index is the truth, and what is kept here may be lost at any time."""

    def __init__(
        self,
        index: Index,
        writing: Writing,
        *,
        excluded: Sequence[Path],
        on_change: Callable[[], None],
        on_report: Callable[[], None] = lambda: None,
    ) -> None:
        """`on_change`: the journal has grown. `on_report`: `report` tells something else; both in the thread."""
        self._index = index
        self._writing = writing
        self._excluded = frozenset(os.path.normcase(path) for path in excluded)
        self._on_change = on_change
        self._on_report = on_report
        self._hasher = Hasher(index, writing, cancelled=lambda: self._stopping or self._paused, recorded=self._tell)
        # A read from a network drive that is gone may hang in the system for ever, and must not keep the process.
        self._thread = threading.Thread(target=self._run, name="library", daemon=True)
        # The worker's thread only.
        self._told = index.last_sequence()
        self._next_sweep = 0.0
        self._wake = threading.Condition()
        # Under _wake.
        self._asked: dict[int, Marks] = {}
        self._asked_ticket = 0
        self._looking: dict[int, Marks] = {}
        self._problems: dict[int, list[Problem]] = {}
        self._removal = True
        self._paused = False
        # Something was said since the thread went to sleep the last time.
        self._nudged = False
        self._stopping = False
        self._looks = 0
        self._ticket = 0
        self._trouble: StorageError | None = None
        self._idle_since: float | None = None

    # Any thread

    def start(self) -> None:
        self._thread.start()

    def stop_soon(self) -> None:
        with self._wake:
            self._stopping = True
            self._wake.notify_all()

    def stop(self) -> None:
        """Returns when the thread has ended: at the latest after one read from a disk and one write."""
        self.stop_soon()
        if self._thread.ident is not None:
            self._thread.join(STOP_SECONDS)
        if not self._thread.is_alive():
            self._hasher.close()

    def ask(self, shares: Mapping[int, Marks], ticket: int = 0) -> None:
        """A look at these shares, whole or in part, that begins from now on.

        `ticket`: a growing number, to know in a report what was done.
        """
        with self._wake:
            for share, marks in shares.items():
                self._asked[share] = merged(self._asked[share], marks) if share in self._asked else marks
            self._asked_ticket = max(self._asked_ticket, ticket)
            self._nudged = True
            self._wake.notify_all()

    def removed(self) -> None:
        """Some share was removed."""
        with self._wake:
            self._removal = True
            self._wake.notify_all()

    def pause(self, paused: bool) -> None:
        """While paused nothing is hashed; looks go on."""
        with self._wake:
            self._paused = paused
            self._nudged = True
            self._wake.notify_all()

    def busy(self) -> set[int]:
        """The shares that a look runs at, or is to."""
        with self._wake:
            return {*self._asked, *self._looking}

    def report(self) -> Report:
        with self._wake:
            report = Report(
                ticket=self._ticket,
                looks=self._looks,
                trouble=None if self._trouble is None else as_text(self._trouble.message),
                problems={share: tuple(listed[:MAX_PROBLEMS]) for share, listed in self._problems.items() if listed},
            )
        return self._hasher.tell(report)

    def idle_seconds(self) -> float:
        """For how long there has been nothing to do, and nothing that comes due by itself; 0 while there is."""
        with self._wake:
            if self._idle_since is None or self._asked or self._looking or self._removal:
                return 0.0
            return time.monotonic() - self._idle_since

    # The worker's thread

    def _run(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while not self._stopping:
            try:
                rest = self._turn()
            except _Stopped:
                break
            except StorageError as error:
                self._note_trouble(error)
            except Exception:
                log.exception("the library's work failed; it is tried again")
                self._note_trouble(
                    StorageError("The library's work failed; the log tells why. It is tried again.", "library-failed")
                )
            else:
                self._note_trouble(None)
                pause = FIRST_PAUSE_SECONDS
                self._sleep(rest)
                continue
            self._sleep(pause, whatever_comes=True)
            pause = min(LONGEST_PAUSE_SECONDS, pause * 2)

    def _turn(self) -> float:
        """One round; for how many seconds there is nothing to do afterwards."""
        with self._wake:
            ticket = self._asked_ticket
        self._end_removed()
        if self._has_news():
            self._look()
        self._note_done(ticket)
        if not self._paused:
            self._hasher.work(self._has_news)
        self._tell()
        if self._has_news():
            return 0.0
        now = time.monotonic()
        if now >= self._next_sweep:
            self._sweep()
            self._next_sweep = now + SWEEP_SECONDS
        due = None if self._paused else self._hasher.seconds_until_due()
        return max(0.0, self._next_sweep - now) if due is None else due

    def _sleep(self, seconds: float, whatever_comes: bool = False) -> None:
        """Ends early for work, or only for `stop`."""
        with self._wake:
            self._idle_since = time.monotonic() if self._is_idle() else None
            self._wake.wait_for(
                lambda: self._stopping or (not whatever_comes and (self._nudged or self._removal)), max(0.0, seconds)
            )
            self._nudged = False
            self._idle_since = None

    def _is_idle(self) -> bool:
        return self._trouble is None and (self._paused or self._hasher.seconds_until_due() is None)

    def _note_trouble(self, error: StorageError | None) -> None:
        with self._wake:
            before, self._trouble = self._trouble, error
        if before is not error:
            self._on_report()

    def _note_done(self, ticket: int) -> None:
        with self._wake:
            self._ticket = ticket
        self._on_report()

    def _has_news(self) -> bool:
        with self._wake:
            return bool(self._asked or self._removal)

    def _tell(self) -> None:
        last = self._index.last_sequence()
        if last != self._told:
            self._told = last
            self._on_change()
        self._on_report()

    def _breathe(self) -> None:
        """Between two folders of a look: what cannot wait for its end."""
        if self._stopping:
            raise _Stopped
        self._end_removed()

    # Looks

    def _look(self) -> None:
        """At all shares that were asked for. What was not met ends last, so that a move between shares shows."""
        with self._wake:
            self._looking, self._asked = self._asked, {}
        before = self._index.last_sequence()
        renumbered = renumbered_devices()
        self._hasher.renumbered = renumbered
        displaced: dict[Signature, int] = {}
        missing: list[tuple[ShareRow, array[int]]] = []
        try:
            for share in self._index.shares():
                if share.id in self._looking:
                    # Of one that was away, everything may be back.
                    marks = self._looking[share.id] if share.available else None
                    walk = Walk(
                        share,
                        self._index,
                        marks=marks,
                        excluded=self._excluded,
                        renumbered=renumbered,
                        displaced=displaced,
                        breathe=self._breathe,
                    )
                    if self._walk(share, walk, marks):
                        missing.append((share, walk.missing))
            for share, files in missing:
                with suppress(_ShareRemoved):
                    self._write(share, (Gone(file, unless_after=before) for file in files))
        except Exception:
            self.ask(self._looking)
            raise
        else:
            with self._wake:
                self._looks += 1
        finally:
            with self._wake:
                looked_at, self._looking = self._looking, {}
            self._hasher.refresh(looked_at)

    def _walk(self, share: ShareRow, walk: Walk, marks: Marks) -> bool:
        """True when all that was asked for was seen."""
        try:
            root = Root(share)
            self._writing.set_reachable(share.id, True, root.device, root.inode)
            self._write(share, walk.steps(root))
        except ShareUnreachableError as error:
            self._withhold(share, error.args[0])
            return False
        except _ShareRemoved:
            return False
        if marks is None and share.walked != share.rules:
            self._writing.set_walked(share.id, share.rules)
        with self._wake:
            others = [p for p in self._problems.get(share.id, ()) if not covers(marks, p.path)]
            self._problems[share.id] = [*others, *walk.problems]
        return True

    def _withhold(self, share: ShareRow, why: str) -> None:
        self._writing.set_reachable(share.id, False)
        with self._wake:
            self._problems[share.id] = [Problem(str(share.path), why)]
        self._write(share, (Withheld(file) for file in self._files_of(share, FileState.WITHHELD)))

    def _files_of(self, share: ShareRow, but: FileState) -> Iterator[int]:
        """Entries of a share that are neither gone nor in the state `but`."""
        for folder, _ in self._index.folders(share.id).values():
            if self._stopping:
                raise _Stopped
            for file in map(KnownFile._make, self._index.files_in(folder).values()):
                if file.state not in (FileState.GONE, but):
                    yield file.id

    def _write(self, share: ShareRow, steps: Iterable[Step], removed: bool = False) -> None:
        """In batches, telling of each. Raises _ShareRemoved when the share is not the same any more."""
        batch: list[Step] = []
        written_at = time.monotonic()
        for step in steps:
            batch.append(step)
            if len(batch) >= BATCH_STEPS or time.monotonic() - written_at > BATCH_SECONDS:
                self._write_batch(share, batch, removed)
                batch.clear()
                written_at = time.monotonic()
        if batch:
            self._write_batch(share, batch, removed)

    def _write_batch(self, share: ShareRow, batch: list[Step], removed: bool) -> None:
        if self._stopping:
            raise _Stopped
        if not self._writing.apply(share, batch, removed):
            raise _ShareRemoved
        self._tell()

    def _end_removed(self) -> None:
        """The entries of removed shares become tombstones."""
        with self._wake:
            if not self._removal:
                return
            self._removal = False
        try:
            for share in self._index.shares(removed=True):
                steps = (Gone(file) for file in self._files_of(share, FileState.GONE))
                # It may be shared again meanwhile.
                with suppress(_ShareRemoved):
                    self._write(share, steps, removed=True)
        except StorageError:
            self.removed()
            raise

    def _sweep(self) -> None:
        """Gives back the room of what nobody refers to any more."""
        if not self._index.wants_sweeping():
            return
        for contents in self._index.orphans():
            if self._stopping:
                raise _Stopped
            if contents:
                self._writing.drop_contents(contents)
        self._writing.drop_empty()
