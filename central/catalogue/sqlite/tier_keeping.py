"""Keeps the tiers: opens those of the last run, raises what became popular, builds them anew now and then.

The housekeeper and the builder's thread run it; searches take what is current.
"""

import secrets
import sqlite3
import threading
import time
from array import array
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import count
from pathlib import Path

from central.catalogue.cursor import lost_place
from central.catalogue.sqlite.live import LiveCounters
from central.catalogue.sqlite.tiers import HOT, SCHEMA, TABLES, WARM, NoTiers, PopularNames, TierFile, delete_file
from central.catalogue.sqlite.writing import chunks
from central.catalogue.words import indexed_text
from central.database import Database

# Live holders of a content in the warm tier.
KNOWN = 2
# Generations that cursors may still name.
KEPT = 3
# Contents raised at once, names of one content in a tier, and risen names that are worth building anew.
RAISED = 2000
NAMES_OF_ONE = 1000
RISEN_ENOUGH = 20_000
# When tiers are built anew although little rose.
OLD_SECONDS = 900
QUIET_OLD_SECONDS = 3600
_TOKEN_KEY = "tiers"
# After so many names the builder lets others have the processor.
_BREATH_NAMES = 2000
_BREATH_SECONDS = 0.002


class TierKeeper:
    def __init__(self, database: Database, live: LiveCounters, known: int = KNOWN) -> None:
        self._database = database
        self._live = live
        self._known = known
        self._lock = threading.Lock()  # guards _generations
        self._building = threading.Lock()  # held while a generation is built or raised
        self._generations: list[TierFile] = []
        self._built = time.monotonic()
        self._stop = threading.Event()
        self._open_last()

    def _open_last(self) -> None:
        """What the last run left, when it belongs to this very database; other files go."""
        row = self._database.read().execute("SELECT value FROM setting WHERE key = ?", (_TOKEN_KEY,)).fetchone()
        for path in self._files():
            try:
                tiers = TierFile(path)
            except (sqlite3.Error, TypeError):
                delete_file(path)
                continue
            if row is not None and tiers.token == row[0] and not self._generations:
                self._generations.append(tiers)
            else:
                tiers.retire()

    def _files(self) -> list[Path]:
        where = self._database.path
        return [path for path in where.parent.glob(f"{where.name}.tiers-*") if path.suffix.rpartition("-")[2].isdigit()]

    def hurry(self) -> None:
        """Ends a building that runs."""
        self._stop.set()

    def close(self) -> None:
        """The newest file stays for the next start."""
        self.hurry()
        with self._building, self._lock:
            for tiers in self._generations:
                tiers.retire(delete=tiers is not self._generations[-1])
            self._generations.clear()

    def current(self) -> AbstractContextManager[PopularNames]:
        with self._lock:
            return self._generations[-1].used() if self._generations else _nothing()

    def generation(self, number: int) -> AbstractContextManager[PopularNames]:
        """Raises BadQuestionError when it is gone."""
        if number == 0:
            return _nothing()
        with self._lock:
            for tiers in self._generations:
                if tiers.generation == number:
                    return tiers.used()
        raise lost_place()

    def raise_popular(self) -> bool:
        """Puts contents that became popular before all others; True when there are more."""
        with self._building:
            with self._lock:
                tiers = self._generations[-1] if self._generations else None
            if tiers is None:
                return False
            risen = self._live.take_risen(RAISED)
            contents = [content for content in risen if tiers.tier_of_content(content) != HOT]
            rows = [row for names in self._names_of(contents) for row in names]
            if rows:
                tiers.raise_names(rows)
            return len(risen) == RAISED

    @property
    def stale(self) -> bool:
        """Whether there are none, many names rose since they were built, or they are old."""
        with self._lock:
            if not self._generations:
                return True
            risen = self._generations[-1].risen_count()
        age = time.monotonic() - self._built
        return risen > RISEN_ENOUGH or age > (OLD_SECONDS if risen else QUIET_OLD_SECONDS)

    def build(self) -> None:
        """Builds a generation beside the current one, and makes it current."""
        with self._building:
            self._built = time.monotonic()
            self._live.take_risen(1 << 30)
            contents = self._live.popular(self._known)
            number = secrets.randbits(31) or 1
            path = self._database.path.with_name(f"{self._database.path.name}.tiers-{number}")
            token = secrets.token_hex(16)
            try:
                self._write(path, number, token, contents)
                if self._stop.is_set():
                    delete_file(path)
                    return
                with self._database.write() as connection:
                    connection.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (_TOKEN_KEY, token))
                made = TierFile(path)
            except BaseException:
                delete_file(path)
                raise
            with self._lock:
                self._generations.append(made)
                old = self._generations[:-KEPT]
                del self._generations[:-KEPT]
            for tiers in old:
                tiers.retire()

    def _write(self, path: Path, generation: int, token: str, contents: dict[int, list[int]]) -> None:
        path.touch(mode=0o600)
        connection = sqlite3.connect(path, isolation_level=None)
        try:
            connection.executescript(SCHEMA)
            connection.execute("BEGIN")
            popular = self._live.popular_from
            for tier, least, below in ((HOT, popular, 1 << 32), (WARM, self._known, popular)):
                ordered = (
                    number
                    for holders in sorted(contents, reverse=True)
                    if least <= holders < below
                    for number in contents[holders]
                )
                self._fill(connection, tier, ordered)
            connection.execute("INSERT INTO built VALUES (?, ?)", (generation, token))
            connection.execute("COMMIT")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            connection.close()

    def _fill(self, connection: sqlite3.Connection, tier: int, contents: Iterable[int]) -> None:
        places = count(1)
        every_name, every_content = array("I"), array("I")
        batch: list[tuple[int, str]] = []
        for rows in self._names_of(contents):
            for name, content, text in rows:
                every_name.append(name)
                every_content.append(content)
                batch.append((next(places), text))
            if len(batch) >= _BREATH_NAMES:
                connection.executemany(f"INSERT INTO {TABLES[tier]} (rowid, words) VALUES (?, ?)", batch)
                batch.clear()
                time.sleep(_BREATH_SECONDS)
                if self._stop.is_set():
                    return
        connection.executemany(f"INSERT INTO {TABLES[tier]} (rowid, words) VALUES (?, ?)", batch)
        connection.execute("INSERT INTO member VALUES (?, ?, ?)", (tier, every_name.tobytes(), every_content.tobytes()))

    def _names_of(self, contents: Iterable[int]) -> Iterator[list[tuple[int, int, str]]]:
        """(name, content, indexed text) of the names of each content, in the order of the contents."""
        run = self._database.read().execute
        for chunk in chunks(contents):
            marks = ",".join("?" * len(chunk))
            rows = run(
                "SELECT n.content, n.number, n.path, n.kind, c.size FROM name n JOIN content c ON c.number = n.content"
                f" WHERE n.content IN ({marks})",
                chunk,
            ).fetchall()
            found: dict[int, list[tuple[int, int, str]]] = {content: [] for content in chunk}
            for content, name, path, kind, size in rows:
                if len(found[content]) < NAMES_OF_ONE:
                    found[content].append((name, content, indexed_text(path, kind, size)))
            yield from found.values()


@contextmanager
def _nothing() -> Iterator[PopularNames]:
    yield NoTiers()
