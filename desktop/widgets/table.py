"""A table whose rows are one thing each: the whole row lights up, Enter and double click act. Qt's thread only."""

from typing import Any

from PySide6.QtCore import QEvent, QModelIndex, QPoint, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTableView

from desktop.models.rows import ROW_ROLE, RowModel
from desktop.theme import ROW_HEIGHT

LEAST_STRETCH = 220


class Table(QTableView):
    """`chosen` carries the row that Enter or a double click means; `menu_wanted` a point on the screen."""

    chosen = Signal(object)
    menu_wanted = Signal(QPoint)
    selection_changed = Signal()
    near_end = Signal()

    def __init__(self, name: str, row_height: int = ROW_HEIGHT) -> None:
        super().__init__()
        self.setAccessibleName(name)
        self.hovered = -1
        self._yields: tuple[int, ...] = ()
        self._widths: dict[int, int] = {}
        self._least = LEAST_STRETCH
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        self.setMouseTracking(True)
        self.setCornerButtonEnabled(False)
        self.verticalHeader().hide()
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.verticalHeader().setDefaultSectionSize(row_height)
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setSortIndicatorClearable(True)
        header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        header.setMinimumSectionSize(48)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(self._wants_menu)
        self.doubleClicked.connect(lambda index: self.chosen.emit(index.data(ROW_ROLE)))
        self.verticalScrollBar().valueChanged.connect(self._scrolled)

    def show_model(
        self,
        model: RowModel[Any],
        stretch: str,
        widths: dict[str, int],
        yields: tuple[str, ...] = (),
        least: int = LEAST_STRETCH,
    ) -> None:
        """`stretch`: the column that takes the room that is left; `widths` of the others, in pixels; those in `yields`
        hide, the first ones first, where less than `least` pixels would be left."""
        self.setModel(model)
        header = self.horizontalHeader()
        for position, column in enumerate(model.columns):
            if column.key == stretch:
                header.setSectionResizeMode(position, QHeaderView.ResizeMode.Stretch)
            else:
                header.setSectionResizeMode(position, QHeaderView.ResizeMode.Interactive)
                self.setColumnWidth(position, widths[column.key])
        place = {column.key: position for position, column in enumerate(model.columns)}
        self._yields = tuple(place[key] for key in yields)
        self._widths = {place[key]: width for key, width in widths.items()}
        self._least = least
        self.selectionModel().selectionChanged.connect(lambda *_: self.selection_changed.emit())

    def resizeEvent(self, event: QResizeEvent) -> None:
        hidden = 0
        while hidden < len(self._yields) and self._left_without(hidden) < self._least:
            hidden += 1
        for number, position in enumerate(self._yields):
            self.setColumnHidden(position, number < hidden)
        super().resizeEvent(event)

    def _left_without(self, hidden: int) -> int:
        gone = self._yields[:hidden]
        taken = sum(width for position, width in self._widths.items() if position not in gone)
        return self.viewport().width() - taken

    def selected(self) -> list[Any]:
        """The rows selected, from top to bottom."""
        chosen = sorted(self.selectionModel().selectedRows(), key=lambda index: index.row())
        return [index.data(ROW_ROLE) for index in chosen]

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.selectionModel().hasSelection():
            for row in self.selected():
                self.chosen.emit(row)
            return
        super().keyPressEvent(event)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:
        super().mouseMoveEvent(event)
        self._hover(self.rowAt(event.position().toPoint().y()))

    def viewportEvent(self, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Leave:
            self._hover(-1)
        return super().viewportEvent(event)

    def _hover(self, position: int) -> None:
        if position != self.hovered:
            self.hovered = position
            self.viewport().update()

    def _wants_menu(self, point: QPoint) -> None:
        index: QModelIndex = self.indexAt(point)
        if index.isValid():
            self.menu_wanted.emit(self.viewport().mapToGlobal(point))

    def look_at_end(self) -> None:
        """Tells `near_end` when the last rows are in sight, or nearly."""
        self.updateGeometries()
        self._tell_if_near_end(self.verticalScrollBar().value())

    def _scrolled(self, value: int) -> None:
        if self.verticalScrollBar().maximum() > 0:
            self._tell_if_near_end(value)

    def _tell_if_near_end(self, value: int) -> None:
        bar = self.verticalScrollBar()
        if value >= bar.maximum() - 2 * bar.pageStep():
            self.near_end.emit()
