"""What may move now, in total and for each peer. Pure; its owner gives the time and guards it."""

from peer_core.limits.bucket import Bucket, quantum_of

MANY_PEERS = 256


class Allowance:
    """Unlimited until `change` says otherwise."""

    def __init__(self) -> None:
        self._total: Bucket | None = None
        self._per_peer = 0.0
        self._peers: dict[str, Bucket] = {}

    @property
    def limited(self) -> bool:
        return self._total is not None or self._per_peer > 0

    def change(self, total: float, per_peer: float, now: float) -> None:
        """Bytes a second; 0: no limit."""
        if not total:
            self._total = None
        elif self._total is None:
            self._total = Bucket(total, now)
        else:
            self._total.change(total, now)
        self._per_peer = per_peer
        if not per_peer:
            self._peers.clear()
        for bucket in self._peers.values():
            bucket.change(per_peer, now)

    def total_room(self, now: float) -> int | None:
        """Bytes; None: no limit."""
        return None if self._total is None else self._total.room(now)

    def room(self, peer: str, now: float) -> int | None:
        """Bytes that this peer may move now, by both limits; None: no limit."""
        rooms = [bucket.room(now) for bucket in self._buckets(peer, now)]
        return min(rooms, default=None)

    def take(self, peer: str, count: int, now: float) -> None:
        for bucket in self._buckets(peer, now):
            bucket.take(count)

    def give_back(self, peer: str, count: int, now: float) -> None:
        for bucket in self._buckets(peer, now):
            bucket.give_back(count)

    def seconds_until_room(self, peer: str, now: float) -> float:
        waits = [bucket.seconds_until_room(now) for bucket in self._buckets(peer, now)]
        return max(waits, default=0.0)

    @property
    def least(self) -> int:
        """The smallest grant that is worth its way, in bytes."""
        return quantum_of(self._per_peer if self._total is None else self._total.rate)

    def rate_for(self, peers: int) -> float:
        """Bytes a second that one of so many peers can expect; 0: no limit."""
        total = self._total.rate / max(1, peers) if self._total is not None else 0.0
        known = [rate for rate in (total, self._per_peer) if rate]
        return min(known, default=0.0)

    def _buckets(self, peer: str, now: float) -> list[Bucket]:
        buckets = [] if self._total is None else [self._total]
        if self._per_peer:
            if peer not in self._peers:
                self._forget_idle(now)
                self._peers[peer] = Bucket(self._per_peer, now)
            buckets.append(self._peers[peer])
        return buckets

    def _forget_idle(self, now: float) -> None:
        if len(self._peers) >= MANY_PEERS:
            for bucket in self._peers.values():
                bucket.room(now)
            self._peers = {peer: bucket for peer, bucket in self._peers.items() if not bucket.idle}
