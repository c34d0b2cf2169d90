"""Counts of what the database holds, for metrics: kept, since counting a large catalogue takes seconds."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from central.catalogue.sqlite.store import totals
from central.database import Database
from central.domain import Totals

# Counting takes at most one part in so many of the time.
SHARE = 300
LEAST_SECONDS = 30.0


@dataclass(frozen=True)
class Counted:
    """`members` are in good standing."""

    totals: Totals
    members: int
    revoked: int


class Tally:
    """`refresh` is one thread's; `counted` may be read by any."""

    def __init__(self, database: Database, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._monotonic = monotonic
        self._seen: int | None = None
        self._due = 0.0
        self.counted = Counted(Totals(0, 0, 0), 0, 0)

    def refresh(self) -> None:
        """Counts anew when something was written since, and the last time is long enough ago. Call now and then."""
        now = self._monotonic()
        version = self._database.data_version()
        if version == self._seen or now < self._due:
            return
        run = self._database.read().execute
        members, revoked = run("SELECT count(*), count(revocation) FROM member").fetchone()
        self.counted = Counted(totals(self._database), members - revoked, revoked)
        self._seen = version
        self._due = now + max(LEAST_SECONDS, SHARE * (self._monotonic() - now))
