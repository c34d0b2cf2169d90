"""A table of people onto whom files may be dropped. Qt's thread only."""

from PySide6.QtCore import QModelIndex, QPoint, Signal
from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDragMoveEvent, QDropEvent

from desktop.models.rows import ROW_ROLE
from desktop.widgets.table import Table


def local_paths(event: QDropEvent) -> list[str]:
    """The files and folders of this computer that are being dragged."""
    return [url.toLocalFile() for url in event.mimeData().urls() if url.isLocalFile()]


class PeopleTable(Table):
    """`dropped`: a row, and the paths of what was dropped onto it. Rows that are `me` take nothing."""

    dropped = Signal(object, object)

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.setAcceptDrops(True)
        self.setDropIndicatorShown(False)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if local_paths(event):
            event.acceptProposedAction()
        else:
            event.ignore()

    def dragMoveEvent(self, event: QDragMoveEvent) -> None:
        index = self._under(event.position().toPoint())
        self._hover(index.row() if index is not None else -1)
        if index is not None and local_paths(event):
            event.acceptProposedAction()
        else:
            event.ignore()

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        self._hover(-1)

    def dropEvent(self, event: QDropEvent) -> None:
        self._hover(-1)
        index, paths = self._under(event.position().toPoint()), local_paths(event)
        if index is not None and paths:
            event.acceptProposedAction()
            self.dropped.emit(index.data(ROW_ROLE), paths)
        else:
            event.ignore()

    def _under(self, point: QPoint) -> QModelIndex | None:
        index = self.indexAt(point)
        return index if index.isValid() and not index.data(ROW_ROLE).me else None
