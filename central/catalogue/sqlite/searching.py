"""Finds pages of contents: live names in windows of bounded size, the most held contents of a window first.

Runs in the thread that asks. Names are walked in the order in which they arrived, and the walk stops at a window's
worth, so common words cost no more than others. Within a window the order is exact: most live holders first.
"""

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeAlias

from central.catalogue.cursor import LAST, UNDECIDED, Cursor
from central.catalogue.sqlite.live import LiveCounters
from central.catalogue.words import Wanted
from central.domain import MAX_OTHER_NAMES, SearchPage, SearchQuestion, SearchRow
from protos.agreed import KINDS

# Live names that make a window.
WINDOW = 1000
# Names looked at for one page; beyond this the page ends early, with a cursor.
SCAN_LIMIT = 200_000
# Names read of a content with very many.
NAMES_READ = 64
# Characters of names and paths in a page; with the rest it stays under 1 MiB.
PAGE_TEXT = 200_000
EARLIER_NAMES_READ = 1000
ATTEMPTS = 10
_CHUNK = 512
_NAMES = "SELECT number, kind, modified, path FROM name "

Read = Callable[[], sqlite3.Connection]
# Number, kind, modified, path.
_Name: TypeAlias = tuple[int, int, int, str]


@dataclass
class _Candidate:
    """A content in a window, with the first of its live matching names."""

    content: int
    holders: int
    names: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class _Window:
    """Names numbered above `start` up to `end`; `end` is LAST when the names have ended. Candidates in order."""

    start: int
    end: int
    scanned: int
    candidates: list[_Candidate]


