"""Colours, spacing and type of the window: two calm palettes, and the style sheet made from them. Qt's thread."""

from dataclasses import asdict, dataclass
from pathlib import Path
from string import Template

from PySide6.QtGui import QColor, QFont, QFontDatabase, QPalette

RESOURCES = Path(__file__).parent / "resources"
ROW_HEIGHT = 36
TALL_ROW_HEIGHT = 60


@dataclass(frozen=True)
class Tokens:
    """The colours of one theme, by their use; `#rrggbb`."""

    dark: bool
    canvas: str
    surface: str
    sidebar: str
    border: str
    strong_border: str
    hover: str
    selected: str
    text: str
    muted: str
    accent: str
    accent_hover: str
    on_accent: str
    tint: str
    ok: str
    warning: str
    warning_tint: str
    danger: str
    danger_tint: str
    track: str
    audio: str
    video: str
    image: str
    document: str
    archive: str
    code: str
    other: str


LIGHT = Tokens(
    dark=False,
    canvas="#faf9f6",
    surface="#ffffff",
    sidebar="#f1efe9",
    border="#e5e1d8",
    strong_border="#8d8a80",
    hover="#f4f2ec",
    selected="#dff0ec",
    text="#1d2321",
    muted="#5c645f",
    accent="#0f766e",
    accent_hover="#0b5f58",
    on_accent="#ffffff",
    tint="#e2f1ee",
    ok="#14713b",
    warning="#8a5300",
    warning_tint="#fdf3dc",
    danger="#b3261e",
    danger_tint="#fceceb",
    track="#e7e3da",
    audio="#7a4fb5",
    video="#b8434e",
    image="#2e7d4f",
    document="#2f6cb3",
    archive="#96660f",
    code="#0f766e",
    other="#6a716c",
)

DARK = Tokens(
    dark=True,
    canvas="#161a19",
    surface="#1d2221",
    sidebar="#121514",
    border="#2d3432",
    strong_border="#717d78",
    hover="#252b29",
    selected="#1f3b37",
    text="#e9edeb",
    muted="#a0aaa5",
    accent="#4cc5b0",
    accent_hover="#6ad6c3",
    on_accent="#06231e",
    tint="#1b312d",
    ok="#69cf8f",
    warning="#ecb657",
    warning_tint="#342912",
    danger="#ff8f86",
    danger_tint="#3a1f1d",
    track="#363f3c",
    audio="#bb9bea",
    video="#ee8f97",
    image="#7fcf9b",
    document="#84b6f0",
    archive="#dcb15c",
    code="#4cc5b0",
    other="#98a29d",
)


def palette(tokens: Tokens) -> QPalette:
    """The same colours for what Qt draws by itself (dialogs, menus, text selection)."""
    made = QPalette()
    role = QPalette.ColorRole
    for key, colour in {
        role.Window: tokens.canvas,
        role.WindowText: tokens.text,
        role.Base: tokens.surface,
        role.AlternateBase: tokens.hover,
        role.ToolTipBase: tokens.surface,
        role.ToolTipText: tokens.text,
        role.Text: tokens.text,
        role.PlaceholderText: tokens.muted,
        role.Button: tokens.surface,
        role.ButtonText: tokens.text,
        role.BrightText: tokens.danger,
        role.Link: tokens.accent,
        role.Highlight: tokens.accent,
        role.HighlightedText: tokens.on_accent,
        role.Accent: tokens.accent,
        role.Light: tokens.hover,
        role.Midlight: tokens.border,
        role.Mid: tokens.border,
        role.Dark: tokens.strong_border,
    }.items():
        made.setColor(key, QColor(colour))
    for key in (role.Text, role.WindowText, role.ButtonText):
        made.setColor(QPalette.ColorGroup.Disabled, key, QColor(tokens.strong_border))
    return made


def style_sheet(tokens: Tokens) -> str:
    """The style sheet of the whole window in one theme."""
    template = Template((RESOURCES / "style.qss").read_text("utf-8"))
    tone = "dark" if tokens.dark else "light"
    arrows = {
        name: (RESOURCES / "art" / f"{icon}-{tone}.svg").as_posix()
        for name, icon in (("chevron", "chevron-down"), ("chevron_up", "chevron-up"), ("tick", "tick"))
    }
    toast_link = (LIGHT if tokens.dark else DARK).accent
    return template.substitute(asdict(tokens), toast_link=toast_link, **arrows)


def load_fonts() -> None:
    """Makes the shipped typeface known; where that fails, the system's own is used."""
    for path in sorted((RESOURCES / "fonts").glob("*.otf")):
        QFontDatabase.addApplicationFont(str(path))


def font(pixels: int = 13, weight: QFont.Weight = QFont.Weight.Normal) -> QFont:
    """The window's typeface, with digits of equal width so that changing numbers do not dance."""
    made = QFont()
    if "Inter" in QFontDatabase.families():
        made.setFamilies(["Inter", made.family()])
    made.setPixelSize(pixels)
    made.setWeight(weight)
    made.setFeature(QFont.Tag("tnum"), 1)
    return made


def luminance(colour: str) -> float:
    """Relative luminance of `#rrggbb`, as WCAG 2 defines it."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two colours, 1 to 21, as WCAG 2 defines it."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)
