"""Whether what is held of a member is what it has: a range of its packed entries against a digest. Reads only."""

import sqlite3
from array import array
from bisect import bisect_left, bisect_right

from central.catalogue.sqlite.parts import unpack
from central.domain import Comparison, Range
from protos.agreed import entries_digest

# Entries looked at for one answer: what a call may cost.
MOST = 16_384
_CHUNK = 500
_PARTS_CHUNK = 4
CHECK_BYTES = 8


def compare(connection: sqlite3.Connection, member: int, span: Range) -> Comparison:
    """See `central.catalogue.interface.Catalogue`."""
    keys, contents, through = _entries(connection, member, span.first, span.last)
    checks = _checks(connection, contents)
    entries = b"".join(
        key.to_bytes(8) + checks.get(content, bytes(8)) for key, content in zip(keys, contents, strict=True)
    )
    if through == span.last and entries_digest(entries) == span.digest:
        return Comparison(True, b"", span.last)
    return Comparison(False, entries, through)


def _entries(
    connection: sqlite3.Connection, member: int, first: int, last: int
) -> "tuple[array[int], array[int], int]":
    """(keys, contents, key up to which these are all)."""
    keys, contents = array("Q"), array("I")
    row = connection.execute("SELECT max(first) FROM part WHERE member = ? AND first <= ?", (member, first)).fetchone()
    start = row[0] or 0
    while True:
        rows = connection.execute(
            "SELECT first, data FROM part WHERE member = ? AND first >= ? AND first <= ? ORDER BY first LIMIT ?",
            (member, start, last, _PARTS_CHUNK),
        ).fetchall()
        for _, data in rows:
            part_keys, _, part_contents = unpack(data)
            low, high = bisect_left(part_keys, first), bisect_right(part_keys, last)
            keys.extend(part_keys[low:high])
            contents.extend(part_contents[low:high])
            if len(keys) > MOST:
                del keys[MOST:], contents[MOST:]
                return keys, contents, keys[-1]
        if len(rows) < _PARTS_CHUNK:
            return keys, contents, last
        start = rows[-1][0] + 1


def _checks(connection: sqlite3.Connection, contents: "array[int]") -> dict[int, bytes]:
    """The end of each content's id, by its number."""
    checks: dict[int, bytes] = {}
    numbers = sorted(set(contents))
    for start in range(0, len(numbers), _CHUNK):
        chunk = numbers[start : start + _CHUNK]
        rows = connection.execute(
            f"SELECT number, substr(content_id, -{CHECK_BYTES}) FROM content"
            f" WHERE number IN ({','.join('?' * len(chunk))})",
            chunk,
        )
        checks.update(rows.fetchall())
    return checks
