"""A link for others to come in, made by the central that runs on this computer. Qt's thread only."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QComboBox, QDialog, QGridLayout, QLineEdit, QWidget

from desktop.context import Context
from desktop.widgets.basics import Button, Label, Picture, column, row
from desktop.widgets.states import Banner

_WIDTH = 520
DEFAULT_USES = 10
_USES = (1, 5, 10, 25, 100)


class InviteDialog(QDialog):
    """`wanted`: host, uses. The application answers with `show_link` or `refuse`."""

    wanted = Signal(str, int)

    def __init__(self, context: Context, parent: QWidget, host: str) -> None:
        super().__init__(parent)
        self._context = context
        words, look = context.words, context.look
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setWindowTitle(words("invite.title"))
        self.setMinimumWidth(_WIDTH)
        self.link = QLineEdit()
        self.link.setReadOnly(True)
        self.link.setAccessibleName(words("invite.link"))
        self.link.setPlaceholderText(words("invite.making"))
        self.copy = Button(look, words("action.copy"), "copy", "primary")
        self.host = QLineEdit(host)
        self.host.setAccessibleName(words("invite.host"))
        self.uses = QComboBox()
        for number in _USES:
            self.uses.addItem(words.number(number), number)
        self.uses.setCurrentIndex(self.uses.findData(DEFAULT_USES))
        self.uses.setAccessibleName(words("invite.uses"))
        self.banner = Banner(context, "danger")
        again = Button(look, words("invite.new"), "refresh")
        close = Button(look, words("action.done"))
        grid = QGridLayout()
        grid.setHorizontalSpacing(14)
        grid.setVerticalSpacing(10)
        grid.setColumnStretch(1, 1)
        for position, (key, field) in enumerate((("invite.host", self.host), ("invite.uses", self.uses))):
            grid.addWidget(Label(words(key), "muted"), position, 0)
            grid.addWidget(field, position, 1)
        head = row(Picture(look, "link", 24, colour="accent"), Label(words("invite.title"), "title"), None, spacing=12)
        layout = column(spacing=14, margins=(26, 24, 26, 22))
        layout.addLayout(head)
        layout.addWidget(Label(words("invite.text"), "muted", wrap=True))
        layout.addLayout(row(self.link, self.copy))
        layout.addLayout(grid)
        layout.addWidget(Label(words("invite.host.hint"), "small", wrap=True))
        layout.addWidget(self.banner)
        layout.addSpacing(4)
        layout.addLayout(row(again, None, close))
        self.setLayout(layout)
        self.copy.clicked.connect(lambda: self._copy())
        again.clicked.connect(lambda: self.ask())
        self.host.returnPressed.connect(self.ask)
        close.clicked.connect(self.accept)

    def ask(self) -> None:
        """Asks for a link as the fields say."""
        self.banner.say("")
        self.copy.setEnabled(False)
        self.copy.setText(self._context.words("action.copy"))
        self.link.clear()
        self.wanted.emit(self.host.text().strip(), int(self.uses.currentData()))

    def show_link(self, link: str) -> None:
        self.link.setText(link)
        self.link.setCursorPosition(0)
        self.copy.setEnabled(True)
        self.copy.setFocus()

    def refuse(self, title: str, detail: str) -> None:
        self.banner.say(title, detail)

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self.link.text())
        self.copy.setText(self._context.words("action.copied"))
