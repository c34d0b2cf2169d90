"""Where the central's record of this peer differs from what it shares: range by range. The publisher's thread.

Range-based set reconciliation in one round: equal digests end a range, else the central's entries are compared here.
"""

from array import array
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from peer_core.errors import CentralMisbehavedError
from peer_core.library.ledger import CHECK_END, KEY_END
from protos.agreed import MAX_KEY, entries_digest

# Entries of this peer in one range.
RANGE = 8192
_BYTES = CHECK_END


@dataclass(frozen=True)
class Compared:
    """`entries`: key and check of each, up to the key `through`; nothing when they are the `same`."""

    same: bool
    entries: bytes
    through: int


class Comparer(Protocol):
    def __call__(self, first: int, last: int, digest: bytes) -> Compared: ...


@dataclass
class Differences:
    """Rows of the index that the central does not have, or has otherwise, and keys that it has and should not."""

    new: "array[int]" = field(default_factory=lambda: array("q"))
    changed: "array[int]" = field(default_factory=lambda: array("q"))
    gone: "array[int]" = field(default_factory=lambda: array("Q"))

    def __len__(self) -> int:
        return len(self.new) + len(self.changed) + len(self.gone)


def differences(mine: Sequence[bytes], compare: Comparer, breathe: Callable[[], None]) -> Differences:
    """`mine` as `Ledger.entries` gives it. `breathe` is called between two questions, and may raise.

    Raises CentralMisbehavedError for answers that cannot be.
    """
    found = Differences()
    first = 0
    for start in range(0, max(1, len(mine)), RANGE):
        part = mine[start : start + RANGE]
        end = start + RANGE
        last = int.from_bytes(mine[end][:KEY_END]) - 1 if end < len(mine) else MAX_KEY
        while first <= last:
            breathe()
            answer = compare(first, last, entries_digest(b"".join(entry[:CHECK_END] for entry in part)))
            through = last if answer.same else answer.through
            if not answer.same:
                theirs = _read(answer.entries, first, last, through)
                cut = bisect_right(part, through, key=_key)
                _compare(part[:cut], theirs, found)
                part = part[cut:]
            first = through + 1
    return found


def _key(entry: bytes) -> int:
    return int.from_bytes(entry[:KEY_END])


def _read(entries: bytes, first: int, last: int, through: int) -> dict[int, bytes]:
    """Check by key. Raises CentralMisbehavedError unless all lie in the range, in order, and it goes on."""
    if len(entries) % _BYTES or not first <= through <= last:
        raise CentralMisbehavedError(
            "The central compares something else than was asked; it is tried again.", "comparison-other"
        )
    theirs: dict[int, bytes] = {}
    before = first - 1
    for at in range(0, len(entries), _BYTES):
        key = int.from_bytes(entries[at : at + KEY_END])
        if not before < key <= through:
            raise CentralMisbehavedError(
                "The central compares something else than was asked; it is tried again.", "comparison-other"
            )
        theirs[key] = entries[at + KEY_END : at + CHECK_END]
        before = key
    return theirs


def _compare(mine: Sequence[bytes], theirs: dict[int, bytes], found: Differences) -> None:
    """`theirs` is used up."""
    for entry in mine:
        check = theirs.pop(_key(entry), None)
        if check is None:
            found.new.append(int.from_bytes(entry[CHECK_END:]))
        elif check != entry[KEY_END:CHECK_END]:
            found.changed.append(int.from_bytes(entry[CHECK_END:]))
    found.gone.extend(theirs)
