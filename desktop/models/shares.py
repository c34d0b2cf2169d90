"""My shares as a table. Qt's thread only."""

from PySide6.QtCore import QObject

from desktop.api import Share
from desktop.models.rows import Column, RowModel
from desktop.plain import as_tooltip, plain
from desktop.words import Words


class SharesModel(RowModel[Share]):
    def __init__(self, words: Words, parent: QObject | None = None) -> None:
        self._words = words
        self._paused = False
        columns: tuple[Column[Share], ...] = (
            Column("name", words("column.share"), lambda s: plain(s.name), tooltip=lambda s: as_tooltip(s.path)),
            Column("files", words("column.files"), lambda s: words.number(s.files), lambda s: s.files, right=True),
            Column("size", words("column.size"), lambda s: words.size(s.bytes), lambda s: s.bytes, right=True),
            Column("state", words("column.state"), self.state_text, lambda s: s.state),
            Column("actions", "", lambda s: ""),
        )
        super().__init__(columns, lambda s: s.name, parent)

    def set_paused(self, paused: bool) -> None:
        """Whether the peer hashes nothing for now."""
        if paused != self._paused:
            self._paused = paused
            self.repaint_all()

    def state_text(self, share: Share) -> str:
        words = self._words
        if share.state == "ready" and share.pending:
            return words("share.publishing")
        if share.state == "hashing" and self._paused:
            return words("share.paused", count=share.pending)
        if share.state == "hashing" and share.files_done is not None and share.files_total:
            return words("share.indexing-of", done=share.files_done, total=share.files_total)
        if share.state == "ready" and share.exclude:
            return f"{words('share.ready')}  ·  {words('share.rules', count=len(share.exclude))}"
        return words(f"share.{share.state}")

    def problems_text(self, share: Share) -> str:
        return self._words("share.problems", count=len(share.problems)) if share.problems else ""

    @staticmethod
    def fraction(share: Share) -> float | None:
        """Between 0 and 1 while it is being indexed, else None."""
        if share.files_done is None or share.state not in ("scanning", "hashing"):
            return None
        if share.bytes_total:
            return min(1.0, share.bytes_done / share.bytes_total)
        return min(1.0, share.files_done / share.files_total) if share.files_total else 0.0
