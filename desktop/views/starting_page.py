"""What the window shows before its peer is there, and when it could not be started. Qt's thread only."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QProgressBar, QWidget

from desktop.context import Context
from desktop.plain import plain
from desktop.widgets.basics import Button, Label, Picture, centred, column


class StartingPage(QWidget):
    again = Signal()
    quit_wanted = Signal()
    other_wanted = Signal()

    def __init__(self, context: Context, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("page")
        words, look = context.words, context.look
        self._words = words
        self.title = Label("", "heading", wrap=True)
        self.text = Label("", "muted", wrap=True, selectable=True)
        for label in (self.title, self.text):
            label.setAlignment(Qt.AlignmentFlag.AlignHCenter)
            label.setFixedWidth(480)
        self._bar = QProgressBar()
        self._bar.setRange(0, 0)
        self._bar.setTextVisible(False)
        self._bar.setFixedWidth(220)
        self.other = Button(look, words("starting.other"), "", "primary")
        self._again = Button(look, words("action.retry"), "refresh", "primary")
        self._quit = Button(look, words("action.quit"))
        layout = column(None, spacing=10)
        layout.addLayout(centred(Picture(look, "logo", 64)))
        layout.addSpacing(10)
        for widget in (self.title, self.text, self._bar):
            layout.addLayout(centred(widget))
        layout.addLayout(centred(self.other, self._again, self._quit))
        layout.addStretch(1)
        self.setLayout(layout)
        self.other.clicked.connect(lambda: self.other_wanted.emit())
        self._again.clicked.connect(lambda: self.again.emit())
        self._quit.clicked.connect(lambda: self.quit_wanted.emit())
        self.wait()

    def wait(self, text: str = "") -> None:
        self.title.setText(text or self._words("starting.title"))
        self._show(waiting=True)

    def refuse(self, title: str, detail: str, other: bool = False) -> None:
        """`other`: a peer that runs can be shown instead."""
        self.title.setText(plain(title))
        self.text.setText(plain(f"{detail} {self._words('starting.other.text')}" if other else detail))
        self._show(waiting=False)
        self.other.setVisible(other)

    def _show(self, waiting: bool) -> None:
        self._bar.setVisible(waiting)
        self.text.setVisible(not waiting)
        self.other.hide()
        self._again.setVisible(not waiting)
        self._quit.setVisible(not waiting)
