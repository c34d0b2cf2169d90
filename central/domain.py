"""The central's own words for what travels: plain frozen data, without gRPC and without SQL."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

PUBLISH_BATCH = 1000
MAX_SIZE = 1 << 53
MAX_HOLDERS = 64
MAX_OTHER_NAMES = 8


@dataclass(frozen=True)
class Member:
    """`number` is the central's own short name for a peer; it is never used again for another."""

    number: int
    peer_id: str
    name: str


@dataclass(frozen=True)
class Pace:
    """How the central steers load; times in seconds."""

    heartbeat_seconds: float
    lease_seconds: float
    publish_batch: int
    retry_seconds: float


@dataclass(frozen=True)
class RevocationList:
    """Who must be refused, signed by the authority. `number` grows with each revocation."""

    number: int
    peer_ids: tuple[str, ...]
    signature: bytes


# A batch has a thousand of each, which tuples make, and send to another process, in half of the time.
class Change(NamedTuple):
    """One numbered change of a peer's entries. `path` is SHARE/FOLDERS/NAME; `file` is None when it is gone."""

    sequence: int
    path: str
    file: "FileFacts | None"


class FileFacts(NamedTuple):
    """`content_id`: 32 bytes; `size` in bytes; `modified` in seconds since 1970."""

    content_id: bytes
    size: int
    modified: int


@dataclass(frozen=True)
class Batch:
    """Changes from `previous` (exclusive) to `last` (inclusive) of the index `index_id`; `previous` 0 starts anew.

    `mark` is the peer's name for the state after it, `held_mark` for the state before, b"" for any. A `repair` is
    applied whatever is held, and takes the entries with the keys `removed` away.
    """

    index_id: bytes
    previous: int
    last: int
    changes: tuple[Change, ...]
    held_mark: bytes = b""
    mark: bytes = b""
    repair: bool = False
    removed: tuple[int, ...] = ()

    @property
    def anew(self) -> bool:
        return self.previous == 0 and not self.repair

    def __reduce__(self) -> "tuple[Callable[..., Batch], tuple[object, ...]]":
        """To another process as columns: making a message holds up all threads, and this takes a fifth of the time."""
        files = [change.file for change in self.changes]
        columns = (
            [change.sequence for change in self.changes],
            [change.path for change in self.changes],
            [file and file.content_id for file in files],
            [file and file.size for file in files],
            [file and file.modified for file in files],
        )
        rest = (self.held_mark, self.mark, self.repair, self.removed)
        return _batch, (self.index_id, self.previous, self.last, columns, *rest)


def _batch(index_id: bytes, previous: int, last: int, columns: tuple[list[Any], ...], *rest: Any) -> Batch:
    changes = tuple(
        Change(sequence, path, None if content_id is None else FileFacts(content_id, size, modified))
        for sequence, path, content_id, size, modified in zip(*columns, strict=True)
    )
    return Batch(index_id, previous, last, changes, *rest)


@dataclass(frozen=True)
class Acknowledged:
    """What the central holds of a peer: everything of `index_id` up to `sequence`, which the peer called `mark`."""

    index_id: bytes
    sequence: int
    mark: bytes = b""
    entries: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Range:
    """Entries by key, `first` and `last` inclusive; `digest` of what the peer has there (`agreed.entries_digest`)."""

    first: int
    last: int
    digest: bytes


@dataclass(frozen=True)
class Comparison:
    """`entries`: 16 bytes each, in order, up to the key `through`; nothing when they are the `same`."""

    same: bool
    entries: bytes
    through: int


@dataclass(frozen=True)
class Registration:
    """What a peer is told when it takes a lease. `acknowledged` 0 asks for all of its index."""

    pace: Pace
    acknowledged: int
    mark: bytes
    entries: int
    revocations: RevocationList


@dataclass(frozen=True)
class PublishResult:
    acknowledged: int
    resync: bool
    mark: bytes = b""


@dataclass(frozen=True)
class SearchQuestion:
    """`kind` "" is any; `max_size` 0 is no bound; sizes in bytes, inclusive. `changed_since`: seconds since 1970."""

    text: str
    kind: str = ""
    min_size: int = 0
    max_size: int = 0
    limit: int = 50
    cursor: str = ""
    extensions: tuple[str, ...] = ()
    changed_since: int = 0


@dataclass(frozen=True)
class SearchRow:
    """One content. `path` holds the share and the folders of `name`."""

    content_id: bytes
    name: str
    path: str
    size: int
    kind: str
    holders: int
    names: tuple[str, ...]
    modified: int


@dataclass(frozen=True)
class Album:
    """A folder whose name has what was asked for. `path` holds the share and the folders, its own name last.

    `files` and `bytes` count contents with a live holder below it; `holders` are live members with its most held file.
    """

    path: str
    files: int
    bytes: int
    holders: int


@dataclass(frozen=True)
class SearchPage:
    """`next_cursor` "" means that there is no further page. `albums` come with the first page."""

    rows: tuple[SearchRow, ...]
    next_cursor: str
    albums: tuple[Album, ...] = ()


@dataclass(frozen=True)
class Found:
    """Live holders of one content, as member numbers in random order."""

    content_id: bytes
    size: int
    name: str
    holders: tuple[int, ...]


@dataclass(frozen=True)
class PeerRecord:
    peer_id: str
    name: str
    addresses: tuple[str, ...]


@dataclass(frozen=True)
class PeersQuestion:
    """Live members by `peer_ids`, or when there are none, those whose name or id begins with `text`."""

    peer_ids: tuple[str, ...]
    text: str = ""
    limit: int = 50
    cursor: str = ""


@dataclass(frozen=True)
class PeersPage:
    peers: tuple[PeerRecord, ...]
    next_cursor: str


@dataclass(frozen=True)
class Location:
    content_id: bytes
    size: int
    name: str
    holders: tuple[PeerRecord, ...]


@dataclass(frozen=True)
class Quota:
    """How much one member may publish: entries, and bytes of their paths."""

    entries: int = 2_000_000
    text_bytes: int = 512 << 20


@dataclass(frozen=True)
class Totals:
    """What the catalogue holds, live or not."""

    entries: int
    contents: int
    names: int
