"""The library page: the folders that I share, how far they are indexed, and what could not be read. Qt's thread."""

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QMenu, QStackedWidget, QWidget

from desktop.api import ApiError, Library, Share, Status
from desktop.context import Context
from desktop.models.shares import SharesModel
from desktop.opening import open_folder
from desktop.plain import plain
from desktop.session import Session
from desktop.theme import TALL_ROW_HEIGHT
from desktop.views.indexing_bar import IndexingBar
from desktop.views.problems import ProblemsPanel
from desktop.views.rules_dialog import RulesDialog
from desktop.widgets.basics import Button, Label, column, row
from desktop.widgets.delegates import ActionsCell, Cell, NameCell, ProgressCell
from desktop.widgets.dialogs import ask, choose_folder
from desktop.widgets.states import Banner, EmptyState
from desktop.widgets.table import Table

_WIDTHS = {"files": 96, "size": 104, "state": 250, "actions": 156}


class LibraryPage(QWidget):
    say = Signal(str)

    def __init__(self, context: Context, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("page")
        self._context, self._session = context, session
        words = context.words
        self.model = SharesModel(words, self)
        self.table = self._make_table()
        self.problems = ProblemsPanel(context)
        self.indexing = IndexingBar(context, session)
        self.summary = Label("", "muted")
        self.banner = Banner(context, "danger")
        add = Button(context.look, words("action.add-folder"), "folder-add", "primary")
        first = Button(context.look, words("action.add-folder"), "folder-add", "primary")
        self.rescan_button = Button(context.look, words("action.rescan"), "refresh")
        empty = EmptyState(context, "library", words("library.empty.title"), words("library.empty.text"), first)
        full = QWidget()
        inside = column(spacing=14)
        inside.addWidget(self.indexing)
        inside.addWidget(self.table, 1)
        inside.addWidget(self.problems)
        full.setLayout(inside)
        self.stack = QStackedWidget()
        self.stack.addWidget(empty)
        self.stack.addWidget(full)
        layout = column(spacing=14, margins=(28, 24, 28, 20))
        layout.addLayout(row(Label(words("page.library"), "title"), 8, self.summary, None, self.rescan_button, add))
        layout.addWidget(self.banner)
        layout.addWidget(self.stack, 1)
        self.setLayout(layout)
        add.clicked.connect(lambda: self.choose())
        first.clicked.connect(lambda: self.choose())
        self.rescan_button.clicked.connect(lambda: self._session.do(self._session.client.rescan()))
        self.table.chosen.connect(lambda share: self.do("folder", share))
        self.table.menu_wanted.connect(self._show_menu)
        self.table.selection_changed.connect(self._selection_changed)
        remove = QAction(self)
        remove.setShortcut(QKeySequence(QKeySequence.StandardKey.Delete))
        remove.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        remove.triggered.connect(self._remove_selected)
        self.table.addAction(remove)
        session.library_changed.connect(self._changed)
        session.status_changed.connect(self._status_changed)
        self._changed(session.library)
        if session.status is not None:
            self._status_changed(session.status)

    def choose(self) -> None:
        """Asks for a folder to share."""
        choose_folder(self, self._context.words("action.add-folder"), str(Path.home()), lambda path: self.add([path]))

    def add(self, paths: Sequence[str]) -> None:
        """Shares folders; what goes wrong stays on the page until the next try."""
        self.banner.say("")
        for path in paths:
            self._session.do(self._session.client.add_share(path), done=self._added, failed=self._refused)

    def do(self, action: str, share: Share) -> None:
        words, session = self._context.words, self._session
        if action == "folder":
            sentence = open_folder(self._context, Path(share.path))
            if sentence:
                self.say.emit(sentence)
        elif action == "rules":
            RulesDialog(self._context, session, self, share).open()
        elif action == "rescan":
            session.do(session.client.rescan(share.name))
        elif action == "remove":
            ask(
                self._context,
                self,
                words("share.remove.title", name=plain(share.name)),
                words("share.remove.text"),
                words("action.stop-sharing"),
                lambda: session.do(session.client.remove_share(share.name)),
                danger=True,
            )

    def actions_for(self, share: Share) -> list[tuple[str, str, str]]:
        words = self._context.words
        return [
            ("folder", "folder-open", words("action.open-folder")),
            ("rules", "settings", words("action.rules")),
            ("rescan", "refresh", words("action.rescan")),
            ("remove", "close", words("action.stop-sharing")),
        ]

    def _make_table(self) -> Table:
        table = Table(self._context.words("page.library"), TALL_ROW_HEIGHT)
        table.setSelectionMode(Table.SelectionMode.SingleSelection)
        table.show_model(self.model, "name", _WIDTHS)
        look, model = self._context.look, self.model

        def icon(share: Share) -> tuple[str, str]:
            return ("alert", "danger") if share.state == "unavailable" else ("folder", "accent")

        def second(share: Share) -> tuple[str, str]:
            problems = model.problems_text(share)
            return (f"{plain(share.path)}  ·  {problems}", "warning") if problems else (plain(share.path), "muted")

        def state(share: Share) -> tuple[float | None, str]:
            fraction = model.fraction(share)
            colour = {"unavailable": "danger", "ready": "ok"}.get(share.state, "muted")
            return (fraction, "accent") if fraction is not None else (None, colour)

        actions = ActionsCell(look, table, self.actions_for)
        actions.clicked.connect(lambda share, action: self.do(action, share))
        cells = {
            "name": NameCell(look, table, icon, second),
            "state": ProgressCell(look, table, state),
            "actions": actions,
        }
        plain_cell = Cell(look, table, "text")
        for position, each in enumerate(model.columns):
            table.setItemDelegateForColumn(position, cells.get(each.key, plain_cell))
        look.changed.connect(table.viewport().update)
        return table

    def _added(self, share: Share) -> None:
        self.say.emit(self._context.words("share.added", name=plain(share.name)))

    def _refused(self, error: ApiError) -> None:
        self.banner.say(*self._context.words.problem(error.code, error.title, error.detail))

    def _status_changed(self, status: Status) -> None:
        self.model.set_paused(status.paused)

    def _changed(self, library: Library) -> None:
        shares = library.shares
        self.model.update(shares)
        self.stack.setCurrentIndex(1 if shares else 0)
        self.rescan_button.setVisible(bool(shares))
        words = self._context.words
        files, size = sum(s.files for s in shares), sum(s.bytes for s in shares)
        facts = [words("library.summary", count=files, size=words.size(size))] if shares else []
        if library.duplicate_files:
            copies = words.size(library.duplicate_bytes)
            facts.append(words("library.copies", count=library.duplicate_files, size=copies))
        self.summary.setText("  ·  ".join(facts))
        self._selection_changed()

    def _selection_changed(self) -> None:
        selected: list[Share] = self.table.selected()
        with_problems = selected or [share for share in self.model.rows if share.problems][:1]
        self.problems.show_share(with_problems[0] if with_problems else None)

    def _remove_selected(self) -> None:
        for share in self.table.selected():
            self.do("remove", share)

    def _show_menu(self, where: QPoint) -> None:
        share: Share = self.table.selected()[0]
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for action, icon, hint in self.actions_for(share):
            menu.addAction(self._context.look.icon(icon), hint, lambda wanted=action: self.do(wanted, share))
        menu.popup(where)
