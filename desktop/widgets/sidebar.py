"""The left side of the window: where one can go, and how much runs there. Qt's thread only."""

from PySide6.QtCore import QEvent, QPoint, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QWidget

from desktop.api import ACTIVE, Status, Transfer
from desktop.api_offers import Offers
from desktop.context import Context
from desktop.session import Session
from desktop.widgets.basics import Button, ElidedLabel, Frame, Label, Picture, column, row

PAGES = ("search", "neighbourhood", "transfers", "offers", "library", "settings")
_ICONS = {"neighbourhood": "people"}
_WIDTH = 208
_BADGE_HEIGHT = 18


class Sidebar(Frame):
    """`chosen` names a page."""

    chosen = Signal(str)
    invite_wanted = Signal()

    def __init__(self, context: Context, session: Session, hosting: bool) -> None:
        super().__init__("sidebar")
        self.setFixedWidth(_WIDTH)
        words, look = context.words, context.look
        self.buttons = {page: Button(look, words(f"page.{page}"), _ICONS.get(page, page), "nav") for page in PAGES}
        for number, (page, button) in enumerate(self.buttons.items(), 1):
            button.setAutoExclusive(True)
            button.setToolTip(words("sidebar.hint", name=words(f"page.{page}"), key=f"Ctrl+{number}"))
            button.clicked.connect(lambda _=False, wanted=page: self.chosen.emit(wanted))
        self._badges: dict[QWidget, Label] = {}
        self.badge, self.offers_badge = self._make_badge("transfers"), self._make_badge("offers")
        self._network = ElidedLabel("", "small")
        self._network.setFixedWidth(_WIDTH - 84)
        self._name = ElidedLabel("", "small")
        names = column(Label("Barrio", "heading"), self._network, spacing=0)
        brand = row(Picture(look, "logo", 34), spacing=10, margins=(6, 0, 0, 0))
        brand.addLayout(names, 1)
        layout = column(spacing=4, margins=(14, 20, 14, 14))
        layout.addLayout(brand)
        layout.addSpacing(20)
        for button in self.buttons.values():
            layout.addWidget(button)
        layout.addStretch(1)
        if hosting:
            invite = Button(look, words("action.invite"), "link")
            invite.clicked.connect(lambda: self.invite_wanted.emit())
            layout.addWidget(invite)
            layout.addSpacing(8)
        me = row(Picture(look, "person", 16, colour="muted"), self._name, spacing=8, margins=(8, 0, 0, 0))
        me.setStretch(1, 1)
        layout.addLayout(me)
        self.setLayout(layout)
        session.transfers_changed.connect(self._transfers_changed)
        session.offers_changed.connect(self._offers_changed)
        session.status_changed.connect(self._status_changed)
        self._offers_changed(session.offers)
        self._transfers_changed(session.transfers)
        if session.status is not None:
            self._status_changed(session.status)

    def show_page(self, page: str) -> None:
        self.buttons[page].setChecked(True)

    def eventFilter(self, watched: QWidget, event: QEvent) -> bool:  # type: ignore[override]  # widgets only
        if isinstance(event, QResizeEvent):
            self._place_badge(watched)
        return super().eventFilter(watched, event)

    def _transfers_changed(self, transfers: tuple[Transfer, ...]) -> None:
        running = sum(1 for transfer in transfers if transfer.state in ACTIVE)
        self._count("transfers", running)

    def _offers_changed(self, offers: Offers) -> None:
        self._count("offers", sum(offer.asks for offer in offers.offers))

    def _make_badge(self, page: str) -> Label:
        badge = Label("")
        badge.setParent(self.buttons[page])
        badge.setObjectName("badge")
        badge.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        badge.setFixedHeight(_BADGE_HEIGHT)
        badge.hide()
        self._badges[self.buttons[page]] = badge
        self.buttons[page].installEventFilter(self)
        return badge

    def _count(self, page: str, number: int) -> None:
        badge = self._badges[self.buttons[page]]
        badge.setText(str(number) if number < 100 else "99+")
        badge.setVisible(number > 0)
        self._place_badge(self.buttons[page])

    def _place_badge(self, button: QWidget) -> None:
        badge = self._badges[button]
        badge.adjustSize()
        badge.move(QPoint(button.width() - badge.width() - 10, (button.height() - badge.height()) // 2))

    def _status_changed(self, status: Status) -> None:
        self._network.say(status.network_name)
        self._network.setVisible(bool(status.network_name))
        self._name.say(status.name)
