"""The transfers page: what is being fetched, how far it is, from whom; and the receipt of one. Qt's thread only."""

from functools import partial
from pathlib import Path

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtGui import QAction, QKeySequence, QResizeEvent
from PySide6.QtWidgets import QMenu, QSplitter, QStackedWidget, QWidget

from desktop.api import ACTIVE, ENDED, Transfer
from desktop.context import Context
from desktop.models.transfers import TransfersModel
from desktop.opening import open_file, open_folder
from desktop.plain import plain
from desktop.session import Session
from desktop.theme import TALL_ROW_HEIGHT
from desktop.views.transfer_details import TransferDetails
from desktop.widgets.basics import Button, Label, column, row
from desktop.widgets.delegates import ActionsCell, Cell, NameCell, ProgressCell
from desktop.widgets.dialogs import ask
from desktop.widgets.states import EmptyState
from desktop.widgets.table import Table
from desktop.words import LEAST_RATE

ASK_ABOVE_BYTES = 20_000_000
MOVES = ("top", "up", "down", "bottom")
PRIORITIES = ("high", "normal", "low")
_HEIGHT_OF_BOTH = 500
_WIDTHS = {"progress": 230, "state": 144, "place": 64, "rate": 100, "left": 90, "actions": 84}
_YIELDS = ("place", "state", "left", "rate")
_ICONS = {
    "queued": ("clock", "muted"),
    "locating": ("search", "muted"),
    "running": ("download", "accent"),
    "waiting": ("clock", "warning"),
    "paused": ("pause", "muted"),
    "done": ("done", "ok"),
    "failed": ("alert", "danger"),
}
_BARS = {"running": "accent", "done": "ok", "failed": "danger", "waiting": "warning"}


