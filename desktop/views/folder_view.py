"""What one member shares, folder by folder: pages as one scrolls, downloads of files and folders. Qt's thread only."""

from collections.abc import Coroutine, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtGui import QAction, QGuiApplication, QKeySequence
from PySide6.QtWidgets import QMenu, QStackedWidget, QWidget

from desktop.api import ACTIVE, ApiError, Entry, Listing, Member, Transfer
from desktop.context import Context
from desktop.models.people import EntriesModel, member_name
from desktop.plain import plain
from desktop.session import Session
from desktop.views.search_table import have_cell, kind_icon
from desktop.widgets.basics import Button, Label, column, row
from desktop.widgets.breadcrumb import Breadcrumb
from desktop.widgets.delegates import Cell, NameCell
from desktop.widgets.dialogs import choose_folder
from desktop.widgets.states import EmptyState
from desktop.widgets.table import Table

_WIDTHS = {"size": 92, "files": 84, "modified": 108, "have": 124}
_LEAST_NAME = 160
_YIELDS = ("modified", "files", "have")


@dataclass(frozen=True)
class Place:
    """A folder of a member; an empty path is the list of what that member shares."""

    member: Member
    path: tuple[str, ...] = ()

    def below(self, name: str) -> Self:
        return replace(self, path=(*self.path, name))

    @property
    def above(self) -> Self | None:
        return replace(self, path=self.path[:-1]) if self.path else None


