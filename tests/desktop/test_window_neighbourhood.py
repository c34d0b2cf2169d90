"""The neighbourhood page against real peers: who is here, their folders, and downloads of files and whole folders."""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from processes import HeadlessPeer
from PySide6.QtCore import Qt
from PySide6.QtGui import QKeySequence
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel, QWidget
from window_kit import MARKUP_NAME, RECORDING, TURNED_NAME, Barrio, Drive, Ticks, shell_of, until

from desktop.api import Entry, Listing, Member
from desktop.app import Desktop
from desktop.arguments import Options
from desktop.views.folder_view import Place
from desktop.views.neighbourhood_page import NeighbourhoodPage
from desktop.widgets.basics import Button

MANY = 250
ODD_FOLDER = "50% off? #1 & más"
HUGE = 100_000
LONGEST_GAP_SECONDS = 0.250


@pytest.fixture(scope="module")
def bruno(barrio: Barrio, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HeadlessPeer]:
    root = tmp_path_factory.mktemp("bruno")
    files = root / "Bruno's things"
    for folder, count in ((ODD_FOLDER, 3), ("Cards", MANY)):
        (files / folder).mkdir(parents=True)
        for number in range(count):
            (files / folder / f"{folder[:5]} {number:03}.txt").write_text(f"{folder} {number}", "utf-8")
    peer = HeadlessPeer(root / "data", "Bruno <b>", barrio.central.invite()).start()
    assert peer.program is not None
    with peer.program:
        peer.verb("share", "add", str(files))
        peer.wait_indexed(MANY + 3)
        yield peer


def names(page: NeighbourhoodPage) -> list[str]:
    return [entry.name for entry in page.folder.model.rows]


def texts(widget: QWidget) -> list[str]:
    return [label.text() for label in widget.findChildren(QLabel)]


async def choose(page: NeighbourhoodPage, name: str) -> None:
    """Clicks on a member in the list."""
    await until(lambda: name in [m.name for m in page.members.model.rows], f"{name} in the list")
    position = [m.name for m in page.members.model.rows].index(name)
    table = page.members.table
    where = table.visualRect(page.members.model.index(position, 0)).center()
    QTest.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=where)


def test_members_are_listed_and_found(barrio: Barrio, bruno: HeadlessPeer, member: Path, drive: Drive) -> None:
    async def scenario(desktop: Desktop) -> None:
        shell = await shell_of(desktop)
        page = shell.neighbourhood
        shell.go("neighbourhood")
        listed = page.members.model
        await until(lambda: {m.name for m in listed.rows} == {"Ana", "Bruno <b>", "Me"}, "everybody")
        assert [listed.index(i, 0).data() for i, m in enumerate(listed.rows) if m.me] == ["Me (me)"]
        assert page.members.line.text() == "3 people here now"
        QTest.keyClicks(page.members.field, "bru")
        await until(lambda: [m.name for m in listed.rows] == ["Bruno <b>"], "the search")
        page.members.field.setText("zzz")
        await until(lambda: page.members.line.text() == "Nobody of that name is here", "nobody")

    drive(Options(member), scenario)


def test_a_file_and_a_whole_folder_are_downloaded(
    barrio: Barrio, bruno: HeadlessPeer, member: Path, tmp_path: Path, drive: Drive
) -> None:
    async def scenario(desktop: Desktop) -> None:
        shell = await shell_of(desktop)
        shell.go("neighbourhood")
        page = shell.neighbourhood
        await choose(page, "Ana")
        await until(lambda: names(page) == ["Recordings"], "Ana's shares")
        assert not page.folder.download_button.isEnabled()
        page.folder.table.selectRow(0)
        QTest.keyClick(page.folder.table, Qt.Key.Key_Return)
        await until(lambda: RECORDING in names(page), "the files")
        model = page.folder.model
        shown = [model.index(i, 0).data() for i in range(model.rowCount())]
        assert MARKUP_NAME in shown and TURNED_NAME not in shown and "cuentatxt.exe" in shown
        for label in desktop.window.findChildren(QLabel):
            assert label.textFormat() == Qt.TextFormat.PlainText, label.text()
        position = names(page).index(RECORDING)
        page.folder.table.selectRow(position)
        QTest.keyClick(page.folder.table, Qt.Key.Key_Return)
        await until(
            lambda: any("Downloading" in text or "Downloaded" in text for text in texts(shell.toast)), "a toast"
        )
        await until(lambda: model.state_text(model.rows[position]) == "You have it", "the mark")
        assert (tmp_path / "downloads" / RECORDING).read_bytes() == (barrio.files / RECORDING).read_bytes()

        await choose(page, "Bruno <b>")
        await until(lambda: names(page) == ["Bruno's things"], "Bruno's shares")
        page.folder.act_on(model.rows[0])
        await until(lambda: names(page) == [ODD_FOLDER, "Cards"], "the folders")
        assert [entry.files for entry in model.rows] == [3, MANY]
        page.folder.act_on(model.rows[0])
        await until(lambda: len(names(page)) == 3, "the odd folder's files")
        assert page.folder.download_button.text().strip() == "Download this folder"
        page.folder.download_button.click()
        await until(lambda: [model.state_text(row) for row in model.rows] == ["You have it"] * 3, "all three")
        (folder,) = (path for path in (tmp_path / "downloads").iterdir() if path.is_dir())
        assert len(list(folder.iterdir())) == 3, "all of them below a folder of that name, as a safe name"
        page.folder.download_button.click()
        await until(lambda: "All of it is here already" in texts(shell.toast), "the word that nothing is left")

        (up,) = (a for a in page.folder.actions() if QKeySequence(Qt.Key.Key_Backspace) in a.shortcuts())
        up.trigger()
        await until(lambda: names(page) == [ODD_FOLDER, "Cards"], "the folder above")
        page.folder.way.findChildren(Button)[0].click()
        await until(lambda: names(page) == ["Bruno's things"], "the first step of the way")

    drive(Options(member), scenario)


