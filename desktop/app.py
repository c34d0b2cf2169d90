"""The composition root of the window: builds its parts, joins them, and closes them in one order. Qt's thread."""

import asyncio
import contextlib
import socket
import sys
from functools import partial

from PySide6.QtWidgets import QApplication

from desktop import bridge
from desktop.api import ApiError, Status
from desktop.arguments import ALREADY_OPEN, ContentLink, Options, parse_link
from desktop.bridge import Tasks
from desktop.central_host import CentralHost, own_address
from desktop.context import Context
from desktop.hosting import HostError
from desktop.look import Look
from desktop.peer_host import FOLDER_IN_USE, OtherPeer, OwnPeer, PeerHost, running_peer
from desktop.runtime import Runtime
from desktop.session import Session
from desktop.single_instance import SingleInstance, hand_over, instance_name
from desktop.views.first_run import FirstRunPage
from desktop.views.invite_dialog import InviteDialog
from desktop.views.shell import Shell
from desktop.views.starting_page import StartingPage
from desktop.views.window import Window
from desktop.window_settings import WindowSettings
from desktop.words import Words, choose_language
from protos.sentences import sentence_of

FIRST_PAINT_SECONDS = 1.0
LOOK_AROUND_SECONDS = 10.0
# Of asking the peer that has the data folder whether it is where it says.
OTHER_SECONDS = 3.0


def start(options: Options) -> int:
    """The whole life of the program; returns its exit status."""
    qt = QApplication(sys.argv[:1])
    qt.setApplicationName("Barrio")
    qt.setDesktopFileName("barrio")
    name = instance_name(options.data_dir, options.connect)
    if hand_over(name, options.link):
        print(ALREADY_OPEN, file=sys.stderr)
        return 0
    instance = SingleInstance(name)
    try:
        with Runtime() as runtime:
            desktop = Desktop(qt, options)
            instance.started_again.connect(desktop.started_again)
            runtime.end_wanted.connect(desktop.quit)
            return bridge.run(qt, desktop.run)
    finally:
        instance.close()


