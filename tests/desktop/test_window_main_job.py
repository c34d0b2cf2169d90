"""The main job in the window, against real peers: share by drop, search, download, see 100 %, open the file."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QObject, QPoint, QPointF, Qt, QUrl, Slot
from PySide6.QtGui import QDesktopServices, QDragEnterEvent, QDropEvent, QShortcut
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QApplication, QDialog, QLabel, QWidget
from window_kit import MARKUP_NAME, RECORDING, TURNED_NAME, Barrio, Drive, shell_of, until

from desktop.api import Row
from desktop.app import Desktop
from desktop.arguments import Options
from desktop.views.search_page import GO_ON_MS
from desktop.views.shell import Shell
from desktop.widgets.basics import Button
from peer_core.links import content_link

POSTCARDS = 230


class Opened(QObject):
    """Stands where the system's programs are: notes what would be opened."""

    def __init__(self) -> None:
        super().__init__()
        self.paths: list[Path] = []

    @Slot(QUrl)
    def take(self, url: QUrl) -> None:
        self.paths.append(Path(url.toLocalFile()))


@pytest.fixture
def opened() -> Iterator[Opened]:
    handler = Opened()
    QDesktopServices.setUrlHandler("file", handler, "take")
    yield handler
    QDesktopServices.unsetUrlHandler("file")


