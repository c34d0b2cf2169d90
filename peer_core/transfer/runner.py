"""The threads of the running transfers, and when a resting one starts again. Guarded by the queue's condition."""

import heapq
import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from enum import Enum

from peer_core.errors import StorageError
from peer_core.transfer.finishing import bytes_on_disk, check_room
from peer_core.transfer.job import Job, Surroundings
from peer_core.transfer.outcome import outcome_of
from peer_core.transfer.record import FolderRecord, Record
from peer_core.transfer.roster import Roster
from peer_core.transfer.small import SmallFile, SmallJob, is_small
from peer_core.transfer.store import TransferStore
from peer_core.transfer.types import Transfer, TransferState, Trouble

# However many slots there are.
MAX_RUNNING = 64
# So many small files are one job; as many others are passed over to find them.
TOGETHER = 256
RETRY_SECONDS = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 60.0)
STOP_SECONDS = 3.0
ROOM_SECONDS = 2.0
_ENDED = (TransferState.DONE, TransferState.FAILED, TransferState.SKIPPED)
log = logging.getLogger("barrio.transfer")


class Wish(Enum):
    """What a job's record shall become once the job has ended, if it is not done by then."""

    PAUSE = "pause"
    CANCEL = "cancel"
    KEEP = "cancel, but keep the partial file"
    SKIP = "not wanted"
    REST = "stop, and stay queued"
    FAIL = "fail, for a reason that is given"


