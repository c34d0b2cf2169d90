"""The sizes that members claim for one content id, of which at most one is true. Runs in the thread that asks.

The central cannot tell a lie here: so no claim hides the holders of another, and the most held one is shown.
"""

import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from central.catalogue.sqlite.live import LiveCounters
from central.catalogue.sqlite.writing import chunks, id_key, last_key

Read = Callable[[], sqlite3.Connection]
# A member can claim one size of an id, so that only as many members together reach these.
LOCATED = 2000
SHOWN = 32
# Ids looked up at once.
TOGETHER = 25
_COUNT_SOME = " UNION ALL ".join(
    ["SELECT ?, count(*) FROM (SELECT 1 FROM content_key WHERE key BETWEEN ? AND ? LIMIT 2)"] * TOGETHER
)


@dataclass(frozen=True)
class Claim:
    """One size of a content id: the number of that content, and its live holders."""

    content: int
    size: int
    holders: int


class Claims:
    """Reads claims that have a live holder."""

    def __init__(self, read: Read, live: LiveCounters, secret: bytes) -> None:
        self._read = read
        self._live = live
        self._secret = secret

    def of(self, content_id: bytes, most: int = LOCATED) -> list[Claim]:
        """The most held first, of equally held ones the older."""
        key = id_key(self._secret, content_id)
        run = self._read().execute
        rows = run("SELECT content FROM content_key WHERE key BETWEEN ? AND ? LIMIT ?", (key, last_key(key), most))
        holders = {content: held for (content,) in rows.fetchall() if (held := self._live.content(content))}
        claims = []
        for numbers in chunks(holders):
            marks = ",".join("?" * len(numbers))
            found = run(
                f"SELECT number, size FROM content WHERE content_id = ? AND number IN ({marks})",
                (content_id, *numbers),
            )
            claims += [Claim(number, size, holders[number]) for number, size in found.fetchall()]
        return sorted(claims, key=lambda claim: (-claim.holders, claim.content))

    def rivals(self, content_ids: Iterable[bytes]) -> dict[bytes, list[Claim]]:
        """As `of`, for those of the ids that more than one size is claimed for."""
        by_key = {id_key(self._secret, content_id): content_id for content_id in content_ids}
        counts: list[tuple[int, int]] = []
        # One statement for many, so that a search does not wait its turn for the interpreter many times.
        for keys in chunks(by_key, TOGETHER):
            padded = keys + [-1] * (TOGETHER - len(keys))
            spans = [number for key in padded for number in (key, key, last_key(key))]
            counts += self._read().execute(_COUNT_SOME, spans).fetchall()
        return {by_key[key]: self.of(by_key[key], SHOWN) for key, count in counts if count > 1}