class Desktop:
    """One window and the peer that it drives."""

    def __init__(self, qt: QApplication, options: Options) -> None:
        self._options = options
        self._qt = qt
        settings = WindowSettings(options.data_dir)
        self.context = Context(Words(choose_language(settings.language)), Look(), settings)
        self.context.look.start(qt, settings.theme)
        self.host: PeerHost = OwnPeer(options.data_dir)
        if options.connect is not None and options.token is not None:
            self.host = OtherPeer(options.connect, options.token)
        self._usual_host = self.host
        self.central = CentralHost(options.data_dir, settings.central_listen, settings.central_enrol)
        self.tasks = Tasks()
        self.session: Session | None = None
        self.window = self._make_window()
        self._link = options.link
        self._over = asyncio.Event()

    async def run(self) -> int:
        """Shows the window, works until `quit`, and leaves no thread and no process."""
        painted = asyncio.Event()
        self.window.painted.connect(painted.set)
        self._show_starting()
        self.window.show()
        # A window that starts minimised is not painted: there is nothing to wait for.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FIRST_PAINT_SECONDS):
                await painted.wait()
        self.connect()
        await self._over.wait()
        await self._close()
        return 0

    def quit(self) -> None:
        self._over.set()

    def connect(self) -> None:
        """Starts the peer and shows what fits its state."""
        self.tasks.start(self._connect())

    def started_again(self, link: str) -> None:
        self.window.come_forward()
        if link:
            self.open_link(link)

    def open_link(self, link: str) -> None:
        """An invite is offered on the first page; a member is told that it is one already. A file is fetched, now or
        after joining."""
        words, shell, page = self.context.words, self.window.shell, self.window.stack.currentWidget()
        try:
            meant = parse_link(link)
        except ValueError:
            meant = None
        if isinstance(page, FirstRunPage):
            if isinstance(meant, ContentLink):
                self._link = link
                page.note.say(words("link.after-joining"), words("link.after-joining.text"))
            else:
                page.offer(link)
        elif shell is None:
            self._link = link
        elif isinstance(meant, ContentLink):
            shell.fetch(meant.content_id, meant.name)
        else:
            shell.say(words("invite.member-already" if meant is not None else "link.bad"))

    def join(self, page: FirstRunPage, invite: str, name: str) -> None:
        page.busy(self.context.words("first.busy.join"))
        self.tasks.start(self._join(page, invite, name))

    def start_barrio(self, page: FirstRunPage, name: str, barrio_name: str) -> None:
        page.busy(self.context.words("first.busy.central"))
        self.tasks.start(self._start_barrio(page, name, barrio_name))

    def show_invite(self) -> None:
        """A dialog with a link for others."""
        host = "127.0.0.1" if self.central.is_local_only else own_address()
        dialog = InviteDialog(self.context, self.window, host)
        dialog.wanted.connect(lambda host, uses: self.tasks.start(self._make_invite(dialog, host, uses)))
        dialog.open()
        dialog.ask()

    def choose_language(self, choice: str) -> None:
        """Says everything anew in another language: the window is built again, at its place."""
        settings, look = self.context.settings, self.context.look
        settings.language = choice
        settings.geometry = self.window.saveGeometry()
        former = self.window
        self.context = Context(Words(choose_language(choice)), look, settings)
        self.window = self._make_window()
        self._show_shell()
        self.window.show()
        if self.window.shell is not None:
            self.window.shell.go("settings")
        former.hide()
        former.deleteLater()

    def choose_theme(self, choice: str) -> None:
        self.context.settings.theme = choice
        self.context.look.choose(choice)

    def _make_window(self) -> Window:
        window = Window(self.context)
        window.close_wanted.connect(self.quit)
        window.seen.connect(lambda seen: self.session.set_visible(seen) if self.session is not None else None)
        return window

    async def _connect(self) -> None:
        page = self._show_starting()
        settings = self.context.settings
        try:
            if settings.hosts_central and self._options.connect is None:
                await self.tasks.in_worker(self.central.start, False)
            endpoint = await self.tasks.in_worker(self.host.start)
            from desktop.api_client import ApiClient  # loaded in the worker just now

            session = Session(ApiClient(endpoint.url, endpoint.token), self.tasks)
            self.session = session
            await session.refresh()
            if session.trouble is not None:
                raise session.trouble
        except (ApiError, HostError) as error:
            # The other one may have ended meanwhile.
            self.host = self._usual_host
            other = sentence_of(error.detail).code == FOLDER_IN_USE and await self._other_answers()
            page.refuse(*self.context.words.problem(error.code, error.title, error.detail), other)
            return
        assert session.status is not None
        session.start()
        if session.status.joined:
            self._show_shell()
        else:
            self._show_first_run(session.status)

    async def _other_answers(self) -> bool:
        """Whether the peer that has the data folder is where it says."""
        found = await self.tasks.in_worker(running_peer, self._options.data_dir)
        if found is None:
            return False
        from desktop.api_client import ApiClient

        client = ApiClient(found.url, found.token)
        try:
            async with asyncio.timeout(OTHER_SECONDS):
                await client.status()
        except (ApiError, TimeoutError):
            return False
        finally:
            await client.close()
        return True

    def _open_running(self) -> None:
        """The peer that has the data folder, instead of one of this process; if it has ended, one of this process."""
        found = running_peer(self._options.data_dir)
        self.host = OtherPeer(found.url, found.token) if found is not None else self._usual_host
        self.connect()

    async def _join(self, page: FirstRunPage, invite: str, name: str) -> None:
        session = self.session
        assert session is not None
        try:
            await session.client.join(invite, name)
        except ApiError as error:
            await session.refresh()
            # Let in, but not online yet: the main window is the place to say so.
            if session.status is None or not session.status.joined:
                page.refuse(*self.context.words.problem(error.code, error.title, error.detail))
                return
        await session.refresh()
        self._show_shell()

    async def _start_barrio(self, page: FirstRunPage, name: str, barrio_name: str) -> None:
        settings, central = self.context.settings, self.central
        try:
            await self.tasks.in_worker(central.start, not settings.hosts_central, barrio_name)
            settings.hosts_central = True
            settings.central_listen, settings.central_enrol = central.listen, central.enrol
            settings.save()
            invite = await self.tasks.in_worker(central.invite, "127.0.0.1", 1, "1h")
        except HostError as error:
            page.refuse(*self.context.words.problem(error.code, error.title, error.detail))
            return
        page.busy(self.context.words("first.busy.join"))
        await self._join(page, invite, name)
        if self.window.shell is not None:
            self.show_invite()

    async def _make_invite(self, dialog: InviteDialog, host: str, uses: int) -> None:
        try:
            link = await self.tasks.in_worker(self.central.invite, host, uses)
        except HostError as error:
            dialog.refuse(*self.context.words.problem(error.code, error.title, error.detail))
            return
        dialog.show_link(link)

    def _show_starting(self) -> StartingPage:
        shown = self.window.stack.currentWidget()
        if isinstance(shown, StartingPage):
            shown.wait()
            return shown
        page = StartingPage(self.context)
        page.again.connect(self.connect)
        page.other_wanted.connect(self._open_running)
        page.quit_wanted.connect(self.quit)
        self.window.show_page(page)
        return page

    def _show_first_run(self, status: Status) -> None:
        page = FirstRunPage(self.context, status.name or socket.gethostname(), self._options.connect is None)
        page.join_wanted.connect(partial(self.join, page))
        page.start_wanted.connect(partial(self.start_barrio, page))
        self.window.show_page(page)
        self.tasks.start(self._look_around(page))
        self._take_link()

    async def _look_around(self, page: FirstRunPage) -> None:
        """Shows barrios of this network as long as the page is there."""
        assert self.session is not None
        client = self.session.client
        while self.window.stack.currentWidget() is page:
            # It is a bonus: an invite works all the same.
            with contextlib.suppress(ApiError):
                found = await client.barrios()
                if self.window.stack.currentWidget() is page:
                    page.show_found(found)
            await asyncio.sleep(LOOK_AROUND_SECONDS)

    def _show_shell(self) -> None:
        assert self.session is not None
        hosting = self.context.settings.hosts_central and self._options.connect is None
        shell = Shell(self.context, self.session, hosting)
        shell.invite_wanted.connect(self.show_invite)
        shell.settings.language_chosen.connect(self.choose_language)
        shell.settings.theme_chosen.connect(self.choose_theme)
        self.window.show_page(shell)
        shell.search.focus_field()
        self._take_link()

    def _take_link(self) -> None:
        """What was given at the start, or came before there was a page for it."""
        if self._link is not None:
            link, self._link = self._link, None
            self.open_link(link)

    async def _close(self) -> None:
        """Stop asking, stop the peer, stop the central; the loop is left by returning."""
        self.context.settings.geometry = self.window.saveGeometry()
        self.context.settings.save()
        self.window.hide()
        await self.tasks.cancel()
        if self.session is not None:
            await self.session.client.close()
        await self.tasks.in_worker(self.host.stop)
        await self.tasks.in_worker(self.central.stop)
        self.tasks.close()
        self.window.deleteLater()
