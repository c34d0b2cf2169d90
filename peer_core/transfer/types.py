"""Plain values of transfers, and what transfers need of the other rooms. Pure; any thread."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Protocol

from peer_core.content import Manifest
from peer_core.errors import Fault


class TransferState(Enum):
    QUEUED = "queued"
    LOCATING = "locating"
    RUNNING = "running"
    WAITING = "waiting"
    PAUSED = "paused"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"

    @property
    def active(self) -> bool:
        """Goes on by itself, also after a restart."""
        return self in (self.QUEUED, self.LOCATING, self.RUNNING, self.WAITING)


class Priority(Enum):
    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"

    @property
    def rank(self) -> int:
        """The least goes first."""
        return list(Priority).index(self)


class Move(Enum):
    """Where in the queue a transfer goes, among those of its priority."""

    UP = "up"
    DOWN = "down"
    TOP = "top"
    BOTTOM = "bottom"


class SourceState(Enum):
    CONNECTING = "connecting"
    ACTIVE = "active"
    IN_LINE = "in-line"
    IDLE = "idle"
    PAROLE = "parole"
    LOST = "lost"
    BANNED = "banned"


@dataclass(frozen=True)
class Holder:
    """A live peer that has the content; `partial`: it is downloading it, and has some pieces."""

    peer_id: str
    name: str
    addresses: tuple[str, ...]
    partial: bool = False


@dataclass(frozen=True)
class Wanted:
    """One file of a folder to download: `parts` are the folders above it as another peer names them.

    `size`: what was promised, in bytes; a content of another size is not fetched. None: nothing was.
    """

    content_id: bytes
    parts: tuple[str, ...]
    name: str
    size: int | None = None


@dataclass(frozen=True)
class Located:
    """Where a content is; `size` in bytes, 0 when no holder is known. `public`: shared with the whole barrio."""

    size: int
    name: str
    holders: tuple[Holder, ...]
    public: bool = False


class Locator(Protocol):
    def __call__(self, content_id: bytes) -> Located:
        """Raises BarrioError when nobody can be asked."""
        ...


class ManyLocator(Protocol):
    def __call__(self, content_ids: Sequence[bytes]) -> list[Located]:
        """Where each is, in the order given. Raises BarrioError when nobody can be asked."""
        ...


class Finder(Protocol):
    def __call__(self, peer_ids: Sequence[str]) -> list[Holder]:
        """Where those are that are here now, as partial holders. Raises BarrioError when nobody can be asked."""
        ...


class Adopter(Protocol):
    def __call__(self, path: Path, manifest: Manifest) -> None:
        """Takes a finished file into the library when it lies in a share."""
        ...


class ManyAdopter(Protocol):
    def __call__(self, files: Sequence[tuple[Path, Manifest]]) -> None:
        """The same for many files."""
        ...


@dataclass(frozen=True)
class Trouble:
    """Why a transfer does not go on: an error as data, so that it outlives a restart."""

    code: str
    title: str
    message: str
    fault: Fault


@dataclass(frozen=True)
class SourceReport:
    """What one holder gave: verified pieces and their bytes. `rate` in bytes a second.

    `received`: bytes of content that came, kept or wasted, without what is under way; `retries`: how often it was
    asked again after an error; `verified`: when its last piece was; `until`: when a quarantine that it got here ends.
    Seconds since 1970.
    """

    peer_id: str
    name: str
    state: SourceState
    pieces: int
    bytes: int
    rate: float
    failures: int
    reason: str | None
    received: int = 0
    retries: int = 0
    verified: float | None = None
    until: float | None = None

    @property
    def wasted(self) -> int:
        return max(0, self.received - self.bytes)


@dataclass(frozen=True)
class Files:
    """What a folder's transfer holds, in numbers of files. `have`: contents that were here already when it was added;
    `skipped`: those that are not wanted, which do not count in the folder's size."""

    total: int
    done: int
    failed: int
    skipped: int
    have: int
    have_bytes: int


@dataclass(frozen=True)
class Transfer:
    """A snapshot. `created`, `finished`: seconds since 1970; `size` is None until the manifest is here.

    Of a folder `files` is set and `content_id` empty. `parent`: the folder's transfer of a file inside one; `place`:
    where in the queue, from 1, while it is not ended; `have`: some share had that content when it was added.
    """

    id: str
    content_id: bytes
    name: str
    folder: Path
    path: Path
    state: TransferState
    size: int | None
    pieces: int
    pieces_done: int
    bytes_done: int
    rate: float
    eta_seconds: float | None
    trouble: Trouble | None
    created: float
    finished: float | None
    sources: tuple[SourceReport, ...]
    parent: str = ""
    priority: Priority = Priority.NORMAL
    place: int | None = None
    have: bool = False
    files: Files | None = None


@dataclass(frozen=True)
class Receipt:
    """Who gave what of a transfer; `given`: of each holder the pieces that are from it, as runs [first, last]."""

    transfer: Transfer
    given: dict[str, list[list[int]]]
