"""The search page: a question as you type, a table of answers, and downloads from it. Qt's thread only."""

from dataclasses import dataclass

from PySide6.QtCore import QPoint, Qt, QTimer, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QComboBox, QMenu, QStackedWidget, QWidget

from desktop.api import ACTIVE, Answer, ApiError, Row, Status, Transfer
from desktop.context import Context
from desktop.models.search import SearchModel
from desktop.plain import plain
from desktop.session import Session
from desktop.views.search_table import make_search_table
from desktop.widgets.album_bar import AlbumBar
from desktop.widgets.basics import Button, Label, Picture, column, row
from desktop.widgets.chip_bar import ChipBar
from desktop.widgets.dialogs import choose_folder
from desktop.widgets.search_field import SearchField
from desktop.widgets.states import EmptyState

DEBOUNCE_MS = 150
# What one looks at is filled by itself, at a rate that costs the central little.
GO_ON_MS = 250
LEAST_CHARACTERS = 2
KINDS = ("", "audio", "video", "image", "document", "archive", "code", "other")
_MB = 1_000_000
SIZES: tuple[tuple[str, int | None, int | None], ...] = (
    ("any", None, None),
    ("small", None, _MB),
    ("medium", _MB, 100 * _MB),
    ("large", 100 * _MB, 1000 * _MB),
    ("huge", 1000 * _MB, None),
)


@dataclass(frozen=True)
class Question:
    words: str
    kind: str = ""
    size: int = 0


