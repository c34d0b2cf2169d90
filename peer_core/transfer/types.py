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

    @property
    def active(self) -> bool:
        """Goes on by itself, also after a restart."""
        return self in (self.QUEUED, self.LOCATING, self.RUNNING, self.WAITING)


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


@dataclass(frozen=True)
class Trouble:
    """Why a transfer does not go on: an error as data, so that it outlives a restart."""

    code: str
    title: str
    message: str
    fault: Fault


@dataclass(frozen=True)
class SourceReport:
    """What one holder gave: verified pieces and their bytes. `rate` in bytes a second."""

    peer_id: str
    name: str
    state: SourceState
    pieces: int
    bytes: int
    rate: float
    failures: int
    reason: str | None


@dataclass(frozen=True)
class Transfer:
    """A snapshot. `created`, `finished`: seconds since 1970; `size` is None until the manifest is here."""

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
