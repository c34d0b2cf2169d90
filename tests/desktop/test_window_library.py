"""The library page against a real peer: what a share leaves out, pausing, progress, problems and copies."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from window_kit import Barrio, Drive, shell_of, until

from desktop.api_answers import library_from, status_from
from desktop.api_client import ApiClient
from desktop.app import Desktop
from desktop.arguments import Options
from desktop.bridge import Tasks
from desktop.context import Context
from desktop.session import Session
from desktop.views.indexing_bar import IndexingBar
from desktop.views.library_page import LibraryPage
from desktop.views.rules_dialog import RulesDialog
from desktop.widgets.basics import Label
from desktop.window_settings import WindowSettings
from desktop.words import Words

BIG = 60_000_000


def share_of(tmp_path: Path) -> Path:
    mine = tmp_path / "Recetas"
    for name in ("Gazpacho.txt", "Copia de gazpacho.txt", "viejo.bak", ".secreto.txt", "fuera/x.o"):
        path = mine / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("tomates" if "azpacho" in name else name, "utf-8")
    Path(os.fsdecode(os.fsencode(mine) + b"/caf\xe9.txt")).write_text("no text", "utf-8")
    return mine


async def dialog_of(page: LibraryPage) -> RulesDialog:
    page.do("rules", page.model.rows[0])
    found = page.findChildren(RulesDialog)
    assert len(found) == 1 and found[0].isVisible()
    await until(lambda: found[0].message.text(), "the first answer about the patterns")
    return found[0]


async def files(page: LibraryPage, count: int) -> None:
    await until(lambda: [s.files for s in page.model.rows if s.state == "ready"] == [count], f"{count} files")


@pytest.mark.parametrize("language", ["en", "es"])
def test_what_a_share_leaves_out(barrio: Barrio, member: Path, tmp_path: Path, drive: Drive, language: str) -> None:
    mine = share_of(tmp_path)
    settings = WindowSettings(member)
    settings.language = language
    settings.save()
    words = Words(language)

    async def scenario(desktop: Desktop) -> None:
        page = (await shell_of(desktop)).library
        desktop.window.shell.go("library")  # type: ignore[union-attr]
        page.add([str(mine)])
        await files(page, 4)
        said = [label.text() for label in page.problems.findChildren(Label)]
        assert words("share.problems-in", count=1, name="Recetas") in said and words("reason.not-text") in said
        assert words("library.copies", count=1, size=words.size(7)) in page.summary.text()

        dialog = await dialog_of(page)
        assert dialog.message.text() == words("rules.good") and dialog.save.isEnabled()
        QTest.keyClicks(dialog.edit, "*.bak")
        QTest.keyClick(dialog.edit, Qt.Key.Key_Return)
        QTest.keyClicks(dialog.edit, "[z-a]")
        await until(lambda: not dialog.save.isEnabled(), "a wrong pattern to be told")
        fault = words("rules.fault", line=2, pattern="[z-a]", reason=words("pattern.range"))
        assert dialog.message.text() == fault and dialog.message.property("role") == "error"
        for _ in range(5):
            QTest.keyClick(dialog.edit, Qt.Key.Key_Backspace)
        QTest.keyClicks(dialog.edit, "[oh")
        await until(lambda: dialog.save.isEnabled(), "a pattern that only matches nothing to be taken")
        assert words("pattern.nothing") in dialog.message.text() and dialog.message.property("role") == "small"
        for _ in range(3):
            QTest.keyClick(dialog.edit, Qt.Key.Key_Backspace)
        QTest.keyClicks(dialog.edit, "/fuera/")
        await until(lambda: dialog.message.text() == words("rules.good"), "good patterns")
        QTest.mouseClick(dialog.save, Qt.MouseButton.LeftButton)
        await files(page, 2)
        assert page.model.rows[0].exclude == ("*.bak", "/fuera/")
        assert words("share.rules", count=2) in page.model.state_text(page.model.rows[0])

        dialog = await dialog_of(page)
        assert dialog.patterns() == ("*.bak", "/fuera/") and not dialog.hidden_too.isChecked()
        dialog.hidden_too.click()
        dialog.save.click()
        await files(page, 3)
        assert page.model.rows[0].hidden
        # Escape leaves everything as it is, also with an answer on its way.
        dialog = await dialog_of(page)
        dialog.edit.setPlainText("*")
        dialog.save.click()
        QTest.keyClick(dialog, Qt.Key.Key_Escape)
        await until(lambda: not page.findChildren(RulesDialog), "the dialog to be gone")
        await files(page, 0)

    drive(Options(member), scenario)


def test_a_refused_rule_keeps_the_dialog(barrio: Barrio, member: Path, tmp_path: Path, drive: Drive) -> None:
    mine = share_of(tmp_path)

    async def scenario(desktop: Desktop) -> None:
        shell = await shell_of(desktop)
        shell.go("library")
        shell.library.add([str(mine)])
        await files(shell.library, 4)
        dialog = await dialog_of(shell.library)
        dialog.edit.setPlainText("\n".join(f"*.{i}" for i in range(300)))
        dialog.save.click()
        await until(dialog.banner.isVisible, "the refusal")
        assert dialog.isVisible() and len(dialog.patterns()) == 300
        dialog.reject()

    drive(Options(member), scenario)


def test_progress_in_words(make_context: Callable[[str], Context]) -> None:
    progress = {"files_done": 1000, "files_total": 3000, "bytes_done": 10**9, "bytes_total": 4 * 10**9}
    share: dict[str, Any] = {"name": "a", "path": "/a", "state": "hashing", "files": 1, "bytes": 1, "pending": 2000}
    status: dict[str, Any] = {"joined": True, "central": {"reachable": True}, "neighbours": [], "bytes": {}}
    status |= {"queries": {"through_neighbour": 0, "direct": 0}, "bytes": {"sent": 0, "received": 0}}
    status |= {"shares": {"files": 1, "bytes": 1, "pending": 2000}}
    session = Session(cast(ApiClient, None), cast(Tasks, None))
    session.library = library_from({"shares": [share | {"progress": progress | {"eta_seconds": 60}}] * 2})
    session.status = status_from(status | {"indexing": {"paused": False, "pending": 4000, "rate": 50_000_000}})
    bar = IndexingBar(make_context("en"), session)
    assert bar.facts.text() == "2,000 of 6,000 files  ·  2.0 GB of 8.0 GB  ·  50.0 MB/s  ·  2 min left"
    # A time that follows from next to no rate says nothing.
    session.status = status_from(status | {"indexing": {"paused": False, "pending": 4000, "rate": 1}})
    session.status_changed.emit(session.status)
    assert bar.facts.text() == "2,000 of 6,000 files  ·  2.0 GB of 8.0 GB  ·  0 kB/s"
    bar.deleteLater()


def test_pause_and_progress(barrio: Barrio, member: Path, tmp_path: Path, drive: Drive) -> None:
    mine = tmp_path / "Big"
    mine.mkdir()
    for number in range(3):
        (mine / f"{number}.bin").write_bytes(os.urandom(BIG // 3))
    words = Words("en")

    async def scenario(desktop: Desktop) -> None:
        shell = await shell_of(desktop)
        session, page = desktop.session, shell.library
        assert session is not None
        bar = page.indexing
        shell.go("library")
        await session.client.pause_indexing(True)
        page.add([str(mine)])
        await until(lambda: [s.pending for s in page.model.rows] == [3] and bar.isVisible(), "files to wait")
        await until(lambda: bar.title == words("indexing.paused"), "the word that it is paused")
        assert bar.facts.text() == words("indexing.waiting", count=3)
        await until(lambda: page.model.state_text(page.model.rows[0]) == words("share.paused", count=3), "the state")
        rounds = asyncio.get_running_loop().time()
        await until(lambda: asyncio.get_running_loop().time() > rounds + 1.5, "three more rounds")
        assert page.model.rows[0].pending == 3

        QTest.mouseClick(bar.button, Qt.MouseButton.LeftButton)
        await files(page, 3)
        await until(lambda: not bar.isVisible(), "the bar to go away")

        await session.client.pause_indexing(True)
        await until(lambda: bar.isVisible(), "the word that it is paused")
        assert bar.facts.text() == words("indexing.nothing-waits")
        bar.button.click()
        await until(lambda: not bar.isVisible(), "the bar to go away again")

    drive(Options(member), scenario)
