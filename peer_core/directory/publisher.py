"""Brings the central's record of what this peer shares up to date, by numbered changes. Owns one thread.

docs/protocol.md, “Reconciling”, tells how both ends find out that they do not mean the same, and what follows.
"""

import logging
import random
import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from peer_core.directory.central import CentralClient, Publication, Registration
from peer_core.directory.reconciling import Compared, differences
from peer_core.errors import BadInputError, BarrioError, CentralMisbehavedError, CentralUnreachableError
from peer_core.library.ledger import Ledger
from peer_core.library.types import Change
from protos.agreed import MARK_BYTES

# Messages stay under 1 MiB: the sum of texts in a batch, and what each change costs beside them.
MAX_BATCH_BYTES = 700_000
CHANGE_BYTES = 80
COMPARE_TRIES = 4
log = logging.getLogger("barrio.directory")


class Journal(Protocol):
    """What the publisher needs of the library."""

    @property
    def index_id(self) -> bytes: ...
    @property
    def ledger(self) -> Ledger: ...
    def last_sequence(self) -> int: ...
    def changes_after(self, sequence: int, limit: int) -> list[Change]: ...
    def forget_tombstones(self, up_to: int) -> None: ...


class _Aim(Enum):
    """What to do next: wait to be told, go on from a state, publish all, or find out what differs."""

    WAIT = "wait"
    FOLLOW = "follow"
    BEGIN = "begin"
    RECONCILE = "reconcile"


@dataclass(frozen=True)
class _Standing:
    """The central holds everything up to `sequence`, by the name `mark`; `marks`: it knows such names at all.

    What is gone by a change up to `begun_at` was never told, as all was published anew then.
    """

    aim: _Aim
    sequence: int = 0
    mark: bytes = b""
    marks: bool = True
    begun_at: int = field(default=0, compare=False)


class _Interrupted(Exception):
    """The peer stops, or has registered anew."""


