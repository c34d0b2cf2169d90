"""The big field at the top of the search page. Qt's thread only."""

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QAction, QKeyEvent
from PySide6.QtWidgets import QLineEdit

from desktop.context import Context

_MOST_CHARACTERS = 200
_ICON_SIZE = 20


class SearchField(QLineEdit):
    """Escape empties it; the down arrow leads into the answers."""

    left_downwards = Signal()

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._look = context.look
        self.setObjectName("search")
        self.setPlaceholderText(context.words("search.placeholder"))
        self.setAccessibleName(context.words("page.search"))
        self.setMaxLength(_MOST_CHARACTERS)
        self._icon = QAction(self)
        self.addAction(self._icon, QLineEdit.ActionPosition.LeadingPosition)
        self._clear = QAction(context.words("action.clear-field"), self)
        self._clear.triggered.connect(self.clear)
        self._clear.setVisible(False)
        self.addAction(self._clear, QLineEdit.ActionPosition.TrailingPosition)
        self.textChanged.connect(self._changed)
        context.look.changed.connect(self._dress)
        self._dress()

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() == Qt.Key.Key_Down:
            self.left_downwards.emit()
            return
        if event.key() == Qt.Key.Key_Escape and self.text():
            self.clear()
            return
        super().keyPressEvent(event)

    def _changed(self, text: str) -> None:
        self._clear.setVisible(bool(text))

    def _dress(self) -> None:
        self._icon.setIcon(self._look.icon("search", "muted", size=_ICON_SIZE))
        self._clear.setIcon(self._look.icon("close", "muted", size=_ICON_SIZE))
