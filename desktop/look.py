"""What the window wears now: theme, icons and drawings tinted by it. Qt's thread only."""

from dataclasses import asdict
from functools import cached_property
from string import Template

from PySide6.QtCore import QByteArray, QObject, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QColor, QGuiApplication, QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer
from PySide6.QtWidgets import QApplication

from desktop.theme import DARK, LIGHT, RESOURCES, Tokens, font, load_fonts, palette, style_sheet

THEMES = ("system", "light", "dark")


class Look(QObject):
    """Holds the theme in use and draws icons in its colours. `changed` asks everything to draw itself anew."""

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.tokens = LIGHT
        self._choice = "system"
        self._icons: dict[tuple[str, str, int, float], QPixmap] = {}
        self._sources: dict[str, str] = {}

    def start(self, app: QApplication, choice: str) -> None:
        """Dresses the application; from then on it follows the system where `choice` is "system"."""
        load_fonts()
        app.setStyle("Fusion")
        app.setFont(font())
        app.setWindowIcon(self.app_icon)
        QGuiApplication.styleHints().colorSchemeChanged.connect(self._system_changed)
        self.choose(choice)

    def choose(self, choice: str) -> None:
        """`choice`: one of THEMES; anything else means "system"."""
        self._choice = choice if choice in THEMES else "system"
        hints = QGuiApplication.styleHints()
        scheme = {"light": Qt.ColorScheme.Light, "dark": Qt.ColorScheme.Dark}.get(self._choice)
        if scheme is None:
            hints.unsetColorScheme()
        else:
            hints.setColorScheme(scheme)
        dark = hints.colorScheme() == Qt.ColorScheme.Dark if scheme is None else scheme == Qt.ColorScheme.Dark
        self._wear(DARK if dark else LIGHT)

    def _system_changed(self) -> None:
        if self._choice == "system":
            dark = QGuiApplication.styleHints().colorScheme() == Qt.ColorScheme.Dark
            self._wear(DARK if dark else LIGHT)

    def _wear(self, tokens: Tokens) -> None:
        self.tokens = tokens
        app = QApplication.instance()
        assert isinstance(app, QApplication)
        app.setPalette(palette(tokens))
        app.setStyleSheet(style_sheet(tokens))
        self.changed.emit()

    def colour(self, name: str) -> QColor:
        return QColor(getattr(self.tokens, name))

    def pixmap(self, name: str, colour: str, size: int, ratio: float) -> QPixmap:
        """The icon `name` in the theme's colour `colour`, `size` logical pixels wide, for a screen of `ratio`."""
        paint = str(getattr(self.tokens, colour))
        key = (name, paint, size, ratio)
        if key not in self._icons:
            self._icons[key] = _render(self._icon_source(name).replace("currentColor", paint), size, size, ratio)
        return self._icons[key]

    def icon(self, name: str, colour: str = "text", disabled: str = "strong_border", size: int = 18) -> QIcon:
        """The icon `name` for a button, crisp on screens of one and two pixels a point."""
        made = QIcon()
        for ratio in (1.0, 2.0):
            made.addPixmap(self.pixmap(name, colour, size, ratio), QIcon.Mode.Normal)
            made.addPixmap(self.pixmap(name, disabled, size, ratio), QIcon.Mode.Disabled)
        return made

    def drawing(self, name: str, width: int, height: int, ratio: float) -> QPixmap:
        """An illustration in the theme's colours."""
        source = Template((RESOURCES / "art" / f"{name}.svg").read_text("utf-8"))
        return _render(source.substitute(asdict(self.tokens), line=self.tokens.strong_border), width, height, ratio)

    @cached_property
    def app_icon(self) -> QIcon:
        source = (RESOURCES / "app.svg").read_text("utf-8")
        made = QIcon()
        for size in (16, 24, 32, 48, 64, 128, 256):
            made.addPixmap(_render(source, size, size, 1.0))
        return made

    def logo(self, size: int, ratio: float) -> QPixmap:
        return _render((RESOURCES / "app.svg").read_text("utf-8"), size, size, ratio)

    def _icon_source(self, name: str) -> str:
        if name not in self._sources:
            self._sources[name] = (RESOURCES / "icons" / f"{name}.svg").read_text("utf-8")
        return self._sources[name]


def _render(source: str, width: int, height: int, ratio: float) -> QPixmap:
    renderer = QSvgRenderer(QByteArray(source.encode()))
    made = QPixmap(QSize(round(width * ratio), round(height * ratio)))
    made.fill(Qt.GlobalColor.transparent)
    painter = QPainter(made)
    renderer.render(painter, QRectF(made.rect()))
    painter.end()
    made.setDevicePixelRatio(ratio)
    return made