class SearchPage(QWidget):
    """`say` carries a sentence for the toast; `show_transfers` asks for that page; `open_wanted` a finished one;
    `album_wanted` a folder that was found."""

    say = Signal(str)
    started = Signal(str)
    show_transfers = Signal()
    open_wanted = Signal(object)
    album_wanted = Signal(object)

    def __init__(self, context: Context, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("page")
        self._context, self._session = context, session
        self._asked: Question | None = None
        self._cursor: str | None = None
        self._loading = False
        # Counts what was asked anew: answers to what was asked before are not shown, also of the same question.
        self._turn = 0
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(DEBOUNCE_MS)
        self._timer.timeout.connect(self._ask)
        words = context.words
        self.model = SearchModel(words, self)
        self.table = make_search_table(context, self.model)
        self.field = SearchField(context)
        self.size_box = QComboBox()
        self.size_box.setObjectName("filter")
        self.size_box.setAccessibleName(words("search.size"))
        self.size_box.addItems([words(f"search.size.{name}") for name, _, _ in SIZES])
        self.size_box.setMinimumWidth(170)
        self.kinds = ChipBar(context.look, {kind: words(f"search.kind.{kind or 'all'}") for kind in KINDS})
        self.albums = AlbumBar(context)
        self.line = Label("", "small")
        self._line_icon = Picture(context.look, "shield", 14, colour="muted")
        self.download_button = Button(context.look, words("action.download"), "download", "primary")
        self._welcome = EmptyState(context, "houses", words("search.welcome.title"), words("search.welcome.text"))
        self._nothing = EmptyState(context, "nothing", words("search.nothing.title"), words("search.nothing.text"))
        retry = Button(context.look, words("action.retry"), "refresh")
        self._trouble = EmptyState(context, "offline", words("search.trouble.title"), "", retry)
        self.stack = QStackedWidget()
        for page in (self._welcome, self.table, self._nothing, self._trouble):
            self.stack.addWidget(page)
        self._lay_out()
        self.field.textChanged.connect(lambda: self._timer.start())
        self.kinds.chosen.connect(lambda _: self._ask())
        self.field.returnPressed.connect(self._ask_now)
        self.field.left_downwards.connect(self._into_table)
        self.size_box.currentIndexChanged.connect(lambda: self._ask())
        self.table.chosen.connect(self.act_on)
        self.table.menu_wanted.connect(self._show_menu)
        self.table.near_end.connect(self._more)
        self.table.selection_changed.connect(self._selection_changed)
        self.download_button.clicked.connect(lambda: self._download_selected())
        self.albums.chosen.connect(self.album_wanted.emit)
        retry.clicked.connect(lambda: self._ask(again=True))
        session.transfers_changed.connect(self._transfers_changed)
        session.status_changed.connect(self._status_changed)
        self.model.set_transfers((*session.transfers, *session.inside))
        session.watch(self.model.missing)
        self._selection_changed()
        self._show_line("")
        QWidget.setTabOrder(self.field, self.size_box)

    @property
    def question(self) -> Question:
        return Question(" ".join(self.field.text().split()), self.kinds.value, self.size_box.currentIndex())

    def search_for(self, text: str) -> None:
        self.field.setText(text)
        self._ask_now()

    def focus_field(self) -> None:
        self.field.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.field.selectAll()

    def act_on(self, result: Row) -> None:
        """What Enter or a double click means for this row."""
        transfer = self.model.transfer_for(result)
        if transfer is not None and transfer.state in ACTIVE | {"paused"}:
            self.show_transfers.emit()
        elif transfer is not None and transfer.state == "done":
            self.open_wanted.emit(transfer)
        elif result.have:
            self.say.emit(self._context.words("search.have-already", name=plain(result.name)))
        else:
            self.download(result)

    def download(self, result: Row, output: str | None = None) -> None:
        work = self._session.client.download(result.content_id, result.name, output)
        self._session.do(work, done=lambda transfer: self.started.emit(plain(transfer.name)))

    def _lay_out(self) -> None:
        asking = row(self.field, self.size_box, spacing=10)
        asking.setStretch(0, 1)
        line = row(self._line_icon, self.line, None, self.download_button, spacing=6)
        layout = column(spacing=14, margins=(28, 24, 28, 20))
        layout.addLayout(asking)
        layout.addWidget(self.kinds)
        layout.addLayout(line)
        layout.addWidget(self.albums)
        layout.addWidget(self.stack, 1)
        self.setLayout(layout)

    def _ask_now(self) -> None:
        if self.question == self._asked and self.stack.currentWidget() is self.table and self.model.rowCount():
            self._into_table()
            return
        self._ask(again=True)

    def _ask(self, again: bool = False) -> None:
        self._timer.stop()
        question = self.question
        if question != self._asked or again:
            self._turn += 1
        if len(question.words) < LEAST_CHARACTERS:
            self._asked = self._cursor = None
            self.model.replace(())
            self.albums.show_albums(())
            self._show_line("")
            self.stack.setCurrentWidget(self._welcome)
            return
        if question == self._asked and not again:
            return
        self._asked, self._cursor = question, None
        self._show_line(self._context.words("search.asking"))
        self._send(question, "")

    def _more(self) -> None:
        if self._asked is not None and self._cursor and not self._loading:
            self._send(self._asked, self._cursor)

    def _send(self, question: Question, cursor: str) -> None:
        _, least, most = SIZES[question.size]
        self._loading, turn = True, self._turn
        work = self._session.client.search(question.words, question.kind, least, most, cursor)

        def answered(answer: Answer) -> None:
            if turn == self._turn:
                self._answered(question, cursor, answer)

        def refused(error: ApiError) -> None:
            if turn == self._turn:
                self._refused(question, cursor, error)

        self._session.do(work, done=answered, failed=refused)

    def _answered(self, question: Question, cursor: str, answer: Answer) -> None:
        if question != self._asked:
            return
        self._loading = False
        self._cursor = answer.next_cursor
        if cursor:
            self.model.append(answer.rows)
        else:
            self.model.replace(answer.rows)
            self.albums.show_albums(answer.albums)
            self.table.scrollToTop()
            self._selection_changed()
        words, count = self._context.words, self.model.rowCount()
        via = words("search.via", name=plain(answer.via_name)) if answer.via == "neighbour" else words("search.direct")
        found = words("search.results-more" if self._cursor else "search.results", count=count)
        self._show_line(f"{found} · {via}", "shield" if answer.via == "neighbour" else "info")
        if not count and self._cursor:
            # The central looked for as long as it may, and has not looked through everything.
            self._show_line(words("search.asking"))
            self.stack.setCurrentWidget(self.table)
            QTimer.singleShot(GO_ON_MS, self, self._more)
            return
        if not count:
            filtered = bool(question.kind or question.size)
            why = "returning" if answer.returning else "filtered" if filtered else "text"
            self._nothing.say(words("search.nothing.title"), words(f"search.nothing.{why}"))
        self.stack.setCurrentWidget(self.table if count else self._nothing)
        # A page that a busy central ended early may leave room.
        QTimer.singleShot(GO_ON_MS, self, self.table.look_at_end)

    def _refused(self, question: Question, cursor: str, error: ApiError) -> None:
        if question != self._asked:
            return
        self._loading = False
        title, detail = self._context.words.problem(error.code, error.title, error.detail)
        self._show_line("")
        if cursor and self.model.rowCount():
            self.say.emit(f"{title}. {detail}")
            return
        self.model.replace(())
        self.albums.show_albums(())
        self._trouble.say(title, detail)
        self.stack.setCurrentWidget(self._trouble)

    def _show_line(self, text: str, icon: str = "") -> None:
        self.line.setText(text)
        self._line_icon.setVisible(bool(icon))
        if icon:
            self._line_icon.show_icon(icon, "muted")

    def _into_table(self) -> None:
        if self.model.rowCount():
            self.table.setFocus()
            if not self.table.selected():
                self.table.selectRow(0)

    def _selection_changed(self) -> None:
        self.download_button.setEnabled(bool(self._to_download()))
        self.download_button.setVisible(self.model.rowCount() > 0)

    def _to_download(self) -> list[Row]:
        return [result for result in self.table.selected() if not self.model.is_fetched(result)]

    def _download_selected(self) -> None:
        for result in self._to_download():
            self.download(result)

    def _transfers_changed(self, transfers: tuple[Transfer, ...]) -> None:
        self.model.set_transfers((*transfers, *self._session.inside))
        self._selection_changed()

    def _status_changed(self, status: Status) -> None:
        if self.stack.currentWidget() is self._trouble and status.central_reachable:
            self._ask(again=True)

    def _show_menu(self, where: QPoint) -> None:
        words, look = self._context.words, self._context.look
        results = self.table.selected()
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        fetch = menu.addAction(look.icon("download"), words("action.download"), self._download_selected)
        fetch.setEnabled(bool(self._to_download()))
        menu.addAction(look.icon("folder"), words("action.download-to"), self._download_to)
        done = [t for r in results if (t := self.model.transfer_for(r)) is not None and t.state == "done"]
        if done:
            menu.addAction(look.icon("open"), words("action.open"), lambda: self.open_wanted.emit(done[0]))
        menu.addSeparator()
        menu.addAction(look.icon("copy"), words("action.copy-id"), self._copy_ids)
        menu.addAction(look.icon("copy"), words("action.copy-name"), self._copy_names)
        menu.popup(where)

    def _download_to(self) -> None:
        results = self.table.selected()

        def into(folder: str) -> None:
            for result in results:
                self.download(result, folder)

        choose_folder(self, self._context.words("action.download-to"), "", into)

    def _copy_ids(self) -> None:
        QGuiApplication.clipboard().setText("\n".join(result.content_id for result in self.table.selected()))

    def _copy_names(self) -> None:
        QGuiApplication.clipboard().setText("\n".join(plain(result.name) for result in self.table.selected()))