def test_a_long_folder_comes_as_one_scrolls(barrio: Barrio, bruno: HeadlessPeer, member: Path, drive: Drive) -> None:
    async def scenario(desktop: Desktop) -> None:
        shell = await shell_of(desktop)
        shell.go("neighbourhood")
        page = shell.neighbourhood
        await choose(page, "Bruno <b>")
        await until(lambda: names(page) == ["Bruno's things"], "the shares")
        assert page.folder.place is not None
        page.visit(Place(page.folder.place.member, ("Bruno's things", "Cards")))
        await until(lambda: len(names(page)) == 200, "the first page")
        assert page.folder.line.text() == "First 200 entries; more as you scroll"
        page.folder.table.verticalScrollBar().setValue(page.folder.table.verticalScrollBar().maximum())
        await until(lambda: len(names(page)) == MANY, "the rest")
        assert len(set(names(page))) == MANY and page.folder.line.text() == f"{MANY} entries"

    drive(Options(member), scenario)


def test_a_folder_found_by_a_search_opens(barrio: Barrio, bruno: HeadlessPeer, member: Path, drive: Drive) -> None:
    async def scenario(desktop: Desktop) -> None:
        shell = await shell_of(desktop)
        shell.search.search_for("cards")
        await until(lambda: shell.search.albums.cards, "the folder among the results")
        (card,) = shell.search.albums.cards
        assert card.accessibleName().startswith("Cards, ") and "held by 1" in card.accessibleName()
        card.click()
        page = shell.neighbourhood
        assert shell.stack.currentWidget() is page
        await until(lambda: len(names(page)) == 200, "Bruno's folder")
        assert page.folder.place is not None and page.folder.place.member.name == "Bruno <b>"
        assert [m.name for m in page.members.table.selected()] in (["Bruno <b>"], [])
        page.look_for(("Bruno's things", "no such"))
        await until(lambda: page.folder.stack.currentWidget() is page.folder.nothing, "that nobody shows it")
        shell.go("search")
        shell.search.search_for("x")
        assert shell.search.albums.isHidden()

    drive(Options(member), scenario)


def test_who_has_gone_and_what_is_not_shared(barrio: Barrio, bruno: HeadlessPeer, member: Path, drive: Drive) -> None:
    async def scenario(desktop: Desktop) -> None:
        shell = await shell_of(desktop)
        shell.go("neighbourhood")
        page = shell.neighbourhood
        page.visit(Place(Member("a" * 51 + "q", "Somebody", False)))
        await until(lambda: page.folder.stack.currentWidget() is page.folder.trouble, "the trouble")
        assert all(texts(page.folder.trouble))
        await choose(page, "Me")
        await until(lambda: "Me shares nothing yet" in texts(page.folder.nothing), "that nothing is shared")
        assert page.folder.stack.currentWidget() is page.folder.nothing

    drive(Options(member), scenario)


def test_a_hundred_thousand_entries(
    barrio: Barrio, member: Path, drive: Drive, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = [Entry(f"Photo {i:06}.jpg", False, i, content_id=f"{i:052}") for i in range(HUGE)]

    async def scenario(desktop: Desktop) -> None:
        shell = await shell_of(desktop)
        assert desktop.session is not None

        async def listing(peer_id: str, path: Sequence[str], after: str = "") -> Listing:
            first = int(after or 0)
            # After a few pages as they come in truth, all the rest at once.
            size = 200 if first < 2000 else HUGE
            return Listing(tuple(entries[first : first + size]), str(first + size) if first + size < HUGE else None)

        monkeypatch.setattr(desktop.session.client, "listing", listing)
        shell.go("neighbourhood")
        folder = shell.neighbourhood.folder
        folder.visit(Place(Member("a" * 51 + "q", "Somebody", False), ("Photos",)))
        await until(lambda: folder.model.rowCount() == 200, "the first page")
        ticks = Ticks()
        bar = folder.table.verticalScrollBar()
        while folder.model.rowCount() < HUGE:
            before = folder.model.rowCount()
            bar.setValue(bar.maximum())
            await until(lambda before=before: folder.model.rowCount() > before, "more")
        for step in range(20):
            bar.setValue(step * bar.maximum() // 20)
            await asyncio.sleep(0.02)
        ticks.stop()
        assert max(ticks.gaps) < LONGEST_GAP_SECONDS, sorted(ticks.gaps)[-5:]

    drive(Options(member), scenario)
