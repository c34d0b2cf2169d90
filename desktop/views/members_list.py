"""Who is here now: a list that is searched as one types and kept fresh while it is seen. Qt's thread only."""

from PySide6.QtCore import QModelIndex, QPoint, Qt, QTimer, Signal
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QLineEdit, QMenu, QWidget

from desktop.api import ApiError, Member, Members, Status
from desktop.context import Context
from desktop.models.people import MembersModel
from desktop.models.rows import ROW_ROLE
from desktop.session import Session
from desktop.widgets.basics import Label, column
from desktop.widgets.delegates import NameCell
from desktop.widgets.people_table import PeopleTable
from desktop.widgets.table import Table

_WIDTH = 212
_DEBOUNCE_MS = 200
_FRESH_MS = 10_000
_LEAST_NAME = 100


class MembersList(QWidget):
    """`chosen` carries a Member; `counted`: whether there are others here; `send_wanted`: a Member, and paths."""

    chosen = Signal(object)
    counted = Signal(bool)
    send_wanted = Signal(object, object)

    def __init__(self, context: Context, session: Session) -> None:
        super().__init__()
        self._context, self._session = context, session
        self._asked: str | None = None
        self._cursor: str | None = None
        self._loading = False
        self.setFixedWidth(_WIDTH)
        words = context.words
        self.field = QLineEdit()
        self.field.setPlaceholderText(words("people.find"))
        self.field.setAccessibleName(words("people.find"))
        self.field.setClearButtonEnabled(True)
        self.model = MembersModel(words, self)
        self.table = PeopleTable(words("people.here"))
        self.table.setSelectionMode(Table.SelectionMode.SingleSelection)
        self.table.show_model(self.model, "name", {}, (), _LEAST_NAME)
        self.table.horizontalHeader().hide()
        icon = NameCell(
            context.look, self.table, lambda m: ("home" if m.me else "person", "muted" if m.me else "accent")
        )
        self.table.setItemDelegateForColumn(0, icon)
        context.look.changed.connect(self.table.viewport().update)
        self.line = Label("", "small", wrap=True)
        layout = column(spacing=10)
        layout.addWidget(self.field)
        layout.addWidget(self.table, 1)
        layout.addWidget(self.line)
        self.setLayout(layout)
        self._typed = QTimer(self)
        self._typed.setSingleShot(True)
        self._typed.setInterval(_DEBOUNCE_MS)
        self._typed.timeout.connect(self.ask)
        self._fresh = QTimer(self)
        self._fresh.setInterval(_FRESH_MS)
        self._fresh.timeout.connect(self._refresh)
        self.field.textChanged.connect(lambda: self._typed.start())
        self.table.near_end.connect(self._more)
        self.table.clicked.connect(self._clicked)
        self.table.chosen.connect(self.chosen.emit)
        self.table.dropped.connect(self.send_wanted.emit)
        self.table.menu_wanted.connect(self._show_menu)
        session.status_changed.connect(self._status_changed)

    def ask(self) -> None:
        """Asks anew for what the field says."""
        self._typed.stop()
        self._send(self.field.text().strip(), "")

    def mark(self, peer_id: str) -> None:
        """Selects a member where it is in the list."""
        position = self.model.row_of(peer_id)
        if position is None:
            self.table.clearSelection()
        else:
            self.table.selectRow(position)

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self._fresh.start()
        self.ask()

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self._fresh.stop()

    def _clicked(self, index: QModelIndex) -> None:
        self.chosen.emit(index.data(ROW_ROLE))

    def _show_menu(self, where: QPoint) -> None:
        member: Member = self.table.selected()[0]
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        words, look = self._context.words, self._context.look
        menu.addAction(look.icon("folder-open"), words("people.look-inside"), lambda: self.chosen.emit(member))
        send = menu.addAction(look.icon("offers"), words("people.send"), lambda: self.send_wanted.emit(member, []))
        send.setEnabled(not member.me)
        menu.popup(where)

    def _refresh(self) -> None:
        # Of a list that is longer than its first page, the places would jump.
        if not self._loading and self._cursor is None:
            self.ask()

    def _more(self) -> None:
        if self._cursor and not self._loading and self._asked is not None:
            self._send(self._asked, self._cursor)

    def _send(self, text: str, cursor: str) -> None:
        self._asked, self._loading = text, True
        self._session.do(
            self._session.client.members(text, cursor),
            done=lambda answer: self._answered(text, cursor, answer),
            failed=lambda error: self._refused(text, error),
        )

    def _answered(self, text: str, cursor: str, answer: Members) -> None:
        if text != self._asked:
            return
        self._loading, self._cursor = False, answer.next_cursor
        known = {member.peer_id for member in self.model.rows} if cursor else set()
        if cursor:
            self.model.append(member for member in answer.members if member.peer_id not in known)
        else:
            self.model.update(answer.members)
        words, count = self._context.words, self.model.rowCount()
        more = "people.count-more" if self._cursor else "people.count"
        self.line.set_role("small")
        self.line.setText(words(more, count=count) if count else words("people.none"))
        if not text:
            self.counted.emit(any(not member.me for member in self.model.rows))

    def _refused(self, text: str, error: ApiError) -> None:
        if text != self._asked:
            return
        self._loading = False
        title, detail = self._context.words.problem(error.code, error.title, error.detail)
        self.line.set_role("error")
        self.line.setText(f"{title}. {detail}")

    def _status_changed(self, status: Status) -> None:
        if self.isVisible() and status.central_reachable and self.line.property("role") == "error":
            self.ask()
