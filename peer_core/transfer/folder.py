"""A folder that is one transfer: its files in order, and totals that follow each of them. Not locked itself."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace

from peer_core.transfer.record import FolderRecord, Record, merged
from peer_core.transfer.types import Files, SourceReport, Transfer, TransferState, Trouble

_State = TransferState
# What a folder is, by the first of these that any of its files is.
_LEADING = (_State.QUEUED, _State.WAITING, _State.PAUSED, _State.FAILED)


class Folder:
    """Files are never taken out one by one: one that is not wanted is skipped."""

    def __init__(self, record: FolderRecord) -> None:
        self.record = record
        self.files: list[Record] = []
        # One of its files has no room, so none starts.
        self.held = False
        self._states: Counter[TransferState] = Counter()
        self._counted: list[tuple[TransferState, int, int]] = []
        self._size = self._bytes_done = 0
        self._have = self._have_bytes = 0
        self._troubles: dict[int, Trouble] = {}

    def add(self, files: Iterable[Record]) -> None:
        """At the end, by their numbers."""
        for file in files:
            assert file.number == len(self.files)
            self.files.append(file)
            self._counted.append((TransferState.SKIPPED, 0, 0))
            self._states[TransferState.SKIPPED] += 1
            if file.have:
                self._have += 1
                self._have_bytes += file.size or 0
            self.account(file)

    def account(self, file: Record) -> None:
        """Takes over what a resting file is now."""
        old_state, old_size, old_done = self._counted[file.number]
        state = _State.QUEUED if file.state in (_State.LOCATING, _State.RUNNING) else file.state
        skipped = state is _State.SKIPPED
        size, done = (0, 0) if skipped else (file.size or 0, file.bytes_done)
        self._counted[file.number] = (state, size, done)
        self._states[old_state] -= 1
        self._states[state] += 1
        self._size += size - old_size
        self._bytes_done += done - old_done
        if file.trouble is None:
            self._troubles.pop(file.number, None)
        else:
            self._troubles[file.number] = file.trouble

    def count(self, state: TransferState) -> int:
        return self._states[state]

    @property
    def unfinished(self) -> bool:
        return len(self.files) > self._states[_State.DONE] + self._states[_State.SKIPPED]

    def state(self, running: Iterable[Transfer]) -> TransferState:
        if self.unfinished and self.record.paused:
            return _State.PAUSED
        states = {t.state for t in running}
        if states:
            return _State.RUNNING if _State.RUNNING in states else _State.LOCATING
        if self.held and self._states[_State.PAUSED]:
            return _State.PAUSED
        return next((state for state in _LEADING if self._states[state]), _State.DONE)

    def snapshot(self, running: Mapping[int, Transfer], place: int | None) -> Transfer:
        """`running`: snapshots of its files that have a job, by their numbers."""
        record, state = self.record, self.state(running.values())
        done = self._bytes_done + sum(t.bytes_done - self._counted[n][2] for n, t in running.items())
        size = self._size + sum((t.size or 0) - self._counted[n][1] for n, t in running.items())
        rate = sum(t.rate for t in running.values())
        left = max(0, size - done)
        return Transfer(
            id=record.id,
            content_id=b"",
            name=record.name,
            folder=record.folder,
            path=record.path,
            state=state,
            size=size,
            pieces=0,
            pieces_done=0,
            bytes_done=done,
            rate=rate,
            eta_seconds=left / rate if rate > 1 and state is _State.RUNNING else None,
            trouble=None if running or state in (_State.DONE, _State.QUEUED) else self._trouble(),
            created=record.created,
            finished=record.finished if state is _State.DONE else None,
            sources=sources_of(running.values()),
            priority=record.priority,
            place=place,
            files=Files(
                total=len(self.files),
                done=self._states[_State.DONE],
                failed=self._states[_State.FAILED],
                skipped=self._states[_State.SKIPPED],
                have=self._have,
                have_bytes=self._have_bytes,
            ),
        )

    def of_file(self, snapshot: Transfer) -> Transfer:
        """A file as it shows while the folder is paused."""
        paused = self.record.paused and snapshot.state.active
        return replace(snapshot, state=_State.PAUSED) if paused else snapshot

    def _trouble(self) -> Trouble | None:
        return next(iter(self._troubles.values()), None)


def sources_of(snapshots: Iterable[Transfer]) -> tuple[SourceReport, ...]:
    """What each holder gave to several files together."""
    total: tuple[SourceReport, ...] = ()
    for each in snapshots:
        if each.sources:
            total = merged(total, each.sources)
    return total
