"""The SQLite catalogue: who published what, in the central's database, and who of them is live, in memory.

Any thread may call it. One member's batches and its first arrival go one after the other.
"""

import random
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice

from central.catalogue.sqlite.accepting import acknowledged
from central.catalogue.sqlite.claims import Claim, Claims
from central.catalogue.sqlite.cleaning import PATIENCE_SECONDS, Cleaner, Merger, Reclaiming
from central.catalogue.sqlite.comparing import compare
from central.catalogue.sqlite.live import POPULAR, LiveCounters
from central.catalogue.sqlite.parts import Parts, has_entry
from central.catalogue.sqlite.scribe import Scribe, Writes
from central.catalogue.sqlite.searching import WINDOW, Searcher
from central.catalogue.sqlite.tier_keeping import KNOWN, TierKeeper
from central.catalogue.sqlite.upgrading import finish_upgrade, refresh_index, secret_of
from central.catalogue.sqlite.vocabulary import Vocabulary
from central.catalogue.words import split_words
from central.database import Database
from central.domain import (
    Acknowledged,
    Batch,
    Comparison,
    Found,
    PublishResult,
    Quota,
    Range,
    SearchPage,
    SearchQuestion,
    Totals,
)
from central.errors import OverloadedError, ScribeLostError
from central.locks import KeyedLocks
from protos.agreed import entry_key, path_digest

# Names looked at to name a located content, and to find its holders.
NAMES_READ = 32
HELD_NAMES_READ = 1000
ATTEMPTS = 10
_HOLDERS_CHUNK = 256
# Batches that are applied or wait for it; peers that send more are told to come back later.
PUBLISHERS = 8


