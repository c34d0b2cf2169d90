"""What the local API says, as immutable values, and the one error of talking to it. Pure."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from protos.sentences import Sentence

ACTIVE = frozenset({"queued", "locating", "running", "waiting"})
ENDED = frozenset({"done", "failed"})


class ApiError(Exception):
    """`title` names the trouble, `detail` says what to do, `code` is stable for programs."""

    def __init__(self, title: str, detail: str, code: str, status: int = 0) -> None:
        super().__init__(f"{title}: {detail}")
        self.title = title
        self.detail = detail
        self.code = code
        self.status = status


@dataclass(frozen=True)
class Problem:
    """`code`: of its title; the detail has its own, so that `Words.problem` can say both."""

    title: str
    detail: Sentence
    code: str


@dataclass(frozen=True)
class Neighbour:
    peer_id: str
    name: str
    role: str
    reachable: bool


@dataclass(frozen=True)
class Status:
    """`pending`: files that wait to be hashed or published. Rates are bytes a second. `offers_revision`: grows with
    whatever is new among the offers; -1 where there are none."""

    peer_id: str | None
    name: str
    version: str
    joined: bool
    network_name: str
    addresses: tuple[str, ...]
    central_reachable: bool
    central_since: datetime | None
    central_address: str
    neighbours: tuple[Neighbour, ...]
    through_neighbour: int
    direct: int
    relayed: int
    sent: int
    received: int
    rate_sent: float
    rate_received: float
    files: int
    bytes: int
    pending: int
    key_store: str | None
    data_dir: str
    notices: tuple[Problem, ...]
    paused: bool
    rate_indexing: float
    # The limits in force, 0 for none; whether they are those of slow mode, by the schedule, and until when at most.
    limit_sent: int = 0
    limit_received: int = 0
    slow: bool = False
    slow_scheduled: bool = False
    slow_until: datetime | None = None
    offers_revision: int = -1

    @property
    def primary(self) -> Neighbour | None:
        """The neighbour that answers now."""
        reachable = [n for n in self.neighbours if n.reachable]
        return next((n for n in reachable if n.role == "primary"), reachable[0] if reachable else None)


@dataclass(frozen=True)
class Row:
    """One content that somebody shares."""

    content_id: str
    name: str
    path: str
    size: int
    kind: str
    holders: int
    names: tuple[str, ...]
    have: bool
    modified: datetime | None


@dataclass(frozen=True)
class Album:
    """A folder whose name has what was asked for; `path`: share and folders."""

    path: str
    files: int
    bytes: int
    holders: int


@dataclass(frozen=True)
class Answer:
    """One page of a search. `via`: "neighbour" or "direct"; `via_name`: that neighbour's name. `albums`: of the first
    page only. `returning`: the central has just started, and members are still coming back."""

    rows: tuple[Row, ...]
    next_cursor: str | None
    via: str
    via_name: str
    albums: tuple[Album, ...] = ()
    returning: bool = False


@dataclass(frozen=True)
class FileProblem:
    """What cannot be shared, and why; the reason is without a code where the peer has it from its system."""

    path: str
    reason: Sentence


@dataclass(frozen=True)
class Share:
    name: str
    path: str
    state: str
    files: int
    bytes: int
    pending: int
    files_done: int | None
    files_total: int
    bytes_done: int
    bytes_total: int
    eta_seconds: float | None
    exclude: tuple[str, ...]
    hidden: bool
    problems: tuple[FileProblem, ...]


@dataclass(frozen=True)
class Library:
    """All that I share. `duplicate_files` are copies of another shared file, and have `duplicate_bytes` together."""

    shares: tuple[Share, ...]
    duplicate_files: int
    duplicate_bytes: int


@dataclass(frozen=True)
class PatternFault:
    """What is wrong with an exclude pattern. `refused`: the peer does not take it; else it only leaves nothing out."""

    pattern: str
    code: str
    reason: str
    refused: bool


@dataclass(frozen=True)
class Source:
    """What one holder gave to one transfer."""

    peer_id: str
    name: str
    state: str
    pieces: int
    bytes: int
    rate: float
    failures: int
    reason: Sentence
    wasted: int = 0
    retries: int = 0
    quarantined_until: datetime | None = None


@dataclass(frozen=True)
class FolderFiles:
    """Numbers of files of a folder's transfer; `have`: their contents were here already."""

    total: int
    done: int
    failed: int
    skipped: int
    have: int
    have_bytes: int

    @property
    def wanted(self) -> int:
        return self.total - self.skipped


@dataclass(frozen=True)
class Transfer:
    """`files` is set for a folder; `place`: in the queue, from 1."""

    id: str
    content_id: str
    name: str
    path: str
    folder: str
    size: int | None
    pieces: int
    pieces_done: int
    bytes_done: int
    state: str
    rate: float
    eta_seconds: float | None
    error: Problem | None
    created: datetime | None
    finished: datetime | None
    sources: tuple[Source, ...] = field(default=())
    priority: str = "normal"
    place: int | None = None
    have: bool = False
    files: FolderFiles | None = None

    @property
    def fraction(self) -> float:
        """Between 0 and 1."""
        if self.state == "done":
            return 1.0
        return self.bytes_done / self.size if self.size else 0.0

    @property
    def in_line(self) -> tuple["Source", ...]:
        """The holders at which it waits in line; none while anybody gives something."""
        if self.state != "running" or any(s.state in ("active", "connecting") for s in self.sources):
            return ()
        return tuple(s for s in self.sources if s.state == "in-line")


@dataclass(frozen=True)
class FilesPage:
    """Some files of a folder's transfer, and the number to go on from."""

    files: tuple[Transfer, ...]
    next_after: int | None


@dataclass(frozen=True)
class Member:
    """Somebody who is here now; `me`: this device."""

    peer_id: str
    name: str
    me: bool


@dataclass(frozen=True)
class Members:
    members: tuple[Member, ...]
    next_cursor: str | None


@dataclass(frozen=True)
class Entry:
    """A folder or a file of what somebody shares; `files` and `size` of a folder are all below it."""

    name: str
    is_folder: bool
    size: int
    files: int = 1
    kind: str = "other"
    content_id: str = ""
    have: bool = False
    modified: datetime | None = None


@dataclass(frozen=True)
class Listing:
    """One page of one folder."""

    entries: tuple[Entry, ...]
    next_after: str | None


@dataclass(frozen=True)
class Setting:
    key: str
    type: str
    value: Any
    default: Any
    help: str
    applies: str
    locked: bool
    environment: str
