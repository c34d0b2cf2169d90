"""Transfers on disk: one row each, written at changes of state only; manifests and records of pieces as files."""

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from peer_core.content import Manifest
from peer_core.data_folder import write_private
from peer_core.database import Database, Kind
from peer_core.errors import PeerMisbehavedError
from peer_core.transfer.record import (
    FolderRecord,
    Record,
    sources_from_json,
    sources_to_json,
    trouble_from_json,
    trouble_to_json,
)
from peer_core.transfer.types import Priority, TransferState
from protos.sentences import as_text, from_text, say

KIND = Kind(
    application_id=0x42_61_72_54,
    migrations="peer_core.transfer.migrations",
    name=say("list of transfers", "database-transfers"),
    when_damaged=say(
        "move that file away and start again. Finished downloads are not affected.", "database-transfers-damaged"
    ),
)
_COLUMNS = (
    "id, content_id, name, folder, created, state, path, part, size, pieces, pieces_done, bytes_done, "
    "trouble, finished, sources, parent, number, have, priority, position, given"
)
_INSERT = f"INSERT OR REPLACE INTO transfer ({_COLUMNS}) VALUES ({', '.join('?' * 21)})"
_QUARANTINE = "peer_id, name, reason, since, until, times"
_FOLDER = "id, name, folder, path, created, priority, position, paused, finished"
_INSERT_FOLDER = f"INSERT OR REPLACE INTO folder ({_FOLDER}) VALUES ({', '.join('?' * 9)})"
# Peer, name, reason, since when, until when, how often it was caught.
QuarantineRow = tuple[str, str, str, float, float, int]


class TransferStore:
    """`folder` holds the manifests and piece records. Any thread."""

    def __init__(self, database: Path, folder: Path) -> None:
        self._database = Database(database, KIND)
        self._folder = folder
        folder.mkdir(mode=0o700, exist_ok=True)

    def all(self) -> list[Record]:
        """Oldest first."""
        with self._database.read() as connection:
            rows = connection.execute(f"SELECT {_COLUMNS} FROM transfer ORDER BY created, id").fetchall()
        # Files of one folder share its path.
        paths: dict[str, Path] = {}
        return [_record(row, paths) for row in rows]

    def folders(self) -> list[FolderRecord]:
        with self._database.read() as connection:
            rows = connection.execute(f"SELECT {_FOLDER} FROM folder ORDER BY created, id").fetchall()
        return [
            FolderRecord(r[0], r[1], Path(r[2]), Path(r[3]), r[4], Priority(r[5]), r[6], bool(r[7]), r[8]) for r in rows
        ]

    def save(self, record: Record) -> None:
        self.save_all([record])

    def save_all(self, records: Sequence[Record], folders: Sequence[FolderRecord] = ()) -> None:
        """In one step."""
        with self._database.write() as connection:
            connection.executemany(_INSERT_FOLDER, map(_folder_values, folders))
            connection.executemany(_INSERT, map(_values, records))

    def save_places(self, records: Sequence[Record]) -> None:
        """Where files that are being fetched lie, in one step."""
        with self._database.write() as connection:
            connection.executemany(
                "UPDATE transfer SET part = ?, path = ? WHERE id = ?",
                [(str(record.part) if record.part else None, str(record.path), record.id) for record in records],
            )

    def save_done(self, records: Sequence[Record], finished: float) -> None:
        """That they are done, with what their receipts tell, in one step."""
        with self._database.write() as connection:
            connection.executemany(
                "UPDATE transfer SET state = 'done', trouble = NULL, finished = ?, path = ?, size = ?, pieces = ?, "
                "pieces_done = ?, bytes_done = ?, sources = ?, given = ? WHERE id = ?",
                [
                    (
                        finished,
                        str(record.path),
                        record.size,
                        record.pieces,
                        record.pieces_done,
                        record.bytes_done,
                        sources_to_json(record.sources),
                        json.dumps(record.given),
                        record.id,
                    )
                    for record in records
                ],
            )

    def delete(self, records: Sequence[Record], folders: Sequence[FolderRecord] = ()) -> None:
        """In one step."""
        with self._database.write() as connection:
            connection.executemany("DELETE FROM folder WHERE id = ?", [(folder.id,) for folder in folders])
            connection.executemany("DELETE FROM transfer WHERE id = ?", [(record.id,) for record in records])
        for record in records:
            self.forget_pieces(record)

    def quarantined(self) -> list[QuarantineRow]:
        with self._database.read() as connection:
            rows = connection.execute(f"SELECT {_QUARANTINE} FROM quarantine").fetchall()
        return [(*row[:2], from_text(row[2]), *row[3:]) for row in rows]

    def save_quarantined(self, row: QuarantineRow) -> None:
        kept = (*row[:2], as_text(row[2]), *row[3:])
        with self._database.write() as connection:
            connection.execute(f"INSERT OR REPLACE INTO quarantine ({_QUARANTINE}) VALUES (?, ?, ?, ?, ?, ?)", kept)

    def forget_pieces(self, record: Record) -> None:
        """Takes away what only an unfinished transfer needs."""
        for path in (self._manifest_path(record), self.bits_path(record)):
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def bits_path(self, record: Record) -> Path:
        return self._folder / f"{record.id}.bits"

    def manifest(self, record: Record) -> Manifest | None:
        """The manifest kept of an earlier run; a damaged one counts as none."""
        try:
            return Manifest.from_bytes(self._manifest_path(record).read_bytes(), record.content_id)
        except (OSError, PeerMisbehavedError):
            return None

    def save_manifest(self, record: Record, manifest: Manifest) -> None:
        write_private(self._manifest_path(record), manifest.to_bytes())

    def close(self) -> None:
        self._database.close()

    def _manifest_path(self, record: Record) -> Path:
        return self._folder / f"{record.id}.manifest"


def _values(record: Record) -> tuple[Any, ...]:
    return (
        record.id,
        record.content_id,
        record.name,
        str(record.folder),
        record.created,
        record.state.value,
        str(record.path) if record.path else None,
        str(record.part) if record.part else None,
        record.size,
        record.pieces,
        record.pieces_done,
        record.bytes_done,
        trouble_to_json(record.trouble),
        record.finished,
        sources_to_json(record.sources),
        record.parent,
        record.number,
        record.have,
        record.priority.value,
        record.position,
        json.dumps(record.given),
    )


def _folder_values(folder: FolderRecord) -> tuple[Any, ...]:
    return (
        folder.id,
        folder.name,
        str(folder.folder),
        str(folder.path),
        folder.created,
        folder.priority.value,
        folder.position,
        folder.paused,
        folder.finished,
    )


def _record(row: tuple[Any, ...], paths: dict[str, Path]) -> Record:
    return Record(
        id=row[0],
        content_id=row[1],
        name=row[2],
        folder=paths.setdefault(row[3], Path(row[3])),
        created=row[4],
        state=TransferState(row[5]),
        path=Path(row[6]) if row[6] else None,
        part=Path(row[7]) if row[7] else None,
        size=row[8],
        pieces=row[9],
        pieces_done=row[10],
        bytes_done=row[11],
        trouble=trouble_from_json(row[12]),
        finished=row[13],
        sources=sources_from_json(row[14]),
        parent=row[15],
        number=row[16],
        have=bool(row[17]),
        priority=Priority(row[18]),
        position=row[19],
        given=json.loads(row[20]),
    )
