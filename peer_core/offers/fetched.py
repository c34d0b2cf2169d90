"""Which files of accepted offers are here: a part of the list of offers on disk. Any thread; all raise StorageError."""

from collections.abc import Iterable, Sequence

from peer_core.database import Database
from peer_core.offers.rows import count_done


class Fetched:
    def __init__(self, database: Database) -> None:
        self._database = database

    def missing(self, parcel: int) -> list[tuple[int, str, int]]:
        """Files of an accepted offer that are not here yet: number, transfer and size."""
        with self._database.read() as db:
            return db.execute(
                "SELECT number, transfer, size FROM files WHERE parcel = ? AND done = 0 ORDER BY number", (parcel,)
            ).fetchall()

    def own(self, parcel: int) -> set[str]:
        """Transfers of files that are not here yet and that were made for offers, but for those that are wanted by
        another accepted offer, too."""
        with self._database.read() as db:
            rows = db.execute("SELECT transfer FROM files WHERE parcel = ? AND done = 0 AND own = 1", (parcel,))
            made = {row[0] for row in rows}
        return made - self.wanted_elsewhere(parcel)

    def wanted_elsewhere(self, parcel: int) -> set[str]:
        """Transfers of all other accepted offers."""
        with self._database.read() as db:
            rows = db.execute(
                "SELECT DISTINCT f.transfer FROM files f JOIN offers o ON o.parcel = f.parcel "
                "WHERE o.direction = 'in' AND o.state IN ('accepted', 'failed') AND o.parcel <> ? AND f.transfer <> ''",
                (parcel,),
            )
            return {row[0] for row in rows}

    def made_for_offers(self) -> set[str]:
        """Transfers that were not there before an offer was accepted."""
        with self._database.read() as db:
            return {row[0] for row in db.execute("SELECT DISTINCT transfer FROM files WHERE own = 1")}

    def set_transfers(self, parcel: int, transfers: Sequence[tuple[int, str, bool, bool]]) -> None:
        """(number of the file, its transfer, whether that was made for offers, whether it is here already) each."""
        with self._database.write() as db:
            db.executemany(
                "UPDATE files SET transfer = ?, own = ?, done = max(done, ?) WHERE parcel = ? AND number = ?",
                [(transfer, own, done, parcel, number) for number, transfer, own, done in transfers],
            )
            count_done(db, parcel)

    def set_done(self, parcel: int, numbers: Iterable[int]) -> None:
        with self._database.write() as db:
            db.executemany("UPDATE files SET done = 1 WHERE parcel = ? AND number = ?", [(parcel, n) for n in numbers])
            count_done(db, parcel)

    def arrived(self, content_ids: Iterable[bytes]) -> set[int]:
        """Notes that contents are here; returns the parcels of accepted offers that they are in."""
        parcels: set[int] = set()
        with self._database.write() as db:
            for content_id in content_ids:
                rows = db.execute(
                    "SELECT f.parcel, f.number FROM files f JOIN offers o ON o.parcel = f.parcel "
                    "WHERE f.content_id = ? AND o.direction = 'in' "
                    "AND o.state IN ('accepted', 'failed') AND f.done = 0 AND f.transfer <> ''",
                    (content_id,),
                ).fetchall()
                db.executemany("UPDATE files SET done = 1 WHERE parcel = ? AND number = ?", rows)
                parcels.update(parcel for parcel, _ in rows)
            for parcel in parcels:
                count_done(db, parcel)
        return parcels
