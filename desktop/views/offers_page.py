"""The page of what people send each other: what is offered to me, and all offers both ways. Qt's thread only."""

from pathlib import Path

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtWidgets import QMenu, QStackedWidget, QWidget

from desktop.api_offers import OPEN, Offer, OfferRule, Offers
from desktop.context import Context
from desktop.models.offers import OffersModel, other_name
from desktop.opening import open_folder
from desktop.plain import plain
from desktop.session import Session
from desktop.theme import TALL_ROW_HEIGHT
from desktop.views.offer_dialogs import AlwaysDialog
from desktop.widgets.basics import Button, Label, clear, column, row
from desktop.widgets.delegates import ActionsCell, Cell, NameCell, ProgressCell
from desktop.widgets.dialogs import choose_folder
from desktop.widgets.offer_card import OfferCard
from desktop.widgets.states import EmptyState
from desktop.widgets.table import Table

MOST_CARDS = 2
_WIDTHS = {"progress": 260, "state": 170, "actions": 84}
_YIELDS = ("state",)
_ICONS = {
    "delivered": ("clock", "muted"),
    "waiting": ("clock", "muted"),
    "preparing": ("refresh", "muted"),
    "accepted": ("offers", "accent"),
    "done": ("done", "ok"),
    "failed": ("alert", "danger"),
}
_ENDED_ICON = ("close", "muted")


