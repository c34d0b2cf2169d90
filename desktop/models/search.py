"""Search results as a table that also knows what is being downloaded. Qt's thread only."""

from collections.abc import Iterable

from PySide6.QtCore import QObject

from desktop.api import ACTIVE, Row, Transfer
from desktop.models.rows import Column, RowModel
from desktop.plain import as_tooltip, plain
from desktop.words import Words


class SearchModel(RowModel[Row]):
    """`transfer_for(row)` gives the transfer of a row's content, if one is in the list."""

    def __init__(self, words: Words, parent: QObject | None = None) -> None:
        self._words = words
        self._transfers: dict[str, Transfer] = {}
        columns: tuple[Column[Row], ...] = (
            Column("name", words("column.name"), _name, lambda r: plain(r.name).casefold(), tooltip=_all_names),
            Column("folder", words("column.folder"), _path, lambda r: plain(r.path).casefold(), tooltip=_path_tooltip),
            Column("kind", words("column.kind"), self._kind, self._kind),
            Column("size", words("column.size"), lambda r: words.size(r.size), lambda r: r.size, right=True),
            Column(
                "holders",
                words("column.holders"),
                lambda r: words.number(r.holders),
                lambda r: r.holders,
                right=True,
                tooltip=lambda r: words("search.holders", count=r.holders),
            ),
            Column("have", words("column.have"), self.state_text, self._state_rank),
            Column("modified", words("column.modified"), lambda r: words.moment(r.modified), _modified, right=True),
        )
        super().__init__(columns, lambda r: r.content_id, parent)

    def transfer_for(self, row: Row) -> Transfer | None:
        return self._transfers.get(row.content_id)

    def has(self, row: Row) -> bool:
        transfer = self.transfer_for(row)
        return row.have or (transfer is not None and transfer.state == "done")

    def set_transfers(self, transfers: Iterable[Transfer]) -> None:
        """Marks rows that are being downloaded; the newest transfer of a content counts."""
        old = self._transfers
        new: dict[str, Transfer] = {}
        for transfer in transfers:
            new.setdefault(transfer.content_id, transfer)
        self._transfers = new
        changed = {key for key in old.keys() | new.keys() if old.get(key) != new.get(key)}
        if changed:
            self.update_some({i: row for i, row in enumerate(self.rows) if row.content_id in changed})

    def state_text(self, row: Row) -> str:
        words, transfer = self._words, self.transfer_for(row)
        if transfer is not None and (transfer.state in ACTIVE or transfer.state == "paused"):
            if transfer.size:
                return words.percent(transfer.bytes_done, transfer.size)
            return words(f"state.{transfer.state}")
        if self.has(row):
            return words("search.have")
        if transfer is not None and transfer.state == "failed":
            return words("state.failed")
        return ""

    def _state_rank(self, row: Row) -> int:
        transfer = self.transfer_for(row)
        if transfer is not None and transfer.state in ACTIVE:
            return 0
        return 1 if self.has(row) else 2

    def _kind(self, row: Row) -> str:
        return self._words.kinds.get(row.kind, self._words.kinds["other"])


def _name(row: Row) -> str:
    return plain(row.name)


def _path(row: Row) -> str:
    return plain(row.path).replace("/", " › ")


def _path_tooltip(row: Row) -> str:
    return as_tooltip(_path(row))


def _all_names(row: Row) -> str:
    return as_tooltip("  ·  ".join(dict.fromkeys((plain(row.name), *map(plain, row.names[:5])))))


def _modified(row: Row) -> float:
    return row.modified.timestamp() if row.modified else 0.0
