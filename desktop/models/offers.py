"""Offers both ways as a table. Qt's thread only."""

from PySide6.QtCore import QObject

from desktop.api_offers import OPEN, Offer
from desktop.models.rows import Column, RowModel
from desktop.plain import as_tooltip, plain
from desktop.words import Words

_SHORT_ID = 12
_STATE_RANK = {"delivered": 0, "accepted": 1, "preparing": 2, "waiting": 3, "failed": 4}


def other_name(offer: Offer) -> str:
    return plain(offer.peer_name) or offer.peer_id[:_SHORT_ID]


def what(words: Words, offer: Offer) -> str:
    """The first of what is in it, and how many files there are in all."""
    names = ", ".join(plain(name) for name in offer.names)
    return names or words("people.files", count=offer.files)


class OffersModel(RowModel[Offer]):
    """Newest first, as the peer lists them."""

    def __init__(self, words: Words, parent: QObject | None = None) -> None:
        self._words = words
        columns: tuple[Column[Offer], ...] = (
            Column("name", words("column.name"), lambda o: what(words, o), tooltip=_tooltip),
            Column("progress", words("column.progress"), self.progress_text, lambda o: o.bytes),
            Column("state", words("column.state"), self.state_text, lambda o: _STATE_RANK.get(o.state, 9)),
            Column("actions", "", lambda o: ""),
        )
        super().__init__(columns, lambda o: o.id, parent)

    def progress_text(self, offer: Offer) -> str:
        words = self._words
        if offer.state == "preparing":
            return words("offer.hashing", done=words.size(offer.hashed), size=words.size(offer.to_hash))
        whole = words("offer.files", count=offer.files, size=words.size(offer.bytes))
        if offer.state == "accepted" or 0 < offer.files_done < offer.files:
            done = words.size(offer.bytes_done)
            return words("offer.part", percent=words.percent(offer.bytes_done, offer.bytes), done=done, whole=whole)
        return whole

    def state_text(self, offer: Offer) -> str:
        """An ended one says when, too."""
        words = self._words
        side = "in" if offer.incoming else "out"
        said = words(f"offer.{side}.{offer.state}")
        when = "" if offer.state in OPEN else words.moment(offer.ended)
        return words("transfer.state-at", state=said, time=when) if when else said

    def second_text(self, offer: Offer) -> str:
        """From or to whom, and why it does not go on or what was said with it."""
        words = self._words
        whom = words("offer.from" if offer.incoming else "offer.to", name=other_name(offer))
        more = plain(offer.message)
        if offer.error is not None:
            more = plain(words.problem(offer.error.code, offer.error.title, offer.error.detail)[1])
        elif offer.changed:
            more = words("offer.changed", count=offer.changed)
        return f"{whom}  ·  {more}" if more else whom


def _tooltip(offer: Offer) -> str:
    return as_tooltip("\n".join(filter(None, (offer.message, offer.folder))))
