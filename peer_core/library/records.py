"""What scanner, hasher and index hand to each other. Plain values, so that another process may make them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

from peer_core.content import Manifest
from peer_core.library.types import Problem


class FileState(IntEnum):
    """Kept in the database; see the schema."""

    PENDING = 0
    SHARED = 1
    WITHHELD = 2
    GONE = 3
    FAILED = 4
    LEFT_OUT = 5


class Signature(NamedTuple):
    """What tells that a file is still the same one; `inode` is 0 where ids do not last."""

    size: int
    mtime_ns: int
    device: int
    inode: int


class KnownFile(NamedTuple):
    """A file of one folder as the index has it."""

    size: int
    mtime_ns: int
    inode: int
    state: int
    id: int
    device: int
    content: int | None
    name: str


# The same as it comes from the database: making the named form of each would slow down a scan by a tenth.
KnownRow = tuple[int, int, int, int, int, int, int | None, str]


class Match(NamedTuple):
    """An entry whose file had the signature that was asked for, wherever it is."""

    file: int
    state: int
    content: int
    root: str
    folder: str
    name: str


@dataclass(frozen=True)
class ShareRow:
    """A share as the index has it; `device` and `inode` are its root folder's when it was last walked.

    `rules` counts the changes of `exclude` and `hidden`; `walked` is its value when the share was last seen whole.
    """

    id: int
    name: str
    path: Path
    available: bool
    device: int
    inode: int
    files: int
    bytes: int
    pending: int
    pending_bytes: int
    unavailable: int
    exclude: tuple[str, ...]
    hidden: bool
    rules: int
    walked: int


@dataclass(frozen=True, slots=True)
class Found:
    """A file that is new, changed or back; without `content` it waits to be hashed.

    `moved_from`: the entry that it left, which ends in the same step.
    """

    folder: str
    name: str
    signature: Signature
    content: int | None = None
    moved_from: int | None = None


@dataclass(frozen=True, slots=True)
class Withheld:
    """An entry that cannot be reached now, or that the share's rules leave out, and is remembered."""

    file: int
    by_rules: bool = False


@dataclass(frozen=True, slots=True)
class Gone:
    """An entry whose file is not there any more, unless it changed after the number `unless_after`."""

    file: int
    unless_after: int | None = None


@dataclass(frozen=True, slots=True)
class Sealed:
    """A folder in which nothing was new; `seal` tells what its listing said, `rules` by which rules of the share."""

    folder: int
    seal: bytes
    rules: int


Step = Found | Withheld | Gone | Sealed


@dataclass(frozen=True, slots=True)
class PendingFile:
    """A file that waits to be hashed; `shown` is its path within the share."""

    id: int
    share: int
    path: str
    shown: str
    size: int
    mtime_ns: int


@dataclass(frozen=True, slots=True)
class Hashed:
    file: int
    signature: Signature
    manifest: Manifest


@dataclass(frozen=True, slots=True)
class Unreadable:
    file: int


@dataclass(frozen=True, slots=True)
class Vanished:
    file: int


Outcome = Hashed | Unreadable | Vanished


@dataclass(frozen=True, slots=True)
class Done:
    """Of one share, since something waits: files done, their bytes, and bytes read of files that are not done."""

    files: int = 0
    bytes: int = 0
    unrecorded_bytes: int = 0


@dataclass(frozen=True)
class Report:
    """What a worker tells of itself. Numbers count from its start, rates are per second.

    `ticket`: the newest request that was carried out, with all before it.
    """

    ticket: int = 0
    looks: int = 0
    files_hashed: int = 0
    bytes_hashed: int = 0
    file_rate: float = 0.0
    byte_rate: float = 0.0
    trouble: str | None = None
    done: Mapping[int, Done] = field(default_factory=dict)
    problems: Mapping[int, tuple[Problem, ...]] = field(default_factory=dict)
