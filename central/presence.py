"""Presence: leases under one lock, the catalogue told who is live, and what the administrator sees, in batches.

Every thread may call it; the housekeeper flushes.
"""

import random
import threading
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass

from central.catalogue.interface import Catalogue
from central.database import Database
from central.leases import Lease, Leases
from central.locks import KeyedLocks


@dataclass(frozen=True)
class Seen:
    """What is to be written about a member: `when` in seconds since 1970."""

    online: bool
    when: int
    addresses: tuple[str, ...]


class Presence:
    """A lease that is over is gone from every answer from that moment on: `sweep` runs before each."""

    def __init__(
        self,
        database: Database,
        catalogue: Catalogue,
        monotonic: Callable[[], float] = time.monotonic,
        clock: Callable[[], float] = time.time,
        rng: random.Random | None = None,
    ) -> None:
        self._database = database
        self._catalogue = catalogue
        self._monotonic = monotonic
        self._clock = clock
        self._rng = rng or random.SystemRandom()
        self._lock = threading.Lock()  # guards the two below
        self._leases = Leases()
        self._unwritten: dict[int, Seen] = {}
        self._settling = KeyedLocks()
        # Set at the start, constant from then on: who was here before, and until when they may come back.
        self._before = 0
        self._return_until = 0.0

    def start(self, return_seconds: float = 0.0) -> None:
        """Nobody is here yet, whatever the last run wrote; those that were have `return_seconds` to come back."""
        with self._database.write() as connection:
            ended = connection.execute(
                "UPDATE presence SET online = 0 WHERE online <> 0"
                " RETURNING (SELECT revocation IS NULL FROM member WHERE number = presence.member)"
            ).fetchall()
        self._before = sum(1 for (is_member,) in ended if is_member)
        self._return_until = self._monotonic() + return_seconds

    def close(self) -> None:
        """Writes who is here to the end: they are those that come back. Nobody counts as here while no server runs."""
        self.flush()

    @property
    def returning(self) -> bool:
        """Whether this server has just started, and fewer members are here than before."""
        return self.count() < self._before and self._monotonic() < self._return_until

    def register(self, member: int, addresses: tuple[str, ...], seconds: float) -> None:
        self.sweep()
        with self._lock:
            self._leases.take(member, addresses, self._monotonic(), seconds)
            self._unwritten[member] = Seen(True, int(self._clock()), addresses)
        self._settle(member)

    def beat(self, member: int, addresses: tuple[str, ...], seconds: float) -> bool:
        """False: the lease is not known or over."""
        with self._lock:
            if not self._leases.renew(member, addresses, self._monotonic(), seconds):
                return False
            lease = self._leases.get(member)
            assert lease is not None
            self._unwritten[member] = Seen(True, int(self._clock()), lease.addresses)
        return True

    def leave(self, member: int) -> None:
        with self._lock:
            lease = self._leases.get(member)
            if lease is not None:
                self._leases.end(member)
                self._unwritten[member] = Seen(False, int(self._clock()), lease.addresses)
        self._settle(member)

    def sweep(self) -> None:
        """Ends the leases that are over."""
        with self._lock:
            ended = self._expire()
        for member in ended:
            self._settle(member)

    def _expire(self) -> list[int]:
        now = self._monotonic()
        ended = self._leases.expire(now)
        for member in ended:
            seen = self._unwritten.get(member)
            self._unwritten[member] = Seen(False, seen.when if seen else 0, seen.addresses if seen else ())
        return ended

    def _settle(self, member: int) -> None:
        """Tells the catalogue the state of this moment; of two threads, the later one tells the later state."""
        with self._settling.of(member):
            with self._lock:
                live = member in self._leases
            self._catalogue.set_live(member, live)

    def lease(self, member: int) -> Lease | None:
        with self._lock:
            return self._leases.get(member)

    def draw(self, count: int, without: Collection[int]) -> list[tuple[int, Lease]]:
        """Up to `count` live members at random, with their leases."""
        self.sweep()
        with self._lock:
            drawn = self._leases.draw(count, without, self._rng)
            leases = [(member, self._leases.get(member)) for member in drawn]
        return [(member, lease) for member, lease in leases if lease is not None]

    def count(self) -> int:
        with self._lock:
            return len(self._leases)

    def flush(self) -> None:
        """Writes what changed since the last time, in one transaction."""
        with self._lock:
            rows, self._unwritten = self._unwritten, {}
        if not rows:
            return
        try:
            self._write(rows)
        except BaseException:
            with self._lock:
                self._unwritten = rows | self._unwritten
            raise

    def _write(self, rows: dict[int, Seen]) -> None:
        with self._database.write() as connection:
            connection.executemany(
                "INSERT INTO presence (member, online, last_seen, addresses) VALUES (?, ?, ?, ?)"
                " ON CONFLICT (member) DO UPDATE SET online = excluded.online,"
                " last_seen = max(last_seen, excluded.last_seen),"
                " addresses = CASE excluded.addresses WHEN '' THEN addresses ELSE excluded.addresses END",
                [(member, seen.online, seen.when, " ".join(seen.addresses)) for member, seen in rows.items()],
            )
