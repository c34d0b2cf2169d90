"""Contents as a person sees them: the best of the live names, size and kind. Runs in the thread that asks."""

from collections.abc import Callable
from dataclasses import dataclass
from heapq import nlargest
from itertools import islice
from typing import TypeAlias

from central.catalogue.sqlite.claims import Claim, Claims, Read
from central.catalogue.sqlite.live import LiveCounters
from central.catalogue.sqlite.stages import Stage
from central.catalogue.wanted import Wanted
from central.catalogue.words import split_words
from central.domain import MAX_OTHER_NAMES, SearchRow
from protos.agreed import KINDS

# Names read of a content with very many.
NAMES_READ = 12
EARLIER_NAMES_READ = 1000
# Characters of the names of one content in which an earlier place is looked for; beyond, it may be shown twice.
EARLIER_TEXT = 200_000
ATTEMPTS = 10
# Names that were found of a content among which the one to show is chosen: the most held ones.
FOUND_READ = 4
# Contents read at once.
TOGETHER = 25
_NAMES = "SELECT number, kind, modified, path FROM name "

# Number, kind, modified, path.
Name: TypeAlias = tuple[int, int, int, str]
# Tier, and place in it.
Place: TypeAlias = tuple[int, int]
_SOME_CONTENTS = f"SELECT number, content_id, size FROM content WHERE number IN ({','.join('?' * TOGETHER)})"
# One statement for all, so that a search does not wait its turn for the interpreter many times.
_ONE_OF_MANY = (
    f"SELECT * FROM (SELECT content, number, kind, modified, path FROM name WHERE content = ? LIMIT {NAMES_READ})"
)
_SOME_NAMES = " UNION ALL ".join([_ONE_OF_MANY] * TOGETHER)


@dataclass(frozen=True)
class Described:
    """`in_name`: the file's own name has all that was asked for, not only its folders with it.

    `claimed_by`: live members that claim the very size that the name goes with; the row tells the most held size.
    """

    row: SearchRow
    in_name: bool
    claimed_by: int


