"""Writes the file of a generation of tiers, from the live counters as they were. Wherever the scribe lives."""

import sqlite3
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path

from central.catalogue.sqlite.tiers import HOT, SCHEMA, TABLES, WARM, mark
from central.catalogue.sqlite.writing import chunks
from central.catalogue.words import indexed_text
from central.database import Database

# Contents whose names are read at once, and names of one content in a tier.
TOGETHER = 100
NAMES_OF_ONE = 1000
_WRITTEN_TOGETHER = 500


@dataclass(frozen=True)
class TierPlan:
    """`counters`: live holders by content, 32 bits each. Contents with `known` of them are warm, with `popular` hot."""

    path: Path
    generation: int
    token: str
    counters: bytes
    known: int
    popular: int


def write_tiers(database: Database, plan: TierPlan) -> None:
    """Makes the file at `plan.path`, which must be empty or absent; half of one has no row in `built`."""
    holders = _holders(plan)
    connection = sqlite3.connect(plan.path, isolation_level=None)
    try:
        connection.executescript(SCHEMA)
        connection.execute("BEGIN")
        tier_of_name, tier_of_content = bytearray(), bytearray()
        # The hot one last: what is in both is hot.
        for tier, least, below in ((WARM, plan.known, plan.popular), (HOT, plan.popular, 1 << 32)):
            popularities = [number for number in sorted(holders, reverse=True) if least <= number < below]
            ordered = chain.from_iterable(holders[number] for number in popularities)
            names, contents = _fill(database, connection, tier, ordered)
            connection.execute("INSERT INTO member VALUES (?, ?)", (tier, names.tobytes()))
            mark(tier_of_name, names, tier)
            mark(tier_of_content, contents, tier)
        connection.execute("INSERT INTO place VALUES (?, ?)", (bytes(tier_of_name), bytes(tier_of_content)))
        connection.execute("INSERT INTO built VALUES (?, ?)", (plan.generation, plan.token))
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        connection.close()


def _holders(plan: TierPlan) -> "dict[int, array[int]]":
    """Contents by their number of live holders."""
    counters = array("I")
    counters.frombytes(plan.counters)
    found: dict[int, array[int]] = {}
    for number, holders in enumerate(counters):
        if holders >= plan.known:
            found.setdefault(holders, array("I")).append(number)
    return found


def _fill(
    database: Database, connection: sqlite3.Connection, tier: int, contents: Iterable[int]
) -> "tuple[array[int], array[int]]":
    """The names in the order of their places, and the contents of each."""
    places = count(1)
    every_name, every_content = array("I"), array("I")
    batch: list[tuple[int, str]] = []
    insert = f"INSERT INTO {TABLES[tier]} (rowid, words) VALUES (?, ?)"
    for rows in names_of(database, contents):
        for name, content, text in rows:
            every_name.append(name)
            every_content.append(content)
            batch.append((next(places), text))
        if len(batch) >= _WRITTEN_TOGETHER:
            connection.executemany(insert, batch)
            batch.clear()
    connection.executemany(insert, batch)
    return every_name, every_content


def names_of(database: Database, contents: Iterable[int]) -> Iterator[list[tuple[int, int, str]]]:
    """(name, content, indexed text) of the names of each content, in the order of the contents."""
    run = database.read().execute
    for chunk in chunks(contents, TOGETHER):
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
