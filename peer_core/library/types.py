"""The library's plain values. Pure; any thread."""

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from peer_core.content import Manifest


@dataclass(frozen=True)
class Change:
    """One numbered change of what is shared. `path` uses "/" and is relative to the share."""

    sequence: int
    share: str
    path: str
    deleted: bool
    content_id: bytes = b""
    size: int = 0
    modified: int = 0


@dataclass(frozen=True)
class HeldFile:
    """A shared file as it was when it was hashed; `size` in bytes, `mtime_ns` in nanoseconds since 1970.

    `root` is its share's folder; `inode` is 0 where file ids do not last.
    """

    content_id: bytes
    root: Path
    path: Path
    inode: int
    size: int
    mtime_ns: int
    manifest: Manifest


class ShareState(Enum):
    READY = "ready"
    SCANNING = "scanning"
    HASHING = "hashing"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True)
class Progress:
    """How far the files that waited are; `rate` in bytes a second."""

    files_done: int
    files_total: int
    bytes_done: int
    bytes_total: int
    rate: float = 0.0
    eta_seconds: float | None = None


@dataclass(frozen=True)
class Problem:
    """A file or folder that cannot be shared, and why, for a person."""

    path: str
    reason: str


@dataclass(frozen=True)
class Share:
    """A shared folder and how far it is indexed. `unavailable`: entries that cannot be had now."""

    name: str
    path: Path
    state: ShareState
    files: int
    bytes: int
    pending: int
    unavailable: int
    exclude: tuple[str, ...]
    hidden: bool
    progress: Progress | None
    problems: tuple[Problem, ...]


@dataclass(frozen=True)
class Totals:
    files: int
    bytes: int
    pending: int


@dataclass(frozen=True)
class Work:
    """What the worker has done since it was made: finished looks at shares, files and bytes read to be hashed."""

    looks: int
    files_hashed: int
    bytes_hashed: int