class SqliteCatalogue:
    """See `central.catalogue.interface.Catalogue`."""

    def __init__(
        self,
        database: Database,
        window: int = WINDOW,
        rng: random.Random | None = None,
        cleaning_patience: int = PATIENCE_SECONDS,
        popular: int = POPULAR,
        known: int = KNOWN,
        quota: Quota | None = None,
        scribe: Callable[[bytes], Writes] | None = None,
    ) -> None:
        """`popular` and `known`: live holders that make a content hot or warm.

        `scribe` makes the one that writes, given the catalogue's secret; without it, the threads that call do.
        """
        self._database = database
        self._secret = secret_of(database)
        finish_upgrade(database, self._secret)
        refresh_index(database)
        self._scribe = scribe(self._secret) if scribe else Scribe(database, self._secret, quota or Quota())
        self._live = LiveCounters(popular)
        self._vocabulary = Vocabulary.load(database.read())
        self._tiers = TierKeeper(database, self._live, self._scribe.build_tiers, known)
        self._claims = Claims(database.read, self._live, self._secret)
        self._searcher = Searcher(
            database.read, self._live, self._tiers, self._vocabulary, self._claims, self._secret, window
        )
        self._members = KeyedLocks()
        self._reclaiming = Reclaiming(database)
        self._cleaner = Cleaner(database, self._members, self._reclaiming, self._scribe, cleaning_patience)
        self._merger = Merger(database, self._scribe)
        self._last_name = database.read().execute("SELECT coalesce(max(number), 0) FROM name").fetchone()[0]
        self._rng = rng or random.SystemRandom()
        self._publishing = threading.BoundedSemaphore(PUBLISHERS)

    def close(self) -> None:
        self._scribe.close()
        self._tiers.close()

    def acknowledged(self, member: int) -> Acknowledged | None:
        return acknowledged(self._database.read(), member)

    def publish(self, member: int, batch: Batch) -> PublishResult:
        with self._turn(), self._members.of(member):
            before = self._last_name
            try:
                written = self._scribe.publish(member, batch)
            except ScribeLostError:
                self._take_stock(member, before)
                raise
            if written.delta is None:
                return written.result
            if written.gave_up:
                self._reclaiming.add(member)
            self._vocabulary.add(written.words)
            self._last_name = max(self._last_name, written.last_name)
            self._live.apply(member, written.delta)
        return written.result

    def _take_stock(self, member: int, before: int) -> None:
        """Reads what the member has, since nobody told whether its last batch was written. Alone with the member.

        `before`: the last name before that batch, or an earlier one.
        """
        read = self._database.read().execute
        if read("SELECT 1 FROM gone WHERE member = ? LIMIT 1", (member,)).fetchone() is not None:
            self._reclaiming.add(member)
        for number, path in read("SELECT number, path FROM name WHERE number > ?", (before,)).fetchall():
            self._vocabulary.add(split_words(path))
            self._last_name = max(self._last_name, number)
        self._live.correct(member, self._entries(member))

    def compare(self, member: int, span: Range) -> Comparison:
        # Alone with the member's entries: a batch between two reads would tear them.
        with self._members.of(member):
            return compare(self._database.read(), member, span)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """A place among the publishers. Raises OverloadedError when too many wait already."""
        if not self._publishing.acquire(blocking=False):
            raise OverloadedError("many peers are publishing at this moment; try again after the retry delay")
        try:
            yield
        finally:
            self._publishing.release()

    def withdraw(self, member: int) -> None:
        self._live.depart(member)
        with self._members.of(member):
            # Noted first: who is asked meanwhile looks twice, and a scribe that is lost may have done it.
            known = member in self._reclaiming
            self._reclaiming.add(member)
            if not self._scribe.withdraw(member) and not known:
                self._reclaiming.remove(member)
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
        return list(Parts(self._database.read(), member).pairs())

    def search(self, question: SearchQuestion) -> SearchPage:
        return self._searcher.search(question)

    def locate(self, content_ids: tuple[bytes, ...], most: int) -> list[Found]:
        return [self._locate(content_id, most) for content_id in content_ids]

    def _locate(self, content_id: bytes, most: int) -> Found:
        """Holders of all sizes that members claim for the id; the size and the name are those of the most held one."""
        claims = self._claims.of(content_id)
        if not claims:
            return Found(content_id, 0, "", ())
        drawn: list[int] = []
        # Read again when a file was renamed meanwhile: its old name is gone then, and its new one was not read.
        for _ in range(ATTEMPTS):
            drawn = self._draw(claims, most)
            if drawn:
                break
        self._rng.shuffle(drawn)
        return Found(content_id, claims[0].size if drawn else 0, self._best_name(claims[0].content), tuple(drawn))

    def _draw(self, claims: list[Claim], most: int) -> list[int]:
        """Up to `most` different holders, by turns from each claim, so that many liars leave room for the honest."""
        sources = deque(islice(self._holders(claim.content), claim.holders) for claim in claims[:most])
        drawn: dict[int, None] = {}
        while sources and len(drawn) < most:
            source = sources.popleft()
            for member in source:
                if member not in drawn:
                    drawn[member] = None
                    sources.append(source)
                    break
        return list(drawn)

    def _holders(self, content: int) -> Iterator[int]:
        """Each live holder once, in an order that favours nobody; a popular content is not read whole."""
        names = self._names_of(content)
        # The more live members a name has, the more likely it comes early.
        # Names that seem dead come last: a renamed file's new name is one for a moment.
        drawn = sorted(
            (-(self._rng.random() ** (1 / holders)) if (holders := self._live.name(name)) else 0.0, name)
            for name in names
        )
        seen: set[int] = set()
        for _, name in drawn:
            for member in self._members_of(name):
                if member not in seen and self._live.is_live(member) and self._really_has(member, name):
                    seen.add(member)
                    yield member

    def _names_of(self, content: int) -> set[int]:
        """Of very many, the one that is best known, and those all around from a random place."""
        run = self._database.read().execute
        select = "SELECT number FROM name WHERE content = ? AND path_key"
        middle = self._rng.randint(-(1 << 31), (1 << 31) - 1)
        rows = run(f"{select} >= ? LIMIT ?", (content, middle, HELD_NAMES_READ)).fetchall()
        rows += run(f"{select} < ? LIMIT ?", (content, middle, HELD_NAMES_READ - len(rows))).fetchall()
        names = {name for (name,) in rows}
        best = self._live.best_name(content)
        return names | {best} if best and len(names) == HELD_NAMES_READ else names

    def _members_of(self, name: int) -> Iterator[int]:
        """Members that have the name, live or not, all around from a random one."""
        run = self._database.read().execute
        highest = run("SELECT max(member) FROM holder WHERE name = ?", (name,)).fetchone()[0] or 0
        middle = self._rng.randint(0, highest)
        for first, last in ((middle, highest), (0, middle - 1)):
            while first <= last:
                rows = run(
                    "SELECT member FROM holder WHERE name = ? AND member BETWEEN ? AND ? ORDER BY member LIMIT ?",
                    (name, first, last, _HOLDERS_CHUNK),
                ).fetchall()
                if not rows:
                    break
                yield from (row[0] for row in rows)
                first = rows[-1][0] + 1

    def _really_has(self, member: int, name: int) -> bool:
        """Rows of what a member gave up are removed later; until then its entries themselves are asked."""
        if member not in self._reclaiming:
            return True
        read = self._database.read()
        row = read.execute("SELECT path FROM name WHERE number = ?", (name,)).fetchone()
        return row is not None and has_entry(read, member, entry_key(row[0], path_digest(row[0])), name)

    def _best_name(self, content: int) -> str:
        """The one that most live members have, as far as is known; never one of many names of a single member."""
        rows = self._database.read().execute(
            "SELECT number, path FROM name WHERE number = ? AND content = ?"
            " UNION SELECT * FROM (SELECT number, path FROM name WHERE content = ? LIMIT ?)",
            (self._live.best_name(content), content, content, NAMES_READ),
        )
        best = max(((self._live.name(number), -number, path) for number, path in rows.fetchall()), default=None)
        return best[2].rpartition("/")[2] if best else ""

    def clean(self) -> bool:
        return self._cleaner.step()

    def check(self) -> None:
        """Raises CentralError when the scribe cannot do its work."""
        self._scribe.check()

    def totals(self) -> Totals:
        return totals(self._database)

    def raise_popular(self) -> bool:
        """Puts what became popular where searches look first; True when there is more."""
        return self._tiers.raise_popular()

    def build_tiers(self) -> None:
        """Sorts the names by popularity anew; seconds for millions, without holding up anybody."""
        self._tiers.build()

    def tend_tiers(self) -> None:
        """Builds them when it is time."""
        if self._tiers.stale:
            self._tiers.build()

    def merge_index(self) -> bool:
        """Brings the index of words into order, a little at a time; True when there is more."""
        return self._merger.step()

    def hurry(self) -> None:
        """Background work that is running ends soon, unfinished."""
        self._scribe.hurry()

    def rest(self) -> None:
        """To be called now and then: gives back what is not needed for the moment."""
        self._scribe.rest()


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
