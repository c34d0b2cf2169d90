"""Who belongs to the barrio, and who was put out. Owns the table `member`; callable from any thread."""

import sqlite3
import threading
import time
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

from central.database import Database
from central.domain import Member, RevocationList
from central.errors import BadInputError, NotFoundError, RevokedError, StrangerError
from protos.agreed import BLANKS, revocations_message
from protos.sentences import say

MAX_NAME = 64
_UNFIT = {"Cc", "Cs", "Cn", "Zl", "Zp"}
# Emoji and several scripts need these two between characters; all other invisible ones make names that look alike.
_JOINERS = "\u200c\u200d"
MIN_PREFIX = 8


def clean_name(text: str) -> str:
    """A person's name for a device or a barrio, tidied. Raises BadInputError when it cannot be shown."""
    name = unicodedata.normalize("NFC", text).strip()
    if not 1 <= len(name) <= MAX_NAME:
        raise BadInputError(say("a name has 1 to {most} characters", "name-length", most=MAX_NAME))
    if not is_harmless(name) or not BLANKS.isdisjoint(name):
        raise BadInputError("a name must not contain control, direction or invisible characters")
    if all(unicodedata.category(c)[0] in "CZ" for c in name):
        raise BadInputError("a name needs something that can be seen")
    return name


def is_harmless(text: str) -> bool:
    """Whether it can be printed: it moves no cursor, turns nothing around and can be encoded."""
    return not any(unicodedata.category(c) in _UNFIT for c in text) and _joined(text)


def _joined(name: str) -> bool:
    """Whether the only format characters are joiners, each between two characters that can be seen."""
    padded = f" {name} "
    return all(
        unicodedata.category(c) != "Cf" or (c in _JOINERS and _is_seen(before) and _is_seen(after))
        for before, c, after in zip(padded, padded[1:], padded[2:], strict=False)
    )


def _is_seen(character: str) -> bool:
    return unicodedata.category(character)[0] not in "CZ"


@dataclass(frozen=True)
class MemberRow:
    """A member as shown to the administrator; times in seconds since 1970."""

    peer_id: str
    name: str
    revoked: bool
    online: bool
    last_seen: int | None
    addresses: list[str]
    entries: int
    enrolled: int


class Members:
    """Members by peer id. What is found is kept in memory: a member's number and id never change."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[str, Member] = {}
        self._by_number: dict[int, Member] = {}
        self._listeners: list[Callable[[Member], None]] = []

    def listen(self, listener: Callable[[Member], None]) -> None:
        """`listener` is called when a member is new, or has a new name."""
        self._listeners.append(listener)

    def all(self) -> list[Member]:
        rows = self._database.read().execute("SELECT number, peer_id, name FROM member").fetchall()
        return [Member(*row) for row in rows]

    def find(self, peer_id: str) -> Member:
        """Raises StrangerError when there is no such member."""
        member = self._known.get(peer_id)
        if member is None:
            row = self._read("SELECT number, peer_id, name FROM member WHERE peer_id = ?", peer_id)
            if row is None:
                raise StrangerError(say("this peer is no member of this barrio; join with a new invite", "no-member"))
            member = self._keep(row)
        return member

    def by_number(self, number: int) -> Member:
        member = self._by_number.get(number)
        if member is None:
            row = self._read("SELECT number, peer_id, name FROM member WHERE number = ?", number)
            if row is None:
                raise NotFoundError(f"there is no member number {number}")
            member = self._keep(row)
        return member

    def admit(self, connection: sqlite3.Connection, peer_id: str, name: str, now: int) -> None:
        """Writes the member, new or with a new name, inside the caller's transaction; then call `refresh`."""
        connection.execute(
            "INSERT INTO member (peer_id, name, enrolled) VALUES (?, ?, ?)"
            " ON CONFLICT (peer_id) DO UPDATE SET name = excluded.name",
            (peer_id, name, now),
        )

    def refresh(self, peer_id: str) -> Member:
        """Reads the member anew, after its row changed."""
        self._known.pop(peer_id, None)
        member = self.find(peer_id)
        for listener in self._listeners:
            listener(member)
        return member

    def is_revoked(self, connection: sqlite3.Connection, peer_id: str) -> bool:
        row = connection.execute(
            "SELECT 1 FROM member WHERE peer_id = ? AND revocation IS NOT NULL", (peer_id,)
        ).fetchone()
        return row is not None

    def _read(self, statement: str, key: str | int) -> tuple[int, str, str] | None:
        row: tuple[int, str, str] | None = self._database.read().execute(statement, (key,)).fetchone()
        return row

    def _keep(self, row: tuple[int, str, str]) -> Member:
        member = Member(*row)
        self._known[member.peer_id] = member
        self._by_number[member.number] = member
        return member


