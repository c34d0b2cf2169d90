"""How a cell is drawn: text, name with icon, holders, progress, buttons. Qt's thread only."""

from collections.abc import Callable, Sequence
from typing import Any

from PySide6.QtCore import QEvent, QModelIndex, QObject, QPersistentModelIndex, QRect, QRectF, Qt, Signal
from PySide6.QtGui import QFont, QFontMetrics, QHelpEvent, QMouseEvent, QPainter
from PySide6.QtWidgets import QAbstractItemView, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QToolTip, QWidget

from desktop.look import Look
from desktop.models.rows import ROW_ROLE
from desktop.theme import font
from desktop.widgets.table import Table

PAD = 12
Index = QModelIndex | QPersistentModelIndex
LEFT = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
RIGHT = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter


class Cell(QStyledItemDelegate):
    """The ground of every cell, and its text in one colour. `colour` names a colour of the theme."""

    def __init__(self, look: Look, parent: QObject, colour: str = "muted") -> None:
        super().__init__(parent)
        self.look = look
        self.colour = colour
        self.font = font(13)
        self.strong = font(13, QFont.Weight.Medium)
        self.small = font(12)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        painter.save()
        self._ground(painter, option, index)
        self.draw(painter, self.inside(option), index)
        painter.restore()

    def draw(self, painter: QPainter, area: QRect, index: Index) -> None:
        right = int(index.data(Qt.ItemDataRole.TextAlignmentRole)) & int(Qt.AlignmentFlag.AlignRight)
        self.text(painter, area, str(index.data()), self.colour, self.font, RIGHT if right else LEFT)

    @staticmethod
    def inside(option: QStyleOptionViewItem) -> QRect:
        area: QRect = option.rect
        return area.adjusted(PAD, 0, -PAD, 0)

    def text(
        self,
        painter: QPainter,
        area: QRect,
        text: str,
        colour: str,
        face: QFont,
        align: Qt.AlignmentFlag = LEFT,
        elide: Qt.TextElideMode = Qt.TextElideMode.ElideRight,
    ) -> None:
        painter.setFont(face)
        painter.setPen(self.look.colour(colour))
        painter.drawText(area, int(align), QFontMetrics(face).elidedText(text, elide, area.width()))

    def icon(self, painter: QPainter, area: QRect, name: str, colour: str, size: int = 18) -> None:
        """At the left edge, in the middle of the height."""
        ratio = painter.device().devicePixelRatioF()
        pixmap = self.look.pixmap(name, colour, size, ratio)
        painter.drawPixmap(area.left(), area.top() + (area.height() - size) // 2, pixmap)

    def bar(self, painter: QPainter, area: QRect, fraction: float, colour: str) -> None:
        """A rounded bar, six pixels high."""
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        track = QRectF(area.left(), area.top(), area.width(), 6)
        painter.setBrush(self.look.colour("track"))
        painter.drawRoundedRect(track, 3, 3)
        if fraction > 0:
            track.setWidth(max(6.0, track.width() * min(1.0, fraction)))
            painter.setBrush(self.look.colour(colour))
            painter.drawRoundedRect(track, 3, 3)

    def _ground(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        area: QRect = option.rect
        state: QStyle.StateFlag = option.state
        table = self.parent()
        assert isinstance(table, Table)
        if state & QStyle.StateFlag.State_Selected:
            painter.fillRect(area, self.look.colour("selected"))
        elif index.row() == table.hovered:
            painter.fillRect(area, self.look.colour("hover"))
        painter.fillRect(area.left(), area.bottom(), area.width(), 1, self.look.colour("border"))
        current = table.currentIndex()
        if table.hasFocus() and current.row() == index.row() and index.column() == 0:
            painter.fillRect(area.left(), area.top(), 3, area.height(), self.look.colour("accent"))


class NameCell(Cell):
    """An icon and a name; where `second` says something, a smaller line below."""

    def __init__(
        self,
        look: Look,
        parent: QObject,
        icon: Callable[[Any], tuple[str, str]],
        second: Callable[[Any], tuple[str, str]] | None = None,
    ) -> None:
        super().__init__(look, parent)
        self._icon = icon
        self._second = second

    def draw(self, painter: QPainter, area: QRect, index: Index) -> None:
        row = index.data(ROW_ROLE)
        name, colour = self._icon(row)
        size = 18 if self._second is None else 22
        self.icon(painter, area, name, colour, size)
        area = area.adjusted(size + 10, 0, 0, 0)
        middle = Qt.TextElideMode.ElideMiddle
        if self._second is None:
            self.text(painter, area, str(index.data()), "text", self.strong, LEFT, middle)
            return
        second, tone = self._second(row)
        if not second:
            self.text(painter, area, str(index.data()), "text", self.strong, LEFT, middle)
            return
        upper = QRect(area.left(), area.center().y() - 19, area.width(), 19)
        self.text(painter, upper, str(index.data()), "text", self.strong, LEFT, middle)
        self.text(painter, upper.translated(0, 20), second, tone, self.small, LEFT, middle)


class IconTextCell(Cell):
    """A small icon before the text, both in a colour that depends on the row. No icon: the text alone."""

    def __init__(
        self, look: Look, parent: QObject, icon: Callable[[Any], tuple[str, str]], right: bool = False
    ) -> None:
        super().__init__(look, parent)
        self._icon = icon
        self._right = right

    def draw(self, painter: QPainter, area: QRect, index: Index) -> None:
        name, colour = self._icon(index.data(ROW_ROLE))
        text = str(index.data())
        if not text:
            return
        if self._right:
            width = QFontMetrics(self.font).horizontalAdvance(text) + 22
            area = area.adjusted(max(0, area.width() - width), 0, 0, 0)
        if name:
            self.icon(painter, area, name, colour, 16)
            area = area.adjusted(22, 0, 0, 0)
        self.text(painter, area, text, colour, self.font)


class ProgressCell(Cell):
    """A bar with its numbers below; None instead of a fraction leaves the bar out. `of` gives (fraction, colour)."""

    def __init__(self, look: Look, parent: QObject, of: Callable[[Any], tuple[float | None, str]]) -> None:
        super().__init__(look, parent)
        self._of = of

    def draw(self, painter: QPainter, area: QRect, index: Index) -> None:
        fraction, colour = self._of(index.data(ROW_ROLE))
        if fraction is None:
            self.text(painter, area, str(index.data()), colour, self.font)
            return
        middle = area.center().y()
        self.bar(painter, QRect(area.left(), middle - 12, area.width(), 6), fraction, colour)
        below = QRect(area.left(), middle - 1, area.width(), 19)
        self.text(painter, below, str(index.data()), "muted", self.small)


class MiniProgressCell(IconTextCell):
    """The state of a search result: a short bar while it is being fetched, else icon and text."""

    def __init__(
        self,
        look: Look,
        parent: QObject,
        icon: Callable[[Any], tuple[str, str]],
        fraction: Callable[[Any], float | None],
    ) -> None:
        super().__init__(look, parent, icon)
        self._fraction = fraction

    def draw(self, painter: QPainter, area: QRect, index: Index) -> None:
        fraction = self._fraction(index.data(ROW_ROLE))
        if fraction is None:
            super().draw(painter, area, index)
            return
        bar = QRect(area.left(), area.center().y() - 2, area.width() - 48, 6)
        self.bar(painter, bar, fraction, "accent")
        self.text(painter, area, str(index.data()), "accent", self.small, RIGHT)


class ActionsCell(Cell):
    """Buttons inside a row, at its right edge: `actions(row)` lists (name, icon, hint); `clicked` says which."""

    clicked = Signal(object, str)
    SIZE = 32

    def __init__(
        self, look: Look, parent: QObject, actions: Callable[[Any], Sequence[tuple[str, str, str]]], always: bool = True
    ) -> None:
        super().__init__(look, parent)
        self._actions = actions
        self._always = always

    def draw(self, painter: QPainter, area: QRect, index: Index) -> None:
        table = self.parent()
        assert isinstance(table, Table)
        if not self._always and index.row() != table.hovered and index.row() != table.currentIndex().row():
            return
        pointer = table.viewport().mapFromGlobal(table.cursor().pos())
        for box, (_, icon, _) in self._boxes(area, index.data(ROW_ROLE)):
            if index.row() == table.hovered and box.contains(pointer):
                painter.setRenderHint(QPainter.RenderHint.Antialiasing)
                painter.setPen(Qt.PenStyle.NoPen)
                painter.setBrush(self.look.colour("track"))
                painter.drawRoundedRect(QRectF(box), 8, 8)
            self.icon(painter, box.adjusted(7, 0, 0, 0), icon, "text" if index.row() == table.hovered else "muted")

    def editorEvent(self, event: QEvent, model: Any, option: QStyleOptionViewItem, index: Index) -> bool:
        if event.type() == QEvent.Type.MouseMove:
            widget: QWidget = option.widget
            widget.update()
        if event.type() == QEvent.Type.MouseButtonRelease and isinstance(event, QMouseEvent):
            action = self._at(self.inside(option), event, index)
            if action is not None:
                self.clicked.emit(index.data(ROW_ROLE), action[0])
                return True
        return False

    def helpEvent(self, event: QHelpEvent, view: QAbstractItemView, option: QStyleOptionViewItem, index: Index) -> bool:
        for box, (_, _, hint) in self._boxes(self.inside(option), index.data(ROW_ROLE)):
            if box.contains(event.pos()):
                QToolTip.showText(event.globalPos(), hint, view)
                return True
        return super().helpEvent(event, view, option, index)

    def _at(self, area: QRect, event: QMouseEvent, index: Index) -> tuple[str, str, str] | None:
        point = event.position().toPoint()
        return next((a for box, a in self._boxes(area, index.data(ROW_ROLE)) if box.contains(point)), None)

    def _boxes(self, area: QRect, row: Any) -> list[tuple[QRect, tuple[str, str, str]]]:
        actions = self._actions(row)
        left = area.right() + PAD // 2 - self.SIZE * len(actions)
        top = area.top() + (area.height() - self.SIZE) // 2
        return [(QRect(left + i * self.SIZE, top, self.SIZE, self.SIZE), action) for i, action in enumerate(actions)]
