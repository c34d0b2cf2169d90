"""Who of the sources is helped out, let go, or taken back, and when holders are looked for. Pure; told the time."""

from collections.abc import Collection, Sequence
from typing import Protocol, TypeVar

from peer_core.transfer.types import SourceState

# A source whose run takes longer than this, while another one has nothing to do, is helped out.
HELP_AFTER_SECONDS = 2.0
# At the end already above this, when the other one is so many times faster.
END_GAME_SECONDS = 0.5
END_GAME_FACTOR = 3.0
# A source that brings no piece for this long makes room when another holder waits.
ROTATE_AFTER_SECONDS = 10.0
# So does one that has worked this long at less than this part of the middle rate.
SLOW_AFTER_SECONDS = 10.0
SLOW_PART = 0.25
SLOW_REHIRE_SECONDS = 120.0
REHIRE_SECONDS = 5.0
MAX_REHIRE_SECONDS = 300.0
RATE_MEMORY_SECONDS = 2.0
# Holders are located again after this long with no, one, two… sources; each time that nothing new is found, twice that.
LOCATE_SECONDS = (4.0, 4.0, 15.0, 15.0, 30.0)
MAX_LOCATE_SECONDS = 60.0


class Worker(Protocol):
    """What is decided by: a source as its crew sees it. Times are monotonic seconds, rates bytes a second."""

    state: SourceState
    received: int
    rate: float
    pace: float
    gone: bool
    slow: bool
    failures: int
    hired_at: float
    piece_at: float
    ended_at: float

    @property
    def bytes_left(self) -> int:
        """Of all that it was asked for."""

    @property
    def alive(self) -> bool: ...
    @property
    def leaving(self) -> bool: ...
    @property
    def finished(self) -> bool: ...
    def seconds_to_finish(self, now: float) -> float: ...


S = TypeVar("S", bound=Worker)


def measure(source: Worker, count: int, seconds: float) -> None:
    """Takes in that `count` bytes came in `seconds`; `pace` is the rate while it worked."""
    weight = min(1.0, seconds / RATE_MEMORY_SECONDS)
    source.rate += (count / seconds - source.rate) * weight
    if source.state is SourceState.ACTIVE and source.rate > 0:
        source.pace = source.rate


def to_help(sources: Collection[S], now: float) -> list[S]:
    """Those whose pieces others may take over, since somebody has nothing to do and would be done much sooner."""
    idle = [s.pace for s in sources if s.alive and s.state is SourceState.IDLE]
    if not idle:
        return []
    fastest = max(idle)

    def needs(source: S) -> bool:
        left = source.seconds_to_finish(now)
        sooner = source.bytes_left / fastest if fastest > 0 else float("inf")
        return left > HELP_AFTER_SECONDS or left > max(END_GAME_SECONDS, END_GAME_FACTOR * sooner)

    return [s for s in sources if needs(s)]


def to_let_go(sources: Collection[S], now: float) -> S | None:
    """Who makes room when another holder waits: one that brings nothing, or is far slower than the others."""
    at_work = [s for s in sources if s.alive and not s.leaving]
    silent = max(at_work, key=lambda s: now - s.piece_at, default=None)
    if silent is None:
        return None
    if now - silent.piece_at > ROTATE_AFTER_SECONDS:
        return silent
    seasoned = sorted(
        (s for s in at_work if s.state is SourceState.ACTIVE and now - s.hired_at > SLOW_AFTER_SECONDS),
        key=lambda s: s.rate,
    )
    if len(seasoned) < 2 or seasoned[0].rate >= SLOW_PART * seasoned[len(seasoned) // 2].rate:
        return None
    return seasoned[0]


def may_return(source: Worker, now: float) -> bool:
    """A lost source gets another thread after a while, longer each time; its last one has ended by then."""
    wait = MAX_REHIRE_SECONDS if source.gone else min(REHIRE_SECONDS * source.failures, MAX_REHIRE_SECONDS)
    if source.slow:
        wait = max(wait, SLOW_REHIRE_SECONDS)
    return source.state is SourceState.LOST and source.finished and now - source.ended_at >= wait


class LocatePace:
    """When to look for holders again: the sooner, the fewer are at work, and less often while nothing new is found."""

    def __init__(self, now: float, seconds: Sequence[float] = LOCATE_SECONDS) -> None:
        self._seconds = seconds
        self._located_at = now
        self._vain = 0

    def due(self, now: float, alive: int) -> bool:
        seconds = self._seconds[min(alive, len(self._seconds) - 1)] * (1 << min(self._vain, 10))
        return now - self._located_at >= min(seconds, MAX_LOCATE_SECONDS)

    def located(self, now: float, hired: int) -> None:
        """`hired`: how many came to work by it."""
        self._located_at = now
        self._vain = 0 if hired else self._vain + 1