class FolderView(QWidget):
    """`say`: a sentence for the toast; `started`: what is being fetched now, its name or a number of files;
    `open_wanted`: a finished transfer; `show_transfers`: one that runs;
    `send_wanted`: a Member, and no paths yet."""

    say = Signal(str)
    started = Signal(str)
    open_wanted = Signal(object)
    show_transfers = Signal()
    send_wanted = Signal(object, object)

    def __init__(self, context: Context, session: Session) -> None:
        super().__init__()
        self._context, self._session = context, session
        self.place: Place | None = None
        self._after: str | None = None
        self._pending: tuple[Place, str] | None = None  # the page that is on its way; others come too late
        words, look = context.words, context.look
        self.way = Breadcrumb(look)
        self.line = Label("", "small")
        self.download_button = Button(look, words("action.download"), "download", "primary")
        self.send_button = Button(look, words("people.send"), "offers")
        self.send_button.hide()
        self.model = EntriesModel(words, self)
        self.model.set_transfers((*session.transfers, *session.inside))
        session.watch(self.model.missing)
        self.table = self._make_table()
        self.welcome = EmptyState(context, "houses", words("people.welcome.title"), words("people.welcome.text"))
        self.waiting = EmptyState(context, "nothing", words("people.asking"), "")
        self.nothing = EmptyState(context, "library", words("people.empty.title"), "")
        retry = Button(look, words("action.retry"), "refresh")
        self.trouble = EmptyState(context, "offline", words("search.trouble.title"), "", retry)
        self.stack = QStackedWidget()
        for page in (self.welcome, self.waiting, self.table, self.nothing, self.trouble):
            self.stack.addWidget(page)
        top = row(spacing=10)
        top.addWidget(self.way, 1)
        top.addWidget(self.send_button)
        top.addWidget(self.download_button)
        layout = column(spacing=10)
        layout.addLayout(top)
        layout.addWidget(self.stack, 1)
        layout.addWidget(self.line)
        self.setLayout(layout)
        self.way.chosen.connect(self._step_back)
        self.send_button.clicked.connect(lambda: self._send_files())
        self.download_button.clicked.connect(lambda: self._download_wanted())
        self.table.chosen.connect(self.act_on)
        self.table.menu_wanted.connect(self._show_menu)
        self.table.near_end.connect(self._more)
        self.table.selection_changed.connect(self._selection_changed)
        retry.clicked.connect(lambda: self.ask())
        session.transfers_changed.connect(self._transfers_changed)
        up = QAction(self)
        up.setShortcuts([QKeySequence(Qt.Key.Key_Backspace), QKeySequence(QKeySequence.StandardKey.Back)])
        up.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        up.triggered.connect(self.go_up)
        self.addAction(up)
        self._selection_changed()

    def visit(self, place: Place) -> None:
        """Shows a folder; what is on its way for another one is dropped."""
        self._clear(place, [member_name(place.member), *place.path])
        self.stack.setCurrentWidget(self.waiting)
        self.ask()

    def seek(self, path: Sequence[str]) -> None:
        """Waits for somebody to be found who shares that."""
        self._clear(None, path)
        self.stack.setCurrentWidget(self.waiting)

    def miss(self, path: Sequence[str]) -> None:
        """Nobody was found."""
        words = self._context.words
        self._clear(None, path)
        self.nothing.say(words("people.folder-gone.title"), words("people.folder-gone.text"))
        self.stack.setCurrentWidget(self.nothing)

    def ask(self) -> None:
        if self.place is not None:
            self._send(self.place, "")

    def go_up(self) -> None:
        if self.place is not None and self.place.above is not None:
            self.visit(self.place.above)

    def act_on(self, entry: Entry) -> None:
        """What Enter or a double click means: a folder opens, a file is fetched, a fetched one opens."""
        assert self.place is not None
        transfer = self.model.transfer_for(entry)
        if entry.is_folder:
            self.visit(self.place.below(entry.name))
        elif transfer is not None and transfer.state in ACTIVE | {"paused"}:
            self.show_transfers.emit()
        elif transfer is not None and transfer.state == "done":
            self.open_wanted.emit(transfer)
        elif entry.have:
            self.say.emit(self._context.words("search.have-already", name=plain(entry.name)))
        else:
            self.download([self.place.below(entry.name)])

    def download(self, places: Sequence[Place], output: str | None = None, paused: bool = False) -> None:
        """Files and folders, one after the other; `paused`: their files are to be chosen on the page of transfers."""
        done = (lambda _: self.show_transfers.emit()) if paused else self._fetched
        self._session.do(self._fetch(places, output, paused), done=done)

    def _clear(self, place: Place | None, way: Sequence[str]) -> None:
        self.place, self._after, self._pending = place, None, None
        self.send_button.setVisible(place is not None and not place.member.me)
        self.way.show_way(way)
        self.model.replace(())
        self.table.sortByColumn(-1, Qt.SortOrder.AscendingOrder)
        self.line.setText("")
        self._selection_changed()

    async def _fetch(self, places: Sequence[Place], output: str | None, paused: bool) -> list[Transfer]:
        made: list[Transfer] = []
        for place in places:
            made += await self._session.client.download_tree(place.member.peer_id, place.path, output, paused)
        return made

    def _fetched(self, made: list[Transfer]) -> None:
        words, coming = self._context.words, [transfer for transfer in made if transfer.state != "done"]
        if len(coming) == 1:
            self.started.emit(plain(coming[0].name))
        elif coming:
            self.started.emit(words("people.files", count=len(coming)))
        else:
            self.say.emit(words("people.all-here"))

    def _send(self, place: Place, after: str) -> None:
        self._pending = (place, after)
        client = self._session.client
        work: Coroutine[Any, Any, Listing] = (
            client.listing(place.member.peer_id, place.path, after)
            if place.path
            else client.shares_of(place.member.peer_id)
        )
        self._session.do(
            work,
            done=lambda listing: self._answered(place, after, listing),
            failed=lambda error: self._refused(place, after, error),
        )

    def _answered(self, place: Place, after: str, listing: Listing) -> None:
        if (place, after) != self._pending:
            return
        self._pending, self._after = None, listing.next_after
        if after:
            self.model.append(listing.entries)
        else:
            self.model.replace(listing.entries)
            self.table.scrollToTop()
        words, count = self._context.words, self.model.rowCount()
        if not count:
            name = member_name(place.member)
            title = words("people.empty-folder") if place.path else words("people.shares-nothing", name=name)
            self.nothing.say(title, "")
        self.line.setText(
            words("people.entries-more" if self._after else "people.entries", count=count) if count else ""
        )
        self.stack.setCurrentWidget(self.table if count else self.nothing)
        self._selection_changed()

    def _refused(self, place: Place, after: str, error: ApiError) -> None:
        if (place, after) != self._pending:
            return
        self._pending = None
        title, detail = self._context.words.problem(error.code, error.title, error.detail)
        if after:
            self.say.emit(f"{title}. {detail}")
            return
        self.model.replace(())
        self.trouble.say(title, detail)
        self.stack.setCurrentWidget(self.trouble)
        self._selection_changed()

    def _more(self) -> None:
        if self.place is not None and self._after and self._pending is None:
            self._send(self.place, self._after)

    def _step_back(self, count: int) -> None:
        if self.place is not None:
            self.visit(Place(self.place.member, self.place.path[: count - 1]))

    def _make_table(self) -> Table:
        table = Table(self._context.words("people.shared"))
        look = self._context.look
        table.show_model(self.model, "name", _WIDTHS, _YIELDS, _LEAST_NAME)
        table.setSortingEnabled(True)

        def icon(entry: Entry) -> tuple[str, str]:
            return ("folder", "accent") if entry.is_folder else kind_icon(entry.kind)

        cells = {"name": NameCell(look, table, icon), "have": have_cell(look, table, self.model)}
        plain_cell = Cell(look, table)
        for position, each in enumerate(self.model.columns):
            table.setItemDelegateForColumn(position, cells.get(each.key, plain_cell))
        look.changed.connect(table.viewport().update)
        return table

    def _wanted(self) -> list[Place]:
        """What the button would fetch: the selection without what is here already, or the folder that is shown."""
        if self.place is None or self.place.member.me or not self.model.rowCount():
            return []
        selected: list[Entry] = self.table.selected()
        if selected:
            return [self.place.below(e.name) for e in selected if e.is_folder or not self.model.is_fetched(e)]
        return [self.place] if self.place.path else []

    def _download_wanted(self) -> None:
        self.download(self._wanted())

    def _transfers_changed(self, transfers: tuple[Transfer, ...]) -> None:
        self.model.set_transfers((*transfers, *self._session.inside))
        self._selection_changed()

    def _selection_changed(self) -> None:
        words = self._context.words
        whole = self.place is not None and bool(self.place.path) and not self.table.selected()
        self.download_button.setText(words("people.download-all" if whole else "action.download"))
        self.download_button.setEnabled(bool(self._wanted()))
        self.download_button.setVisible(self.model.rowCount() > 0)

    def _show_menu(self, where: QPoint) -> None:
        words, look = self._context.words, self._context.look
        selected, wanted = self.table.selected(), self._wanted()
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        if len(selected) == 1 and selected[0].is_folder:
            menu.addAction(look.icon("folder-open"), words("people.look-inside"), lambda: self.act_on(selected[0]))
        fetch = menu.addAction(look.icon("download"), words("action.download"), lambda: self.download(wanted))
        fetch.setEnabled(bool(wanted))
        to = menu.addAction(look.icon("folder"), words("action.download-to"), lambda: self._download_to(wanted))
        to.setEnabled(bool(wanted))
        choose = menu.addAction(words("action.download-choose"), lambda: self.download(wanted, paused=True))
        choose.setEnabled(len(wanted) == 1 and len(selected) == 1 and selected[0].is_folder)
        menu.addSeparator()
        menu.addAction(look.icon("copy"), words("action.copy-name"), lambda: _copy(selected))
        menu.popup(where)

    def _send_files(self) -> None:
        if self.place is not None:
            self.send_wanted.emit(self.place.member, [])

    def _download_to(self, places: Sequence[Place]) -> None:
        choose_folder(self, self._context.words("action.download-to"), "", lambda folder: self.download(places, folder))


def _copy(entries: Sequence[Entry]) -> None:
    QGuiApplication.clipboard().setText("\n".join(plain(entry.name) for entry in entries))
