"""All transfers of this peer: their order, their states, and the threads of the running ones. The room's front door."""

import logging
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from enum import Enum
from pathlib import Path

from peer_core.errors import (
    BarrioError,
    CentralMisbehavedError,
    ConflictError,
    NetworkError,
    NoSourceError,
    NotFoundError,
    StorageError,
)
from peer_core.identity.store import Identity
from peer_core.limits.intake import Intake
from peer_core.safe_names import inside, safe_name
from peer_core.settings import parse_folder
from peer_core.transfer.exchange import Exchange
from peer_core.transfer.finishing import make_usable
from peer_core.transfer.job import Job, Stopped, Surroundings
from peer_core.transfer.record import Record, trouble_of
from peer_core.transfer.small import SmallFile, SmallJob, is_small
from peer_core.transfer.store import TransferStore
from peer_core.transfer.types import (
    Adopter,
    Finder,
    Locator,
    ManyLocator,
    SourceReport,
    SourceState,
    Transfer,
    TransferState,
    Trouble,
    Wanted,
)

# However many slots there are.
MAX_RUNNING = 64
# So many small files are one job.
TOGETHER = 256
RETRY_SECONDS = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 60.0)
STOP_SECONDS = 3.0
log = logging.getLogger("barrio.transfer")


class Wish(Enum):
    """What a job's record shall become once the job has ended, if it is not done by then."""

    PAUSE = "pause"
    CANCEL = "cancel"
    KEEP = "cancel, but keep the partial file"


