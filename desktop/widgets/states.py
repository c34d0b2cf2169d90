"""What a page shows when it has nothing to show, and short messages: empty states, banners, toasts. Qt's thread."""

from collections.abc import Callable
from functools import partial

from PySide6.QtCore import QEvent, QObject, Qt, QTimer, Signal
from PySide6.QtWidgets import QWidget

from desktop.api import Problem
from desktop.context import Context
from desktop.plain import as_label, plain
from desktop.widgets.basics import Button, Frame, Label, Picture, centred, clear, column, row

TOAST_SECONDS = 5.0
_TOAST_MARGIN = 48
_FOR_SETTINGS = ("key-in-file",)


class EmptyState(QWidget):
    """A drawing, a sentence, a hint, and perhaps one thing to do."""

    def __init__(self, context: Context, drawing: str, title: str, text: str, button: Button | None = None) -> None:
        super().__init__()
        self._title = Label(title, "heading", wrap=True)
        self._text = Label(text, "muted", wrap=True)
        for label in (self._title, self._text):
            label.setAlignment(Qt.AlignmentFlag.AlignHCenter)
            label.setFixedWidth(460)
        layout = column(None, spacing=0)
        layout.addLayout(centred(Picture(context.look, drawing, 240, 150)))
        layout.addSpacing(20)
        layout.addLayout(centred(self._title))
        layout.addSpacing(6)
        layout.addLayout(centred(self._text))
        if button is not None:
            layout.addSpacing(18)
            layout.addLayout(centred(button))
        layout.addStretch(1)
        layout.addSpacing(24)
        self.setLayout(layout)

    def say(self, title: str, text: str) -> None:
        self._title.setText(plain(title))
        self._text.setText(plain(text))


class Banner(Frame):
    """A message above a page. `tone`: warning, danger or plain. `closed`: the person has read it."""

    closed = Signal()
    more_wanted = Signal()

    def __init__(self, context: Context, tone: str = "warning", closable: bool = False) -> None:
        super().__init__("banner")
        self.setProperty("tone", tone)
        icon, colour = {"danger": ("alert", "danger"), "plain": ("info", "accent")}.get(tone, ("alert", "warning"))
        self._title = Label("", "strong", wrap=True)
        self._text = Label("", "muted", wrap=True, selectable=True)
        words = column(self._title, self._text, spacing=2)
        layout = row(spacing=12, margins=(14, 10, 10, 10))
        layout.addWidget(Picture(context.look, icon, 20, colour=colour), alignment=Qt.AlignmentFlag.AlignTop)
        layout.addLayout(words, 1)
        self.more = Button(context.look, variant="quiet")
        self.more.clicked.connect(lambda: self.more_wanted.emit())
        self.more.hide()
        layout.addWidget(self.more, alignment=Qt.AlignmentFlag.AlignTop)
        if closable:
            close = Button(context.look, "", "close", "icon", context.words("action.close"))
            close.clicked.connect(lambda: self.closed.emit())
            layout.addWidget(close, alignment=Qt.AlignmentFlag.AlignTop)
        self.setLayout(layout)
        self.hide()

    def say(self, title: str, text: str = "") -> None:
        """Nothing to say hides it."""
        self._title.setText(plain(title))
        self._text.setText(plain(text))
        self._text.setVisible(bool(text))
        self.setVisible(bool(title))

    @property
    def title(self) -> str:
        return self._title.text()

    def offer(self, text: str) -> None:
        """A button that leads to more; no text takes it away."""
        self.more.setText(text)
        self.more.setVisible(bool(text))


class Notices(QWidget):
    """The peer's notices: the first, which opens into all. What was closed stays closed until it comes anew. A key in a
    file is for the settings page to tell. `changed`: look again."""

    changed = Signal()

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context
        self.banners: list[Banner] = []
        self._shown: tuple[Problem, ...] = ()
        self._opened = False
        self._layout = column(spacing=8)
        self.setLayout(self._layout)
        self.hide()

    def show_all(self, notices: tuple[Problem, ...]) -> None:
        settings = self._context.settings
        read = settings.read_notices
        unread = tuple(n for n in notices if n.title not in read and n.code not in _FOR_SETTINGS)
        if notices and not read <= {n.title for n in notices}:
            settings.read_notices = read & {n.title for n in notices}
        if unread == self._shown:
            return
        self._shown = unread
        clear(self._layout)
        self.banners = [Banner(self._context, closable=True) for _ in unread]
        for notice, banner in zip(unread, self.banners, strict=True):
            banner.closed.connect(partial(self._close, notice, notices))
            banner.more_wanted.connect(self._turn)
            self._layout.addWidget(banner)
            banner.say(*self._said(notice))
        self._fold()
        self.setVisible(bool(unread))
        self.changed.emit()

    def _said(self, notice: Problem) -> tuple[str, str]:
        words = self._context.words
        title, detail = words.problem(notice.code, notice.title, notice.detail)
        known = f"notice.{notice.code}"
        return words(known) if words.has(known) else title, detail

    def _turn(self) -> None:
        self._opened = not self._opened
        self._fold()

    def _fold(self) -> None:
        words, others = self._context.words, len(self.banners) - 1
        for number, banner in enumerate(self.banners):
            banner.setVisible(number == 0 or self._opened)
            if number == 0 and others > 0:
                banner.offer(words("action.show-less") if self._opened else words("notices.more", count=others))

    def _close(self, notice: Problem, notices: tuple[Problem, ...]) -> None:
        self._context.settings.read_notices |= {notice.title}
        self.show_all(notices)


class Toast(Frame):
    """One sentence at the bottom of `parent` for a few seconds, perhaps with something to do."""

    def __init__(self, context: Context, parent: QWidget) -> None:
        super().__init__("toast")
        self.setParent(parent)
        self._ground = parent
        self._text = Label("")
        self._button = Button(context.look)
        self._action: Callable[[], None] | None = None
        self._button.clicked.connect(self._act)
        self.setLayout(row(self._text, self._button, spacing=10, margins=(16, 8, 10, 8)))
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self.hide)
        parent.installEventFilter(self)
        self.hide()

    def say(self, text: str, label: str = "", action: Callable[[], None] | None = None) -> None:
        self._text.setText(plain(text))
        self._action = action
        self._button.setText(as_label(label))
        self._button.setVisible(action is not None)
        self._place()
        self.show()
        self.raise_()
        self._timer.start(round(TOAST_SECONDS * 1000))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Resize and self.isVisible():
            self._place()
        return super().eventFilter(watched, event)

    def _act(self) -> None:
        self.hide()
        if self._action is not None:
            self._action()

    def _place(self) -> None:
        """As wide as its sentence where there is room for it, else over several lines."""
        ground = self._ground
        room = ground.width() - 2 * _TOAST_MARGIN
        self._text.setWordWrap(self._text.fontMetrics().horizontalAdvance(self._text.text()) > room - 160)
        self.setMinimumWidth(room if self._text.wordWrap() else 0)
        self.setMaximumWidth(room)
        self.adjustSize()
        self.move((ground.width() - self.width()) // 2, ground.height() - self.height() - _TOAST_MARGIN)
