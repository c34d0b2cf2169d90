"""Questions about sending: what to send to whom, and what to accept always. Qt's thread only."""

from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction, QDragEnterEvent, QDropEvent, QKeySequence
from PySide6.QtWidgets import QComboBox, QDialog, QFileDialog, QLineEdit, QListWidget, QMenu, QWidget

from desktop.api import Member
from desktop.context import Context
from desktop.models.people import member_name
from desktop.plain import as_label, plain
from desktop.widgets.basics import Button, Label, column, row
from desktop.widgets.dialogs import choose_folder
from desktop.widgets.people_table import local_paths

_WIDTH = 520
_MOST_MESSAGE = 1000
_SIZES = (100_000_000, 1_000_000_000, 10_000_000_000)
_USUAL = 1


class SendDialog(QDialog):
    """Files and folders for a member, and for those of `others` that are chosen too. `wanted`: the members, the paths,
    and a message."""

    wanted = Signal(object, object, str)

    def __init__(
        self,
        context: Context,
        parent: QWidget,
        member: Member,
        paths: Sequence[str] = (),
        others: Sequence[Member] = (),
    ) -> None:
        super().__init__(parent)
        self._context = context
        self.members = [member]
        words, look = context.words, context.look
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setAcceptDrops(True)
        self.paths: list[str] = []
        self.setMinimumWidth(_WIDTH)
        self.title = Label("", "title", wrap=True)
        self.also = Button(look, words("send.also"), "people")
        self.also.setVisible(bool(others))
        self._menu = QMenu(self)
        for other in others:
            choice = self._menu.addAction(as_label(member_name(other)))
            choice.setCheckable(True)
            choice.toggled.connect(lambda on, whom=other: self._also_to(whom, on))
        self.also.setMenu(self._menu)
        self.list = QListWidget()
        self.list.setAccessibleName(words("send.what"))
        self.list.setMinimumHeight(120)
        self.message = QLineEdit()
        self.message.setMaxLength(_MOST_MESSAGE)
        self.message.setPlaceholderText(words("send.message"))
        self.message.setAccessibleName(words("send.message"))
        files = Button(look, words("send.add-files"), "document")
        folder = Button(look, words("send.add-folder"), "folder-add")
        cancel = Button(look, words("action.back"))
        self.send = Button(look, words("send.send"), "offers", "primary")
        layout = column(spacing=14, margins=(26, 24, 26, 22))
        layout.addWidget(self.title)
        layout.addWidget(Label(words("send.text"), "muted", wrap=True))
        layout.addWidget(self.list, 1)
        layout.addLayout(row(files, folder, None, self.also))
        layout.addWidget(self.message)
        layout.addLayout(row(None, cancel, self.send))
        self.setLayout(layout)
        files.clicked.connect(lambda: self._choose_files())
        folder.clicked.connect(lambda: choose_folder(self, words("send.add-folder"), str(Path.home()), self._add_one))
        cancel.clicked.connect(self.reject)
        self.send.clicked.connect(lambda: self._send())
        self.send.setDefault(True)
        remove = QAction(self)
        remove.setShortcut(QKeySequence(QKeySequence.StandardKey.Delete))
        remove.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
        remove.triggered.connect(self._remove_chosen)
        self.list.addAction(remove)
        self._say_whom()
        self.add(paths)

    def add(self, paths: Sequence[str]) -> None:
        """More to send; nothing twice."""
        for path in paths:
            if path not in self.paths:
                self.paths.append(path)
                self.list.addItem(plain(path))
        self.send.setEnabled(bool(self.paths))

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if local_paths(event):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        event.acceptProposedAction()
        self.add(local_paths(event))

    def _add_one(self, path: str) -> None:
        self.add([path])

    def _remove_chosen(self) -> None:
        for item in self.list.selectedItems():
            position = self.list.row(item)
            self.list.takeItem(position)
            del self.paths[position]
        self.send.setEnabled(bool(self.paths))

    def _also_to(self, member: Member, on: bool) -> None:
        self.members = [m for m in self.members if m.peer_id != member.peer_id] + ([member] if on else [])
        self._say_whom()

    def _say_whom(self) -> None:
        title = self._context.words("send.title", name=", ".join(map(member_name, self.members)))
        self.title.setText(title)
        self.setWindowTitle(title)

    def _choose_files(self) -> None:
        dialog = QFileDialog(self, self._context.words("send.add-files"), str(Path.home()))
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setFileMode(QFileDialog.FileMode.ExistingFiles)
        dialog.filesSelected.connect(self.add)
        dialog.open()

    def _send(self) -> None:
        self.wanted.emit(list(self.members), list(self.paths), self.message.text().strip())
        self.accept()


class AlwaysDialog(QDialog):
    """Up to which size, and into which folder, somebody's offers are accepted. `wanted`: folder, or "" where downloads
    land, and bytes, or None for any size."""

    wanted = Signal(str, object)

    def __init__(self, context: Context, parent: QWidget, name: str) -> None:
        super().__init__(parent)
        words, look = context.words, context.look
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        title = words("always.title", name=name)
        self.setWindowTitle(title)
        self.setMinimumWidth(_WIDTH)
        self.folder = ""
        self.most = QComboBox()
        for size in _SIZES:
            self.most.addItem(words("always.up-to", size=words.size(size)), size)
        self.most.addItem(words("search.size.any"), None)
        self.most.setCurrentIndex(_USUAL)
        self.most.setAccessibleName(words("search.size"))
        self._where = Label(words("always.downloads"), "muted", wrap=True)
        choose = Button(look, words("action.choose"), "folder")
        cancel = Button(look, words("action.back"))
        self.accept_always = Button(look, words("always.accept"), "check", "primary")
        layout = column(spacing=14, margins=(26, 24, 26, 22))
        layout.addWidget(Label(title, "title", wrap=True))
        layout.addWidget(Label(words("always.text"), "muted", wrap=True))
        layout.addWidget(self.most)
        where = row(self._where, choose)
        where.setStretch(0, 1)
        layout.addLayout(where)
        layout.addLayout(row(None, cancel, self.accept_always))
        self.setLayout(layout)
        choose.clicked.connect(lambda: choose_folder(self, words("action.choose"), "", self._chosen))
        cancel.clicked.connect(self.reject)
        self.accept_always.clicked.connect(lambda: self._accept())

    def _chosen(self, folder: str) -> None:
        self.folder = folder
        self._where.setText(plain(folder))

    def _accept(self) -> None:
        self.wanted.emit(self.folder, self.most.currentData())
        self.accept()
