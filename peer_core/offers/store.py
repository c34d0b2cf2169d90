"""Offers on disk: written at changes of state only. Any thread; each method is one step. All raise StorageError."""

import json
import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from peer_core.database import Database, Kind
from peer_core.library.packer import PackedFile
from peer_core.library.types import HeldFile
from peer_core.offers.fetched import Fetched
from peer_core.offers.rows import SELECT, any_of, held, names_in, names_of, offer
from peer_core.offers.types import OPEN, OVER, Direction, Offer, OfferedFile, OfferState, Rule
from peer_core.transfer.record import trouble_to_json
from peer_core.transfer.types import Trouble
from protos.sentences import say

KIND = Kind(
    application_id=0x42_61_72_4F,
    migrations="peer_core.offers.migrations",
    name=say("list of offers", "database-offers"),
    when_damaged=say(
        "move that file away and start again. Your files and what you downloaded are not affected.",
        "database-offers-damaged",
    ),
)
RULE_SECONDS = 86_400.0
_ADD = (
    "INSERT INTO offers (id, direction, peer_id, peer_name, number, parcel, state, told, created, expires, folder, "
    "files_done, bytes_done) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '', 0, 0)"
)


class OfferStore:
    def __init__(self, database: Path) -> None:
        self._database = Database(database, KIND)
        self.fetched = Fetched(self._database)

    def close(self) -> None:
        self._database.close()

    # Reading

    def all(self) -> list[Offer]:
        """Those on the list, newest first."""
        return [offer for offer in self.known() if not offer.forgotten]

    def known(self) -> list[Offer]:
        """Newest first, with those that are off the list and still to be told."""
        with self._database.read() as db:
            return [offer(row) for row in db.execute(SELECT + "ORDER BY o.created DESC, o.id").fetchall()]

    def get(self, offer_id: str) -> Offer | None:
        with self._database.read() as db:
            row = db.execute(SELECT + "WHERE o.id = ?", (offer_id,)).fetchone()
            return None if row is None else offer(row)

    def by_number(self, direction: Direction, peer_id: str, number: str) -> Offer | None:
        with self._database.read() as db:
            row = db.execute(
                SELECT + "WHERE o.direction = ? AND o.peer_id = ? AND o.number = ?", (direction.value, peer_id, number)
            ).fetchone()
            return None if row is None else offer(row)

    def of_parcel(self, parcel: int) -> list[Offer]:
        with self._database.read() as db:
            rows = db.execute(SELECT + "WHERE o.parcel = ?", (parcel,)).fetchall()
            return [offer(row) for row in rows]

    def files(self, parcel: int, after: int = -1, limit: int = 1 << 30) -> list[OfferedFile]:
        """In their order, from the one after number `after`."""
        with self._database.read() as db:
            rows = db.execute(
                "SELECT folder, name, size, content_id FROM files WHERE parcel = ? AND number > ? "
                "ORDER BY number LIMIT ?",
                (parcel, after, limit),
            )
            return [OfferedFile(*row) for row in rows]

    def unpacked(self) -> dict[int, list[str]]:
        """Parcels that are not packed yet and still wanted, with what was chosen."""
        with self._database.read() as db:
            rows = db.execute(
                "SELECT DISTINCT p.id, p.paths FROM parcels p JOIN offers o ON o.parcel = p.id "
                "WHERE p.packed = 0 AND o.state = 'preparing'"
            )
            return {parcel: json.loads(paths) for parcel, paths in rows}

    def counts(self, direction: Direction, peer_id: str | None = None) -> tuple[int, int]:
        """Open offers, and the files in them."""
        one = "" if peer_id is None else " AND o.peer_id = ?"
        with self._database.read() as db:
            found = db.execute(
                "SELECT count(*), coalesce(sum(p.files), 0) FROM offers o JOIN parcels p ON p.id = o.parcel "
                f"WHERE o.direction = ? AND o.state IN {any_of(OPEN)}{one}",
                (direction.value, *([] if peer_id is None else [peer_id])),
            ).fetchone()
        return int(found[0]), int(found[1])

    def held_for(self, peer_id: str, content_id: bytes) -> list[tuple[int, int, HeldFile]]:
        """Files with that content that are offered to that member now: parcel, number, and the file."""
        with self._database.read() as db:
            rows = db.execute(
                "SELECT f.parcel, f.number, f.root, f.place, f.inode, f.size, f.mtime_ns, f.hashes FROM files f "
                "JOIN offers o ON o.parcel = f.parcel WHERE f.content_id = ? AND o.direction = 'out' AND o.peer_id = ? "
                "AND (o.state = 'accepted' OR (o.state IN ('waiting', 'delivered') AND o.expires >= ?)) LIMIT 32",
                (content_id, peer_id, time.time()),
            ).fetchall()
        return [(parcel, number, held(file, content_id)) for parcel, number, *file in rows]

    def senders(self, content_ids: Sequence[bytes]) -> list[list[str]]:
        """Of each content the members whose accepted offers have it."""
        question = (
            "SELECT DISTINCT o.peer_id FROM files f JOIN offers o ON o.parcel = f.parcel "
            "WHERE f.content_id = ? AND o.direction = 'in' AND o.state IN ('accepted', 'failed')"
        )
        with self._database.read() as db:
            return [[row[0] for row in db.execute(question, (content_id,))] for content_id in content_ids]

    def name_of(self, peer_id: str) -> str:
        """What that member was called when it was last heard of; "" when it never was."""
        with self._database.read() as db:
            row = db.execute(
                "SELECT peer_name FROM offers WHERE peer_id = ?1 AND peer_name <> '' "
                "UNION SELECT peer_name FROM rules WHERE peer_id = ?1 AND peer_name <> '' LIMIT 1",
                (peer_id,),
            ).fetchone()
            return "" if row is None else str(row[0])

    def rules(self) -> list[Rule]:
        with self._database.read() as db:
            rows = db.execute("SELECT peer_id, peer_name, folder, max_bytes FROM rules ORDER BY peer_name, peer_id")
            return [Rule(*row) for row in rows]

    # Writing

    def add_out(
        self,
        offers: Sequence[tuple[str, str, str, str]],
        message: str,
        paths: Sequence[str],
        now: float,
        expires: float,
    ) -> int:
        """One parcel for several recipients: (id, peer id, its name, number) each. Returns the parcel."""
        with self._database.write() as db:
            parcel = db.execute(
                "INSERT INTO parcels (message, paths, packed, files, bytes) VALUES (?, ?, 0, 0, 0)",
                (message, json.dumps(paths)),
            ).lastrowid
            db.executemany(
                _ADD,
                [
                    (id_, "out", peer, name, number, parcel, "preparing", "", now, expires)
                    for id_, peer, name, number in offers
                ],
            )
        assert parcel is not None
        return parcel

    def add_in(
        self,
        offer_id: str,
        peer_id: str,
        peer_name: str,
        number: str,
        message: str,
        files: Sequence[OfferedFile],
        now: float,
        expires: float,
    ) -> None:
        with self._database.write() as db:
            parcel = db.execute(
                "INSERT INTO parcels (message, paths, packed, files, bytes, names) VALUES (?, '[]', 1, ?, ?, ?)",
                (message, len(files), sum(f.size for f in files), names_of(files)),
            ).lastrowid
            db.executemany(
                "INSERT INTO files (parcel, number, folder, name, size, content_id) VALUES (?, ?, ?, ?, ?, ?)",
                [(parcel, n, f.folder, f.name, f.size, f.content_id) for n, f in enumerate(files)],
            )
            db.execute(
                _ADD, (offer_id, "in", peer_id, peer_name, number, parcel, "delivered", "delivered", now, expires)
            )

    def empty(self, parcel: int) -> None:
        with self._database.write() as db:
            db.execute("DELETE FROM files WHERE parcel = ?", (parcel,))
            db.execute("UPDATE parcels SET files = 0, bytes = 0 WHERE id = ?", (parcel,))

    def fill(self, parcel: int, files: Sequence[PackedFile]) -> None:
        """More files of a parcel that is being prepared for somebody."""
        with self._database.write() as db:
            if not db.execute("SELECT 1 FROM offers WHERE parcel = ? AND state = 'preparing'", (parcel,)).fetchone():
                return
            (first,) = db.execute("SELECT files FROM parcels WHERE id = ?", (parcel,)).fetchone() or (0,)
            db.executemany(
                "INSERT INTO files (parcel, number, folder, name, size, content_id, place, root, mtime_ns, inode, "
                "hashes) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        parcel,
                        n,
                        f.folder,
                        f.name,
                        f.size,
                        f.content_id,
                        os.fsencode(f.place),
                        os.fsencode(f.root),
                        f.mtime_ns,
                        f.inode,
                        f.hashes,
                    )
                    for n, f in enumerate(files, first)
                ],
            )
            db.execute(
                "UPDATE parcels SET files = files + ?, bytes = bytes + ? WHERE id = ?",
                (len(files), sum(f.size for f in files), parcel),
            )

    def packed(self, parcel: int) -> None:
        with self._database.write() as db:
            db.execute("UPDATE parcels SET packed = 1, names = ? WHERE id = ?", (names_in(db, parcel), parcel))
            db.execute("UPDATE offers SET state = 'waiting' WHERE parcel = ? AND state = 'preparing'", (parcel,))

    def move(
        self,
        offer_id: str,
        state: OfferState,
        before: Iterable[OfferState],
        *,
        now: float | None = None,
        told: OfferState | None = None,
        trouble: Trouble | None = None,
        folder: str | None = None,
    ) -> bool:
        """To another state, unless it is in none of `before` any more; True when it moved."""
        with self._database.write() as db:
            moved = db.execute(
                f"UPDATE offers SET state = ?, ended = ?, trouble = ?, told = coalesce(?, told), "
                f"folder = coalesce(?, folder) WHERE id = ? AND state IN {any_of(before)}",
                (
                    state.value,
                    None if state.open else now,
                    trouble_to_json(trouble),
                    None if told is None else told.value,
                    folder,
                    offer_id,
                ),
            )
            return moved.rowcount > 0

    def set_told(self, offer_id: str, told: OfferState) -> None:
        with self._database.write() as db:
            db.execute("UPDATE offers SET told = ? WHERE id = ?", (told.value, offer_id))

    def set_trouble(self, offer_id: str, trouble: Trouble | None) -> None:
        with self._database.write() as db:
            db.execute("UPDATE offers SET trouble = ? WHERE id = ?", (trouble_to_json(trouble), offer_id))

    def set_progress(self, offer_id: str, files_done: int, bytes_done: int) -> None:
        with self._database.write() as db:
            db.execute(
                "UPDATE offers SET files_done = ?, bytes_done = ? WHERE id = ?", (files_done, bytes_done, offer_id)
            )

    def undecided(self) -> int:
        """Offers to this peer that wait for an answer."""
        with self._database.read() as db:
            (count,) = db.execute(
                "SELECT count(*) FROM offers WHERE direction = 'in' AND state = 'delivered'"
            ).fetchone()
            return int(count)

    def set_changed(self, parcel: int, number: int) -> bool:
        """True when that is new."""
        with self._database.write() as db:
            new = db.execute(
                "UPDATE files SET changed = 1 WHERE parcel = ? AND number = ? AND changed = 0", (parcel, number)
            ).rowcount
            db.execute("UPDATE parcels SET changed = changed + ? WHERE id = ?", (new, parcel))
        return new > 0

    def name_peer(self, peer_id: str, name: str) -> bool:
        """True when that is news."""
        with self._database.write() as db:
            changed = 0
            for table in ("offers", "rules"):
                changed += db.execute(
                    f"UPDATE {table} SET peer_name = ? WHERE peer_id = ? AND peer_name <> ?", (name, peer_id, name)
                ).rowcount
        return changed > 0

    def set_rule(self, rule: Rule) -> None:
        with self._database.write() as db:
            db.execute(
                "INSERT OR REPLACE INTO rules (peer_id, peer_name, folder, max_bytes) VALUES (?, ?, ?, ?)",
                (rule.peer_id, rule.peer_name, rule.folder, rule.max_bytes),
            )

    def take_by_rule(self, peer_id: str, files: int, most: int, now: float) -> bool:
        """Counts `files` that a rule is to take; False, when it took so many within a day that these are too many."""
        with self._database.write() as db:
            db.execute(
                "UPDATE rules SET since = ?1, files = 0 WHERE peer_id = ?2 AND NOT since BETWEEN ?1 - ?3 AND ?1",
                (now, peer_id, RULE_SECONDS),
            )
            taken = db.execute(
                "UPDATE rules SET files = files + ?1 WHERE peer_id = ?2 AND files + ?1 <= ?3", (files, peer_id, most)
            )
            return taken.rowcount > 0

    def give_back_by_rule(self, peer_id: str, files: int) -> None:
        """What it was to take and did not."""
        with self._database.write() as db:
            db.execute("UPDATE rules SET files = max(0, files - ?) WHERE peer_id = ?", (files, peer_id))

    def remove_rule(self, peer_id: str) -> bool:
        with self._database.write() as db:
            return db.execute("DELETE FROM rules WHERE peer_id = ?", (peer_id,)).rowcount > 0

    def expire(self, now: float) -> int:
        """Ends what nobody decided in time; returns how many."""
        with self._database.write() as db:
            return db.execute(
                "UPDATE offers SET state = 'expired', ended = ? WHERE expires < ? "
                "AND state IN ('preparing', 'waiting', 'delivered')",
                (now, now),
            ).rowcount

    def forget(self, offer_id: str) -> None:
        """Takes an ended one off the list. It stays on disk until `delete`."""
        with self._database.write() as db:
            db.execute("UPDATE offers SET forgotten = 1 WHERE id = ?", (offer_id,))

    def drop_lists(self) -> None:
        """Takes away the files of what nobody will fetch any more; how many there were, and their names, stay."""
        with self._database.write() as db:
            db.execute(
                "DELETE FROM files WHERE parcel IN (SELECT parcel FROM offers WHERE state IN " + any_of(OVER) + ") "
                "AND parcel NOT IN (SELECT parcel FROM offers WHERE state NOT IN " + any_of(OVER) + ")"
            )

    def delete(self, offer_ids: Iterable[str]) -> None:
        """Also of what the other end does not know yet."""
        with self._database.write() as db:
            db.executemany("DELETE FROM offers WHERE id = ?", [(id_,) for id_ in offer_ids])
            db.execute("DELETE FROM parcels WHERE id NOT IN (SELECT parcel FROM offers)")

    def prune(self, direction: Direction, keep: int, peer_id: str | None = None) -> None:
        """Takes all but the newest `keep` of those that have ended off the list.

        As many again are kept for those at the other end who do not know yet; older ones go untold.
        """
        one = "" if peer_id is None else " AND peer_id = ?"
        with self._database.read() as db:
            rows = db.execute(
                f"SELECT id FROM offers WHERE direction = ? AND state NOT IN {any_of(OPEN)}{one} "
                "ORDER BY ended DESC LIMIT -1 OFFSET ?",
                (direction.value, *([] if peer_id is None else [peer_id]), keep),
            ).fetchall()
        if not rows:
            return
        with self._database.write() as db:
            db.executemany("UPDATE offers SET forgotten = 1 WHERE id = ? AND forgotten = 0", rows[:keep])
        if len(rows) > keep:
            self.delete(id_ for (id_,) in rows[keep:])
