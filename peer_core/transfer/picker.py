"""Decides which source fetches which pieces. Pure: no I/O, no clock, no thread; its owner calls it under a lock.

Rules: rarest first across partial sources (among equally rare ones any, so that downloaders get different ones),
in order where nobody else downloads; runs of neighbouring pieces, shorter towards the end so
that all sources finish together; pieces of a source that stalls may be taken by others. (BitTorrent's piece pickers,
BEP 3, are the model; a run is one request here.)
"""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import chain, islice

from peer_core.transfer.bitmap import Bitmap

# So many free pieces are compared, from one taken at random on.
MOST_COMPARED = 1024


@dataclass
class _Source:
    has: Bitmap | None
    # What it has or is fetching: what counts as less rare.
    told: Bitmap | None = None
    working: set[int] = field(default_factory=set)
    stalled: bool = False
    suspect: bool = False


@dataclass(frozen=True)
class Run:
    """`count` pieces from `first` on."""

    first: int
    count: int


class Picker:
    """`count` pieces, of which `present` are here already."""

    def __init__(self, count: int, present: Bitmap, chance: random.Random | None = None) -> None:
        self._present = present
        self._count = count
        self._sources: dict[str, _Source] = {}
        self._taken: dict[int, str] = {}
        self._lowest = 0
        self._chance = chance or random.Random()
        # How many partial sources have each piece or fetch it; empty without such sources.
        self._rarity: list[int] = []
        self._told_of_others = False

    def add_source(self, key: str, has: Bitmap | None = None) -> None:
        """`has`: the pieces of a partial source; None: all."""
        self.remove_source(key)
        self._sources[key] = _Source(has, has)
        if has is not None:
            self._rarity = self._rarity or [0] * self._count
            for piece in has:
                self._rarity[piece] += 1

    def has_now(self, key: str, has: Bitmap, coming: Bitmap | None = None) -> None:
        """What a partial source has by now, and what it is fetching."""
        source = self._sources.get(key)
        if source is None:
            return
        told = has if coming is None else has.union(coming)
        self._rarity = self._rarity or [0] * self._count
        for piece in told.changed_since(source.told or Bitmap(self._count)):
            self._rarity[piece] += 1 if piece in told else -1
        source.has, source.told = has, told

    def remove_source(self, key: str) -> None:
        """Its unfinished pieces are free again."""
        source = self._sources.pop(key, None)
        for piece in source.working if source else ():
            self._release(piece, key)
        if source is not None and source.told is not None:
            for piece in source.told:
                self._rarity[piece] -= 1
            if all(other.has is None for other in self._sources.values()):
                self._rarity = []

    def others_download(self) -> None:
        """From now on pieces are taken in any order, so that others take other ones and can give them."""
        self._told_of_others = True

    @property
    def _crowded(self) -> bool:
        return self._told_of_others or bool(self._rarity)

    def stalled(self, key: str) -> None:
        """The source has not moved for a while: others may take over what it works on."""
        if key in self._sources:
            self._sources[key].stalled = True

    def moves(self, key: str) -> None:
        if key in self._sources:
            self._sources[key].stalled = False

    def suspect(self, key: str) -> None:
        """It sent something wrong: one piece at a time, until it is cleared."""
        if key in self._sources:
            self._sources[key].suspect = True

    def clear(self, key: str) -> None:
        if key in self._sources:
            self._sources[key].suspect = False

    def next(self, key: str, longest: int = 1) -> Run | None:
        """The next run for a source, of at most `longest` pieces, or None when there is nothing for it now."""
        source = self._sources[key]
        first = self._first_for(source)
        if first is None:
            return None
        limit = 1 if source.suspect else self._run_length(longest)
        pieces = [first]
        while len(pieces) < limit and self._free(pieces[-1] + 1, source) and self._as_rare(first, pieces[-1] + 1):
            pieces.append(pieces[-1] + 1)
        for piece in pieces:
            self._taken[piece] = key
            source.working.add(piece)
        return Run(first, len(pieces))

    def arrived(self, key: str, piece: int) -> bool:
        """A verified piece is here. False: it was here already, and is not to be written again."""
        new = piece not in self._present
        self._present.add(piece)
        self._taken.pop(piece, None)
        for source in self._sources.values():
            source.working.discard(piece)
        self.moves(key)
        return new

    def wanted(self, piece: int) -> bool:
        return piece not in self._present

    def gave_back(self, key: str, run: Run) -> None:
        """A source will not deliver the rest of a run."""
        source = self._sources.get(key)
        for piece in range(run.first, run.first + run.count):
            if source:
                source.working.discard(piece)
            self._release(piece, key)

    @property
    def plenty(self) -> bool:
        """Whether a source may have two runs without leaving another one idle."""
        return len(self._sources) < 2 or self._untaken > 2 * len(self._sources)

    @property
    def taken(self) -> Iterable[int]:
        """What sources were asked for, and is not here yet."""
        return self._taken.keys()

    @property
    def complete(self) -> bool:
        return self._present.full

    @property
    def _untaken(self) -> int:
        return self._count - len(self._present) - len(self._taken)

    def _all(self) -> range:
        return range(self._lowest, self._count)

    def _release(self, piece: int, key: str) -> None:
        if self._taken.get(piece) == key:
            del self._taken[piece]

    @staticmethod
    def _has(source: _Source, piece: int) -> bool:
        return source.has is None or piece in source.has

    def _free(self, piece: int, source: _Source) -> bool:
        if piece >= self._count or piece in self._present or not self._has(source, piece):
            return False
        owner = self._taken.get(piece)
        return owner is None or (
            self._sources[owner] is not source and self._sources[owner].stalled and piece not in source.working
        )

    def _first_for(self, source: _Source) -> int | None:
        while self._lowest < self._count and self._lowest in self._present:
            self._lowest += 1
        if not self._crowded:
            return next((piece for piece in self._all() if self._free(piece, source)), None)
        start = self._chance.randrange(self._lowest, self._count) if self._lowest < self._count else self._lowest
        around = chain(range(start, self._count), range(self._lowest, start))
        free = (piece for piece in around if self._free(piece, source))
        if not self._rarity:
            return next(free, None)
        return min(islice(free, MOST_COMPARED), key=self._rarity.__getitem__, default=None)

    def _as_rare(self, first: int, piece: int) -> bool:
        return not self._rarity or self._rarity[piece] <= self._rarity[first]

    def _run_length(self, longest: int) -> int:
        # Who is alone need not finish together with anybody.
        share = self._untaken // (2 * len(self._sources)) if len(self._sources) > 1 else self._untaken
        return max(1, min(longest, share))
