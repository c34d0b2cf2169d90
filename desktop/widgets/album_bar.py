"""Folders that a search found, as cards: one line of them, and all on request. Qt's thread only."""

from collections.abc import Callable

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QGridLayout, QWidget

from desktop.api import Album
from desktop.context import Context
from desktop.plain import plain
from desktop.widgets.basics import Button, ElidedLabel, Label, Picture, column, row

_LEAST_WIDTH = 236
_MOST_ROWS = 3
_SPACING = 10


class AlbumCard(Button):
    """The folder's name, how much is below it, and how many have it."""

    def __init__(self, context: Context, album: Album) -> None:
        words, name = context.words, plain(album.path.rpartition("/")[2])
        facts = words("album.facts", count=album.files, size=words.size(album.bytes), holders=album.holders)
        super().__init__(context.look, variant="album", hint=plain(album.path).replace("/", " › "))
        self.setAccessibleName(f"{name}, {facts}")
        title, below = ElidedLabel(name, "strong"), ElidedLabel(facts, "small")
        lines = column(title, below, spacing=1)
        inside = row(Picture(context.look, "folder", 22, colour="accent"), spacing=10, margins=(12, 6, 12, 6))
        inside.addLayout(lines, 1)
        self.setLayout(inside)
        for widget in self.findChildren(QWidget):
            widget.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)


class AlbumBar(QWidget):
    """`chosen` carries an Album. Hidden while there is none."""

    chosen = Signal(object)

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context
        self.cards: list[AlbumCard] = []
        self._opened = False
        self._columns = 0
        self._grid = QGridLayout()
        self._grid.setSpacing(_SPACING)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self.more = Button(context.look, variant="quiet")
        self.more.clicked.connect(self._turn)
        top = row(Label(context.words("album.title"), "small"), None, self.more)
        self._top = QWidget()
        self._top.setLayout(top)
        layout = column(self._top, spacing=4)
        layout.addLayout(self._grid)
        self.setLayout(layout)
        self.hide()

    def show_albums(self, albums: tuple[Album, ...]) -> None:
        for card in self.cards:
            self._grid.removeWidget(card)
            card.deleteLater()
        self.cards = [AlbumCard(self._context, album) for album in albums]
        for card, album in zip(self.cards, albums, strict=True):
            card.clicked.connect(self._choosing(album))
        self._opened, self._columns = False, 0
        self.setVisible(bool(albums))
        self._arrange()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._arrange()

    def _choosing(self, album: Album) -> Callable[[], None]:
        return lambda: self.chosen.emit(album)

    def _turn(self) -> None:
        self._opened = not self._opened
        self._columns = 0
        self._arrange()

    def _arrange(self) -> None:
        columns = max(1, (self.width() + _SPACING) // (_LEAST_WIDTH + _SPACING))
        if columns == self._columns or not self.cards:
            return
        for former in range(self._grid.columnCount()):
            self._grid.setColumnStretch(former, 0)
        self._columns = columns
        shown = columns * (_MOST_ROWS if self._opened else 1)
        for number, card in enumerate(self.cards):
            self._grid.addWidget(card, number // columns, number % columns)
            card.setVisible(number < shown)
        for each in range(columns):
            self._grid.setColumnStretch(each, 1)
        words, left_out = self._context.words, len(self.cards) - columns
        self.more.setText(words("action.show-less") if self._opened else words("notices.more", count=left_out))
        self.more.setVisible(left_out > 0)
