"""Finds pages of contents: live names in windows of bounded size, the most held contents of a window first.

Runs in the thread that asks. Popular names are looked at first, then the others in the order in which they arrived,
and looking stops at a page's worth, so common words cost no more than others. Within a window the order is exact:
most live holders first.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from central.catalogue.cursor import LAST, UNDECIDED, Cursor
from central.catalogue.sqlite.albums import Albums
from central.catalogue.sqlite.claims import Claims, Read
from central.catalogue.sqlite.describing import TOGETHER, Described, Describer
from central.catalogue.sqlite.live import LiveCounters
from central.catalogue.sqlite.stages import Stage, Stages, tier_of
from central.catalogue.sqlite.tier_keeping import TierKeeper
from central.catalogue.sqlite.tiers import HOT, REST, PopularNames, matching
from central.catalogue.sqlite.vocabulary import Vocabulary
from central.catalogue.wanted import Wanted
from central.domain import MAX_OTHER_NAMES, SearchPage, SearchQuestion, SearchRow

# Live names that make a window.
WINDOW = 1000
# What looking for one page may cost, in names found in the index; beyond this the page ends early, with a cursor.
SCAN_LIMIT = 30_000
# What reading a row of a name or a content costs beside finding it, and what looking into a stage costs at least.
ROW_COST = 20
STAGE_COST = 300
# Characters of names and paths in a page; with the rest it stays under 1 MiB.
PAGE_TEXT = 200_000
# Characters of names read to find out what was shown before; beyond this the page ends early too.
READ_TEXT = 1_000_000
# Those when each name must be read, which may be long, and in tiers, which have the popular ones first by themselves.
SMALL_WINDOW = 400
ATTEMPTS = 10
# A page that has so many rows leaves looser matches to the next one, and ends when it is late.
ENOUGH_ROWS = 10
# The processor's time after which looking ends the page: what else runs on the machine makes no page shorter.
LOOKING_SECONDS = 0.003
ADDING_SECONDS = 0.0035
# Places of an index looked through in one step at first.
STEP_PLACES = 16_000
# A step that is quicker or slower makes the next one longer or shorter.
_QUICK_SECONDS, _SLOW_SECONDS = 0.0005, 0.002
_FASTER = 8
_CHUNK = 512
_MARKS = 250


@dataclass
class Candidate:
    """A content in a window, with the first of its live matching names."""

    content: int
    holders: int
    names: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class _Window:
    """Names placed above `start` up to `end`; `end` is LAST when the names have ended. Candidates in order."""

    start: int
    end: int
    cost: int
    candidates: list[Candidate]


class Searcher:
    """Answers search questions from the indexes and the live counters."""

    def __init__(
        self,
        read: Read,
        live: LiveCounters,
        tiers: TierKeeper,
        vocabulary: Vocabulary,
        claims: Claims,
        secret: bytes,
        window: int = WINDOW,
    ) -> None:
        self._read = read
        self._live = live
        self._tiers = tiers
        self._vocabulary = vocabulary
        self._claims = claims
        self._secret = secret
        self._window = window

    def search(self, question: SearchQuestion) -> SearchPage:
        """Raises BadQuestionError."""
        wanted = Wanted.read(question)
        place = Cursor.read(question, self._secret)
        with self._tiers.current() if place is None else self._tiers.generation(place.generation) as tiers:
            looking = _Looking(self, wanted, question, tiers)
            page = looking.page(place or looking.beginning())
            if place is not None:
                return page
            albums = Albums(self._read, self._live, looking.may_add)
            return replace(page, albums=albums.among(wanted, page.rows))


class _Looking:
    """One question's way through the stages."""

    def __init__(self, searcher: Searcher, wanted: Wanted, question: SearchQuestion, tiers: PopularNames) -> None:
        self._read = searcher._read
        self._live = searcher._live
        self._size = searcher._window
        self._wanted = wanted
        self._question = question
        self._tiers = tiers
        self._stages = Stages(wanted, searcher._vocabulary)
        self._describer = Describer(self._read, self._live, wanted, searcher._claims)
        self._secret = searcher._secret
        self._began = time.thread_time()
        self._late = False

    def _is_late(self) -> bool:
        return time.thread_time() - self._began > LOOKING_SECONDS

    def may_add(self) -> bool:
        """Whether there is time left for what is not a row."""
        return time.thread_time() - self._began < ADDING_SECONDS

    def beginning(self) -> Cursor:
        first = HOT if self._tiers.generation else REST
        floor = self._tiers.floor
        return Cursor(first, self._tiers.generation, floor, floor - 1 if first == HOT else 0)

    def page(self, place: Cursor) -> SearchPage:
        shown: dict[bytes, tuple[Described, int]] = {}
        text_left = PAGE_TEXT
        cost = 0
        stage = self._stage_at(place.stage)
        while stage is not None:
            if stage.number != place.stage:
                place = self._beginning_of(stage.number, place)
            if cost >= SCAN_LIMIT or self._late or (stage.is_loose and len(shown) >= ENOUGH_ROWS):
                return _page(shown, place.write(self._question, self._secret))
            window = self._read_window(stage, place)
            cost += window.cost + STAGE_COST
            left = window.candidates
            while left:
                if len(shown) >= self._question.limit or text_left <= 0:
                    return _page(shown, place.write(self._question, self._secret))
                # What is late reads no more than makes a page.
                most = max(1, ENOUGH_ROWS - len(shown)) if self._is_late() else TOGETHER
                group, left = left[:most], left[most:]
                fitting, read = self._fitting(stage, group)
                cost += ROW_COST * read
                self._describer.read_ahead([(candidate.content, candidate.names) for candidate in fitting])
                for candidate in fitting:
                    if len(shown) >= self._question.limit or text_left <= 0 or self._describer.text_read > READ_TEXT:
                        return _page(shown, place.write(self._question, self._secret))
                    if len(shown) >= ENOUGH_ROWS and self._is_late():
                        return _page(shown, place.write(self._question, self._secret))
                    described = self._describe(stage, window, place, candidate)
                    place = _past(place, window, candidate)
                    if described is None:
                        continue
                    # A member that lies about a size makes a second content of the same id: the most held one stands.
                    other = shown.get(described.row.content_id)
                    if other is None:
                        text_left -= _text_length(described.row)
                    if other is None or described.claimed_by > other[0].claimed_by:
                        shown[described.row.content_id] = described, stage.is_pieces
                place = _past(place, window, group[-1])
                if read and (cost >= SCAN_LIMIT or self._is_late()):
                    return _page(shown, place.write(self._question, self._secret))
            place = replace(place, start=window.end, end=UNDECIDED, holders=0, content=0)
            if window.end == LAST:
                following = stage.number + 1
                if len(shown) >= ENOUGH_ROWS and self._stages.is_loose_from(following):
                    # What looser matches are is not even worked out.
                    return _page(shown, self._beginning_of(following, place).write(self._question, self._secret))
                stage = self._stage_at(following)
        return _page(shown, "")

    def _beginning_of(self, number: int, place: Cursor) -> Cursor:
        start = place.floor - 1 if tier_of(number) == HOT else 0
        return replace(place, stage=number, start=start, end=UNDECIDED, holders=0, content=0)

    def _stage_at(self, number: int) -> Stage | None:
        """As it is, or the next one; without tiers there is nothing to look for in them."""
        stage = self._stages.at(number)
        if stage is not None and stage.tier != REST and not self._tiers.generation:
            return self._stages.at(stage.number - stage.tier + REST)
        return stage

    def _read_window(self, stage: Stage, place: Cursor) -> _Window:
        """What is left after `place` of its window; an undecided window ends after enough live names.

        Read again when a file was renamed meanwhile: its old name would count no more, and its new one not yet.
        """
        for _ in range(ATTEMPTS):
            generation = self._live.generation
            end, names, found = self._scan(stage, place)
            if not self._live.renamed_among(names, generation):
                break
        candidates = [candidate for candidate in found.values() if candidate.holders]
        if place.holders:
            candidates = [c for c in candidates if _order(c) > (-place.holders, place.content)]
        candidates.sort(key=_order)
        return _Window(place.start, end, len(names), candidates)

    def _fitting(self, stage: Stage, candidates: list[Candidate]) -> tuple[list[Candidate], int]:
        """Those that fit in what the index does not know, and how many rows were read for it."""
        read = 0
        if self._wanted.by_size and not self._wanted.all_sizes_fit():
            read += len(candidates)
            candidates = self._of_size(candidates)
        if self._wanted.read_names or stage.verified:
            read += sum(len(candidate.names) for candidate in candidates)
            candidates = self._of_names(stage, candidates)
        return candidates, read

    def _scan(self, stage: Stage, place: Cursor) -> tuple[int, list[int], dict[int, Candidate]]:
        """The window's end, all its names, and the contents of those that count."""
        found: dict[int, Candidate] = {}
        every: list[int] = []
        every_place: list[int] = []
        live_names = 0
        reads = self._wanted.read_names or stage.verified
        small = reads or stage.tier != REST
        size = min(self._size, SMALL_WINDOW) if small else self._size
        for places, end in self._steps(stage, place, min(_CHUNK, 2 * size)):
            names = places if stage.tier == REST else [self._tiers.name_at(stage.tier, at) for at in places]
            every += names
            every_place += places
            live_names += self._collect(stage, place.floor, names, found)
            if end == LAST:
                continue
            if place.end != UNDECIDED:
                # More was published into it since: the rest becomes a window of its own.
                if len(every) >= 2 * SCAN_LIMIT:
                    return end, every, found
                continue
            if self._late or live_names >= size or len(every) >= SCAN_LIMIT:
                # Names of one content are side by side in a tier: its window ends before the last content.
                if stage.tier == REST or (self._late and not found):
                    return end, every, found
                if len(found) > 1:
                    _, last = found.popitem()
                    return every_place[every.index(last.names[0])] - 1, every, found
        return LAST if place.end == UNDECIDED else place.end, every, found

    def _steps(self, stage: Stage, place: Cursor, most: int) -> Iterator[tuple[list[int], int]]:
        """Places where the stage finds something, at most `most` in each step, and where each step ended."""
        upto = LAST if place.end == UNDECIDED else place.end
        highest = min(upto, self._highest(stage))
        width = STEP_PLACES
        end = place.start
        while end < highest:
            target = end + width if end + width < highest else upto
            began = time.perf_counter()
            places = self._find(stage, end, target, most)
            took = time.perf_counter() - began
            end = places[-1] if len(places) == most else target
            # Large catalogues only: in others one step sees all.
            self._late = end < highest and self._is_late()
            yield places, LAST if end == upto else end
            if took < _QUICK_SECONDS:
                width *= _FASTER
            elif took > _SLOW_SECONDS:
                width = max(STEP_PLACES // _FASTER, width // _FASTER)

    def _highest(self, stage: Stage) -> int:
        """No place above it has a live name."""
        return len(self._live) if stage.tier == REST else self._tiers.size(stage.tier)

    def _find(self, stage: Stage, after: int, upto: int, most: int) -> list[int]:
        if stage.tier == REST:
            return matching(self._read(), "name_words", stage.expression, after, upto, most)
        return self._tiers.find(stage.tier, stage.expression, after, upto, most)

    def _collect(self, stage: Stage, floor: int, names: list[int], found: dict[int, Candidate]) -> int:
        """Takes the live names that are in no earlier tier; how many."""
        alive = self._live.alive(names)
        if stage.tier != HOT:
            alive = self._tiers.not_before(stage.tier, alive, floor)
        for name, content in zip(alive, self._live.contents_of(alive), strict=True):
            candidate = found.get(content)
            if candidate is None:
                candidate = found[content] = Candidate(content, self._live.content(content))
            if len(candidate.names) <= MAX_OTHER_NAMES:
                candidate.names.append(name)
        return len(alive)

    def _of_size(self, candidates: list[Candidate]) -> list[Candidate]:
        run = self._read().execute
        kept = []
        for chunk in _chunks(candidates, _MARKS):
            marks = ",".join("?" * len(chunk))
            numbers = [candidate.content for candidate in chunk]
            rows = run(f"SELECT number, size FROM content WHERE number IN ({marks})", numbers).fetchall()
            fitting = {content for content, size in rows if self._wanted.fits(size)}
            kept += [candidate for candidate in chunk if candidate.content in fitting]
        return kept

    def _of_names(self, stage: Stage, candidates: list[Candidate]) -> list[Candidate]:
        """Those that have a name that matches in what the index does not know; with these names only."""
        run = self._read().execute
        for chunk in _chunks(candidates, _MARKS):
            names = [name for candidate in chunk for name in candidate.names]
            kept: set[int] = set()
            for start in range(0, len(names), _MARKS):
                some = names[start : start + _MARKS]
                marks = ",".join("?" * len(some))
                rows = run(f"SELECT number, kind, modified, path FROM name WHERE number IN ({marks})", some)
                kept.update(row[0] for row in rows.fetchall() if self._describer.matches(stage, row))
            for candidate in chunk:
                candidate.names = [name for name in candidate.names if name in kept]
        return [candidate for candidate in candidates if candidate.names]

    def _describe(self, stage: Stage, window: _Window, place: Cursor, candidate: Candidate) -> Described | None:
        """None: gone, or shown in an earlier window or stage."""

        def place_of(name: int) -> tuple[int, int]:
            return self._tiers.tier_of_name(name, place.floor), name if stage.tier == REST else LAST

        may_be_earlier = (
            stage.group > 0
            or self._tiers.tier_of_content(candidate.content) < stage.tier
            or (stage.tier == REST and window.start > 0)
        )
        here = (stage.tier, window.start)
        if may_be_earlier and self._describer.shown_before(stage, candidate.content, place_of, here):
            return None
        return self._describer.describe(stage, candidate.content, candidate.holders)


def _chunks(candidates: list[Candidate], size: int) -> Iterator[list[Candidate]]:
    for start in range(0, len(candidates), size):
        yield candidates[start : start + size]


def _past(place: Cursor, window: _Window, candidate: Candidate) -> Cursor:
    """Where to go on after the candidate."""
    return replace(place, start=window.start, end=window.end, holders=candidate.holders, content=candidate.content)


def _order(candidate: Candidate) -> tuple[int, int]:
    return -candidate.holders, candidate.content


def _text_length(row: SearchRow) -> int:
    return len(row.name) + len(row.path) + sum(map(len, row.names))


def _page(shown: dict[bytes, tuple[Described, int]], cursor: str) -> SearchPage:
    """Whole words come before pieces, and names that have the words themselves before those with them in a folder."""
    ranked = sorted(shown.values(), key=lambda entry: (entry[1], not entry[0].in_name, -entry[0].row.holders))
    return SearchPage(tuple(described.row for described, _ in ranked), cursor)
