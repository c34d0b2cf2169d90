"""Folders on the transfers page: chosen before they start, ordered, paused together, in the real window."""

from pathlib import Path

from window_kit import RECORDING, Barrio, Drive, shell_of, until

from desktop.app import Desktop
from desktop.arguments import Options
from desktop.views.folder_view import Place


def test_files_of_a_folder_are_chosen_before_it_starts(barrio: Barrio, member: Path, drive: Drive) -> None:
    async def scenario(desktop: Desktop) -> None:
        shell = await shell_of(desktop)
        page, session = shell.transfers, shell.transfers._session
        shell.go("transfers")
        peer_id = barrio.ana.peer_id
        await until(lambda: session.status and session.status.primary, "a neighbour")
        found = await session.client.members("Ana")
        place = Place(found.members[0], ("Recordings",))
        assert found.members[0].peer_id == peer_id
        shell.neighbourhood.folder.download([place], paused=True)
        (row,) = await until(lambda: page.model.rows, "the folder")
        assert (row.state, row.files.total, row.place) == ("paused", 4, 1)
        page.table.selectRow(0)
        files = page.details.files
        await until(lambda: files.files.rowCount() == 4, "its files")
        assert page.details.files.isVisible()
        assert {files.files._below(f) for f in files.files.rows} >= {RECORDING}
        others = [f for f in files.files.rows if f.name != "Acta de marzo.md"]
        files.choose(others, wanted=False)
        await until(lambda: page.model.rows[0].files.skipped == 3, "the choice")
        await until(lambda: [f.state for f in files.files.rows].count("skipped") == 3, "the choice in the list")

        lost = await session.client.download("a" * 51 + "q", "later")
        await until(lambda: len(page.model.rows) == 2, "another one")
        later = next(t for t in page.model.rows if t.id == lost.id)
        page.do("top", later)
        await until(lambda: page.model.rows[0].place == 1, "the new order")
        page.do("low", page.model.rows[0])
        await until(lambda: page.model.place_text(page.model.rows[0]).startswith("↓"), "the priority")
        page.pause_button.click()
        await until(lambda: all(t.state == "paused" for t in page.model.rows), "all paused")
        assert not page.pause_button.isVisible()
        page.resume_button.click()
        folder = await until(lambda: [t for t in page.model.rows if t.files and t.state == "done"], "the folder")
        assert (folder[0].files.done, folder[0].files.wanted) == (1, 1)
        fetched = [p.name for p in Path(folder[0].path).iterdir()]
        assert fetched == ["Acta de marzo.md"]
        page.clear_finished()
        await until(lambda: [t.id for t in page.model.rows] == [lost.id], "a shorter list")

    drive(Options(data_dir=member), scenario)
