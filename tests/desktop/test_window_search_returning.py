"""The search's empty page says when members are still coming back, in both languages."""

from pathlib import Path

import pytest
from window_kit import Drive, shell_of, until

from desktop.api_answers import answer_from
from desktop.app import Desktop
from desktop.arguments import Options
from desktop.window_settings import WindowSettings

EMPTY = {"rows": [], "next_cursor": None, "via": {"kind": "direct"}}


@pytest.mark.parametrize(("language", "said"), [("en", "The central has just started"), ("es", "acaba de arrancar")])
def test_the_empty_page_says_that_members_are_coming_back(member: Path, drive: Drive, language: str, said: str) -> None:
    settings = WindowSettings(member)
    settings.language = language
    settings.save()

    async def scenario(desktop: Desktop) -> None:
        shell = await shell_of(desktop)
        page = shell.search
        page.search_for("nobody has this")
        await until(lambda: page.stack.currentWidget() is page._nothing, "the answer")
        assert said not in page._nothing._text.text()
        page._answered(page.question, "", answer_from({**EMPTY, "members_returning": True}))
        assert said in page._nothing._text.text()
        # An older peer does not tell.
        page._answered(page.question, "", answer_from(EMPTY))
        assert said not in page._nothing._text.text()

    drive(Options(member), scenario)
