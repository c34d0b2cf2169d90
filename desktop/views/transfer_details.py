"""The receipt of one transfer: where it goes, what went wrong, and who gave how many pieces. Qt's thread only."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QGridLayout, QSizePolicy, QStackedWidget, QWidget

from desktop.api import Source, Transfer
from desktop.context import Context
from desktop.models.transfers import SourcesModel
from desktop.session import Session
from desktop.views.transfer_files import TransferFiles
from desktop.widgets.basics import Button, ElidedLabel, Frame, Label, clear, column, row
from desktop.widgets.delegates import Cell, IconTextCell
from desktop.widgets.states import Banner
from desktop.widgets.table import Table

_WIDTHS = {"state": 132, "pieces": 76, "bytes": 96, "rate": 96, "wasted": 96, "failures": 76}
_YIELDS = ("rate", "failures", "wasted", "state")
_LEAST_NAME = 110
_TABLE_HEIGHT = 124
_FACTS = ("folder", "size", "pieces", "started", "finished")


class TransferDetails(Frame):
    """`wanted` carries the name of an action that its buttons ask for."""

    wanted = Signal(str)

    def __init__(self, context: Context, session: Session) -> None:
        super().__init__("card")
        self._context = context
        self._shown_actions: list[tuple[str, str, str]] = []
        words = context.words
        self.name = ElidedLabel("", "heading")
        self._buttons = row(spacing=8)
        self.banner = Banner(context, "danger")
        self._facts = {fact: ElidedLabel() for fact in _FACTS}
        grid = QGridLayout()
        grid.setContentsMargins(0, 4, 0, 0)
        grid.setHorizontalSpacing(14)
        grid.setVerticalSpacing(6)
        grid.setColumnStretch(1, 1)
        for position, (fact, label) in enumerate(self._facts.items()):
            grid.addWidget(Label(words(f"details.{fact}"), "muted"), position, 0)
            grid.addWidget(label, position, 1)
        grid.setRowStretch(len(_FACTS), 1)
        facts = QWidget()
        facts.setLayout(grid)
        facts.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.sources = SourcesModel(words, self)
        self._table = self._make_table()
        body = row(spacing=24)
        body.addWidget(facts, 2)
        self.files = TransferFiles(context, session)
        self._stack = QStackedWidget()
        self._stack.addWidget(self._table)
        self._stack.addWidget(self.files)
        body.addWidget(self._stack, 4)
        top = row(spacing=12)
        top.addWidget(self.name, 1)
        top.addLayout(self._buttons)
        layout = column(spacing=12, margins=(18, 14, 18, 16))
        layout.addLayout(top)
        layout.addWidget(self.banner)
        layout.addLayout(body, 1)
        self.setLayout(layout)

    def show_transfer(self, transfer: Transfer, actions: list[tuple[str, str, str]]) -> None:
        words = self._context.words
        self.name.say(transfer.name)
        if actions != self._shown_actions:
            self._show_buttons(actions)
        if transfer.error is not None:
            self.banner.say(*words.problem(transfer.error.code, transfer.error.title, transfer.error.detail))
        else:
            self.banner.say("")
        size = words.size(transfer.size) if transfer.size is not None else "–"
        self._facts["folder"].say(transfer.folder)
        self._facts["size"].say(size)
        self._facts["pieces"].say(self._pieces(transfer))
        self._facts["started"].say(words.moment(transfer.created) or "–")
        self._facts["finished"].say(words.moment(transfer.finished) or "–")
        if transfer.files is None:
            self.sources.update(transfer.sources)
        else:
            self.files.show_folder(transfer)
        self._stack.setCurrentWidget(self._table if transfer.files is None else self.files)

    def _pieces(self, transfer: Transfer) -> str:
        words, files = self._context.words, transfer.files
        if files is None:
            return words("details.pieces-of", done=transfer.pieces_done, total=transfer.pieces)
        said = [words("transfer.files-of", done=files.done, count=files.wanted)]
        if files.have:
            said.append(words("details.have", count=files.have, size=words.size(files.have_bytes)))
        return " · ".join(said)

    def _show_buttons(self, actions: list[tuple[str, str, str]]) -> None:
        self._shown_actions = actions
        clear(self._buttons)
        for position, (action, icon, hint) in enumerate(actions):
            button = Button(self._context.look, hint, icon, "primary" if position == 0 else "plain")
            button.clicked.connect(lambda _=False, wanted=action: self.wanted.emit(wanted))
            self._buttons.addWidget(button)

    def _make_table(self) -> Table:
        table = Table(self._context.words("details.sources"), 32)
        table.show_model(self.sources, "person", _WIDTHS, _YIELDS, _LEAST_NAME)
        look = self._context.look

        def face(source: Source) -> tuple[str, str]:
            return "person", "danger" if source.state == "banned" else "text"

        person, plain_cell = IconTextCell(look, table, face), Cell(look, table)
        for position, each in enumerate(self.sources.columns):
            table.setItemDelegateForColumn(position, person if each.key == "person" else plain_cell)
        table.setMinimumHeight(_TABLE_HEIGHT)
        look.changed.connect(table.viewport().update)
        return table
