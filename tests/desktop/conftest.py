"""The real window in Qt's loop, a real central and real peers; a test's scenario is a coroutine beside the window."""

import asyncio
import gc
import os
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from processes import Central, HeadlessPeer
from PySide6.QtWidgets import QApplication
from window_kit import MARKUP_NAME, RECORDING, RECORDING_BYTES, TURNED_NAME, Barrio, Drive

from desktop import bridge
from desktop.app import Desktop
from desktop.arguments import Options
from desktop.context import Context
from desktop.look import Look
from desktop.runtime import Runtime
from desktop.window_settings import WindowSettings
from desktop.words import Words
from peer_core import nearby

SECONDS = 40.0


@pytest.fixture(scope="module", autouse=True)
def no_collection_inside_destructors() -> Iterator[None]:
    """As in the program (see `desktop.runtime`); the root conftest collects after each test."""
    gc.disable()
    yield
    gc.unfreeze()
    gc.collect()
    gc.enable()


@pytest.fixture(scope="module")
def barrio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Barrio]:
    root = tmp_path_factory.mktemp("barrio")
    files = root / "Recordings"
    files.mkdir()
    (files / RECORDING).write_bytes(os.urandom(RECORDING_BYTES))
    (files / "Acta de marzo.md").write_text("# Acta\n", "utf-8")
    (files / MARKUP_NAME).write_text("markup", "utf-8")
    (files / TURNED_NAME).write_bytes(b"MZ")
    central = Central(root / "central", heartbeat=1)
    try:
        ana = HeadlessPeer(root / "ana", "Ana", central.invite()).start()
        assert ana.program is not None
        with ana.program:
            ana.verb("share", "add", str(files))
            ana.wait_indexed(4)
            yield Barrio(central, ana, files)
    finally:
        central.program.stop()


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder for the window, whose peer listens on loopback and downloads into `downloads` beside it."""
    monkeypatch.setenv("BARRIO_LISTEN", "127.0.0.1:0")
    monkeypatch.setenv("BARRIO_DOWNLOAD_DIR", str(tmp_path / "downloads"))
    # The network of the machine that tests is nobody's business.
    monkeypatch.setattr(nearby, "find", lambda stopped: [])
    (tmp_path / "downloads").mkdir()
    data = tmp_path / "window"
    data.mkdir()
    settings = WindowSettings(data)
    settings.language = "en"
    settings.theme = "light"
    settings.save()
    return data


@pytest.fixture
def member(barrio: Barrio, data_dir: Path) -> Path:
    """The window's data folder, already joined."""
    HeadlessPeer(data_dir, "Me", barrio.central.invite())
    return data_dir


@pytest.fixture
def drive(qapp: QApplication) -> Drive:

    def run(options: Options, scenario: Callable[[Desktop], Awaitable[None]]) -> None:
        async def main() -> int:
            desktop = Desktop(qapp, options)
            window = asyncio.ensure_future(desktop.run())
            try:
                async with asyncio.timeout(SECONDS):
                    await scenario(desktop)
            finally:
                desktop.window.close()
                async with asyncio.timeout(15):
                    status = await window
            return status

        with Runtime():
            assert bridge.run(qapp, main) == 0

    return run


@pytest.fixture
def make_context(qapp: QApplication, tmp_path: Path) -> Callable[[str], Context]:
    """`make_context(language)`: what a widget needs, without a peer."""

    def make(language: str = "en") -> Context:
        look = Look()
        look.start(qapp, "light")
        return Context(Words(language), look, WindowSettings(tmp_path))

    return make
