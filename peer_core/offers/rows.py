"""Rows of the list of offers as values. Pure."""

import json
import os
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from peer_core.content import Manifest, piece_size_for
from peer_core.library.types import HeldFile
from peer_core.offers.terms import parts_of
from peer_core.offers.types import Direction, Offer, OfferedFile, OfferState
from peer_core.transfer.record import trouble_from_json

SHOWN_NAMES = 5
_COLUMNS = {
    "id": "o.id",
    "direction": "o.direction",
    "peer_id": "o.peer_id",
    "peer_name": "o.peer_name",
    "number": "o.number",
    "parcel": "o.parcel",
    "state": "o.state",
    "told": "o.told",
    "message": "p.message",
    "files": "p.files",
    "bytes": "p.bytes",
    "files_done": "o.files_done",
    "bytes_done": "o.bytes_done",
    "changed": "p.changed",
    "names": "p.names",
    "created": "o.created",
    "expires": "o.expires",
    "ended": "o.ended",
    "folder": "o.folder",
    "trouble": "o.trouble",
    "forgotten": "o.forgotten",
}
SELECT = f"SELECT {', '.join(_COLUMNS.values())} FROM offers o JOIN parcels p ON p.id = o.parcel "


def any_of(states: Iterable[OfferState]) -> str:
    return "(" + ", ".join(f"'{state.value}'" for state in states) + ")"


def offer(row: Sequence[Any]) -> Offer:
    """Of a row of SELECT."""
    values = dict(zip(_COLUMNS, row, strict=True))
    values["direction"] = Direction(values["direction"])
    values["state"] = OfferState(values["state"])
    values["told"] = OfferState(values["told"]) if values["told"] else None
    values["names"] = tuple(json.loads(values["names"]))
    values["forgotten"] = bool(values["forgotten"])
    values["trouble"] = trouble_from_json(values["trouble"])
    return Offer(**values)


def held(row: Sequence[Any], content_id: bytes) -> HeldFile:
    """Of root, place, inode, size, mtime_ns, hashes."""
    root, place, inode, size, mtime_ns, hashes = row
    manifest = Manifest(size, piece_size_for(size), hashes)
    return HeldFile(content_id, Path(os.fsdecode(root)), Path(os.fsdecode(place)), inode, size, mtime_ns, manifest)


def names_of(files: Iterable[OfferedFile]) -> str:
    """The first of what is in a parcel, as it is kept."""
    return json.dumps(parts_of(files)[:SHOWN_NAMES])


def names_in(db: sqlite3.Connection, parcel: int) -> str:
    rows = db.execute("SELECT folder, name FROM files WHERE parcel = ? ORDER BY number", (parcel,))
    return names_of(OfferedFile(folder, name, 0, b"") for folder, name in rows)


def count_done(db: sqlite3.Connection, parcel: int) -> None:
    """Brings what is told of an offer to what its files say."""
    db.execute(
        "UPDATE offers SET (files_done, bytes_done) = (SELECT coalesce(sum(done), 0), coalesce(sum(done * size), 0) "
        "FROM files WHERE parcel = ?) WHERE parcel = ?",
        (parcel, parcel),
    )
