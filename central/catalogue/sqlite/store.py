"""The SQLite catalogue: who published what, in the central's database, and who of them is live, in memory.

Any thread may call it. One member's batches and its first arrival go one after the other.
"""

import random
import sqlite3
from collections.abc import Iterator

from central.catalogue.sqlite.cleaning import PATIENCE_SECONDS, Cleaner
from central.catalogue.sqlite.live import LiveCounters
from central.catalogue.sqlite.searching import WINDOW, Searcher
from central.catalogue.sqlite.writing import BatchWriter, forget_all
from central.database import Database
from central.domain import Acknowledged, Batch, Found, PublishResult, SearchPage, SearchQuestion, Totals
from central.locks import KeyedLocks

# Names looked at to name a located content.
NAMES_READ = 32
_HOLDERS_CHUNK = 256


class SqliteCatalogue:
    """See `central.catalogue.interface.Catalogue`."""

    def __init__(
        self,
        database: Database,
        window: int = WINDOW,
        rng: random.Random | None = None,
        cleaning_patience: int = PATIENCE_SECONDS,
    ) -> None:
        self._database = database
        self._live = LiveCounters()
        self._searcher = Searcher(database.read, self._live, window)
        self._cleaner = Cleaner(database, cleaning_patience)
        self._members = KeyedLocks()
        self._rng = rng or random.SystemRandom()

    def acknowledged(self, member: int) -> Acknowledged | None:
        return _acknowledged(self._database.read(), member)

    def publish(self, member: int, batch: Batch) -> PublishResult:
        anew = batch.previous == 0
        with self._members.of(member):
            with self._database.write() as connection:
                held = _acknowledged(connection, member)
                if not anew:
                    if held is None or held.index_id != batch.index_id:
                        return PublishResult(0, resync=True)
                    if held.sequence != batch.previous:
                        return PublishResult(held.sequence, resync=True)
                writer = BatchWriter(connection, member, anew)
                writer.apply(batch.changes)
                delta = writer.delta()
                connection.execute(
                    "INSERT INTO publication (member, index_id, sequence, entries) VALUES (?1, ?2, ?3, ?4)"
                    " ON CONFLICT (member) DO UPDATE SET index_id = ?2, sequence = ?3,"
                    " entries = ?4 + CASE WHEN ?5 THEN 0 ELSE entries END",
                    (member, batch.index_id, batch.last, writer.entries, anew),
                )
            self._live.apply(member, delta)
        return PublishResult(batch.last, resync=False)

    def withdraw(self, member: int) -> None:
        self._live.depart(member)
        with self._members.of(member):
            with self._database.write() as connection:
                forget_all(connection, member)
                connection.execute("DELETE FROM publication WHERE member = ?", (member,))
            self._live.forget(member)

    def set_live(self, member: int, live: bool) -> None:
        if not live:
            self._live.depart(member)
        elif self._live.knows(member):
            self._live.arrive(member, list)
        else:
            with self._members.of(member):
                self._live.arrive(member, lambda: self._entries(member))

    def _entries(self, member: int) -> list[tuple[int, int]]:
        rows = self._database.read().execute("SELECT name, content FROM entry WHERE member = ?", (member,))
        return rows.fetchall()

    def search(self, question: SearchQuestion) -> SearchPage:
        return self._searcher.search(question)

    def locate(self, content_ids: tuple[bytes, ...], most: int) -> list[Found]:
        return [self._locate(content_id, most) for content_id in content_ids]

    def _locate(self, content_id: bytes, most: int) -> Found:
        """Of several sizes that members claim for one id, the most held one stands."""
        rows = self._database.read().execute("SELECT number, size FROM content WHERE content_id = ?", (content_id,))
        held = [(self._live.content(number), number, size) for number, size in rows.fetchall()]
        holders, number, size = max(held, default=(0, 0, 0))
        if holders == 0:
            return Found(content_id, 0, "", ())
        drawn = []
        for member in self._holders(number):
            if self._live.is_live(member):
                drawn.append(member)
                if len(drawn) >= min(most, holders):
                    break
        self._rng.shuffle(drawn)
        return Found(content_id, size if drawn else 0, self._best_name(number), tuple(drawn))

    def _holders(self, content: int) -> Iterator[int]:
        """Each holder once, live or not, all around from a random one, so that a popular content is not read whole."""
        run = self._database.read().execute
        highest = run("SELECT max(member) FROM entry WHERE content = ?", (content,)).fetchone()[0] or 0
        middle = self._rng.randint(0, highest)
        for first, last in ((middle, highest), (0, middle - 1)):
            while first <= last:
                rows = run(
                    "SELECT DISTINCT member FROM entry WHERE content = ? AND member BETWEEN ? AND ?"
                    " ORDER BY member LIMIT ?",
                    (content, first, last, _HOLDERS_CHUNK),
                ).fetchall()
                if not rows:
                    break
                yield from (row[0] for row in rows)
                first = rows[-1][0] + 1

    def _best_name(self, content: int) -> str:
        rows = self._database.read().execute(
            "SELECT number, path FROM name WHERE content = ? LIMIT ?", (content, NAMES_READ)
        )
        best = max(((self._live.name(number), -number, path) for number, path in rows.fetchall()), default=None)
        return best[2].rpartition("/")[2] if best else ""

    def clean(self) -> bool:
        return self._cleaner.step()

    def totals(self) -> Totals:
        return totals(self._database)

    def refresh_index(self) -> None:
        """Builds the index of words anew when the rules for words have changed since it was built."""
        self._cleaner.refresh_index()


def totals(database: Database) -> Totals:
    """What the catalogue holds; for any process."""
    run = database.read().execute
    entries, contents, names = (
        run(statement).fetchone()[0]
        for statement in (
            "SELECT coalesce(sum(entries), 0) FROM publication",
            "SELECT count(*) FROM content",
            "SELECT count(*) FROM name",
        )
    )
    return Totals(entries, contents, names)


def _acknowledged(connection: sqlite3.Connection, member: int) -> Acknowledged | None:
    row = connection.execute("SELECT index_id, sequence FROM publication WHERE member = ?", (member,)).fetchone()
    return None if row is None else Acknowledged(*row)
