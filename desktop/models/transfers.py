"""Transfers and their sources as tables. Qt's thread only."""

from PySide6.QtCore import QObject

from desktop.api import ENDED, Source, Transfer
from desktop.models.rows import Column, RowModel
from desktop.plain import as_tooltip, plain
from desktop.words import Words

_STATE_RANK = {"running": 0, "locating": 1, "queued": 2, "waiting": 3, "paused": 4, "failed": 5, "done": 6}
_SHOWN_NAMES = 3
_SIGNS = {"high": "↑ ", "low": "↓ "}
_NO_PLACE = 1_000_000_000


class TransfersModel(RowModel[Transfer]):
    """Newest first, as the peer lists them."""

    def __init__(self, words: Words, parent: QObject | None = None) -> None:
        self._words = words
        columns: tuple[Column[Transfer], ...] = (
            Column("name", words("column.name"), _name, lambda t: _name(t).casefold(), tooltip=_name_tooltip),
            Column("progress", words("column.progress"), self.progress_text, lambda t: t.fraction),
            Column("state", words("column.state"), self.state_text, lambda t: _STATE_RANK.get(t.state, 9)),
            Column("place", words("column.place"), self.place_text, lambda t: t.place or _NO_PLACE, right=True),
            Column("rate", words("column.rate"), self._rate, lambda t: t.rate, right=True),
            Column("left", words("column.left"), self._left, lambda t: t.eta_seconds or 0, right=True),
            Column("actions", "", lambda t: ""),
        )
        super().__init__(columns, lambda t: t.id, parent)

    def progress_text(self, transfer: Transfer) -> str:
        words = self._words
        if transfer.size is None:
            return words("transfer.size-unknown")
        if transfer.state == "done":
            return words("transfer.done", size=words.size(transfer.size))
        return words(
            "transfer.progress",
            percent=words.percent(transfer.bytes_done, transfer.size),
            done=words.size(transfer.bytes_done),
            size=words.size(transfer.size),
        )

    def state_text(self, transfer: Transfer) -> str:
        """An ended one says when, too."""
        words, said = self._words, self._words("state.in-line" if transfer.in_line else f"state.{transfer.state}")
        when = words.moment(transfer.finished) if transfer.state in ENDED else ""
        return words("transfer.state-at", state=said, time=when) if when else said

    def place_text(self, transfer: Transfer) -> str:
        """In the queue, with a sign for a priority that is not the usual one."""
        if transfer.place is None:
            return ""
        return _SIGNS.get(transfer.priority, "") + self._words.number(transfer.place)

    def from_text(self, transfer: Transfer) -> str:
        """How many files of a folder are here, and whom it comes or came from, or what it waits for."""
        files, said = transfer.files, self._from_text(transfer)
        if files is None:
            return said
        count = self._words("transfer.files-of", done=files.done, count=files.wanted)
        return f"{count} · {said}" if said else count

    def _from_text(self, transfer: Transfer) -> str:
        words = self._words
        if transfer.error is not None:
            return plain(words.problem(transfer.error.code, transfer.error.title, transfer.error.detail)[0])
        if transfer.in_line:
            return words("transfer.in-line", names=", ".join(map(_source_name, transfer.in_line[:_SHOWN_NAMES])))
        used = [s for s in transfer.sources if s.pieces > 0 or s.state == "active"]
        if not used:
            return words(f"transfer.hint.{transfer.state}") if words.has(f"transfer.hint.{transfer.state}") else ""
        names = ", ".join(plain(s.name) or s.peer_id[:8] for s in used[:_SHOWN_NAMES])
        more = len(used) - _SHOWN_NAMES
        return words("transfer.from-more", names=names, count=more) if more > 0 else words("transfer.from", names=names)

    def _rate(self, transfer: Transfer) -> str:
        return self._words.rate(transfer.rate) if transfer.state == "running" else ""

    def _left(self, transfer: Transfer) -> str:
        if transfer.state == "running" and transfer.eta_seconds is not None:
            return self._words.duration(transfer.eta_seconds)
        return ""


class FilesModel(RowModel[Transfer]):
    """Files of a folder's transfer, in the order of the tree; `root`: the path that their names are told below."""

    def __init__(self, words: Words, parent: QObject | None = None) -> None:
        self._words = words
        self.root = ""
        columns: tuple[Column[Transfer], ...] = (
            Column("name", words("column.name"), self._below, tooltip=_name_tooltip),
            Column("size", words("column.size"), lambda t: words.size(t.size or 0), right=True),
            Column("state", words("column.state"), self._state),
        )
        super().__init__(columns, lambda t: t.id, parent)

    def _below(self, file: Transfer) -> str:
        """As the peer's own system writes paths."""
        inside = file.path.startswith(self.root) and file.path[len(self.root) : len(self.root) + 1] in ("/", "\\")
        return plain(file.path[len(self.root) + 1 :] if inside else file.name)

    def _state(self, file: Transfer) -> str:
        said = self._words(f"state.{file.state}")
        return self._words("transfer.have", state=said) if file.have and file.state != "done" else said


class SourcesModel(RowModel[Source]):
    """The receipt of one transfer: who gave how much."""

    def __init__(self, words: Words, parent: QObject | None = None) -> None:
        columns: tuple[Column[Source], ...] = (
            Column("person", words("column.person"), _source_name, lambda s: _source_name(s).casefold()),
            Column(
                "state",
                words("column.state"),
                lambda s: _source_state(words, s),
                tooltip=lambda s: as_tooltip(words.said(s.reason)),
            ),
            Column("pieces", words("column.pieces"), lambda s: words.number(s.pieces), lambda s: s.pieces, right=True),
            Column("bytes", words("column.bytes"), lambda s: words.size(s.bytes), lambda s: s.bytes, right=True),
            Column(
                "rate", words("column.rate"), lambda s: words.rate(s.rate) if s.state == "active" else "", right=True
            ),
            Column("wasted", words("column.wasted"), lambda s: words.size(s.wasted), lambda s: s.wasted, right=True),
            Column("failures", words("column.failures"), lambda s: words.number(s.retries or s.failures), right=True),
        )
        super().__init__(columns, lambda s: s.peer_id, parent)


def _name(transfer: Transfer) -> str:
    return plain(transfer.name)


def _name_tooltip(transfer: Transfer) -> str:
    return as_tooltip(transfer.path or transfer.name)


def _source_state(words: Words, source: Source) -> str:
    """A quarantined one says until when."""
    until = words.moment(source.quarantined_until) if source.state == "banned" else ""
    return words("source.quarantined", time=until) if until else words(f"source.{source.state}")


def _source_name(source: Source) -> str:
    return plain(source.name) or source.peer_id[:12]
