"""The main window: one page at a time, drop anywhere to share, and the one way to close. Qt's thread only."""

from PySide6.QtCore import QKeyCombination, QSize, Qt, Signal
from PySide6.QtGui import (
    QCloseEvent,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDropEvent,
    QHideEvent,
    QKeySequence,
    QPaintEvent,
    QShortcut,
    QShowEvent,
)
from PySide6.QtWidgets import QMainWindow, QStackedWidget, QWidget

from desktop.context import Context
from desktop.views.shell import Shell
from desktop.widgets.drop_overlay import DropOverlay
from desktop.widgets.people_table import local_paths

_SMALLEST = QSize(900, 600)
_FIRST = QSize(1240, 780)


class Window(QMainWindow):
    """`close_wanted`: the application decides when it really closes. `seen`: on the screen, or hidden."""

    close_wanted = Signal()
    painted = Signal()
    seen = Signal(bool)

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context
        self._painted = False
        self.setWindowTitle("Barrio")
        self.setMinimumSize(_SMALLEST)
        self.resize(_FIRST)
        self.setAcceptDrops(True)
        self.stack = QStackedWidget()
        self.setCentralWidget(self.stack)
        self.overlay = DropOverlay(context, self)
        if not context.settings.geometry.isEmpty():
            self.restoreGeometry(context.settings.geometry)
        # Not every system names a standard key for it.
        quit_keys = QKeyCombination(Qt.KeyboardModifier.ControlModifier, Qt.Key.Key_Q)
        QShortcut(QKeySequence(quit_keys), self, self.close)

    @property
    def shell(self) -> Shell | None:
        page = self.stack.currentWidget()
        return page if isinstance(page, Shell) else None

    def show_page(self, page: QWidget) -> None:
        """Replaces what is shown; the former page goes away."""
        former = self.stack.currentWidget()
        self.stack.addWidget(page)
        self.stack.setCurrentWidget(page)
        if former is not None and former is not page:
            self.stack.removeWidget(former)
            former.deleteLater()

    def come_forward(self) -> None:
        if self.isMinimized():
            self.showNormal()
        self.show()
        self.raise_()
        self.activateWindow()

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if not self._painted:
            self._painted = True
            self.painted.emit()

    def closeEvent(self, event: QCloseEvent) -> None:
        event.ignore()
        self.close_wanted.emit()

    def showEvent(self, event: QShowEvent) -> None:
        super().showEvent(event)
        self.seen.emit(True)

    def hideEvent(self, event: QHideEvent) -> None:
        super().hideEvent(event)
        self.seen.emit(False)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if self.shell is not None and local_paths(event):
            event.acceptProposedAction()
            self.overlay.cover(self.shell.drop_area)

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        self.overlay.hide()

    def dropEvent(self, event: QDropEvent) -> None:
        self.overlay.hide()
        paths = local_paths(event)
        if self.shell is not None and paths:
            event.acceptProposedAction()
            self.shell.dropped(paths)