class OffersPage(QWidget):
    """`people_wanted`: to choose somebody to send to."""

    say = Signal(str)
    people_wanted = Signal()

    def __init__(self, context: Context, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("page")
        self._context, self._session = context, session
        words, look = context.words, context.look
        self.cards: list[OfferCard] = []
        self._card_column = column(spacing=10)
        self.rules = column(spacing=4)
        self.rules_shown: tuple[OfferRule, ...] = ()
        self.model = OffersModel(words, self)
        self.table = self._make_table()
        self.summary = Label("", "muted")
        self.clear_button = Button(look, words("action.clear"), "check")
        send = Button(look, words("offers.send"), "offers", "primary")
        first = Button(look, words("offers.send"), "people", "primary")
        empty = EmptyState(context, "houses", words("offers.empty.title"), words("offers.empty.text"), first)
        self.stack = QStackedWidget()
        self.stack.addWidget(empty)
        self.stack.addWidget(self.table)
        layout = column(spacing=14, margins=(28, 24, 28, 20))
        layout.addLayout(row(Label(words("page.offers"), "title"), 8, self.summary, None, self.clear_button, send))
        layout.addLayout(self._card_column)
        layout.addWidget(self.stack, 1)
        layout.addLayout(self.rules)
        self.setLayout(layout)
        send.clicked.connect(lambda: self.people_wanted.emit())
        first.clicked.connect(lambda: self.people_wanted.emit())
        self.clear_button.clicked.connect(lambda: self.clear_ended())
        self.table.chosen.connect(self._act_on)
        self.table.menu_wanted.connect(self._show_menu)
        session.offers_changed.connect(self.show_offers)
        self.show_offers(session.offers)

    def focus(self) -> None:
        # Not the card: a key that was meant for something else must not accept anything.
        self.table.setFocus()

    def actions_for(self, offer: Offer) -> list[tuple[str, str, str]]:
        """What can be done with it: (action, icon, hint), the most likely first."""
        words = self._context.words
        if offer.asks:
            return [
                ("accept", "download", words("offer.accept")),
                ("decline", "close", words("offer.decline")),
                ("folder", "folder", words("offer.accept-to")),
                ("always", "check", words("offer.always", name=other_name(offer))),
            ]
        actions = []
        if offer.incoming and offer.folder and offer.state in ("accepted", "done"):
            actions.append(("open", "folder-open", words("action.open-folder")))
        if offer.incoming and offer.state == "failed":
            actions.append(("accept", "retry", words("action.try-again")))
        if not offer.incoming and offer.state in OPEN:
            actions.append(("withdraw", "close", words("offer.withdraw")))
        if offer.state not in OPEN:
            actions.append(("forget", "close", words("action.remove-row")))
        return actions

    def do(self, action: str, offer: Offer) -> None:
        """One of the actions of `actions_for`."""
        client, session = self._session.client, self._session
        if action == "accept":
            session.do(client.set_offer_state(offer.id, "accepted"))
        elif action == "decline":
            session.do(client.set_offer_state(offer.id, "declined"))
        elif action == "withdraw":
            session.do(client.set_offer_state(offer.id, "withdrawn"))
        elif action == "forget":
            session.do(client.forget_offer(offer.id))
        elif action == "open":
            sentence = open_folder(self._context, Path(offer.folder))
            if sentence:
                self.say.emit(sentence)
        elif action == "folder":
            choose_folder(self, self._context.words("offer.accept-to"), "", lambda folder: self._accept(offer, folder))
        elif action == "always":
            dialog = AlwaysDialog(self._context, self, other_name(offer))
            dialog.wanted.connect(lambda folder, most: self.always(offer, folder, most))
            dialog.open()

    def always(self, offer: Offer, folder: str, most: int | None) -> None:
        """Accepts this offer, and those of the same member from now on."""
        client = self._session.client

        async def go() -> None:
            await client.set_offer_rule(offer.peer_id, folder or None, most)
            await client.set_offer_state(offer.id, "accepted", folder or None)

        self._session.do(go())

    def clear_ended(self) -> None:
        for offer in self.model.rows:
            if offer.state not in OPEN:
                self._session.do(self._session.client.forget_offer(offer.id))

    def _accept(self, offer: Offer, folder: str) -> None:
        self._session.do(self._session.client.set_offer_state(offer.id, "accepted", folder))

    def _make_table(self) -> Table:
        table = Table(self._context.words("page.offers"), TALL_ROW_HEIGHT)
        table.show_model(self.model, "name", _WIDTHS, _YIELDS)
        look, model = self._context.look, self.model

        def second(offer: Offer) -> tuple[str, str]:
            return model.second_text(offer), "danger" if offer.state == "failed" else "muted"

        def progress(offer: Offer) -> tuple[float | None, str]:
            return offer.fraction, "accent" if offer.fraction is not None else "muted"

        actions = ActionsCell(look, table, lambda offer: self.actions_for(offer)[:2])
        actions.clicked.connect(lambda offer, action: self.do(action, offer))
        cells = {
            "name": NameCell(look, table, lambda o: _ICONS.get(o.state, _ENDED_ICON), second),
            "progress": ProgressCell(look, table, progress),
            "actions": actions,
        }
        plain_cell = Cell(look, table)
        for position, each in enumerate(model.columns):
            table.setItemDelegateForColumn(position, cells.get(each.key, plain_cell))
        look.changed.connect(table.viewport().update)
        return table

    def show_offers(self, offers: Offers) -> None:
        self.model.update(offers.offers)
        asking = [offer for offer in offers.offers if offer.asks]
        self._show_cards(asking[-MOST_CARDS:][::-1])
        self._show_rules(offers.rules)
        self.stack.setCurrentIndex(1 if offers.offers else 0)
        words = self._context.words
        self.summary.setText(words("offers.asking", count=len(asking)) if asking else "")
        self.clear_button.setVisible(any(offer.state not in OPEN for offer in offers.offers))

    def _show_cards(self, asking: list[Offer]) -> None:
        """The oldest first; a card that stays keeps its place, so that no click meets another one."""
        if [card.offer.id for card in self.cards] == [offer.id for offer in asking]:
            for card, offer in zip(self.cards, asking, strict=True):
                card.show_offer(offer)
            return
        clear(self._card_column)
        self.cards = [OfferCard(self._context, offer) for offer in asking]
        for card in self.cards:
            card.answered.connect(lambda offer, action: self.do(action, offer))
            self._card_column.addWidget(card)

    def _show_rules(self, rules: tuple[OfferRule, ...]) -> None:
        if rules == self.rules_shown:
            return
        self.rules_shown = rules
        clear(self.rules)
        words = self._context.words
        for rule in rules:
            name = plain(rule.peer_name) or rule.peer_id[:12]
            said = words("offers.rule", name=name, size=words.size(rule.max_bytes))
            ask_again = Button(self._context.look, words("offers.rule-remove"), "close", "quiet")
            ask_again.clicked.connect(
                lambda _=False, peer=rule.peer_id: self._session.do(self._session.client.remove_offer_rule(peer))
            )
            line = QWidget()
            line.setLayout(row(Label(said, "small"), None, ask_again))
            self.rules.addWidget(line)

    def _act_on(self, offer: Offer) -> None:
        for action, _, _ in self.actions_for(offer)[:1]:
            if action in ("open", "accept"):
                self.do(action, offer)

    def _show_menu(self, where: QPoint) -> None:
        offer: Offer = self.table.selected()[0]
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for action, icon, hint in self.actions_for(offer):
            menu.addAction(self._context.look.icon(icon), hint, lambda wanted=action: self.do(wanted, offer))
        menu.popup(where)
