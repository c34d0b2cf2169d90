"""The files of a folder's transfer, page by page, and which of them are to be fetched. Qt's thread only."""

from functools import partial

from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QMenu

from desktop.api import ApiError, FilesPage, Transfer
from desktop.context import Context
from desktop.models.transfers import FilesModel
from desktop.session import Session
from desktop.widgets.delegates import Cell, IconTextCell
from desktop.widgets.table import Table

MOST_AGAIN = 1000
_WIDTHS = {"size": 96, "state": 150}
_LEAST_NAME = 110
_FACES = {
    "done": ("done", "ok"),
    "failed": ("alert", "danger"),
    "skipped": ("close", "muted"),
    "running": ("download", "accent"),
    "paused": ("pause", "muted"),
}


class TransferFiles(Table):
    """Enter, a double click or the menu takes a file in or leaves it out."""

    def __init__(self, context: Context, session: Session) -> None:
        super().__init__(context.words("details.files"), 28)
        self._context, self._session = context, session
        self._folder = ""
        self._next: int | None = None
        self._asking = False
        self._again = False
        self.files = FilesModel(context.words, self)
        self.show_model(self.files, "name", _WIDTHS, ("size",), _LEAST_NAME)
        look = context.look
        name = IconTextCell(look, self, lambda file: _FACES.get(file.state, ("clock", "text")))
        plain_cell = Cell(look, self)
        for position, each in enumerate(self.files.columns):
            self.setItemDelegateForColumn(position, name if each.key == "name" else plain_cell)
        self.chosen.connect(lambda file: self.choose([file], file.state == "skipped"))
        self.menu_wanted.connect(self._show_menu)
        self.near_end.connect(self._more)
        look.changed.connect(self.viewport().update)

    def show_folder(self, transfer: Transfer) -> None:
        """Called again whenever something of it has changed."""
        if transfer.id != self._folder:
            self._folder, self._next = transfer.id, None
            self.files.root = transfer.path
            self.files.replace(())
        self._ask_again()

    def choose(self, files: list[Transfer], wanted: bool) -> None:
        ids = [file.id for file in files if (file.state == "skipped") == wanted and file.state != "done"]
        if ids:
            work = self._session.client.choose_files(self._folder, wanted, ids)
            self._session.do(work, done=lambda _: self._ask_again())

    def _ask_again(self) -> None:
        if self._asking:
            self._again = True
            return
        shown = min(MOST_AGAIN, max(self.files.rowCount(), 1))
        self._ask(0, shown if shown > 1 else None)

    def _more(self) -> None:
        if self._next is not None and not self._asking:
            self._ask(self._next, None)

    def _ask(self, after: int, limit: int | None) -> None:
        self._asking = True
        self._session.tasks.start(self._fetch(self._folder, after, limit))

    async def _fetch(self, folder: str, after: int, limit: int | None) -> None:
        try:
            page = await self._session.client.transfer_files(folder, after, limit)
        except ApiError:
            # The list itself says what is wrong; a folder that is gone is no longer shown.
            page = None
        self._asking = False
        if page is not None and folder == self._folder:
            self._show(page, after)
        if self._again or folder != self._folder:
            self._again = False
            self._ask_again()

    def _show(self, page: FilesPage, after: int) -> None:
        if after:
            self.files.append(page.files)
            self._next = page.next_after
            return
        rest = self.files.rows[len(page.files) :]
        self.files.update([*page.files, *rest])
        if not rest:
            self._next = page.next_after

    def _show_menu(self, where: QPoint) -> None:
        words, look, files = self._context.words, self._context.look, self.selected()
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for wanted, icon, hint in (
            (True, "download", words("action.want")),
            (False, "close", words("action.skip")),
        ):
            action = menu.addAction(look.icon(icon), hint, partial(self.choose, files, wanted))
            action.setEnabled(any((f.state == "skipped") == wanted and f.state != "done" for f in files))
        menu.popup(where)
