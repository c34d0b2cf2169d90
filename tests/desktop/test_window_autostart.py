"""Starting with the session: the file that the system reads, and the box that switches it."""

import sys
from pathlib import Path

import pytest
from window_kit import Drive, shell_of

from desktop import autostart
from desktop.app import Desktop
from desktop.arguments import Options

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the file of another system")


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config"


@pytest.mark.parametrize("path", ["/usr/lib/barrio/barrio", '/home/ana/mis "cosas" $1 100% `x` \\ y/app/barrio'])
def test_the_entry_names_the_program_whatever_it_is_called(path: str) -> None:
    (line,) = (line for line in autostart.desktop_entry(Path(path)).splitlines() if line.startswith("Exec="))
    text = line.removeprefix("Exec=").replace("\\\\", "\\")
    assert text[0] == text[-1] == '"'
    argument = text[1:-1].replace("%%", "%")
    for sign in ('"', "`", "$", "\\"):
        argument = argument.replace(f"\\{sign}", sign)
    assert argument == path


def test_switched_on_and_off(config: Path) -> None:
    assert not autostart.is_on()
    autostart.switch(True, Path("/usr/lib/barrio/barrio"))
    assert autostart.is_on()
    assert [path.name for path in (config / "autostart").iterdir()] == ["barrio.desktop"]
    autostart.switch(False, Path("/usr/lib/barrio/barrio"))
    autostart.switch(False, Path("/usr/lib/barrio/barrio"))
    assert not autostart.is_on() and not list((config / "autostart").iterdir())


def test_which_program(monkeypatch: pytest.MonkeyPatch) -> None:
    assert autostart.program() is None
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert autostart.program() == Path(sys.executable)
    monkeypatch.setenv("APPIMAGE", "/home/ana/Barrio.AppImage")
    assert autostart.program() == Path("/home/ana/Barrio.AppImage")
    monkeypatch.setenv("FLATPAK_ID", "org.barrio.Barrio")
    assert autostart.program() is None


def test_the_box_of_the_settings(
    member: Path, config: Path, drive: Drive, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(autostart, "program", lambda: Path("/usr/lib/barrio/barrio"))

    async def scenario(desktop: Desktop) -> None:
        shell = await shell_of(desktop)
        shell.go("settings")
        box = shell.settings.autostart
        assert box.isVisible() and not box.isChecked()
        box.click()
        assert box.isChecked() and autostart.is_on()
        box.click()
        assert not box.isChecked() and not autostart.is_on()
        # A place that cannot be written is told, and the box shows what holds.
        (config / "autostart").rmdir()
        (config / "autostart").write_text("a file, not a folder")
        box.click()
        assert not box.isChecked()
        assert any("could not be set to start" in label.text() for label in (shell.settings._trouble,))

    drive(Options(member), scenario)
