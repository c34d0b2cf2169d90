"""Both themes are readable (WCAG 2, AA), and every icon and drawing can be drawn in them."""

from collections.abc import Callable

import pytest
from PySide6.QtCore import qInstallMessageHandler
from PySide6.QtWidgets import QApplication

from desktop.context import Context
from desktop.look import Look
from desktop.theme import DARK, LIGHT, RESOURCES, Tokens, contrast, style_sheet

THEMES = pytest.mark.parametrize("tokens", [LIGHT, DARK], ids=["light", "dark"])


@THEMES
def test_text_is_readable(tokens: Tokens) -> None:
    grounds = (tokens.canvas, tokens.surface, tokens.sidebar, tokens.hover, tokens.selected, tokens.tint)
    for ground in grounds:
        for text in (tokens.text, tokens.muted):
            assert contrast(text, ground) >= 4.5, (text, ground)
    for ground in (tokens.canvas, tokens.surface, tokens.hover, tokens.selected):
        for text in (tokens.accent, tokens.ok, tokens.warning, tokens.danger):
            assert contrast(text, ground) >= 4.5, (text, ground)
    for text, ground in (
        (tokens.on_accent, tokens.accent),
        (tokens.on_accent, tokens.accent_hover),
        (tokens.surface, tokens.danger),
        (tokens.accent, tokens.tint),
        (tokens.muted, tokens.track),
        (tokens.muted, tokens.warning_tint),
        (tokens.muted, tokens.danger_tint),
        (tokens.canvas, tokens.text),
    ):
        assert contrast(text, ground) >= 4.5, (text, ground)


@THEMES
def test_shapes_can_be_told_apart(tokens: Tokens) -> None:
    for ground in (tokens.surface, tokens.hover, tokens.selected):
        for shape in (
            tokens.audio,
            tokens.video,
            tokens.image,
            tokens.document,
            tokens.archive,
            tokens.code,
            tokens.other,
        ):
            assert contrast(shape, ground) >= 3, (shape, ground)
    assert contrast(tokens.strong_border, tokens.surface) >= 3
    assert contrast(tokens.accent, tokens.track) >= 3


def test_everything_can_be_drawn(make_context: Callable[[], Context]) -> None:
    look = make_context().look
    said: list[str] = []
    former = qInstallMessageHandler(lambda kind, place, text: said.append(text))
    try:
        for path in sorted((RESOURCES / "icons").glob("*.svg")):
            for ratio in (1.0, 2.0):
                drawn = look.pixmap(path.stem, "accent", 18, ratio)
                assert drawn.width() == 18 * ratio and not drawn.toImage().allGray()
        for name in ("houses", "nothing", "transfers", "library", "offline"):
            assert look.drawing(name, 240, 150, 2.0).width() == 480
        assert not look.app_icon.isNull()
    finally:
        qInstallMessageHandler(former)
    assert said == []


def test_the_choice_of_a_theme_reaches_the_application(qapp: QApplication) -> None:
    look = Look()
    look.start(qapp, "dark")
    assert look.tokens is DARK and qapp.palette().window().color().name() == DARK.canvas
    look.choose("light")
    assert look.tokens is LIGHT and qapp.styleSheet() == style_sheet(LIGHT)
    look.choose("nonsense")
    assert look.tokens in (LIGHT, DARK)
