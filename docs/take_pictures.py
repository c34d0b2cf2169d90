"""Takes the pictures of the README from the real window, against the real ready-made neighbourhood.

Run it by `./barrio shots`; it needs no display. Writes docs/pictures/*.png.
"""

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "packaging")]
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("QT_SCALE_FACTOR", "2")
os.environ["BARRIO_KEYRING"] = "off"

from neighbourhood import Neighbourhood  # noqa: E402
from processes import HeadlessPeer  # noqa: E402
from PySide6.QtWidgets import QApplication  # noqa: E402
from samples import make_samples  # noqa: E402

from desktop import bridge  # noqa: E402
from desktop.app import Desktop  # noqa: E402
from desktop.arguments import Options  # noqa: E402
from desktop.runtime import Runtime  # noqa: E402
from desktop.views.first_run import FirstRunPage  # noqa: E402
from desktop.views.folder_view import Place  # noqa: E402
from desktop.views.shell import Shell  # noqa: E402
from desktop.window_settings import WindowSettings  # noqa: E402

PICTURES = ROOT / "docs" / "pictures"
BARRIO_NAME = "Lavapiés"
SIZE = (1160, 720)
RECORDING_SECONDS = 3600
WORDS = "de"
SMALL = ("Street party poster.png", "Fotos del mercado.zip", "Community garden plan.pdf")
TRIES = 8


async def until(condition: Callable[[], Any], what: str, seconds: float = 60.0) -> Any:
    for _ in range(round(seconds / 0.02)):
        if value := condition():
            return value
        await asyncio.sleep(0.02)
    raise TimeoutError(f"waited {seconds} s for {what}")


def take(desktop: Desktop, name: str) -> None:
    """What the window shows at this moment."""
    PICTURES.mkdir(exist_ok=True)
    path = PICTURES / f"{name}.png"
    desktop.window.grab().save(str(path))
    print(f"{path.relative_to(ROOT)}", flush=True)


async def first_run(desktop: Desktop) -> None:
    await until(lambda: isinstance(desktop.window.stack.currentWidget(), FirstRunPage), "the first page")
    page = desktop.window.stack.currentWidget()
    assert isinstance(page, FirstRunPage)
    page.name.setText("Ana's laptop")
    await asyncio.sleep(0.5)
    take(desktop, "first-run-light")


async def member(desktop: Desktop, mine: Path, recording: str) -> None:
    shell = await until(lambda: desktop.window.shell, "the main page")
    session = desktop.session
    assert isinstance(shell, Shell) and session is not None
    await until(lambda: session.status and session.status.primary, "a neighbour")
    for banner in shell.notices.banners:
        banner.closed.emit()
    shell.library.add([str(folder) for folder in sorted(mine.iterdir())])
    await until(lambda: session.shares and all(s.state == "ready" and s.files for s in session.shares), "my shares")
    await until(lambda: session.status and not session.status.pending, "my shares to be published")
    shell.go("library")
    shell.toast.hide()
    take(desktop, "library-light")

    for name in SMALL:
        await fetch(shell, name)
    await until(lambda: [t.state for t in session.transfers] == ["done"] * len(SMALL), "the small files")
    await fetch(shell, recording)
    desktop.choose_theme("dark")
    shell.go("transfers")
    for _ in range(TRIES):
        await catch_half_way(desktop, shell, recording)
        if session.transfers[0].state == "running":
            break
        shell.transfers.do("remove", session.transfers[0])
        Path(session.transfers[0].path).unlink()
        await until(lambda: len(session.transfers) == len(SMALL), "the list")
        await fetch(shell, recording)
    shell.toast.hide()
    await asyncio.sleep(0.1)
    take(desktop, "transfers-dark")

    desktop.choose_theme("light")
    await neighbourhood(desktop, shell)
    shell.go("search")
    await until(lambda: session.transfers[0].state == "done", "the recording")
    shell.search.search_for(WORDS)
    await until(lambda: shell.search.model.rowCount() > 1, "results")
    await until(lambda: session.status and not session.status.rate_received, "the rates to calm down")
    missing = [i for i, row in enumerate(shell.search.model.rows) if not shell.search.model.has(row)]
    shell.search.table.selectRow(missing[0])
    shell.toast.hide()
    await asyncio.sleep(0.2)
    take(desktop, "search-light")


async def neighbourhood(desktop: Desktop, shell: Shell) -> None:
    """Bruno's photos, as the window shows what a member shares: some are here already."""
    page = shell.neighbourhood
    shell.go("neighbourhood")
    bruno = await until(lambda: [m for m in page.members.model.rows if m.name == "Bruno"], "Bruno")
    page.visit(Place(bruno[0], ("Fotos del mercado",)))
    await until(lambda: page.folder.model.rowCount(), "Bruno's photos")
    missing = [i for i, row in enumerate(page.folder.model.rows) if not page.folder.model.has(row)]
    page.folder.table.selectRow(missing[0])
    page.folder.table.setFocus()
    shell.toast.hide()
    await asyncio.sleep(0.2)
    take(desktop, "neighbourhood-light")


async def fetch(shell: Shell, name: str) -> None:
    """Searches for a file and starts its download."""
    shell.search.search_for(name.rpartition(".")[0])
    model = shell.search.model
    found = await until(lambda: [row for row in model.rows if row.name == name], name)
    shell.search.download(found[0])


async def catch_half_way(desktop: Desktop, shell: Shell, name: str) -> None:
    """Returns when the newest transfer is somewhere in its middle, and shown so; or over."""
    session = desktop.session
    assert session is not None
    while True:
        await session.refresh()
        newest = session.transfers[0]
        if newest.name == name and (newest.state == "done" or (newest.rate and 0.3 < newest.fraction < 0.9)):
            shell.transfers.select(newest.id)
            return
        await asyncio.sleep(0.02)


def show(qt: QApplication, data: Path, scenario: Callable[[Desktop], Awaitable[None]]) -> None:
    """One life of the window in English, at a fixed size."""
    data.mkdir(parents=True, exist_ok=True)
    settings = WindowSettings(data)
    settings.language, settings.theme = "en", "light"
    settings.save()

    async def life() -> int:
        desktop = Desktop(qt, Options(data))
        desktop.window.resize(*SIZE)
        window = asyncio.ensure_future(desktop.run())
        try:
            await scenario(desktop)
        finally:
            desktop.quit()
            status = await window
        return status

    with Runtime():
        bridge.run(qt, life)


def main() -> int:
    root = Path(tempfile.mkdtemp(prefix="barrio-"))
    os.environ["BARRIO_LISTEN"] = "127.0.0.1:0"
    os.environ["BARRIO_DOWNLOAD_DIR"] = str(root / "Downloads")
    try:
        qt = QApplication(sys.argv[:1])
        neighbourhood = Neighbourhood(root, RECORDING_SECONDS, BARRIO_NAME)
        try:
            show(qt, root / "new-data", first_run)
            HeadlessPeer(root / "me-data", "Carmen's laptop", neighbourhood.central.invite())
            make_samples(root / "Carmen", root / "more", 20)
            shutil.rmtree(root / "Carmen" / "Community garden")
            (root / "Carmen" / "Recordings" / "Campana de la torre.wav").unlink()
            recording = neighbourhood.recording
            show(qt, root / "me-data", lambda desktop: member(desktop, root / "Carmen", recording))
        finally:
            neighbourhood.stop()
    finally:
        shutil.rmtree(root, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