class Searcher:
    """Answers search questions from the index and the live counters."""

    def __init__(self, read: Read, live: LiveCounters, window: int = WINDOW) -> None:
        self._read = read
        self._live = live
        self._window = window

    def search(self, question: SearchQuestion) -> SearchPage:
        """Raises BadQuestionError."""
        wanted = Wanted.read(question.text, question.kind, question.min_size, question.max_size)
        place = Cursor.read(question)
        shown: dict[bytes, tuple[bool, SearchRow]] = {}
        text_left = PAGE_TEXT
        scanned = 0
        while place.start != LAST:
            if scanned >= SCAN_LIMIT:
                return SearchPage(_best_first(shown), place.write(question))
            window = self._read_window(wanted, place)
            scanned += window.scanned
            for candidate in window.candidates:
                described = self._describe(wanted, window, candidate)
                # A member that lies about a size makes a second content of the same id: the most held one stands.
                if described is None or described[1].content_id in shown:
                    continue
                if len(shown) >= question.limit or text_left <= 0:
                    return SearchPage(_best_first(shown), place.write(question))
                shown[described[1].content_id] = described
                text_left -= _text_length(described[1])
                place = Cursor(window.start, window.end, candidate.holders, candidate.content)
            place = Cursor(window.end)
        return SearchPage(_best_first(shown), "")

    def _read_window(self, wanted: Wanted, place: Cursor) -> _Window:
        """What is left after `place` of its window; an undecided window ends after enough live names.

        Read again when a file was renamed meanwhile: its old name would count no more, and its new one not yet.
        """
        for _ in range(ATTEMPTS):
            generation = self._live.generation
            window, dead = self._try_window(wanted, place)
            if not any(self._live.renamed_since(name, generation) for name in dead):
                break
        return window

    def _try_window(self, wanted: Wanted, place: Cursor) -> tuple[_Window, list[int]]:
        """The window, and its names that nobody live has."""
        found: dict[int, _Candidate] = {}
        dead: list[int] = []
        decided = place.end != UNDECIDED
        end = place.end if decided else LAST
        rows = self._read().execute(
            "SELECT rowid FROM name_words WHERE name_words MATCH ? AND rowid > ? AND rowid <= ? ORDER BY rowid",
            (wanted.expression(), place.start, end),
        )
        scanned = live_names = 0
        try:
            while chunk := rows.fetchmany(min(_CHUNK, self._window)):
                scanned += len(chunk)
                for (name,) in chunk:
                    if self._live.name(name):
                        live_names += 1
                        content = self._live.content_of(name)
                        candidate = found.get(content)
                        if candidate is None:
                            candidate = found[content] = _Candidate(content, self._live.content(content))
                        if len(candidate.names) <= MAX_OTHER_NAMES:
                            candidate.names.append(name)
                    else:
                        dead.append(name)
                if not decided and (live_names >= self._window or scanned >= SCAN_LIMIT):
                    end = chunk[-1][0]
                    break
        finally:
            rows.close()
        candidates = [candidate for candidate in found.values() if candidate.holders]
        if wanted.by_size:
            candidates = list(self._of_size(wanted, candidates))
        candidates.sort(key=_order)
        if place.holders:
            candidates = [c for c in candidates if _order(c) > (-place.holders, place.content)]
        return _Window(place.start, end, scanned, candidates), dead

    def _of_size(self, wanted: Wanted, candidates: list[_Candidate]) -> Iterator[_Candidate]:
        run = self._read().execute
        remaining = iter(candidates)
        while chunk := {c.content: c for c in islice(remaining, _CHUNK)}:
            marks = ",".join("?" * len(chunk))
            for content, size in run(
                f"SELECT number, size FROM content WHERE number IN ({marks})", tuple(chunk)
            ).fetchall():
                if wanted.fits(size):
                    yield chunk[content]

    def _describe(self, wanted: Wanted, window: _Window, candidate: _Candidate) -> tuple[bool, SearchRow] | None:
        """The row, and whether the file's own name has all the words. None: gone, or shown in an earlier window."""
        run = self._read().execute
        content = run("SELECT content_id, size FROM content WHERE number = ?", (candidate.content,)).fetchone()
        if content is None:
            return None
        if window.start and self._shown_before(wanted, window, candidate):
            return None
        alive = self._live_names(candidate)
        # Renamed since the window was read: whatever it is called now.
        matching = [row for row in alive if row[0] in candidate.names] or [
            row for row in alive if wanted.matches(row[3], row[1])
        ]
        if not matching:
            return None
        (in_name, _, _), (_, kind, modified, path) = max(
            ((wanted.in_text(_file_name(row[3])), self._live.name(row[0]), -row[0]), row) for row in matching
        )
        name = _file_name(path)
        others = dict.fromkeys(other for row in alive if (other := _file_name(row[3])) != name)
        return in_name, SearchRow(
            content_id=content[0],
            name=name,
            path=path[: -len(name) - 1],
            size=content[1],
            kind=KINDS[kind],
            holders=candidate.holders,
            names=tuple(islice(others, MAX_OTHER_NAMES)),
            modified=modified,
        )

    def _live_names(self, candidate: _Candidate) -> list[_Name]:
        """Live names of a content, not all of very many; those that were found are among them."""
        run = self._read().execute
        for _ in range(ATTEMPTS):
            generation = self._live.generation
            rows = run(_NAMES + "WHERE content = ? LIMIT ?", (candidate.content, NAMES_READ)).fetchall()
            known: dict[int, _Name] = {row[0]: row for row in rows}
            for number in candidate.names:
                if number not in known:
                    known |= {row[0]: row for row in run(_NAMES + "WHERE number = ?", (number,)).fetchall()}
            alive = [row for row in known.values() if self._live.name(row[0])]
            if not any(self._live.renamed_since(number, generation) for number in known):
                break
        return alive

    def _shown_before(self, wanted: Wanted, window: _Window, candidate: _Candidate) -> bool:
        """Whether an earlier window holds a live matching name of the same content."""
        rows = self._read().execute(
            _NAMES + "WHERE content = ? AND number <= ? LIMIT ?", (candidate.content, window.start, EARLIER_NAMES_READ)
        )
        return any(self._live.name(row[0]) and wanted.matches(row[3], row[1]) for row in rows.fetchall())


def _order(candidate: _Candidate) -> tuple[int, int]:
    return -candidate.holders, candidate.content


def _file_name(path: str) -> str:
    return path.rpartition("/")[2]


def _text_length(row: SearchRow) -> int:
    return len(row.name) + len(row.path) + sum(map(len, row.names))


def _best_first(shown: dict[bytes, tuple[bool, SearchRow]]) -> tuple[SearchRow, ...]:
    """Names that have the words themselves come before those that have them in a folder's name."""
    ranked = sorted(shown.values(), key=lambda entry: (not entry[0], -entry[1].holders))
    return tuple(row for _, row in ranked)
