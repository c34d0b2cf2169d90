"""Who is alive: leases by member number. Pure: no clock, no lock, no I/O; the caller says what time it is.

`now` is monotonic time in seconds, so that a wall clock that jumps changes nothing.
"""

import heapq
import math
import random
from collections.abc import Collection
from dataclasses import dataclass


@dataclass(frozen=True)
class Lease:
    """The right to be listed until `until`, reachable at `addresses`, best first."""

    until: float
    addresses: tuple[str, ...]


class Leases:
    """Every call costs at most O(log n), `expire` that for each lease that ends.

    `draw` costs O(n) only when few members have an address.
    """

    def __init__(self) -> None:
        self._leases: dict[int, Lease] = {}
        # For drawing at random: the members in any order, and the place of each.
        self._drawn: list[int] = []
        self._place: dict[int, int] = {}
        # For each lease a (time, member) at or before its end, that time being in `_queued`; renewing leaves it.
        self._queue: list[tuple[float, int]] = []
        self._queued: dict[int, float] = {}

    def __len__(self) -> int:
        return len(self._leases)

    def __contains__(self, member: int) -> bool:
        return member in self._leases

    def get(self, member: int) -> Lease | None:
        return self._leases.get(member)

    def take(self, member: int, addresses: tuple[str, ...], now: float, seconds: float) -> bool:
        """Takes or renews; returns True when the member held none."""
        new = member not in self._leases
        until = now + seconds
        self._leases[member] = Lease(until, addresses)
        if new:
            self._place[member] = len(self._drawn)
            self._drawn.append(member)
        self._enqueue(member, until)
        return new

    def renew(self, member: int, addresses: tuple[str, ...], now: float, seconds: float) -> bool:
        """Renews a lease that is held and not over; empty `addresses` leave those known. False: there is none."""
        lease = self._leases.get(member)
        if lease is None or lease.until <= now:
            return False
        self._leases[member] = Lease(now + seconds, addresses or lease.addresses)
        self._enqueue(member, now + seconds)
        return True

    def _enqueue(self, member: int, until: float) -> None:
        if until < self._queued.get(member, math.inf):
            self._queued[member] = until
            heapq.heappush(self._queue, (until, member))

    def end(self, member: int) -> bool:
        """Ends a lease now; returns False when there was none."""
        if self._leases.pop(member, None) is None:
            return False
        place = self._place.pop(member)
        last = self._drawn.pop()
        if last != member:
            self._drawn[place] = last
            self._place[last] = place
        return True

    def expire(self, now: float) -> list[int]:
        """Ends the leases that are over; returns whose they were."""
        ended = []
        while self._queue and self._queue[0][0] <= now:
            time, member = heapq.heappop(self._queue)
            if self._queued.get(member) != time:
                continue
            del self._queued[member]
            lease = self._leases.get(member)
            if lease is None:
                continue
            if lease.until <= now:
                self.end(member)
                ended.append(member)
            else:
                self._enqueue(member, lease.until)
        return ended

    def draw(self, count: int, without: Collection[int], rng: random.Random) -> list[int]:
        """Up to `count` different members at random that have an address and are not in `without`."""
        drawn: list[int] = []
        barred = set(without)
        # Most live members have an address, so a few draws suffice; the whole list is the last resort.
        wanted = min(len(self._drawn), count + len(barred))
        for size in (wanted, len(self._drawn)):
            # Shuffling all costs much, so only when it is needed.
            for member in rng.sample(self._drawn, size) if len(drawn) < count else ():
                if len(drawn) >= count:
                    return drawn
                if member not in barred and self._leases[member].addresses:
                    drawn.append(member)
                    barred.add(member)
        return drawn