class TransfersPage(QWidget):
    say = Signal(str)
    search_wanted = Signal()

    def __init__(self, context: Context, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("page")
        self._context, self._session = context, session
        words = context.words
        self.model = TransfersModel(words, self)
        self.table = self._make_table()
        self.details = TransferDetails(context, session)
        self.summary = Label("", "muted")
        self.clear_button = Button(context.look, words("action.clear"), "check")
        self.pause_button = Button(context.look, words("action.pause-all"), "pause")
        self.resume_button = Button(context.look, words("action.resume-all"), "play")
        go = Button(context.look, words("action.search"), "search", "primary")
        empty = EmptyState(context, "transfers", words("transfers.empty.title"), words("transfers.empty.text"), go)
        splitter = QSplitter(Qt.Orientation.Vertical)
        splitter.setChildrenCollapsible(False)
        splitter.setHandleWidth(12)
        splitter.addWidget(self.table)
        splitter.addWidget(self.details)
        splitter.setStretchFactor(0, 1)
        splitter.setSizes([400, 230])
        self.stack = QStackedWidget()
        self.stack.addWidget(empty)
        self.stack.addWidget(splitter)
        layout = column(spacing=14, margins=(28, 24, 28, 20))
        buttons = (self.pause_button, self.resume_button, self.clear_button)
        layout.addLayout(row(Label(words("page.transfers"), "title"), 8, self.summary, None, *buttons))
        layout.addWidget(self.stack, 1)
        self.setLayout(layout)
        go.clicked.connect(lambda: self.search_wanted.emit())
        self.clear_button.clicked.connect(lambda: self.clear_finished())
        self.pause_button.clicked.connect(lambda: session.do(session.client.set_all_transfers("paused")))
        self.resume_button.clicked.connect(lambda: session.do(session.client.set_all_transfers("running")))
        self.table.chosen.connect(self._act_on)
        self.table.menu_wanted.connect(self._show_menu)
        self.table.selection_changed.connect(self._selection_changed)
        remove = QAction(self)
        remove.setShortcut(QKeySequence(QKeySequence.StandardKey.Delete))
        remove.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        remove.triggered.connect(lambda: self._do_all("remove", self.table.selected()))
        self.table.addAction(remove)
        self.details.wanted.connect(lambda action: self._do_all(action, self.table.selected()))
        session.transfers_changed.connect(self._changed)
        self._changed(session.transfers)

    def actions_for(self, transfer: Transfer) -> list[tuple[str, str, str]]:
        """What can be done with it: (action, icon, hint), the most likely first."""
        words = self._context.words
        remove = ("remove", "close", words("action.cancel"))
        if transfer.state == "done":
            return [
                ("open", "open", words("action.open")),
                ("folder", "folder-open", words("action.open-folder")),
                ("remove", "close", words("action.remove-row")),
            ]
        if transfer.state == "failed":
            return [("resume", "retry", words("action.try-again")), ("remove", "close", words("action.remove-row"))]
        if transfer.state == "paused":
            files = transfer.files
            skips = files is not None and files.have > 0 and files.skipped < files.have
            skip = ("skip-have", "check", words("action.skip-have"))
            return [("resume", "play", words("action.resume")), *([skip] if skips else []), remove]
        return [("pause", "pause", words("action.pause")), remove]

    def do(self, action: str, transfer: Transfer) -> None:
        """One of the actions of `actions_for`."""
        client, session = self._session.client, self._session
        if action == "pause":
            session.do(client.set_transfer_state(transfer.id, "paused"))
        elif action == "resume":
            session.do(client.set_transfer_state(transfer.id, "running"))
        elif action == "open" and transfer.files is not None:
            self._report(open_folder(self._context, Path(transfer.path)))
        elif action == "open":
            self._report(open_file(self._context, self, Path(transfer.path)))
        elif action == "folder":
            self._report(open_folder(self._context, Path(transfer.path).parent))
        elif action == "remove":
            self._remove(transfer)
        elif action == "keep":
            session.do(client.remove_transfer(transfer.id, keep=True))
        elif action == "skip-have":
            session.do(client.choose_files(transfer.id, False, have=True))
        elif action in MOVES:
            session.do(client.order_transfer(transfer.id, move=action))
        elif action in PRIORITIES:
            session.do(client.order_transfer(transfer.id, priority=action))

    def clear_finished(self) -> None:
        self._session.do(self._session.client.clear_done())

    def select(self, transfer_id: str) -> None:
        position = self.model.row_of(transfer_id)
        if position is not None:
            self.table.selectRow(position)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._selection_changed()

    def _make_table(self) -> Table:
        table = Table(self._context.words("page.transfers"), TALL_ROW_HEIGHT)
        table.show_model(self.model, "name", _WIDTHS, _YIELDS)
        look, model = self._context.look, self.model

        def second(transfer: Transfer) -> tuple[str, str]:
            return model.from_text(transfer), "danger" if transfer.state == "failed" else "muted"

        def progress(transfer: Transfer) -> tuple[float | None, str]:
            if transfer.state == "done" or (transfer.size is None and not transfer.bytes_done):
                return None, "muted"
            return transfer.fraction, _BARS.get(transfer.state, "strong_border")

        actions = ActionsCell(look, table, self._row_actions)
        actions.clicked.connect(lambda transfer, action: self.do(action, transfer))
        cells = {
            "name": NameCell(look, table, lambda t: _ICONS.get(t.state, _ICONS["queued"]), second),
            "progress": ProgressCell(look, table, progress),
            "state": Cell(look, table, "text"),
            "rate": Cell(look, table, "text"),
            "actions": actions,
        }
        plain_cell = Cell(look, table)
        for position, each in enumerate(model.columns):
            table.setItemDelegateForColumn(position, cells.get(each.key, plain_cell))
        look.changed.connect(table.viewport().update)
        return table

    def _row_actions(self, transfer: Transfer) -> list[tuple[str, str, str]]:
        actions = self.actions_for(transfer)
        return [actions[0], actions[-1]] if len(actions) > 1 and transfer.state == "paused" else actions[:2]

    def _act_on(self, transfer: Transfer) -> None:
        self.do(self.actions_for(transfer)[0][0], transfer)

    def _remove(self, transfer: Transfer) -> None:
        def go() -> None:
            self._session.do(self._session.client.remove_transfer(transfer.id))

        if transfer.state in ENDED or transfer.bytes_done < ASK_ABOVE_BYTES:
            go()
            return
        words = self._context.words
        ask(
            self._context,
            self,
            words("transfer.cancel.title", name=plain(transfer.name)),
            words("transfer.cancel.text", size=words.size(transfer.bytes_done)),
            words("action.cancel"),
            go,
            danger=True,
        )

    def _changed(self, transfers: tuple[Transfer, ...]) -> None:
        self.model.update(transfers)
        self.stack.setCurrentIndex(1 if transfers else 0)
        words = self._context.words
        running = [t for t in transfers if t.state in ACTIVE]
        rate = sum(t.rate for t in running)
        said = [words("transfers.running", count=len(running))] if running else []
        self.summary.setText(" · ".join([*said, words.rate(rate)] if rate >= LEAST_RATE else said))
        self.clear_button.setVisible(any(t.state == "done" for t in transfers))
        self.pause_button.setVisible(bool(running))
        self.resume_button.setVisible(any(t.state == "paused" for t in transfers))
        self._selection_changed()

    def _selection_changed(self) -> None:
        selected = self.table.selected()
        if len(selected) == 1:
            self.details.show_transfer(selected[0], self.actions_for(selected[0]))
        self.details.setVisible(len(selected) == 1 and self.height() >= _HEIGHT_OF_BOTH)

    def _report(self, sentence: str) -> None:
        if sentence:
            self.say.emit(sentence)

    def _show_menu(self, where: QPoint) -> None:
        chosen = self.table.selected()
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for action, icon, hint in self.actions_for(chosen[0]):
            menu.addAction(self._context.look.icon(icon), hint, partial(self._do_all, action, chosen))
        if any(t.place is not None for t in chosen):
            self._add_order(menu, chosen)
        menu.popup(where)

    def _add_order(self, menu: QMenu, chosen: list[Transfer]) -> None:
        words, look = self._context.words, self._context.look
        keep = menu.addAction(words("action.cancel-keep"), partial(self._do_each, "keep", chosen))
        keep.setEnabled(any(t.bytes_done for t in chosen))
        menu.addSeparator()
        for move in MOVES:
            icon = look.icon("arrow-up" if move in ("top", "up") else "arrow-down")
            menu.addAction(icon, words(f"action.move.{move}"), partial(self._do_each, move, chosen))
        menu.addSeparator()
        for priority in PRIORITIES:
            each = menu.addAction(words(f"action.priority.{priority}"), partial(self._do_each, priority, chosen))
            each.setCheckable(True)
            each.setChecked(all(t.priority == priority for t in chosen))

    def _do_each(self, action: str, chosen: list[Transfer]) -> None:
        """They keep their order among each other."""
        for transfer in reversed(chosen) if action in ("top", "down") else chosen:
            if transfer.place is not None:
                self.do(action, transfer)

    def _do_all(self, action: str, chosen: list[Transfer]) -> None:
        for transfer in chosen:
            if action in {name for name, _, _ in self.actions_for(transfer)}:
                self.do(action, transfer)
