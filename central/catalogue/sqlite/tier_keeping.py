"""Keeps the tiers: opens those of the last run, raises what became popular, builds them anew now and then.

The housekeeper and the builder's thread run it; searches take what is current.
"""

import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from central.catalogue.cursor import lost_place
from central.catalogue.sqlite.live import LiveCounters
from central.catalogue.sqlite.tier_writing import TierPlan, names_of
from central.catalogue.sqlite.tiers import HOT, NoTiers, PopularNames, TierFile, delete_file
from central.database import Database

# Live holders of a content in the warm tier.
KNOWN = 2
# Generations that cursors may still name.
KEPT = 3
# Contents raised at once, and risen names that are worth building anew.
RAISED = 2000
RISEN_ENOUGH = 20_000
# When tiers are built anew although little rose.
OLD_SECONDS = 900
QUIET_OLD_SECONDS = 3600
_TOKEN_KEY = "tiers"


class TierKeeper:
    def __init__(
        self, database: Database, live: LiveCounters, build: Callable[[TierPlan], None], known: int = KNOWN
    ) -> None:
        """`build` writes the file of a plan, in whatever process."""
        self._database = database
        self._live = live
        self._build = build
        self._known = known
        self._lock = threading.Lock()  # guards _generations
        self._building = threading.Lock()  # held while a generation is built or raised
        self._generations: list[TierFile] = []
        self._built = time.monotonic()
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

    def close(self) -> None:
        """The newest file stays for the next start."""
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
        # While they are built anew, nobody waits for it: what is popular then is in the new ones.
        if not self._building.acquire(blocking=False):
            return False
        try:
            with self._lock:
                tiers = self._generations[-1] if self._generations else None
            if tiers is None:
                return False
            risen = self._live.take_risen(RAISED)
            contents = [content for content in risen if tiers.tier_of_content(content) != HOT]
            rows = [row for names in names_of(self._database, contents) for row in names]
            if rows:
                tiers.raise_names(rows)
            return len(risen) == RAISED
        finally:
            self._building.release()

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
            number = secrets.randbits(31) or 1
            path = self._database.path.with_name(f"{self._database.path.name}.tiers-{number}")
            path.touch(mode=0o600)
            counters = self._live.content_counters()
            plan = TierPlan(path, number, secrets.token_hex(16), counters, self._known, self._live.popular_from)
            try:
                self._build(plan)
                with self._database.write() as connection:
                    connection.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (_TOKEN_KEY, plan.token))
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


@contextmanager
def _nothing() -> Iterator[PopularNames]:
    yield NoTiers()