class Publisher:
    """Publishes once `registered` has told where the central stands, and at each `wake`."""

    def __init__(self, central: CentralClient, journal: Journal, pace: Callable[[], tuple[int, float]]) -> None:
        self._central = central
        self._journal = journal
        self._ledger = journal.ledger
        self._pace = pace
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="publisher")
        # The thread's own: the state that the ledger is settled at.
        self._settled = b""
        self._lock = threading.Lock()
        # Guarded by _lock. `_left`: entries that differ and are not sent yet; `_sent`: entries sent since the start.
        self._standing = _Standing(_Aim.WAIT)
        self._left = 0
        self._sent = 0

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join()

    def wake(self) -> None:
        self._wake.set()

    def registered(self, held: Registration) -> None:
        """`held` is what the central said that it holds."""
        standing = self._standing_by(held)
        with self._lock:
            self._standing = standing
        self._wake.set()

    def _standing_by(self, held: Registration) -> _Standing:
        if not held.compares:
            full = held.acknowledged_sequence == 0 or held.acknowledged_sequence > self._journal.last_sequence()
            return _Standing(
                _Aim.BEGIN if full else _Aim.FOLLOW, 0 if full else held.acknowledged_sequence, marks=False
            )
        known = self._known(held.mark, held.acknowledged_sequence)
        return known or (_Standing(_Aim.RECONCILE, mark=held.mark) if held.entries else _Standing(_Aim.BEGIN))

    def _known(self, mark: bytes, sequence: int) -> _Standing | None:
        if mark and self._ledger.marks().get(mark) == sequence:
            return _Standing(_Aim.FOLLOW, sequence, mark)
        return None

    @property
    def sent(self) -> int:
        """Entries sent to the central since the start."""
        with self._lock:
            return self._sent

    def pending(self) -> int:
        """Entries whose newest change the central does not have; while that is not known, at least 1."""
        with self._lock:
            standing, left = self._standing, self._left
        match standing.aim:
            case _Aim.WAIT:
                marks = self._ledger.marks()
                return self._ledger.count_after(next(reversed(marks.values()), 0))
            case _Aim.RECONCILE:
                return max(1, left)
            case _Aim.BEGIN:
                return max(1, self._ledger.count_after(0))
            case _Aim.FOLLOW:
                if self._journal.last_sequence() == standing.sequence:
                    return 0
                return self._ledger.count_after(standing.sequence)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._wake.wait()
            self._wake.clear()
            try:
                while not self._stop.is_set() and self._step():
                    pass
            except _Interrupted:
                self._wake.set()
            except BadInputError as error:
                log.error("the central does not take a publication: %s", error.logged)
                self._retry_later()
            except BarrioError as error:
                log.info("publishing is tried again: %s", error.logged)
                self._retry_later()

    def _retry_later(self) -> None:
        self._stop.wait(self._pace()[1] * random.uniform(0.5, 1.5))
        self._wake.set()

    def _step(self) -> bool:
        """One batch, or all of a reconciliation; False when there is nothing to do."""
        with self._lock:
            standing = self._standing
        match standing.aim:
            case _Aim.WAIT:
                return False
            case _Aim.RECONCILE:
                self._reconcile(standing)
                return True
            case _Aim.BEGIN | _Aim.FOLLOW:
                return self._publish_next(standing)

    def _publish_next(self, standing: _Standing) -> bool:
        previous, begin = standing.sequence, standing.aim is _Aim.BEGIN
        changes = self._journal.changes_after(previous, self._pace()[0])
        if not changes and not begin:
            self._rest(standing)
            return False
        changes = _fitting(changes)
        newest = self._journal.last_sequence()
        last = changes[-1].sequence if changes else newest
        # A full publication begins by forgetting all, so what is gone by then need not be told.
        begun_at = newest if begin else standing.begun_at
        sent = [c for c in changes if not c.deleted or c.sequence > begun_at]
        mark = self._new_mark(last) if standing.marks else b""
        answer = self._central.publish(self._journal.index_id, previous, last, sent, held_mark=standing.mark, mark=mark)
        self._move(standing, self._after(standing, answer, last, mark, begun_at), len(sent))
        return True

    def _rest(self, standing: _Standing) -> None:
        """Nothing waits: what only helps to go on from older states may go."""
        if standing.mark != self._settled:
            self._ledger.settle(standing.mark)
            self._settled = standing.mark
        self._journal.forget_tombstones(standing.sequence)

    def _new_mark(self, last: int) -> bytes:
        mark = secrets.token_bytes(MARK_BYTES)
        self._ledger.note(last, mark)
        return mark

    def _after(self, standing: _Standing, answer: Publication, last: int, mark: bytes, begun_at: int) -> _Standing:
        """Where the central stands after its answer to a batch. Raises CentralMisbehavedError."""
        acknowledged = answer.acknowledged_sequence
        if not answer.resync:
            sequence = last if standing.marks else acknowledged
            return _Standing(_Aim.FOLLOW, sequence, mark, standing.marks, begun_at)
        if standing.aim is _Aim.BEGIN:
            raise CentralMisbehavedError(
                "The central does not take a publication from its beginning.", "publication-refused"
            )
        if standing.marks:
            known = self._known(answer.mark, acknowledged)
            if known == standing:
                raise CentralMisbehavedError(
                    "The central refuses what follows on what it says it holds.", "publication-contradiction"
                )
            return known or _Standing(_Aim.RECONCILE, mark=answer.mark)
        # It refuses what it says it holds: only starting over helps.
        full = acknowledged == 0 or acknowledged >= standing.sequence
        return _Standing(_Aim.BEGIN if full else _Aim.FOLLOW, 0 if full else acknowledged, marks=False)

    def _move(self, before: _Standing, after: _Standing, sent: int) -> None:
        with self._lock:
            self._sent += sent
            # Unless the peer registered anew meanwhile.
            if self._standing is before:
                self._standing = after

    # Reconciling

    def _reconcile(self, standing: _Standing) -> None:
        def breathe() -> None:
            with self._lock:
                if self._stop.is_set() or self._standing is not standing:
                    raise _Interrupted

        session = self._begin_repair(standing)
        # First the number, then the entries: what changes in between is sent again by its own number.
        base = self._journal.last_sequence()
        found = differences(self._ledger.entries(), self._compare, breathe)
        log.info(
            "the central differs: %d new, %d changed, %d gone", len(found.new), len(found.changed), len(found.gone)
        )
        with self._lock:
            self._left = len(found)
        # What comes goes before what goes, so that no content is missing in between.
        for rows in (found.new, found.changed):
            for changes in self._batches(rows):
                breathe()
                self._repair(session, changes, ())
        limit = self._pace()[0]
        for start in range(0, len(found.gone), limit):
            breathe()
            self._repair(session, (), found.gone[start : start + limit])
        mark = self._new_mark(base)
        self._repair(session, (), (), base, mark)
        self._move(standing, _Standing(_Aim.FOLLOW, base, mark), 0)

    def _begin_repair(self, standing: _Standing) -> bytes:
        """Names what the central holds anew, so that no batch of before is applied any more; the name is noted nowhere,
        as half a repair is nothing to go on from. Raises CentralMisbehavedError when it holds something else again."""
        session = secrets.token_bytes(MARK_BYTES)
        answer = self._central.publish(
            self._journal.index_id, 0, 0, (), held_mark=standing.mark, mark=session, repair=True
        )
        if answer.resync:
            self._move(standing, _Standing(_Aim.RECONCILE, mark=answer.mark), 0)
            raise CentralMisbehavedError("The central's record has changed; it is compared again.", "record-changed")
        return session

    def _compare(self, first: int, last: int, digest: bytes) -> Compared:
        """Patiently: what was compared before is not to be done again because the central is busy once."""
        for _ in range(COMPARE_TRIES - 1):
            try:
                return self._central.compare(first, last, digest)
            except CentralUnreachableError:
                if self._stop.wait(self._pace()[1] * random.uniform(0.5, 1.5)):
                    raise _Interrupted from None
        return self._central.compare(first, last, digest)

    def _batches(self, rows: Sequence[int]) -> Iterator[list[Change]]:
        limit = self._pace()[0]
        for start in range(0, len(rows), limit):
            changes = self._ledger.changes_of(rows[start : start + limit])
            while changes:
                fitting = _fitting(changes)
                yield fitting
                changes = changes[len(fitting) :]

    def _repair(
        self, session: bytes, changes: Sequence[Change], removed: Sequence[int], last: int = 0, mark: bytes = b""
    ) -> None:
        answer = self._central.publish(
            self._journal.index_id,
            0,
            last,
            changes,
            held_mark=session,
            mark=mark or session,
            repair=True,
            removed=removed,
        )
        if answer.resync:
            raise CentralMisbehavedError(
                "The central's record changed while it was compared; it is compared again.", "record-changed-meanwhile"
            )
        with self._lock:
            self._sent += len(changes) + len(removed)
            self._left -= len(changes) + len(removed)


def _fitting(changes: Sequence[Change]) -> list[Change]:
    """The first changes whose texts fit into one message; at least one."""
    total = 0
    fitting: list[Change] = []
    for change in changes:
        total += len(change.path.encode()) + len(change.share.encode()) + CHANGE_BYTES
        if fitting and total > MAX_BATCH_BYTES:
            break
        fitting.append(change)
    return fitting
