"""Plain values of search and locate. Pure; any thread."""

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True)
class PeerRecord:
    """Another peer as the central knows it. `addresses`: "https://HOST:PORT", best first."""

    peer_id: str
    name: str
    addresses: tuple[str, ...]


class Role(Enum):
    PRIMARY = "primary"
    SUBSTITUTE = "substitute"


@dataclass(frozen=True)
class Neighbour:
    peer: PeerRecord
    role: Role
    reachable: bool


class ViaKind(Enum):
    NEIGHBOUR = "neighbour"
    DIRECT = "direct"


@dataclass(frozen=True)
class Via:
    """How an answer came: through which neighbour, or directly from the central."""

    kind: ViaKind
    peer: PeerRecord | None = None


@dataclass(frozen=True)
class SearchQuestion:
    """`text` as typed; `kind` one of `protos.agreed.KINDS` or ""; sizes in bytes, 0: no bound.

    `extensions`: the name has one of them. `changed_since`: seconds since 1970, 0: any time.
    """

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
    """One content, whatever its names. `modified`: seconds since 1970."""

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
    """A folder whose name has what was asked for; `path`: share and folders. `files` and `bytes` are what is below."""

    path: str
    files: int
    bytes: int
    holders: int


@dataclass(frozen=True)
class SearchPage:
    """`albums` come with the first page only. `returning`: the central has just started, and members
    are still coming back."""

    rows: tuple[SearchRow, ...]
    next_cursor: str
    albums: tuple[Album, ...] = ()
    returning: bool = False


@dataclass(frozen=True)
class MembersPage:
    members: tuple[PeerRecord, ...]
    next_cursor: str


@dataclass(frozen=True)
class Location:
    """Live holders of a content; `size` in bytes, 0 when nobody is known."""

    content_id: bytes
    size: int
    name: str
    holders: tuple[PeerRecord, ...]


@dataclass(frozen=True)
class Pace:
    """How the central steers load: seconds, and changes in one publication."""

    heartbeat_seconds: float
    publish_batch: int
    retry_seconds: float
