"""Background work on the catalogue: names that nobody has any more go, with their contents. Run by the housekeeper."""

import sqlite3
import time

from central.catalogue.words import RULES, indexed_text
from central.database import Database

# Names looked at in one transaction, so that publishing never waits long.
STEP = 500
# A peer that publishes all anew names most of it again within this time.
PATIENCE_SECONDS = 60
_RULES_KEY = "word_rules"


class Cleaner:
    """Finds its work in the table `orphan`, so nothing is forgotten over a restart."""

    def __init__(self, database: Database, patience_seconds: int = PATIENCE_SECONDS) -> None:
        self._database = database
        self._patience_seconds = patience_seconds

    def step(self) -> bool:
        """Cleans a few names; True when there are more."""
        now = int(time.time())
        # Names from the future lay there when the clock was set back.
        due = self._database.read().execute(
            "SELECT name FROM orphan WHERE since <= ? OR since > ? LIMIT ?", (now - self._patience_seconds, now, STEP)
        )
        names = [row[0] for row in due.fetchall()]
        if not names:
            return False
        with self._database.write() as connection:
            for name in names:
                _clean(connection, name)
            connection.executemany("DELETE FROM orphan WHERE name = ?", [(name,) for name in names])
        return len(names) == STEP

    def refresh_index(self) -> None:
        read = self._database.read().execute
        row = read("SELECT value FROM setting WHERE key = ?", (_RULES_KEY,)).fetchone()
        if row is not None and row[0] == RULES:
            return
        with self._database.write() as connection:
            if row is not None:
                _index_anew(connection)
            connection.execute("INSERT OR REPLACE INTO setting (key, value) VALUES (?, ?)", (_RULES_KEY, RULES))


def _clean(connection: sqlite3.Connection, name: int) -> None:
    run = connection.execute
    row = run(
        "SELECT n.content, n.kind, n.path, c.size FROM name n JOIN content c ON c.number = n.content"
        " WHERE n.number = ?",
        (name,),
    ).fetchone()
    if row is None:
        return
    content, kind, path, size = row
    if run("SELECT 1 FROM entry WHERE content = ? AND name = ? LIMIT 1", (content, name)).fetchone() is not None:
        return
    # A contentless index forgets a row only when it is given the very text that it was given before.
    run(
        "INSERT INTO name_words (name_words, rowid, words) VALUES ('delete', ?, ?)",
        (name, indexed_text(path, kind, size)),
    )
    run("DELETE FROM name WHERE number = ?", (name,))
    if run("SELECT 1 FROM name WHERE content = ? LIMIT 1", (content,)).fetchone() is None:
        run("DELETE FROM content WHERE number = ?", (content,))


def _index_anew(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO name_words (name_words) VALUES ('delete-all')")
    names = connection.execute(
        "SELECT n.number, n.path, n.kind, c.size FROM name n JOIN content c ON c.number = n.content ORDER BY n.number"
    )
    connection.executemany(
        "INSERT INTO name_words (rowid, words) VALUES (?, ?)",
        ((number, indexed_text(path, kind, size)) for number, path, kind, size in names),
    )
