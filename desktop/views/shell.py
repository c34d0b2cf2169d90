"""The window of a member: sidebar, pages, status line, and short messages above them. Qt's thread only."""

from functools import partial
from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import QApplication, QStackedWidget, QWidget

from desktop.api import Album, ApiError, Member, Status, Transfer
from desktop.context import Context
from desktop.models.people import member_name
from desktop.plain import plain
from desktop.session import Session
from desktop.views.library_page import LibraryPage
from desktop.views.neighbourhood_page import NeighbourhoodPage
from desktop.views.offer_dialogs import SendDialog
from desktop.views.offer_news import OfferNews
from desktop.views.offers_page import OffersPage
from desktop.views.search_page import SearchPage
from desktop.views.settings_page import SettingsPage
from desktop.views.transfers_page import TransfersPage
from desktop.widgets.basics import column, row
from desktop.widgets.sidebar import PAGES, Sidebar
from desktop.widgets.states import Banner, Notices, Toast
from desktop.widgets.status_bar import StatusBar

MOST_OTHERS = 40


class Shell(QWidget):
    """`hosting`: this device runs the barrio's central, so that it can make invites."""

    invite_wanted = Signal()

    def __init__(self, context: Context, session: Session, hosting: bool, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("page")
        self._context, self._session = context, session
        self.search = SearchPage(context, session)
        self.neighbourhood = NeighbourhoodPage(context, session)
        self.transfers = TransfersPage(context, session)
        self.offers = OffersPage(context, session)
        self.library = LibraryPage(context, session)
        self.settings = SettingsPage(context, session, hosting)
        self._pages: dict[str, QWidget] = {
            "search": self.search,
            "neighbourhood": self.neighbourhood,
            "transfers": self.transfers,
            "offers": self.offers,
            "library": self.library,
            "settings": self.settings,
        }
        self.sidebar = Sidebar(context, session, hosting)
        self.status_bar = StatusBar(context, session)
        self.stack = QStackedWidget()
        for widget in self._pages.values():
            self.stack.addWidget(widget)
        self.notices = Notices(context)
        self._offline = Banner(context, "danger")
        self._content = QWidget()
        self.toast = Toast(context, self._content)
        self._states = {t.id: t.state for t in session.transfers}
        self._finished = 0
        self._lay_out()
        self._connect()
        for number, page in enumerate(PAGES, 1):
            QShortcut(QKeySequence(f"Ctrl+{number}"), self, lambda wanted=page: self.go(wanted))
        QShortcut(QKeySequence(QKeySequence.StandardKey.Find), self, lambda: self.go("search"))
        self.go("search")

    def go(self, page: str) -> None:
        self.stack.setCurrentWidget(self._pages[page])
        self.sidebar.show_page(page)
        if page == "search":
            self.search.focus_field()
        elif page == "neighbourhood":
            self.neighbourhood.focus()
        elif page == "offers":
            self.offers.focus()
        elif page == "settings":
            self.settings.load()
            self.settings.area.setFocus()
        else:
            (self.transfers if page == "transfers" else self.library).table.setFocus()

    def fetch(self, content_id: str, name: str) -> None:
        """Downloads what a link means."""
        work = self._session.client.download(content_id, name)
        self._session.do(work, done=lambda transfer: self._started(plain(transfer.name)))

    def send(self, member: Member, paths: list[str]) -> SendDialog:
        """Asks what to send to a member, and sends it."""
        others = [m for m in self.neighbourhood.members.model.rows if not m.me and m.peer_id != member.peer_id]
        dialog = SendDialog(self._context, self, member, paths, others[:MOST_OTHERS])

        def go(members: list[Member], chosen: list[str], message: str) -> None:
            names = ", ".join(map(member_name, members))
            work = self._session.client.send(chosen, [m.peer_id for m in members], message)
            self._session.do(work, done=lambda _: self._offer_told(self._context.words("send.sent", name=names)))

        dialog.wanted.connect(go)
        dialog.open()
        return dialog

    @property
    def drop_area(self) -> QWidget:
        """Where folders may be dropped to be shared: not onto the people, who get what is dropped onto them."""
        return self.neighbourhood.folder if self.stack.currentWidget() is self.neighbourhood else self

    def say(self, text: str) -> None:
        self.toast.say(text)

    def dropped(self, paths: list[str]) -> None:
        """Folders are shared; of files it says that only folders are."""
        folders = [path for path in paths if Path(path).is_dir()]
        if folders:
            self.go("library")
            self.library.add(folders)
        else:
            self.say(self._context.words("drop.files"))

    def _lay_out(self) -> None:
        above = QWidget()
        above.setLayout(column(self._offline, self.notices, spacing=8, margins=(28, 12, 28, 0)))
        self._above = above
        above.hide()
        main = column(above, spacing=0)
        main.addWidget(self.stack, 1)
        upper = row(self.sidebar, spacing=0)
        self._content.setLayout(main)
        upper.addWidget(self._content, 1)
        layout = column(spacing=0)
        layout.addLayout(upper, 1)
        layout.addWidget(self.status_bar)
        self.setLayout(layout)

    def _connect(self) -> None:
        session = self._session
        self.notices.changed.connect(self._show_above)
        self.sidebar.chosen.connect(self.go)
        self.sidebar.invite_wanted.connect(self.invite_wanted)
        self.settings.invite_wanted.connect(self.invite_wanted)
        for says in (self.search.say, self.neighbourhood.say, self.transfers.say, self.offers.say, self.library.say):
            says.connect(self.say)
        for page in (self.search, self.neighbourhood):
            page.started.connect(self._started)
            page.show_transfers.connect(lambda: self.go("transfers"))
            page.open_wanted.connect(self._open)
        self.neighbourhood.send_wanted.connect(self.send)
        self.offers.people_wanted.connect(lambda: self.go("neighbourhood"))
        news = OfferNews(self._context, session, self)
        news.told.connect(self._offer_told)
        # For those who look elsewhere.
        news.asked.connect(lambda: QApplication.alert(self.window()))
        self.search.album_wanted.connect(self._visit_album)
        self.transfers.search_wanted.connect(lambda: self.go("search"))
        session.transfers_changed.connect(self._transfers_changed)
        session.failed.connect(self._failed)
        session.reachable_changed.connect(self._reachable_changed)
        session.status_changed.connect(self._status_changed)
        if session.status is not None:
            self._status_changed(session.status)

    def _started(self, name: str) -> None:
        words = self._context.words
        self.toast.say(words("search.started", name=name), words("action.show"), lambda: self.go("transfers"))

    def _visit_album(self, album: Album) -> None:
        self.go("neighbourhood")
        self.neighbourhood.look_for(tuple(album.path.split("/")))

    def _open(self, transfer: Transfer) -> None:
        self.transfers.do("open", transfer)

    def _transfers_changed(self, transfers: tuple[Transfer, ...]) -> None:
        """Says what has just been finished: one by its name, several while the toast is there as a number."""
        finished = [t for t in transfers if t.state == "done" and self._states.get(t.id) != "done"]
        self._states = {t.id: t.state for t in transfers}
        if not finished:
            return
        self._finished = len(finished) + (self._finished if self.toast.isVisible() else 0)
        words = self._context.words
        if self._finished == 1:
            name = plain(finished[0].name)
            self.toast.say(
                words("transfer.finished", name=name), words("action.open"), partial(self._open, finished[0])
            )
        else:
            said = words("transfer.finished-several", count=self._finished)
            self.toast.say(said, words("action.show"), lambda: self.go("transfers"))

    def _offer_told(self, said: str) -> None:
        self.toast.say(said, self._context.words("action.show"), lambda: self.go("offers"))

    def _failed(self, error: ApiError) -> None:
        title, detail = self._context.words.problem(error.code, error.title, error.detail)
        self.say(plain(f"{title}. {detail}"))

    def _reachable_changed(self, error: ApiError | None) -> None:
        if error is None:
            self._offline.say("")
        else:
            self._offline.say(*self._context.words.problem(error.code, error.title, error.detail))
        self._show_above()

    def _status_changed(self, status: Status) -> None:
        self.notices.show_all(status.notices)

    def _show_above(self) -> None:
        self._above.setVisible(not (self._offline.isHidden() and self.notices.isHidden()))
