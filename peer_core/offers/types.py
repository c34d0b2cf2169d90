"""Plain values of offers. Pure; any thread."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from peer_core.directory.types import PeerRecord
from peer_core.transfer.types import Trouble


class Direction(Enum):
    IN = "in"
    OUT = "out"


class OfferState(Enum):
    """`waiting`: for the recipient to be here. `delivered`: the recipient has it and was not yet heard of."""

    PREPARING = "preparing"
    WAITING = "waiting"
    DELIVERED = "delivered"
    ACCEPTED = "accepted"
    DONE = "done"
    DECLINED = "declined"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    FAILED = "failed"

    @property
    def open(self) -> bool:
        """Something may still come of it."""
        return self in OPEN


OPEN = (OfferState.PREPARING, OfferState.WAITING, OfferState.DELIVERED, OfferState.ACCEPTED)
# Nothing of it is fetched any more.
OVER = (OfferState.DECLINED, OfferState.WITHDRAWN, OfferState.EXPIRED)
UNDECIDED = (OfferState.PREPARING, OfferState.WAITING, OfferState.DELIVERED)


@dataclass(frozen=True)
class OfferedFile:
    """One file of an offer; `folder` has "/" between its parts, "" for none. `size` in bytes."""

    folder: str
    name: str
    size: int
    content_id: bytes


@dataclass(frozen=True)
class Offer:
    """What one member offers another. `id` is this peer's own, `number` the sender's, which both ends know.

    `told`: what the other end is known to know. `names`: the first of what is in it, folders with a "/" at the end.
    `changed`: files that are not any more what was offered. `forgotten`: off the list, kept until the other end
    knows how it ended. Times are seconds since 1970; sizes in bytes.
    """

    id: str
    direction: Direction
    peer_id: str
    peer_name: str
    number: str
    parcel: int
    state: OfferState
    told: OfferState | None
    message: str
    files: int
    bytes: int
    files_done: int
    bytes_done: int
    changed: int
    names: tuple[str, ...]
    created: float
    expires: float
    ended: float | None
    folder: str
    trouble: Trouble | None
    forgotten: bool = False


@dataclass(frozen=True)
class Rule:
    """Offers of this member are accepted without asking, up to `max_bytes` each. `folder`: "" where downloads land."""

    peer_id: str
    peer_name: str
    folder: str
    max_bytes: int


class Post(Protocol):
    """The way to other members. All raise BarrioError."""

    def find(self, peer_ids: Sequence[str]) -> dict[str, PeerRecord]:
        """Where those are that are here now."""
        ...

    def ask(self, peer: PeerRecord, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        """Status and body of the answer."""
        ...

    def cut_off(self, peer_id: str) -> None:
        """Ends the connections of that member; it may come again."""
        ...