def drop(desktop: Desktop, path: Path) -> None:
    """What the system sends when somebody drops `path` onto the window."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path))])
    copy, button, keys = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(QPoint(200, 200), copy, data, button, keys)
    QApplication.sendEvent(desktop.window, enter)
    assert enter.isAccepted() and desktop.window.overlay.isVisible()
    QApplication.sendEvent(desktop.window, QDropEvent(QPointF(200, 200), copy, data, button, keys))
    assert not desktop.window.overlay.isVisible()


async def search(shell: Shell, text: str, name: str) -> int:
    """Types into the field; the position of the row called `name`."""
    shell.go("search")
    shell.search.field.clear()
    QTest.keyClicks(shell.search.field, text)

    def found() -> int | None:
        names = [row.name for row in shell.search.model.rows]
        return names.index(name) + 1 if name in names else None

    return int(await until(found, f"“{name}” among the results")) - 1


def test_share_by_drop_search_download_and_open(
    barrio: Barrio, member: Path, tmp_path: Path, drive: Drive, opened: Opened
) -> None:
    mine = tmp_path / "My recipes"
    mine.mkdir()
    (mine / "Gazpacho.txt").write_text("tomates", "utf-8")

    async def scenario(desktop: Desktop) -> None:
        shell = await shell_of(desktop)
        drop(desktop, mine)
        assert shell.stack.currentWidget() is shell.library
        await until(lambda: [s.files for s in shell.library.model.rows] == [1], "the dropped folder to be shared")
        assert shell.library.model.rows[0].path == str(mine)

        position = await search(shell, "plaza dawn", RECORDING)
        assert "answered through Ana" in shell.search.line.text()
        shell.search.table.selectRow(position)
        QTest.keyClick(shell.search.table, Qt.Key.Key_Return)

        shell.go("transfers")
        model = shell.transfers.model
        await until(lambda: [t.state for t in model.rows] == ["done"], "the download to be done")
        transfer = model.rows[0]
        assert transfer.fraction == 1.0 and "verified" in model.progress_text(transfer)
        assert model.from_text(transfer) == "from Ana"
        assert model.state_text(transfer).startswith("Done, ") and not model.index(0, 4).data()
        await until(lambda: f"Downloaded · {RECORDING}" in texts(shell.toast), "the toast")
        middle = shell.toast.mapTo(shell, shell.toast.rect().center()).x()
        assert abs(middle - shell.stack.mapTo(shell, shell.stack.rect().center()).x()) <= 1
        await until(lambda: shell.search.model.state_text(shell.search.model.rows[position]) == "You have it", "a mark")
        shell.transfers.table.selectRow(0)
        assert sum(s.pieces for s in shell.transfers.details.sources.rows) == transfer.pieces
        QTest.keyClick(shell.transfers.table, Qt.Key.Key_Return)
        assert opened.paths == [tmp_path / "downloads" / RECORDING]
        assert opened.paths[0].read_bytes() == (barrio.files / RECORDING).read_bytes()

    drive(Options(member), scenario)


def texts(widget: QWidget) -> list[str]:
    return [label.text() for label in widget.findChildren(QLabel)]


def test_a_link_to_a_file_starts_its_download(barrio: Barrio, member: Path, tmp_path: Path, drive: Drive) -> None:
    rows = barrio.ana.json("search", "acta")
    link = content_link(rows[0]["content_id"], "../Acta & más.md")

    async def at_the_start(desktop: Desktop) -> None:
        shell = await shell_of(desktop)
        model = shell.transfers.model
        await until(lambda: [t.state for t in model.rows] == ["done"], "the download")
        assert Path(model.rows[0].path).parent == tmp_path / "downloads"
        desktop.started_again("barrio://content/nothing")
        assert "That link is mangled; copy it again" in texts(shell.toast)
        shell.transfers.clear_finished()
        await until(lambda: not model.rows, "the list to be empty")
        desktop.started_again(link)
        await until(lambda: [t.state for t in model.rows] == ["done"], "the download by a second start")

    drive(Options(member, link), at_the_start)


def test_a_low_window_hides_the_receipt(barrio: Barrio, member: Path, drive: Drive) -> None:
    async def scenario(desktop: Desktop) -> None:
        shell = await shell_of(desktop)
        shell.fetch("a" * 51 + "q", "Nowhere.bin")
        shell.go("transfers")
        page = shell.transfers
        await until(lambda: page.model.rows, "the transfer")
        page.table.selectRow(0)
        assert page.details.isVisible()
        desktop.window.setMinimumSize(0, 0)
        desktop.window.resize(700, 520)
        await until(lambda: not page.details.isVisible(), "the receipt to give way")
        assert desktop.window.height() == 520
        desktop.window.resize(1240, 780)
        await until(page.details.isVisible, "the receipt to be back")
        shortcuts = {s.key().toString(): s for s in desktop.window.findChildren(QShortcut)}
        closed: list[bool] = []
        desktop.window.close_wanted.connect(lambda: closed.append(True))
        shortcuts["Ctrl+Q"].activated.emit()
        assert closed

    drive(Options(member), scenario)


def test_what_i_share_is_found_by_others(barrio: Barrio, member: Path, tmp_path: Path, drive: Drive) -> None:
    mine = tmp_path / "Huerto"
    mine.mkdir()
    (mine / "Tomates en el balcon.txt").write_text("sol", "utf-8")

    async def scenario(desktop: Desktop) -> None:
        shell = await shell_of(desktop)
        drop(desktop, mine)
        await until(lambda: [s.files for s in shell.library.model.rows] == [1], "the folder to be shared")

        def rows() -> list[dict[str, object]]:
            found: list[dict[str, object]] = barrio.ana.json("search", "tomates", "balcon")
            return found

        for _ in range(20):
            if await desktop.tasks.in_worker(rows):
                return
        raise AssertionError("Ana does not find what the window shares")

    drive(Options(member), scenario)


def test_names_of_others_are_shown_as_they_are(barrio: Barrio, member: Path, drive: Drive, opened: Opened) -> None:
    async def scenario(desktop: Desktop) -> None:
        shell = await shell_of(desktop)
        position = await search(shell, "plain", MARKUP_NAME)
        index = shell.search.model.index(position, 0)
        assert index.data() == MARKUP_NAME
        assert "&lt;img" in index.data(Qt.ItemDataRole.ToolTipRole)
        shell.search.download(shell.search.model.rows[position])
        shell.go("transfers")
        await until(lambda: shell.transfers.model.rows, "the transfer")
        shell.transfers.table.selectRow(0)
        for label in desktop.window.findChildren(QLabel):
            assert label.textFormat() == Qt.TextFormat.PlainText, label.text()

        position = await search(shell, "cuenta", TURNED_NAME)
        assert shell.search.model.index(position, 0).data() == "cuentatxt.exe"

    drive(Options(member), scenario)


def test_a_program_is_opened_only_after_a_warning(barrio: Barrio, member: Path, drive: Drive, opened: Opened) -> None:
    async def scenario(desktop: Desktop) -> None:
        shell = await shell_of(desktop)
        position = await search(shell, "cuenta", TURNED_NAME)
        shell.search.download(shell.search.model.rows[position])
        model = shell.transfers.model
        await until(lambda: [t.state for t in model.rows] == ["done"], "the download")
        shell.transfers.do("open", model.rows[0])
        dialog = desktop.window.findChild(QDialog)
        assert isinstance(dialog, QDialog) and dialog.isVisible() and opened.paths == []
        no, yes = dialog.findChildren(Button)
        assert no.isDefault() and yes.variant == "danger"
        yes.click()
        assert [path.suffix for path in opened.paths] == [".exe"]

    drive(Options(member), scenario)


def test_pause_resume_cancel_and_clear(barrio: Barrio, member: Path, tmp_path: Path, drive: Drive) -> None:
    async def scenario(desktop: Desktop) -> None:
        shell = await shell_of(desktop)
        # Nobody has this content, so that it waits for as long as it is asked to.
        missing = Row("a" * 51 + "q", "Nowhere.bin", "", 10, "other", 0, (), False, None)
        shell.search.download(missing)
        model = shell.transfers.model
        await until(lambda: [t.state for t in model.rows] == ["waiting"], "nobody to have it")
        assert not shell.sidebar.badge.isHidden() and shell.sidebar.badge.text() == "1"
        shell.transfers.do("pause", model.rows[0])
        await until(lambda: model.rows[0].state == "paused", "the pause")
        assert shell.sidebar.badge.isHidden()
        shell.transfers.do("resume", model.rows[0])
        await until(lambda: model.rows[0].state in ("locating", "waiting"), "to go on")
        shell.transfers.do("remove", model.rows[0])
        await until(lambda: not model.rows, "the transfer to leave")

        position = await search(shell, "acta", "Acta de marzo.md")
        shell.search.download(shell.search.model.rows[position])
        await until(lambda: [t.state for t in model.rows] == ["done"], "the download")
        shell.transfers.clear_finished()
        await until(lambda: not model.rows, "the list to be empty")
        assert [path.name for path in (tmp_path / "downloads").iterdir()] == ["Acta de marzo.md"]

    drive(Options(member), scenario)


def test_filters_sorting_and_nothing_found(barrio: Barrio, member: Path, drive: Drive) -> None:
    async def scenario(desktop: Desktop) -> None:
        shell = await shell_of(desktop)
        page = shell.search
        await search(shell, "recordings", RECORDING)
        assert len(page.model.rows) == 4
        page.table.sortByColumn(3, Qt.SortOrder.DescendingOrder)
        sizes = [row.size for row in page.model.rows]
        assert sizes == sorted(sizes, reverse=True)
        page.kinds.chips["audio"].click()
        await until(lambda: [row.name for row in page.model.rows] == [RECORDING], "the audio only")
        page.size_box.setCurrentIndex(1)
        await until(lambda: not page.model.rows and "0 results" in page.line.text(), "nothing as small")
        assert any("take a filter away" in text for text in texts(page.stack))
        page.search_for("zzzz nobody")
        page.kinds.chips[""].click()
        page.size_box.setCurrentIndex(0)
        await until(lambda: not any("take a filter away" in text for text in texts(page.stack)), "another hint")
        page.field.setText("p")
        await until(lambda: page.line.text() == "", "the welcome")

    drive(Options(member), scenario)


async def search_for_postcards(desktop: Desktop, shell: Shell, folder: Path) -> None:
    """Shared by drop, and asked for as soon as others see them."""
    folder.mkdir()
    for number in range(POSTCARDS):
        (folder / f"Postcard {number:03}.txt").write_text(str(number), "utf-8")
    drop(desktop, folder)
    await until(lambda: [s.files for s in shell.library.model.rows] == [POSTCARDS], "the postcards to be shared")
    await until(lambda: desktop.session and desktop.session.status and not desktop.session.status.pending, "the news")
    shell.go("search")
    shell.search.search_for("postcard")


def test_more_results_come_as_one_scrolls(barrio: Barrio, member: Path, tmp_path: Path, drive: Drive) -> None:
    async def scenario(desktop: Desktop) -> None:
        shell = await shell_of(desktop)
        await search_for_postcards(desktop, shell, tmp_path / "Postcards")
        page = shell.search
        await until(page.model.rowCount, "the first page")
        first = page.model.rowCount()
        # A busy machine may make pages shorter.
        assert first <= 100
        assert f"First {first} results" in page.line.text()

        def scrolled() -> bool:
            bar = page.table.verticalScrollBar()
            bar.setValue(bar.maximum())
            return page.model.rowCount() == POSTCARDS

        await until(scrolled, "all rows")
        assert page.line.text().startswith(f"{POSTCARDS} results")
        assert len({row.content_id for row in page.model.rows}) == POSTCARDS
        assert page.model.has(page.model.rows[0])

    drive(Options(member), scenario)


def test_short_pages_fill_the_view_by_themselves(
    barrio: Barrio, member: Path, tmp_path: Path, drive: Drive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("desktop.api_client.PAGE", 3)

    async def scenario(desktop: Desktop) -> None:
        shell = await shell_of(desktop)
        await search_for_postcards(desktop, shell, tmp_path / "Postcards")
        page = shell.search
        await until(lambda: page.table.verticalScrollBar().maximum() > 0, "more than the view holds")
        rested = 0

        def at_rest() -> bool:
            nonlocal rested
            before, rested = rested, page.model.rowCount()
            return rested == before

        while not at_rest():
            await asyncio.sleep(6 * GO_ON_MS / 1000)
        bar = page.table.verticalScrollBar()
        assert bar.maximum() > 2 * bar.pageStep(), "some more than is in sight"
        assert rested < POSTCARDS, "and not everything"
        # The same is asked anew while more of it is under way: each row once still.
        page._more()
        page._ask(again=True)
        await until(lambda: not page._loading and page.model.rowCount(), "the first page")
        while not at_rest():
            await asyncio.sleep(6 * GO_ON_MS / 1000)
        ids = [row.content_id for row in page.model.rows]
        assert len(set(ids)) == len(ids) >= bar.pageStep() // page.table.rowHeight(0)

    drive(Options(member), scenario)


def test_only_the_answer_to_the_last_question_is_shown(barrio: Barrio, member: Path, drive: Drive) -> None:
    async def scenario(desktop: Desktop) -> None:
        shell = await shell_of(desktop)
        await search(shell, "acta", "Acta de marzo.md")
        # The answer to the first of two questions comes while the second is on its way.
        shell.search.search_for("plaza")
        shell.search.search_for("acta")
        for _ in range(50):
            await asyncio.sleep(0.01)
            assert "Acta de marzo.md" in [row.name for row in shell.search.model.rows]

    drive(Options(member), scenario)


def test_a_dropped_file_is_explained_and_a_bad_folder_refused(member: Path, tmp_path: Path, drive: Drive) -> None:
    file = tmp_path / "one.txt"
    file.write_text("x", "utf-8")

    async def scenario(desktop: Desktop) -> None:
        shell = await shell_of(desktop)
        drop(desktop, file)
        assert shell.toast.isVisible() and shell.library.model.rows == []
        shell.library.add([str(tmp_path / "missing")])
        await until(lambda: not shell.library.banner.isHidden(), "the refusal")

    drive(Options(member), scenario)