class Transfers:
    """Public methods may be called from any thread. Until `start`, nothing runs."""

    def __init__(
        self,
        store: TransferStore,
        default_folder: Callable[[], Path],
        received: Callable[[int], None],
        intake: Intake | None = None,
        slots: Callable[[], int] = lambda: 4,
    ) -> None:
        """`received` gets the number of content bytes whenever some came in, wasted ones included; `intake`: how fast
        they may; `slots`: how many transfers run at a time, 0 for no limit."""
        self._store = store
        self._received = received
        self._intake = intake or Intake()
        self._slots = slots
        self._default_folder = default_folder
        self.exchange = Exchange()
        self._condition = threading.Condition()
        self._thread = threading.Thread(target=self._schedule, name="transfers")
        # Guarded by _condition.
        self._records: dict[str, Record] = {r.id: r for r in store.all()}
        self._jobs: dict[str, tuple[Job | SmallFile, threading.Thread]] = {}
        # Small files that the usual job is to look after.
        self._alone: set[str] = set()
        self._retry_at: dict[str, float] = {}
        self._attempts: dict[str, int] = {}
        self._wishes: dict[str, Wish] = {}
        self._around: Surroundings | None = None
        self._stopping = False

    def start(
        self,
        identity: Identity,
        locate: Locator,
        adopt: Adopter,
        find: Finder = lambda ids: [],
        locate_all: ManyLocator | None = None,
    ) -> None:
        """Begins with the transfers that were active when the last run ended."""
        many = locate_all or (lambda ids: [locate(content_id) for content_id in ids])
        self._around = Surroundings(
            identity,
            self._store,
            locate,
            adopt,
            self._promised,
            self._received,
            self._intake,
            self.exchange,
            find,
            many,
        )
        self._thread.start()

    def stop_soon(self) -> None:
        """Tells all jobs to stop where they are; they go on at the next start."""
        with self._condition:
            self._stopping = True
            jobs = list(self._jobs.values())
            self._condition.notify_all()
        for job, _ in jobs:
            job.stop()

    def stop(self) -> None:
        """Waits for all jobs; a job that asks the directory ends when that has stopped."""
        self.stop_soon()
        with self._condition:
            threads = [thread for _, thread in self._jobs.values()]
        for thread in threads:
            thread.join()
        if self._thread.ident is not None:
            self._thread.join()
        self._store.close()

    def add(self, content_id: bytes, name: str | None = None, folder: str | Path | None = None) -> Transfer:
        """Queues a download. One of the same content into the same folder is taken up again instead, and told as done
        when its file is still there.

        Raises BadInputError for a folder that cannot be one, StorageError.
        """
        where = Path(parse_folder(str(folder))) if folder is not None else self._default_folder()
        make_usable(where)
        with self._condition:
            for record in self._records.values():
                if record.content_id == content_id and record.folder == where:
                    if record.state.active:
                        return self._snapshot(record)
                    if record.state is not TransferState.DONE:
                        return self._take_up(record)
                    if not _is_lost(record):
                        return record.snapshot()
            record = Record(
                id=secrets.token_hex(6),
                content_id=content_id,
                name=safe_name(name) if name else "",
                folder=where,
                created=time.time(),
            )
            self._store.save(record)
            self._records[record.id] = record
            self._condition.notify_all()
            return self._snapshot(record)

    def add_folder(self, files: Sequence[Wanted], folder: str | Path | None = None) -> list[Transfer]:
        """Queues the files of another peer's folder, each below the output folder where it lay there, by safe names.

        What is on its way there already, or done and still in its place, is not fetched again. Raises as `add` does.
        """
        root = Path(parse_folder(str(folder))) if folder is not None else self._default_folder()
        make_usable(root)
        places: dict[tuple[str, ...], Path] = {(): root}
        for file in files:
            _find_place(places, tuple(file.parts))
        found: list[Record] = []
        new: dict[tuple[bytes, Path, str], Record] = {}
        with self._condition:
            known = {(r.content_id, r.folder, r.name): r for r in self._records.values()}
            # They keep the order of the tree: the time of creation is what the queue goes by.
            now = time.time()
            for number, file in enumerate(files):
                place, name = places[file.parts], safe_name(file.name)
                key = (file.content_id, place, name)
                record = new.get(key) or known.get(key)
                if record is None or _is_lost(record):
                    created = now + number * 1e-6
                    record = Record(secrets.token_hex(6), file.content_id, name, place, created, size=file.size)
                    new[key] = record
                elif not record.state.active and record.state is not TransferState.DONE:
                    self._take_up(record)
                found.append(record)
            self._store.save_all(list(new.values()))
            self._records.update((record.id, record) for record in new.values())
            self._condition.notify_all()
            return [self._snapshot(record) for record in found]

    def all(self) -> list[Transfer]:
        """Newest first."""
        with self._condition:
            return [self._snapshot(r) for r in sorted(self._records.values(), key=lambda r: -r.created)]

    def get(self, transfer_id: str) -> Transfer:
        """Raises NotFoundError."""
        with self._condition:
            return self._snapshot(self._record(transfer_id))

    def pause(self, transfer_id: str) -> Transfer:
        """Raises NotFoundError, ConflictError for an ended one."""
        with self._condition:
            record = self._record(transfer_id)
            if record.state in (TransferState.DONE, TransferState.FAILED):
                raise ConflictError("This transfer has ended; there is nothing to pause.")
            if transfer_id not in self._jobs:
                if record.state.active:
                    record.state, record.trouble = TransferState.PAUSED, None
                    self._store.save(record)
                return record.snapshot()
            self._stop_job(transfer_id, Wish.PAUSE)
            return replace(self._snapshot(record), state=record.state if self._rests(record) else TransferState.PAUSED)

    def resume(self, transfer_id: str) -> Transfer:
        """Queues a paused, waiting or failed one again; holders that were caught lying get another chance."""
        with self._condition:
            record = self._record(transfer_id)
            if record.state is TransferState.DONE:
                raise ConflictError("This transfer is done already.")
            if self._wishes.get(transfer_id) is Wish.PAUSE:
                # Its job has not ended yet; when it does, it is queued again.
                del self._wishes[transfer_id]
            return self._take_up(record)

    def cancel(self, transfer_id: str, keep: bool = False) -> None:
        """Takes a transfer off the list, and its partial file away unless `keep`.

        Raises NotFoundError, StorageError.
        """
        with self._condition:
            record = self._record(transfer_id)
            if transfer_id in self._jobs:
                self._stop_job(transfer_id, Wish.KEEP if keep else Wish.CANCEL)
            else:
                self._remove(record, keep)

    def slots_changed(self) -> None:
        """More slots are taken at once. Of fewer, running transfers keep theirs until they rest."""
        with self._condition:
            self._condition.notify_all()

    def _take_up(self, record: Record) -> Transfer:
        """Queues a resting transfer; the caller holds the condition."""
        if record.id not in self._jobs:
            record.state, record.trouble = TransferState.QUEUED, None
            record.sources = tuple(_pardoned(s) for s in record.sources)
            self._attempts.pop(record.id, None)
            self._retry_at.pop(record.id, None)
            self._store.save(record)
            self._condition.notify_all()
        return self._snapshot(record)

    def _record(self, transfer_id: str) -> Record:
        record = self._records.get(transfer_id)
        if record is None:
            raise NotFoundError("There is no such transfer; it may have been taken off the list.")
        return record

    def _snapshot(self, record: Record) -> Transfer:
        running = self._jobs.get(record.id)
        return running[0].snapshot() if running else record.snapshot()

    def _stop_job(self, transfer_id: str, wish: Wish) -> None:
        """Stops a running job, and waits a while for its end: a job that asks the directory may take longer, and gets
        its wish then. The caller holds the condition."""
        self._wishes[transfer_id] = wish
        self._jobs[transfer_id][0].stop()
        self._condition.wait_for(lambda: transfer_id not in self._jobs, STOP_SECONDS)

    def _rests(self, record: Record) -> bool:
        return record.id not in self._jobs

    def _remove(self, record: Record, keep: bool) -> None:
        """The caller holds the condition. Nothing is lost should the disk not take it."""
        self._store.delete(record)
        self._records.pop(record.id, None)
        self._retry_at.pop(record.id, None)
        if record.part is not None and record.state is not TransferState.DONE and not keep:
            with suppress(OSError):
                record.part.unlink(missing_ok=True)

    def _promised(self, record: Record) -> int:
        """Bytes that the other running downloads into the same folder still need."""
        with self._condition:
            others = [job for job_id, (job, _) in self._jobs.items() if job_id != record.id]
        snapshots = [job.snapshot() for job in others if job.record.folder == record.folder]
        return sum(s.size - s.bytes_done for s in snapshots if s.size is not None)

    def _schedule(self) -> None:
        """Starts jobs while there is room, and waiting ones again when their time has come."""
        with self._condition:
            while not self._stopping:
                now = time.monotonic()
                ready = [
                    record
                    for record in self._records.values()
                    if record.state.active and record.id not in self._jobs and self._retry_at.get(record.id, 0.0) <= now
                ]
                ready.sort(key=lambda record: -record.created)
                running = len({thread for _, thread in self._jobs.values()})
                while ready and running < min(self._slots() or MAX_RUNNING, MAX_RUNNING):
                    record = ready.pop()
                    if self._goes_with_others(record):
                        together = [record, *(r for r in reversed(ready) if self._goes_with_others(r))][:TOGETHER]
                        taken = {r.id for r in together}
                        ready = [r for r in ready if r.id not in taken]
                        self._start_small(together)
                    else:
                        self._start_job(record)
                    running += 1
                waiting = [at - now for at in self._retry_at.values() if at > now]
                self._condition.wait(min(waiting, default=None))

    def _start_job(self, record: Record) -> None:
        assert self._around is not None
        job = Job(record, self._around)
        thread = threading.Thread(target=self._run, args=(job,), name="download")
        self._jobs[record.id] = (job, thread)
        thread.start()

    def _goes_with_others(self, record: Record) -> bool:
        return is_small(record) and record.id not in self._alone

    def _start_small(self, records: Sequence[Record]) -> None:
        assert self._around is not None
        job = SmallJob(records, self._around)
        thread = threading.Thread(target=self._run_small, args=(job,), name="small downloads")
        for record in records:
            record.state, record.trouble = TransferState.RUNNING, None
            self._jobs[record.id] = (SmallFile(record, job), thread)
        thread.start()

    def _run_small(self, job: SmallJob) -> None:
        state, trouble = self._outcome(job)
        for record in job.records:
            if record.state is TransferState.DONE:
                with self._condition:
                    self._jobs.pop(record.id, None)
                    self._wishes.pop(record.id, None)
            elif state is TransferState.DONE:
                # Nobody gave it in a bundle.
                self._alone.add(record.id)
                self._settle(record, TransferState.QUEUED, None, 0)
            else:
                self._settle(record, state, trouble, 0)
        with self._condition:
            self._condition.notify_all()

    def _run(self, job: Job) -> None:
        before = job.record.bytes_done
        state, trouble = self._outcome(job)
        self._settle(job.record, state, trouble, before)

    def _settle(self, record: Record, state: TransferState, trouble: Trouble | None, before: int) -> None:
        """What becomes of a transfer whose job has ended, by its outcome and by what was wished meanwhile."""
        with self._condition:
            self._jobs.pop(record.id, None)
            wish = self._wishes.pop(record.id, None)
            record.state, record.trouble = state, trouble
            if wish is Wish.PAUSE and state.active:
                record.state, record.trouble = TransferState.PAUSED, None
            if state is TransferState.WAITING:
                attempt = 0 if record.bytes_done > before else self._attempts.get(record.id, -1) + 1
                self._attempts[record.id] = attempt
                delay = RETRY_SECONDS[min(attempt, len(RETRY_SECONDS) - 1)]
                self._retry_at[record.id] = time.monotonic() + delay
            try:
                if wish in (Wish.CANCEL, Wish.KEEP) and state is not TransferState.DONE:
                    self._remove(record, keep=wish is Wish.KEEP)
                else:
                    self._store.save(record)
            except StorageError as error:
                log.warning("the state of a transfer could not be kept: %s", error.message)
            self._condition.notify_all()

    @staticmethod
    def _outcome(job: Job | SmallJob) -> tuple[TransferState, Trouble | None]:
        """Runs the job to its end, and says what its record becomes."""
        try:
            job.run()
        except Stopped:
            return TransferState.QUEUED, None
        except (NetworkError, NoSourceError, CentralMisbehavedError) as error:
            return TransferState.WAITING, trouble_of(error)
        except StorageError as error:
            return TransferState.PAUSED, trouble_of(error)
        except BarrioError as error:
            return TransferState.FAILED, trouble_of(error)
        except Exception:
            if job.stopping:
                # What it used was taken away under it; it goes on at the next start.
                return TransferState.QUEUED, None
            log.exception("a download failed by a mistake in the program")
            return TransferState.FAILED, trouble_of(BarrioError("Barrio made a mistake; its log says more. Try again."))
        return TransferState.DONE, None


def _pardoned(source: SourceReport) -> SourceReport:
    if source.state is not SourceState.BANNED:
        return source
    return replace(source, state=SourceState.LOST)


def _is_lost(record: Record) -> bool:
    """Done, but the file is not where it was put, or has another size by now."""
    if record.state is not TransferState.DONE:
        return False
    try:
        return record.path is None or not record.path.is_file() or record.path.stat().st_size != record.size
    except OSError:
        return True


def _find_place(places: dict[tuple[str, ...], Path], parts: tuple[str, ...]) -> None:
    """Adds the folder for a folder of another peer, and those above it. Raises BadInputError when a link leads away.

    `places`: what is known; () is the root.
    """
    known = len(parts)
    while parts[:known] not in places:
        known -= 1
    for end in range(known + 1, len(parts) + 1):
        places[parts[:end]] = inside(places[parts[: end - 1]], parts[end - 1])
