"""What the catalogue needs at a start before use: its secret, tables of older schemas, the index of words."""

import secrets
import sqlite3

from central.catalogue.sqlite.parts import Parts
from central.catalogue.sqlite.writing import content_key
from central.catalogue.words import RULES, indexed_text
from central.database import Database
from protos.agreed import entry_key, path_digest

_SECRET_KEY = "content_secret"
_RULES_KEY = "word_rules"


def secret_of(database: Database) -> bytes:
    """Made at the first start. It keys the hashes of contents, and never leaves the database."""
    with database.write(durable=True) as connection:
        connection.execute(
            "INSERT OR IGNORE INTO setting (key, value) VALUES (?, ?)", (_SECRET_KEY, secrets.token_hex(32))
        )
        row = connection.execute("SELECT value FROM setting WHERE key = ?", (_SECRET_KEY,)).fetchone()
    return bytes.fromhex(row[0])


def finish_upgrade(database: Database, secret: bytes) -> None:
    """Turns the entries of schema 1 into parts; in one transaction, so that it is done or begins again."""
    left = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'entry_1'"
    if database.read().execute(left).fetchone() is None:
        return
    with database.write(durable=True) as connection:
        _pack_entries(connection)
        # All contents that there are: those of schema 1 have no key yet.
        contents = connection.execute("SELECT number, content_id, size FROM content").fetchall()
        keys = sorted((content_key(secret, content_id, size), number) for number, content_id, size in contents)
        connection.executemany("INSERT OR IGNORE INTO content_key (key, content) VALUES (?, ?)", keys)
        connection.execute("DROP TABLE entry_1")


def _pack_entries(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT OR IGNORE INTO holder (name, member) SELECT name, member FROM entry_1 ORDER BY name")
    members = [row[0] for row in connection.execute("SELECT DISTINCT member FROM entry_1").fetchall()]
    for member in members:
        parts = Parts(connection, member)
        rows = connection.execute(
            "SELECT n.path, e.name, e.content FROM entry_1 e JOIN name n ON n.number = e.name WHERE e.member = ?",
            (member,),
        )
        for path, name, content in rows.fetchall():
            parts.put(entry_key(path, path_digest(path)), name, content)
        parts.save()


def refresh_index(database: Database) -> None:
    """Builds the index of words anew when the rules for words have changed since it was built."""
    row = database.read().execute("SELECT value FROM setting WHERE key = ?", (_RULES_KEY,)).fetchone()
    if row is not None and row[0] == RULES:
        return
    with database.write() as connection:
        if row is not None:
            _index_anew(connection)
        connection.execute("INSERT OR REPLACE INTO setting (key, value) VALUES (?, ?)", (_RULES_KEY, RULES))


def _index_anew(connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO name_words (name_words) VALUES ('delete-all')")
    names = connection.execute(
        "SELECT n.number, n.path, n.kind, c.size FROM name n JOIN content c ON c.number = n.content ORDER BY n.number"
    )
    connection.executemany(
        "INSERT INTO name_words (rowid, words) VALUES (?, ?)",
        ((number, indexed_text(path, kind, size)) for number, path, kind, size in names),
    )
