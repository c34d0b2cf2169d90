"""Labels, buttons and frames in the house's look. Qt's thread only."""

from collections.abc import Callable

from PySide6.QtCore import QEvent, QSize, Qt
from PySide6.QtGui import QFontMetrics, QPainter, QPaintEvent, QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QVBoxLayout, QWidget

from desktop.look import Look
from desktop.plain import as_tooltip, plain


class Label(QLabel):
    """Plain text only: what peers say is never taken for markup. `role` chooses the type of the style sheet."""

    def __init__(self, text: str = "", role: str = "body", wrap: bool = False, selectable: bool = False) -> None:
        super().__init__()
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setProperty("role", role)
        self.setWordWrap(wrap)
        if selectable:
            self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setText(text)

    def set_role(self, role: str) -> None:
        self.setProperty("role", role)
        self.style().unpolish(self)
        self.style().polish(self)


class ElidedLabel(Label):
    """One line that gives way: cut in the middle, whole in its tooltip."""

    def __init__(self, text: str = "", role: str = "body") -> None:
        super().__init__("", role)
        self._whole = ""
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.say(text)

    def say(self, text: str) -> None:
        self._whole = plain(text)
        self.setToolTip(as_tooltip(self._whole))
        self.setAccessibleName(self._whole)
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() == QEvent.Type.FontChange:
            self._fit()

    def _fit(self) -> None:
        metrics = QFontMetrics(self.font())
        self.setText(metrics.elidedText(self._whole, Qt.TextElideMode.ElideMiddle, max(self.width(), 20)))


class Button(QPushButton):
    """`variant`: plain, primary, danger, quiet, icon, chip, album, nav or status; its icon follows the theme."""

    def __init__(self, look: Look, text: str = "", icon: str = "", variant: str = "plain", hint: str = "") -> None:
        super().__init__()
        self._look = look
        self._icon_name = icon
        self._tint = ""
        self.setText(text)
        self.variant = variant
        self.setProperty("variant", variant)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setIconSize(QSize(18, 18) if variant != "status" else QSize(15, 15))
        self.setCheckable(variant in ("chip", "nav"))
        if variant == "icon":
            self.setAccessibleName(hint)
        self.setToolTip(as_tooltip(hint))
        self.toggled.connect(self._dress)
        look.changed.connect(self._dress)
        self._dress()

    def setText(self, text: str) -> None:
        # Style sheets cannot widen the gap between icon and text.
        super().setText(f" {text}" if self._icon_name and text else text)

    def set_icon(self, name: str) -> None:
        if name != self._icon_name:
            self._icon_name = name
            self._dress()

    def tint(self, colour: str) -> None:
        """The icon in another colour of the theme; "" for its own."""
        if colour != self._tint:
            self._tint = colour
            self._dress()

    def _dress(self) -> None:
        if not self._icon_name:
            return
        colour = {"primary": "on_accent", "danger": "surface", "status": "muted"}.get(self.variant, "text")
        if self.variant in ("chip", "nav"):
            colour = "accent" if self.isChecked() else "muted"
        colour = self._tint or colour
        self.setIcon(
            self._look.icon(self._icon_name, colour, "muted" if self.variant == "primary" else "strong_border")
        )


class Picture(QWidget):
    """An icon or an illustration in the theme's colours, crisp on any screen."""

    def __init__(self, look: Look, name: str, width: int, height: int | None = None, colour: str = "") -> None:
        super().__init__()
        self._look, self._name, self._colour = look, name, colour
        self.setFixedSize(width, height or width)
        look.changed.connect(self.update)

    def show_icon(self, name: str, colour: str) -> None:
        self._name, self._colour = name, colour
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        ratio, width, height = self.devicePixelRatioF(), self.width(), self.height()
        if self._name == "logo":
            pixmap = self._look.logo(width, ratio)
        elif self._colour:
            pixmap = self._look.pixmap(self._name, self._colour, width, ratio)
        else:
            pixmap = self._look.drawing(self._name, width, height, ratio)
        painter = QPainter(self)
        painter.drawPixmap(0, 0, pixmap)
        painter.end()


class Frame(QFrame):
    """A frame that the style sheet knows by its name: card, sidebar, details, banner…"""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setObjectName(name)
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)


def rule() -> QFrame:
    """A thin line between two parts."""
    return Frame("rule")


def row(
    *items: QWidget | int | None, spacing: int = 8, margins: tuple[int, int, int, int] = (0, 0, 0, 0)
) -> QHBoxLayout:
    """Side by side; None is room that stretches, a number is room of that width."""
    layout = QHBoxLayout()
    _fill(layout, items, spacing, margins)
    return layout


def column(
    *items: QWidget | int | None, spacing: int = 8, margins: tuple[int, int, int, int] = (0, 0, 0, 0)
) -> QVBoxLayout:
    """One below the other, as `row`."""
    layout = QVBoxLayout()
    _fill(layout, items, spacing, margins)
    return layout


def _fill(
    layout: QBoxLayout, items: tuple[QWidget | int | None, ...], spacing: int, margins: tuple[int, int, int, int]
) -> None:
    layout.setSpacing(spacing)
    layout.setContentsMargins(*margins)
    for item in items:
        if item is None:
            layout.addStretch(1)
        elif isinstance(item, int):
            layout.addSpacing(item)
        else:
            layout.addWidget(item)


def centred(*items: QWidget) -> QHBoxLayout:
    """In the middle; unlike an alignment this keeps the height that wrapped text needs."""
    return row(None, *items, None)


def clear(layout: QBoxLayout) -> None:
    """Takes everything out of a layout, and away."""
    while (item := layout.takeAt(0)) is not None:
        if (widget := item.widget()) is not None:
            widget.deleteLater()


def on_click(button: QPushButton, action: Callable[[], None]) -> QPushButton:
    button.clicked.connect(lambda: action())
    return button
