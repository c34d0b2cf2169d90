"""What somebody offers, with the ways to answer. Qt's thread only."""

from PySide6.QtCore import Qt, Signal

from desktop.api_offers import Offer
from desktop.context import Context
from desktop.models.offers import other_name, what
from desktop.plain import as_label, plain
from desktop.widgets.basics import Button, ElidedLabel, Frame, Label, Picture, column, row


class OfferCard(Frame):
    """`answered` carries what the person wants: accept, folder, always or decline."""

    answered = Signal(object, str)

    def __init__(self, context: Context, offer: Offer) -> None:
        super().__init__("card")
        self._context = context
        self.offer = offer
        words, look = context.words, context.look
        self.title = Label("", "heading", wrap=True)
        self.names = ElidedLabel("", "body")
        self.message = Label("", "muted", wrap=True)
        self.trouble = Label("", "error", wrap=True)
        self.accept = Button(look, words("offer.accept"), "download", "primary")
        self.to_folder = Button(look, words("offer.accept-to"), "folder")
        self.always = Button(look, "", "check")
        self.decline = Button(look, words("offer.decline"), "close", "quiet")
        said = column(self.title, self.names, self.message, self.trouble, spacing=4)
        head = row(spacing=14)
        head.addWidget(Picture(look, "offers", 26, colour="accent"), alignment=Qt.AlignmentFlag.AlignTop)
        head.addLayout(said, 1)
        layout = column(spacing=12, margins=(18, 16, 16, 14))
        layout.addLayout(head)
        layout.addLayout(row(self.accept, self.to_folder, self.always, None, self.decline))
        self.setLayout(layout)
        for button, answer in (
            (self.accept, "accept"),
            (self.to_folder, "folder"),
            (self.always, "always"),
            (self.decline, "decline"),
        ):
            button.clicked.connect(lambda _=False, wanted=answer: self.answered.emit(self.offer, wanted))
        self.show_offer(offer)

    def show_offer(self, offer: Offer) -> None:
        words, name = self._context.words, other_name(offer)
        self.offer = offer
        size = words.size(offer.bytes)
        self.title.setText(words("offer.offers", name=name, count=offer.files, size=size))
        self.names.say(what(words, offer))
        self.message.setText(plain(offer.message))
        self.message.setVisible(bool(offer.message))
        error = offer.error
        detail = words.problem(error.code, error.title, error.detail)[1] if error is not None else ""
        self.trouble.setText(plain(detail))
        self.trouble.setVisible(bool(detail))
        self.always.setText(as_label(words("offer.always", name=name)))
