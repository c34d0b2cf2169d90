"""Says what is new among the offers, wherever the person is in the window. Qt's thread only."""

from PySide6.QtCore import QObject, Signal

from desktop.api_offers import Offer, Offers
from desktop.context import Context
from desktop.models.offers import other_name
from desktop.session import Session

_TOLD = ("done", "declined", "failed")


class OfferNews(QObject):
    """Of offers to this member: that there is one, or that it was withdrawn. Of its own: how they ended.

    `asked`: there is one to be answered; `told`: a sentence about any of them.
    """

    asked = Signal()
    told = Signal(str)

    def __init__(self, context: Context, session: Session, parent: QObject) -> None:
        super().__init__(parent)
        self._context = context
        self._states = {offer.id: offer.state for offer in session.offers.offers}
        session.offers_changed.connect(self._changed)

    def _changed(self, offers: Offers) -> None:
        news = [offer for offer in offers.offers if self._states.get(offer.id) != offer.state]
        self._states = {offer.id: offer.state for offer in offers.offers}
        for offer in reversed(news):
            self._tell(offer)

    def _tell(self, offer: Offer) -> None:
        words, name = self._context.words, other_name(offer)
        if offer.asks:
            self.asked.emit()
            size = words.size(offer.bytes)
            self.told.emit(words("offer.offers", name=name, count=offer.files, size=size))
        elif offer.incoming and offer.state == "withdrawn":
            self.told.emit(words("offer.news.withdrawn", name=name))
        elif not offer.incoming and offer.state in _TOLD:
            self.told.emit(words(f"offer.news.{offer.state}", name=name))
