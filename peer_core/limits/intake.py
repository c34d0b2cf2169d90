"""How fast content is received, by all sources together and from each peer. Any thread; `allow` waits."""

import threading
import time
from collections.abc import Callable

from peer_core.limits.allowance import Allowance
from peer_core.limits.policy import NO_LIMITS, Limits

# New limits, and a download that stops, are noticed this soon.
LOOK_SECONDS = 0.25
# One request is answered within this time, so that neither end takes the other for dead.
REQUEST_SECONDS = 15.0
LEAST_REQUEST = 4 << 10
HOLDING_SECONDS = 1.0
WINDOW_SECONDS = 0.25
LEAST_WINDOW_BITS = 16
MOST_WINDOW = 2 << 20


class Intake:
    def __init__(
        self, limits: Callable[[], Limits] = lambda: NO_LIMITS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limits = limits
        self._clock = clock
        self._condition = threading.Condition()
        # Guarded by _condition.
        self._allowance = Allowance()
        self._applied = NO_LIMITS
        self._waiting: dict[str, int] = {}
        self._waited_at = float("-inf")

    def allow(self, peer: str, want: int, stopping: Callable[[], bool]) -> int:
        """How many bytes may be read from a peer, 1 to `want`; waits until there are some. 0: it stops."""
        if self._free():
            return want
        with self._condition:
            self._waiting[peer] = self._waiting.get(peer, 0) + 1
            try:
                while not stopping():
                    now = self._apply()
                    room = self._allowance.room(peer, now)
                    if room is None or room > 0:
                        count = want if room is None else min(want, room)
                        self._allowance.take(peer, count, now)
                        return count
                    self._waited_at = now
                    self._condition.wait(min(LOOK_SECONDS, max(0.005, self._allowance.seconds_until_room(peer, now))))
                return 0
            finally:
                self._waiting[peer] -= 1
                if not self._waiting[peer]:
                    del self._waiting[peer]

    def give_back(self, peer: str, count: int) -> None:
        """Allowed, and not there to be read."""
        if count > 0 and not self._free():
            with self._condition:
                self._allowance.give_back(peer, count, self._clock())

    def request_bytes(self) -> int | None:
        """The most to ask for in one request; None: any."""
        if self._free():
            return None
        with self._condition:
            self._apply()
            rate = self._allowance.rate_for(len(self._waiting) + 1)
        return max(LEAST_REQUEST, int(rate * REQUEST_SECONDS)) if rate else None

    def window(self) -> int | None:
        """Bytes that the system may receive ahead on one connection, so that a limit is one on the wire too; a power
        of two. None: as it likes."""
        if self._free():
            return None
        with self._condition:
            self._apply()
            rate = self._allowance.rate_for(1)
        size = 1 << max(LEAST_WINDOW_BITS, int(rate * WINDOW_SECONDS).bit_length())
        return size if rate and size <= MOST_WINDOW else None

    @property
    def holding(self) -> bool:
        """Whether it is a limit, not the sources, that made somebody wait just now."""
        return self._clock() - self._waited_at < HOLDING_SECONDS

    def _free(self) -> bool:
        limits = self._limits()
        return limits is self._applied and not self._allowance.limited

    def _apply(self) -> float:
        """The time. Holds the condition."""
        limits, now = self._limits(), self._clock()
        if limits is not self._applied:
            self._applied = limits
            self._allowance.change(limits.download_rate, limits.download_rate_per_peer, now)
            self._condition.notify_all()
        return now
