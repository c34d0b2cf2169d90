"""A table of contents that knows what is here and what is being fetched. Qt's thread only."""

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol, TypeVar

from PySide6.QtCore import QObject

from desktop.api import ACTIVE, Transfer
from desktop.models.rows import Column, RowModel
from desktop.words import Words


class Content(Protocol):
    """What can be fetched; an empty `content_id` cannot."""

    @property
    def content_id(self) -> str: ...
    @property
    def have(self) -> bool: ...


C = TypeVar("C", bound=Content)


class ContentModel(RowModel[C]):
    """`transfer_for(row)` gives the transfer of a row's content, if one is in the list."""

    def __init__(
        self, words: Words, columns: Sequence[Column[C]], key: Callable[[C], str], parent: QObject | None = None
    ) -> None:
        self._words = words
        self._transfers: dict[str, Transfer] = {}
        super().__init__(columns, key, parent)

    def transfer_for(self, row: C) -> Transfer | None:
        return self._transfers.get(row.content_id)

    def has(self, row: C) -> bool:
        transfer = self.transfer_for(row)
        return row.have or (transfer is not None and transfer.state == "done")

    def is_fetched(self, row: C) -> bool:
        """Here already, or on its way."""
        transfer = self.transfer_for(row)
        return self.has(row) or (transfer is not None and transfer.state != "failed")

    def missing(self) -> list[str]:
        """Contents that are not here, as far as the rows themselves say."""
        return [row.content_id for row in self.rows if row.content_id and not row.have]

    def set_transfers(self, transfers: Iterable[Transfer]) -> None:
        """Marks rows that are being downloaded; the newest transfer of a content counts."""
        old = self._transfers
        new: dict[str, Transfer] = {}
        for transfer in transfers:
            if transfer.content_id:
                new.setdefault(transfer.content_id, transfer)
        self._transfers = new
        changed = {key for key in old.keys() | new.keys() if old.get(key) != new.get(key)}
        if changed:
            self.update_some({i: row for i, row in enumerate(self.rows) if row.content_id in changed})

    def state_text(self, row: C) -> str:
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

    def state_rank(self, row: C) -> int:
        transfer = self.transfer_for(row)
        if transfer is not None and transfer.state in ACTIVE:
            return 0
        return 1 if self.has(row) else 2
