"""Works off what waits to be hashed, and reports it to the index in batches.

`work` runs in the worker's thread; `tell` may be called from any. Small files are hashed some at a time, by two threads
where they are not tiny.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace

from peer_core.content import MIN_PIECE
from peer_core.library.disk import is_vanished, reason
from peer_core.library.hashing import Bench, Cancelled, FileChangedError, FileHash, seconds_until_settled
from peer_core.library.index import Index
from peer_core.library.marks import Marks, covers
from peer_core.library.records import Done, Hashed, Outcome, PendingFile, Report, Unreadable, Vanished
from peer_core.library.rules import shown
from peer_core.library.types import Problem
from peer_core.library.writing import Writing
from peer_core.meter import Meter

BATCH_FILES = 500
BATCH_SECONDS = 0.25
SLICE_SECONDS = 0.2
MAX_OPEN = 4
# What is hashed in one step must end soon when something else comes.
SMALL_BYTES = MIN_PIECE
GROUP_FILES = 64
GROUP_BYTES = 8 * MIN_PIECE
TINY_BYTES = 64 << 10
MOST_DOUBLINGS = 6


class Hasher:
    """`cancelled` is asked often while a file is read, and True ends the work at once.

    `recorded` is called after each batch was written down, and in between while a large file is read.
    """

    def __init__(
        self, index: Index, writing: Writing, *, cancelled: Callable[[], bool], recorded: Callable[[], None]
    ) -> None:
        self._index = index
        self._writing = writing
        self._cancelled = cancelled
        self._recorded = recorded
        self.renumbered: frozenset[int] = frozenset()
        # The library's thread only.
        self._bench = Bench()
        self._queue: deque[PendingFile] = deque()
        self._current: tuple[PendingFile, FileHash] | None = None
        self._open: dict[int, tuple[PendingFile, FileHash]] = {}
        self._later: dict[int, float] = {}
        self._attempts: dict[int, int] = {}
        # Files that were small when they were looked at.
        self._grown: set[int] = set()
        self._outcomes: list[tuple[PendingFile, Outcome]] = []
        self._recorded_at = time.monotonic()
        self._lock = threading.Lock()
        # Under _lock.
        self._done: dict[int, Done] = {}
        self._problems: dict[int, dict[int, Problem]] = {}
        self._files_hashed = 0
        self._bytes_hashed = 0
        # With locks of their own.
        self._file_rate, self._byte_rate = Meter(), Meter()

    # Any thread

    def tell(self, report: Report) -> Report:
        """The report with this part in it."""
        with self._lock:
            problems = dict(report.problems)
            for share, mine in self._problems.items():
                if mine:
                    problems[share] = (*problems.get(share, ()), *mine.values())
            return replace(
                report,
                files_hashed=self._files_hashed,
                bytes_hashed=self._bytes_hashed,
                file_rate=self._file_rate.rate(),
                byte_rate=self._byte_rate.rate(),
                done=dict(self._done),
                problems=problems,
            )

    # The worker's thread

    def refresh(self, looked_at: Mapping[int, Marks]) -> None:
        """After a look at some shares: what waits may be other files, and what failed there is tried again."""
        self._set_aside()
        with self._lock:
            for share, marks in looked_at.items():
                problems = self._problems.get(share, {})
                self._problems[share] = {id_: p for id_, p in problems.items() if not covers(marks, p.path)}

    def work(self, interrupted: Callable[[], bool]) -> None:
        """Hashes until nothing waits, or for a short while once `interrupted`. Raises StorageError, losing nothing."""
        started = time.monotonic()
        self._record()
        while not self._cancelled():
            if interrupted() and time.monotonic() - started > SLICE_SECONDS:
                break
            if self._current is None and not self._begin_next():
                break
            if self._current is not None:
                self._step(*self._current)
            if self._current is not None and self.seconds_until_due() == 0.0:
                self._set_aside()
            if len(self._outcomes) >= BATCH_FILES or time.monotonic() - self._recorded_at > BATCH_SECONDS:
                self._record()
                self._recorded()
        self._record()

    def seconds_until_due(self) -> float | None:
        """When a file that was put off is to be tried again; None when there is none."""
        if not self._later:
            return None
        return max(0.0, min(self._later.values()) - time.monotonic())

    def close(self) -> None:
        if self._current is not None:
            self._current[1].close()
            self._current = None
        for _, hashing in self._open.values():
            hashing.close()
        self._open.clear()
        self._bench.close()

    def _begin_next(self) -> bool:
        """Opens the next file, or hashes the next small ones; False when none is due."""
        if not self._queue:
            self._record()
            now = time.monotonic()
            limit = BATCH_FILES + len(self._later)
            waiting = self._index.pending(limit)
            self._later = {id_: due for id_, due in self._later.items() if due > now}
            if len(waiting) < limit:
                there = {file.id for file in waiting}
                self._later = {id_: due for id_, due in self._later.items() if id_ in there}
                self._grown &= there
                self._attempts = {id_: count for id_, count in self._attempts.items() if id_ in there}
                for id_ in self._open.keys() - there:
                    self._give_up(*self._open.pop(id_))
            self._queue.extend(file for file in waiting if file.id not in self._later)
            if not waiting:
                self._rest()
            if not self._queue:
                return False
        if self._is_small(self._queue[0]):
            self._hash_small()
            return True
        file = self._queue.popleft()
        self._current = self._open.pop(file.id, None)
        if self._current is None:
            self._begin(file)
        return True

    def _is_small(self, file: PendingFile) -> bool:
        return file.size <= SMALL_BYTES and file.id not in self._open and file.id not in self._grown

    def _hash_small(self) -> None:
        files: deque[PendingFile] = deque()
        size = 0
        while self._queue and len(files) < GROUP_FILES and size < GROUP_BYTES and self._is_small(self._queue[0]):
            file = self._queue.popleft()
            delay = seconds_until_settled(file.mtime_ns)
            if delay:
                self._put_off(file, delay)
            else:
                files.append(file)
                size += file.size
        ended: list[tuple[PendingFile, Hashed | OSError | FileChangedError]] = []
        grown: list[PendingFile] = []

        def work(bench: Bench) -> None:
            while not self._cancelled():
                try:
                    file = files.popleft()
                except IndexError:
                    return
                try:
                    with FileHash(file.path, self.renumbered) as hashing:
                        if hashing.signature.size > SMALL_BYTES:
                            grown.append(file)
                            continue
                        while not hashing.finished:
                            hashing.step(bench, self._cancelled)
                        ended.append((file, Hashed(file.id, hashing.signature, hashing.manifest())))
                except Cancelled:
                    return
                except (OSError, FileChangedError) as error:
                    ended.append((file, error))

        # Tiny ones cost the interpreter more than the disk and the hash: a second thread would be in the way.
        self._bench.share_out(work, both=size > TINY_BYTES * len(files))
        for file, found in ended:
            self._take_small(file, found)
        # Since it was looked at; now it is hashed as large ones are: step by step, told of and interrupted.
        self._grown.update(file.id for file in grown)
        self._queue.extendleft(grown)

    def _take_small(self, file: PendingFile, found: Hashed | OSError | FileChangedError) -> None:
        if isinstance(found, FileChangedError):
            self._put_off_changed(file)
        elif isinstance(found, OSError):
            self._fail(file, found)
        else:
            self._attempts.pop(file.id, None)
            self._count(file, found.manifest.size)
            self._outcomes.append((file, found))
            with self._lock:
                self._files_hashed += 1

    def _begin(self, file: PendingFile) -> None:
        delay = seconds_until_settled(file.mtime_ns)
        if delay:
            self._put_off(file, delay)
            return
        try:
            self._current = file, FileHash(file.path, self.renumbered)
        except OSError as error:
            self._fail(file, error)

    def _step(self, file: PendingFile, hashing: FileHash) -> None:
        before = hashing.bytes_done
        try:
            if not hashing.finished:
                hashing.step(self._bench, self._cancelled)
                self._count(file, hashing.bytes_done - before)
            if not hashing.finished:
                return
            outcome = Hashed(file.id, hashing.signature, hashing.manifest())
        except Cancelled:
            return
        except FileChangedError:
            self._give_up(file, hashing)
            self._put_off_changed(file)
        except OSError as error:
            self._give_up(file, hashing)
            self._fail(file, error)
        else:
            hashing.close()
            self._attempts.pop(file.id, None)
            self._outcomes.append((file, outcome))
            with self._lock:
                self._files_hashed += 1
        self._current = None

    def _put_off_changed(self, file: PendingFile) -> None:
        attempts = self._attempts.get(file.id, 0)
        self._attempts[file.id] = min(attempts + 1, MOST_DOUBLINGS)
        self._put_off(file, 2.0**attempts)

    def _put_off(self, file: PendingFile, delay: float) -> None:
        self._later[file.id] = time.monotonic() + delay

    def _set_aside(self) -> None:
        """Other files may come first now; the one at hand is gone on with later, where it was."""
        self._queue.clear()
        if self._current is not None:
            self._open[self._current[0].id] = self._current
            self._current = None
        while len(self._open) > MAX_OPEN:
            least = min(self._open, key=lambda id_: self._open[id_][1].bytes_done)
            self._give_up(*self._open.pop(least))

    def _give_up(self, file: PendingFile, hashing: FileHash) -> None:
        self._count(file, -hashing.bytes_done, read=False)
        hashing.close()

    def _fail(self, file: PendingFile, error: OSError) -> None:
        self._attempts.pop(file.id, None)
        if is_vanished(error):
            self._outcomes.append((file, Vanished(file.id)))
            return
        self._outcomes.append((file, Unreadable(file.id)))
        with self._lock:
            self._problems.setdefault(file.share, {})[file.id] = Problem(shown(file.shown), reason(error))

    def _count(self, file: PendingFile, length: int, read: bool = True) -> None:
        with self._lock:
            done = self._done.get(file.share, Done())
            self._done[file.share] = Done(done.files, done.bytes, done.unrecorded_bytes + length)
            if read:
                self._bytes_hashed += length
                self._byte_rate.add(length)

    def _record(self) -> None:
        """Writes the outcomes down; they are kept until that succeeds."""
        if self._outcomes:
            self._writing.record([outcome for _, outcome in self._outcomes])
            with self._lock:
                for file, outcome in self._outcomes:
                    done = self._done.get(file.share, Done())
                    size = outcome.manifest.size if isinstance(outcome, Hashed) else 0
                    self._done[file.share] = Done(done.files + 1, done.bytes + size, done.unrecorded_bytes - size)
            self._file_rate.add(len(self._outcomes))
            self._outcomes.clear()
            self._recorded()
        self._recorded_at = time.monotonic()

    def _rest(self) -> None:
        """Nothing waits at all."""
        with self._lock:
            self._done.clear()
