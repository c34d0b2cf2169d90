"""A token bucket: bytes that may move now, filled at a rate. Pure; its owner gives the time and guards it."""

# Grants come ten times a second at most, so that a limit costs no processor; a fifth of a second may be made up for.
QUANTUM_SECONDS = 0.1
BURST_SECONDS = 0.2
LEAST_QUANTUM = 256
MOST_QUANTUM = 64 << 10


def quantum_of(rate: float) -> int:
    """The smallest grant at a rate, in bytes."""
    return int(min(MOST_QUANTUM, max(LEAST_QUANTUM, rate * QUANTUM_SECONDS)))


class Bucket:
    """In any stretch of T seconds at most `rate * T + burst` bytes are granted; `now` never goes back."""

    def __init__(self, rate: float, now: float) -> None:
        """`rate` in bytes a second, above 0."""
        self.rate = rate
        self._at = now
        self._tokens = self.burst

    @property
    def burst(self) -> float:
        return max(self.rate * BURST_SECONDS, 2 * self.quantum)

    @property
    def quantum(self) -> int:
        """It grants nothing below this many bytes."""
        return quantum_of(self.rate)

    @property
    def idle(self) -> bool:
        """As good as a new one, as of the last look."""
        return self._tokens >= self.burst

    def room(self, now: float) -> int:
        """Bytes that may move now: 0, or a quantum at least."""
        self._fill(now)
        return int(self._tokens) if self._tokens >= self.quantum else 0

    def seconds_until_room(self, now: float) -> float:
        self._fill(now)
        return max(0.0, (self.quantum - self._tokens) / self.rate)

    def take(self, count: int) -> None:
        """At most what `room` said."""
        self._tokens -= count

    def give_back(self, count: int) -> None:
        """Granted, and not used."""
        self._tokens = min(self.burst, self._tokens + count)

    def change(self, rate: float, now: float) -> None:
        """From now on; what was saved up under the old rate is cut to the new burst."""
        self._fill(now)
        self.rate = rate
        self._tokens = min(self._tokens, self.burst)

    def _fill(self, now: float) -> None:
        self._tokens = min(self.burst, self._tokens + (now - self._at) * self.rate)
        self._at = now