class Revocations:
    """The newest list of revocations, signed. Notices, at each call, what any process has revoked."""

    def __init__(self, database: Database, sign: Callable[[bytes], bytes]) -> None:
        self._database = database
        self._sign = sign
        self._lock = threading.Lock()  # guards the three below
        self._seen: int | None = None
        self._list = RevocationList(-1, (), b"")
        self._ids: frozenset[str] = frozenset()
        self._listeners: list[Callable[[frozenset[str]], None]] = []

    def listen(self, listener: Callable[[frozenset[str]], None]) -> None:
        """`listener` is called with the newly revoked ids before `current` returns. It must not call back."""
        self._listeners.append(listener)

    @property
    def latest(self) -> RevocationList:
        """The list that the last `current` or `check` of any thread found."""
        return self._list

    def current(self) -> RevocationList:
        with self._lock:
            version = self._database.data_version()
            if version == self._seen:
                return self._list
            read = self._database.read().execute
            number = read("SELECT coalesce(max(revocation), 0) FROM member").fetchone()[0]
            self._seen = version
            if number == self._list.number:
                return self._list
            rows = read("SELECT peer_id FROM member WHERE revocation <= ? ORDER BY peer_id", (number,)).fetchall()
            ids = [row[0] for row in rows]
            new = frozenset(ids) - self._ids
            self._list = RevocationList(number, tuple(ids), self._sign(revocations_message(number, ids)))
            self._ids = frozenset(ids)
            if new:
                for listener in self._listeners:
                    listener(new)
            return self._list

    def check(self, peer_id: str) -> None:
        """Raises RevokedError when the peer was put out."""
        self.current()
        if peer_id in self._ids:
            raise RevokedError(say("this peer was removed from the barrio; ask who runs it", "peer-removed-ask"))


def list_members(database: Database, served: bool) -> list[MemberRow]:
    """All members by name. `served`: a server runs now, so what it wrote about presence holds."""
    rows = database.read().execute(
        "SELECT m.peer_id, m.name, m.revocation IS NOT NULL, coalesce(p.online, 0), p.last_seen,"
        " coalesce(p.addresses, ''), coalesce(u.entries, 0), m.enrolled"
        " FROM member m LEFT JOIN presence p ON p.member = m.number LEFT JOIN publication u ON u.member = m.number"
        " ORDER BY m.name, m.peer_id"
    )
    return [
        MemberRow(
            peer_id=row[0],
            name=row[1],
            revoked=bool(row[2]),
            online=served and bool(row[3]) and not row[2],
            last_seen=row[4],
            addresses=row[5].split(),
            entries=row[6],
            enrolled=row[7],
        )
        for row in rows.fetchall()
    ]


def revoke(database: Database, prefix: str) -> tuple[str, str, bool]:
    """Puts a member out for good, named by its id or the beginning of it.

    Returns (peer id, name, whether it was a member until now). Raises BadInputError or NotFoundError.
    """
    wanted = prefix.strip().lower()
    if len(wanted) < MIN_PREFIX or not wanted.isalnum() or not wanted.isascii():
        raise BadInputError(f"give the peer's id, or at least its first {MIN_PREFIX} characters")
    with database.write(durable=True) as connection:
        rows = connection.execute(
            "SELECT peer_id, name, revocation FROM member WHERE peer_id >= ? AND peer_id < ? LIMIT 2",
            (wanted, wanted + "~"),
        ).fetchall()
        if not rows:
            raise NotFoundError(f"no member's id begins with {wanted}; barrio-central peers lists them")
        if len(rows) > 1:
            raise BadInputError(f"more than one member's id begins with {wanted}; give more of it")
        peer_id, name, revocation = rows[0]
        if revocation is None:
            # Above the seconds since 1970, so that a central from a backup gives no number that peers know already.
            connection.execute(
                "UPDATE member SET revocation = (SELECT max(coalesce(max(revocation), 0) + 1, ?) FROM member)"
                " WHERE peer_id = ?",
                (int(time.time()), peer_id),
            )
    return peer_id, name, revocation is None


def revoked_publishers(database: Database) -> list[int]:
    """Numbers of revoked members whose entries are still held."""
    rows = database.read().execute(
        "SELECT m.number FROM member m JOIN publication u ON u.member = m.number WHERE m.revocation IS NOT NULL"
    )
    return [row[0] for row in rows.fetchall()]
