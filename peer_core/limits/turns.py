"""Who sends how much in one turn of a server's loop: fair between peers, whatever number of connections they have.

Pure; it belongs to the thread of that loop. Peers are served by start tags (start-time fair queueing, Goyal, Vin and
Cheng, 1996): whoever got least goes first, and nobody gathers credit by not being ready.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Generic, Protocol, TypeVar

from peer_core.limits.allowance import Allowance
from peer_core.limits.policy import NO_LIMITS, Limits

TURN_BYTES = 4 << 20
LEAST_SHARE_BYTES = 1 << 17
# More than a server has connections.
MANY_PEERS = 1024


class Sender(Protocol):
    """One connection with bytes to send. `served`: a number that grows with each time that it gets on; 0 at first."""

    served: int


T = TypeVar("T", bound=Sender)


class Turns(Generic[T]):
    def __init__(self, limits: Callable[[], Limits] | None = None) -> None:
        """`limits` are asked for at each turn; they are the ones for sending."""
        self._limits = limits or (lambda: NO_LIMITS)
        self._applied = NO_LIMITS
        self._allowance = Allowance()
        self._sends = 0
        self._virtual = 0
        # The latest at the end.
        self._finished: dict[str, int] = {}

    def begin(self, now: float) -> None:
        """Looks up the limits in force."""
        limits = self._limits()
        if limits is not self._applied:
            self._applied = limits
            self._allowance.change(limits.upload_rate, limits.upload_rate_per_peer, now)

    @property
    def limited(self) -> bool:
        return self._allowance.limited

    def holds(self, peer: str, now: float) -> bool:
        """Whether a peer has used up what it may have for the moment."""
        return self._allowance.limited and self._allowance.room(peer, now) == 0

    def seconds_until_room(self, peer: str, now: float) -> float:
        return self._allowance.seconds_until_room(peer, now) if self._allowance.limited else 0.0

    def serve(self, ready: Mapping[str, Sequence[T]], now: float, send: Callable[[T, int], int]) -> None:
        """`ready`: by peer, the connections that can take bytes now. `send(connection, most)` returns how many bytes
        it used up, `most` at most."""
        total = self._allowance.total_room(now)
        left = TURN_BYTES if total is None else min(TURN_BYTES, total)
        least = self._allowance.least if self._allowance.limited else LEAST_SHARE_BYTES
        starts = {peer: max(self._virtual, self._finished.get(peer, 0)) for peer in ready}
        self._virtual = min(starts.values(), default=self._virtual)
        for number, peer in enumerate(sorted(starts, key=starts.__getitem__)):
            share = min(left, max(least, left // (len(starts) - number)))
            room = self._allowance.room(peer, now)
            used = self._serve_peer(ready[peer], share if room is None else min(share, room), least, send)
            self._allowance.take(peer, used, now)
            left -= used
            self._finished.pop(peer, None)
            self._finished[peer] = starts[peer] + used
        while len(self._finished) > MANY_PEERS:
            del self._finished[next(iter(self._finished))]

    def _serve_peer(self, connections: Sequence[T], share: int, least: int, send: Callable[[T, int], int]) -> int:
        """Its connections by turns: those go first that have waited longest."""
        left = share
        for number, connection in enumerate(sorted(connections, key=lambda c: c.served)):
            if left <= 0:
                break
            used = send(connection, min(left, max(least, left // (len(connections) - number))))
            self._sends += 1
            connection.served = self._sends
            left -= used
        return share - left