class Runner:
    """All but `start`, `stop_soon` and `join` are called with the condition held."""

    def __init__(
        self, condition: threading.Condition, roster: Roster, store: TransferStore, slots: Callable[[], int]
    ) -> None:
        self._condition = condition
        self._roster = roster
        self._store = store
        self._slots = slots
        self._thread = threading.Thread(target=self._schedule, name="transfers")
        self._around: Surroundings | None = None
        # Guarded by _condition.
        self._jobs: dict[str, tuple[Job | SmallFile, threading.Thread]] = {}
        self._threads = 0
        # Small files that the usual job is to look after.
        self._alone: set[str] = set()
        self._retries: list[tuple[float, str]] = []
        self._retry_at: dict[str, float] = {}
        self._attempts: dict[str, int] = {}
        self._wishes: dict[str, Wish] = {}
        self._reasons: dict[str, Trouble] = {}
        self._no_room = {record.id for record in roster.records.values() if lacks_room(record)}
        self._room_at = 0.0
        self._stopping = False
        self.halted = False

    def start(self, around: Surroundings) -> None:
        self._around = around
        self._thread.start()

    def stop_soon(self) -> None:
        """Tells all jobs to stop where they are; they go on at the next start."""
        with self._condition:
            self._stopping = True
            jobs = list(self._jobs.values())
            self._condition.notify_all()
        for job, _ in jobs:
            job.stop()

    def join(self) -> None:
        with self._condition:
            threads = {thread for _, thread in self._jobs.values()}
        for thread in threads:
            thread.join()
        if self._thread.ident is not None:
            self._thread.join()

    def runs(self, record_id: str) -> bool:
        return record_id in self._jobs

    def running_in(self, folder_id: str) -> set[str]:
        """Files of a folder that have a job."""
        return {job_id for job_id, (job, _) in self._jobs.items() if job.record.parent == folder_id}

    def others(self, record: Record) -> list[Job | SmallFile]:
        return [job for job_id, (job, _) in self._jobs.items() if job_id != record.id]

    def given(self, record: Record) -> dict[str, list[list[int]]]:
        running = self._jobs.get(record.id)
        return running[0].given() if running else record.given

    def snapshot(self, record: Record) -> Transfer:
        running = self._jobs.get(record.id)
        return running[0].snapshot() if running else record.snapshot()

    def stop_jobs(
        self, record_ids: Iterable[str], wish: Wish, also: tuple[Iterable[str], Wish] = ((), Wish.REST)
    ) -> None:
        """Stops running jobs, and waits a while for their end: one that asks the directory may take longer, and gets
        its wish then. `also`: others at the same time, with another wish."""
        stopped = []
        for ids, meant in ((record_ids, wish), also):
            for each in ids:
                if each in self._jobs:
                    self._wishes[each] = meant
                    self._jobs[each][0].stop()
                    stopped.append(each)
        self._condition.wait_for(lambda: not any(each in self._jobs for each in stopped), STOP_SECONDS)

    def fail(self, records: Iterable[Record], trouble: Trouble) -> None:
        """Ends those that are not ended, for that reason. Raises StorageError."""
        mine = [record for record in records if record.state not in _ENDED]
        running = [record.id for record in mine if self.runs(record.id)]
        resting = [record for record in mine if not self.runs(record.id)]
        for record in resting:
            self.forget(record.id)
            record.state, record.trouble = TransferState.FAILED, trouble
            self._roster.settle(record)
        self._store.save_all(resting)
        self._reasons.update(dict.fromkeys(running, trouble))
        self.stop_jobs(running, Wish.FAIL)

    def take_back(self, record_id: str, *wishes: Wish) -> None:
        """A job that has not ended yet is queued again when it does."""
        if self._wishes.get(record_id) in wishes:
            del self._wishes[record_id]

    def forget(self, record_id: str) -> None:
        """What came of it before does not count any more."""
        self._attempts.pop(record_id, None)
        self._retry_at.pop(record_id, None)
        self._alone.discard(record_id)

    def has_no_room(self, record: Record) -> None:
        """It rests until there is room, its folder with it."""
        self._no_room.add(record.id)
        folder = self._roster.folders.get(record.parent)
        if folder is not None:
            folder.held = True
            self._roster.close(folder)

    def _wake_when_room(self) -> None:
        """Those that were paused because the disk was full go on when it is not."""
        self._room_at = time.monotonic() + ROOM_SECONDS
        for record_id in list(self._no_room):
            record = self._roster.records.get(record_id)
            if record is None or record_id in self._jobs or not lacks_room(record):
                # A hand has changed it meanwhile.
                self._no_room.discard(record_id)
                continue
            part = record.part or record.folder
            try:
                check_room(record.folder, (record.size or 0) - bytes_on_disk(part), 0)
            except StorageError:
                continue
            self._no_room.discard(record_id)
            record.state, record.trouble = TransferState.QUEUED, None
            folder = self._roster.folders.get(record.parent)
            if folder is not None:
                folder.held = False
                self._roster.folder_changed(folder)
            self._roster.settle(record)

    def _schedule(self) -> None:
        """Starts jobs while there is room, and waiting ones again when their time has come."""
        with self._condition:
            while not self._stopping:
                self._wake_waiting()
                if self._no_room and time.monotonic() >= self._room_at:
                    self._wake_when_room()
                while not self.halted and self._threads < min(self._slots() or MAX_RUNNING, MAX_RUNNING):
                    record = self._roster.first()
                    if record is None:
                        break
                    if self._goes_with_others(record):
                        self._start_small(self._together(record))
                    else:
                        self._start_job(record)
                ahead = [at for at, _ in self._retries[:1]] + ([self._room_at] if self._no_room else [])
                self._condition.wait(max(0.0, min(ahead) - time.monotonic()) if ahead else None)

    def _wake_waiting(self) -> None:
        now = time.monotonic()
        while self._retries and self._retries[0][0] <= now:
            at, record_id = heapq.heappop(self._retries)
            if self._retry_at.get(record_id) != at:
                continue
            del self._retry_at[record_id]
            record = self._roster.records.get(record_id)
            if record is not None and record_id not in self._jobs:
                self._roster.settle(record)

    def _start_job(self, record: Record) -> None:
        assert self._around is not None
        self._roster.started(record)
        job = Job(record, self._around)
        thread = threading.Thread(target=self._run, args=(job,), name="download")
        self._jobs[record.id] = (job, thread)
        self._threads += 1
        thread.start()

    def _goes_with_others(self, record: Record) -> bool:
        return is_small(record) and record.id not in self._alone

    def _together(self, first: Record) -> list[Record]:
        """Small files that are ready, the first one and those after it that are as urgent."""
        together: list[Record] = []
        passed: list[Record] = []
        urgency = self._roster.priority_of(first)
        record: Record | None = first
        while record is not None and self._roster.priority_of(record) is urgency:
            self._roster.started(record)
            (together if self._goes_with_others(record) else passed).append(record)
            if len(together) == TOGETHER or len(passed) == TOGETHER:
                break
            record = self._roster.first()
        for record in passed:
            self._roster.settle(record)
        return together

    def _start_small(self, records: Sequence[Record]) -> None:
        assert self._around is not None
        job = SmallJob(records, self._around)
        thread = threading.Thread(target=self._run_small, args=(job,), name="small downloads")
        for record in records:
            record.state, record.trouble = TransferState.RUNNING, None
            self._jobs[record.id] = (SmallFile(record, job), thread)
        self._threads += 1
        thread.start()

    def _run(self, job: Job) -> None:
        before = job.record.bytes_done
        state, trouble = outcome_of(job)
        with self._condition:
            self._settle([(job.record, state, trouble)], job.record.bytes_done > before)

    def _run_small(self, job: SmallJob) -> None:
        state, trouble = outcome_of(job)
        with self._condition:
            ended: list[tuple[Record, TransferState, Trouble | None]] = []
            for record in job.records:
                if record.state is TransferState.DONE:
                    ended.append((record, TransferState.DONE, None))
                elif state is TransferState.DONE:
                    # Nobody gave it in a bundle.
                    self._alone.add(record.id)
                    ended.append((record, TransferState.QUEUED, None))
                else:
                    ended.append((record, state, trouble))
            self._settle(ended, False, done_is_saved=True)

    def _settle(
        self, ended: Sequence[tuple[Record, TransferState, Trouble | None]], moved: bool, done_is_saved: bool = False
    ) -> None:
        """What becomes of the files of a job that has ended, by its outcome and by what was wished meanwhile."""
        self._threads -= 1
        changed: list[Record] = []
        folders: dict[str, FolderRecord] = {}
        try:
            for record, state, trouble in ended:
                self._jobs.pop(record.id, None)
                wish = self._wishes.pop(record.id, None)
                record.state, record.trouble = state, trouble
                if wish is Wish.PAUSE and state.active:
                    record.state, record.trouble = TransferState.PAUSED, None
                reason = self._reasons.pop(record.id, None)
                if wish is Wish.FAIL and state is not TransferState.DONE:
                    record.state, record.trouble = TransferState.FAILED, reason
                waits = state is TransferState.WAITING and wish is None
                if waits:
                    self._retry_later(record, moved)
                try:
                    if self._rest(record, wish, waits) and not (done_is_saved and state is TransferState.DONE):
                        changed.append(record)
                except StorageError as error:
                    log.warning("the state of a transfer could not be kept: %s", error.logged)
                folder = self._roster.folders.get(record.parent)
                if folder is not None and not folder.unfinished:
                    folder.record.finished = record.finished
                    folders[record.parent] = folder.record
            self._store.save_all(changed, list(folders.values()))
        except StorageError as error:
            log.warning("the state of a transfer could not be kept: %s", error.logged)
        finally:
            self._condition.notify_all()

    def _retry_later(self, record: Record, moved: bool) -> None:
        attempt = 0 if moved else self._attempts.get(record.id, -1) + 1
        self._attempts[record.id] = attempt
        at = time.monotonic() + RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)]
        self._retry_at[record.id] = at
        heapq.heappush(self._retries, (at, record.id))

    def _rest(self, record: Record, wish: Wish | None, waits: bool) -> bool:
        """False when it was taken off the list. Raises StorageError."""
        done = record.state is TransferState.DONE
        if wish in (Wish.CANCEL, Wish.KEEP) and not done and not record.parent:
            self.remove(record, keep=wish is Wish.KEEP)
            return False
        if wish is Wish.SKIP and not done:
            self.skip(record)
        self._roster.settle(record, waits)
        if lacks_room(record):
            self.has_no_room(record)
        return True

    def remove(self, record: Record, keep: bool) -> None:
        """Takes a file by itself off the list. Nothing is lost should the disk not take it. Raises StorageError."""
        self._store.delete([record])
        self._roster.remove(record)
        self.forget(record.id)
        if not keep:
            drop_part(record)

    def skip(self, record: Record) -> None:
        """A file of a folder is not wanted: what was there of it goes."""
        self.forget(record.id)
        self._store.forget_pieces(record)
        drop_part(record)
        record.state, record.trouble, record.part = TransferState.SKIPPED, None, None
        record.pieces_done = record.bytes_done = 0


def lacks_room(record: Record) -> bool:
    return record.state is TransferState.PAUSED and record.trouble is not None and record.trouble.code == "no-room"


def drop_part(record: Record) -> None:
    if record.part is not None and record.state is not TransferState.DONE:
        with suppress(OSError):
            record.part.unlink(missing_ok=True)