class Describer:
    """For one question."""

    def __init__(self, read: Read, live: LiveCounters, wanted: Wanted, claims: Claims) -> None:
        self._read = read
        self._live = live
        self._wanted = wanted
        self._claims = claims
        # Of contents that were read together: id and size; names, and the generation before they were read.
        self._facts: dict[int, tuple[bytes, int]] = {}
        self._names: dict[int, list[Name]] = {}
        self._rivals: dict[bytes, list[Claim]] = {}
        self._found: dict[int, set[int]] = {}
        self._generation = 0
        # Characters of names read to look for earlier places: what one member publishes can make them very many.
        self.text_read = 0

    def read_ahead(self, contents: list[tuple[int, list[int]]]) -> None:
        """Reads what `describe` needs of up to `TOGETHER` contents, each with its live names that were found."""
        run = self._read().execute
        numbers = [content for content, _ in contents[:TOGETHER]]
        padded = numbers + [0] * (TOGETHER - len(numbers))
        self._generation = self._live.generation
        self._facts = {number: (content_id, size) for number, content_id, size in run(_SOME_CONTENTS, padded)}
        self._rivals = self._claims.rivals({content_id for content_id, _ in self._facts.values()})
        self._names = {number: [] for number in numbers}
        for content, *name in run(_SOME_NAMES, padded).fetchall():
            self._names[content].append((name[0], name[1], name[2], name[3]))
        self._found = {content: self._most_held_of(found) for content, found in contents[:TOGETHER]}
        # Of contents with very many names, those that matter are seldom among the first.
        missing = [
            number
            for content, found in self._found.items()
            if len(self._names[content]) == NAMES_READ
            for number in self._with_best(content, found) - {row[0] for row in self._names[content]}
        ]
        if missing:
            marks = ",".join("?" * len(missing))
            some = f"SELECT content, number, kind, modified, path FROM name WHERE number IN ({marks})"
            for content, *name in run(some, missing).fetchall():
                if content in self._names:
                    self._names[content].append((name[0], name[1], name[2], name[3]))

    def _most_held_of(self, names: list[int]) -> set[int]:
        return set(nlargest(FOUND_READ, names, key=self._live.name) if len(names) > FOUND_READ else names)

    def _with_best(self, content: int, names: set[int]) -> set[int]:
        """And the most held of all names of the content, whether it was found or not."""
        best = self._live.best_name(content)
        return names | {best} if best else names

    def matches(self, stage: Stage, name: Name) -> bool:
        """Whether the stage shows the name, the size apart."""
        _, kind, modified, path = name
        if not self._wanted.passes(path, kind, modified):
            return False
        words = split_words(path)
        return stage.has(words) and self._in_words(stage, words)

    def _in_words(self, stage: Stage, words: list[str]) -> bool:
        return self._wanted.by_pieces(words) if stage.is_pieces else self._wanted.by_words(words)

    def _in_file_name(self, stage: Stage, path: str) -> bool:
        return self._in_words(stage, split_words(_file_name(path)))

    def shown_before(self, stage: Stage, content: int, place_of: Callable[[int], Place], here: Place) -> bool:
        """Whether a live matching name of the content is placed in an earlier group, or up to `here` in this one.

        After `read_ahead`.
        """
        rows = self._names.get(content, [])
        if len(rows) >= NAMES_READ:
            rows = self._read().execute(_NAMES + "WHERE content = ? LIMIT ?", (content, EARLIER_NAMES_READ)).fetchall()
        self.text_read += sum(len(row[3]) for row in rows)
        text_left = EARLIER_TEXT
        in_earlier_groups = stage.is_pieces or bool(stage.earlier)
        for number, kind, modified, path in rows:
            if text_left < 0:
                break
            if not self._live.name(number):
                continue
            placed_before = place_of(number) <= here
            # Taking a path apart is what costs here.
            if not (placed_before or in_earlier_groups) or not self._wanted.passes(path, kind, modified):
                continue
            text_left -= len(path)
            words = split_words(path)
            if stage.is_pieces and self._wanted.by_words(words):
                return True
            if stage.earlier and stage.has_earlier(words) and self._wanted.by_words(words):
                return True
            if placed_before and stage.has(words) and self._in_words(stage, words):
                return True
        return False

    def describe(self, stage: Stage, content: int, holders: int) -> Described | None:
        """None when it is gone. After `read_ahead`."""
        facts = self._facts.get(content)
        if facts is None:
            return None
        claim = self._most_held(facts[0]) or Claim(content, facts[1], holders)
        found = self._found[content]
        known = self._with_best(content, found)
        alive = self._live_names(content, known)
        names = [row[0] for row in alive if row[0] in found or (row[0] in known and self.matches(stage, row))]
        # Renamed since the window was read: whatever it is called now.
        matching = [row for row in alive if row[0] in names] or [row for row in alive if self.matches(stage, row)]
        if not matching:
            return None
        # Holders count first: one member can give a file any name that is asked for.
        (_, in_name, _), (_, kind, modified, path) = max(
            ((self._live.name(row[0]), self._in_file_name(stage, row[3]), -row[0]), row) for row in matching
        )
        name = _file_name(path)
        others = dict.fromkeys(other for row in self._most_held_first(alive) if (other := _file_name(row[3])) != name)
        return Described(
            SearchRow(
                content_id=facts[0],
                name=name,
                path=path[: -len(name) - 1],
                size=claim.size,
                kind=KINDS[kind],
                holders=max(holders, claim.holders),
                names=tuple(islice(others, MAX_OTHER_NAMES)),
                modified=modified,
            ),
            in_name,
            holders,
        )

    def _most_held_first(self, names: list[Name]) -> list[Name]:
        return sorted(names, key=lambda row: -self._live.name(row[0]))

    def _most_held(self, content_id: bytes) -> Claim | None:
        """Of several sizes that are claimed and fit the question; None: there are not several."""
        claims = self._rivals.get(content_id, [])
        return next((claim for claim in claims if self._wanted.fits(claim.size)), None)

    def _live_names(self, content: int, names: set[int]) -> list[Name]:
        """Live names of a content, not all of very many; those that were found are among them."""
        run = self._read().execute
        generation, rows = self._generation, self._names[content]
        for _ in range(ATTEMPTS):
            known: dict[int, Name] = {row[0]: row for row in rows}
            for number in names:
                if number not in known:
                    known |= {row[0]: row for row in run(_NAMES + "WHERE number = ?", (number,)).fetchall()}
            alive = [row for row in known.values() if self._live.name(row[0])]
            if not self._live.renamed_among(known, generation):
                break
            generation = self._live.generation
            rows = run(_NAMES + "WHERE content = ? LIMIT ?", (content, NAMES_READ)).fetchall()
        return alive


def _file_name(path: str) -> str:
    return path.rpartition("/")[2]
