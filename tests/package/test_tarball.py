"""The tarball, unpacked in an empty folder and run with an empty environment: a central, a window and a peer."""

import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from package_kit import Started, run_alone, same_bytes, wait_indexed
from packages.make import Made
from packages.places import ROOT
from processes import wait_for

pytestmark = [pytest.mark.package, pytest.mark.timeout(600)]

# Seen by Qt, so that no other program is needed: how many colours the screen has.
SEEN = """
import sys
from PySide6.QtGui import QGuiApplication
application = QGuiApplication(sys.argv[:1])
picture = application.primaryScreen().grabWindow(0).toImage()
print(len({picture.pixel(x, y) for x in range(0, picture.width(), 4) for y in range(0, picture.height(), 4)}))
"""


class Unpacked:
    """The folder of a tarball, with a home beside it."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder = folder
        self.home = home
        self.env = {"HOME": str(home), "BARRIO_LISTEN": "127.0.0.1:0"}

    def start(self, name: str, *argv: str, **env: str) -> Started:
        return Started([str(self.folder / "start.sh"), *argv], self.home / f"{name}.log", {**self.env, **env})

    def run(self, *argv: str, seconds: float = 60) -> str:
        return run_alone([str(self.folder / "start.sh"), *argv], self.env, seconds).strip()

    def peer(self, data: Path, *argv: str, seconds: float = 60) -> str:
        return self.run("peer", "--data-dir", str(data), *argv, seconds=seconds)

    def status(self, data: Path) -> Any:
        return json.loads(self.peer(data, "status", "--json"))


@pytest.fixture
def unpacked(made: Made, tmp_path: Path) -> Iterator[Unpacked]:
    with tarfile.open(made.artefact("barrio-", ".tar.gz")) as tar:
        assert all(member.uid == member.gid == 0 and not member.uname for member in tar.getmembers())
        tar.extractall(tmp_path / "a folder", filter="data")
    (folder,) = (tmp_path / "a folder").iterdir()
    home = tmp_path / "home"
    home.mkdir()
    yield Unpacked(folder, home)


def test_a_window_and_a_peer_exchange_files_both_ways(unpacked: Unpacked, tmp_path: Path) -> None:
    before = {path.relative_to(unpacked.folder) for path in unpacked.folder.rglob("*")}
    central = tmp_path / "central"
    verbs = ("central", "--data-dir", str(central))
    window_data, peer_data = tmp_path / "window", tmp_path / "peer"
    running: list[Started] = []
    try:
        serving = unpacked.start("central", *verbs, "serve", "--http", "127.0.0.1:0")
        running.append(serving)
        serving.wait_ready()
        invite = unpacked.run(*verbs, "invite", "--host", "127.0.0.1", "--uses", "2")
        for data, name in ((window_data, "Ana"), (peer_data, "Bruno")):
            unpacked.peer(data, "join", invite, "--name", name)
        window = unpacked.start(
            "window", "--data-dir", str(window_data), DISPLAY=os.environ["DISPLAY"], QT_QPA_PLATFORM="xcb"
        )
        running.append(window)
        running.append(unpacked.start("peer", "peer", "--data-dir", str(peer_data), "run").wait_ready())
        wait_for((window_data / "local-api.json").exists, 60, "the window's peer")
        wait_for(lambda: colours_on_screen() > 30, 30, "the window to be drawn")
        sent = {"from the window.bin": window_data, "from the peer.bin": peer_data}
        for name, data in sent.items():
            folder = tmp_path / f"shared {data.name}"
            folder.mkdir()
            (folder / name).write_bytes(os.urandom(3_000_000))
            unpacked.peer(data, "share", "add", str(folder))
            wait_indexed(lambda data=data: unpacked.status(data), 1)
        for name, data, other in (
            ("from the window.bin", window_data, peer_data),
            ("from the peer.bin", peer_data, window_data),
        ):
            rows = json.loads(unpacked.peer(other, "search", *name.removesuffix(".bin").split(), "--json"))
            fetched = tmp_path / f"fetched {other.name}"
            unpacked.peer(other, "get", rows[0]["content_id"], "--output", str(fetched), seconds=120)
            assert same_bytes(fetched / name, tmp_path / f"shared {data.name}" / name)
        assert all(program.stop() == 0 for program in reversed(running))
        assert window.log_text() == ""
    finally:
        for program in running:
            program.stop()
    # Removing the folder removes it all.
    assert {path.relative_to(unpacked.folder) for path in unpacked.folder.rglob("*")} == before


def colours_on_screen() -> int:
    done = subprocess.run(
        [sys.executable, "-c", SEEN],
        env={**os.environ, "QT_QPA_PLATFORM": "xcb"},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    return int(done.stdout)


def test_a_menu_entry_for_one_user(unpacked: Unpacked) -> None:
    odd = unpacked.folder.rename(unpacked.folder.with_name('a "$folder" with 100% `odd` \\ signs'))
    entry = unpacked.home / ".local/share/applications/barrio.desktop"
    run_alone([str(odd / "install-menu.sh")], unpacked.env)
    run_alone(["desktop-file-validate", str(entry)])
    (command,) = (line for line in entry.read_text("utf-8").splitlines() if line.startswith("Exec="))
    quoted = command.removeprefix("Exec=").removesuffix(" %u")
    # As the Desktop Entry Specification undoes it: first the string's escapes, then the argument's, then the codes.
    argument = quoted.replace("\\\\", "\\").strip('"')
    for sign in '"`$\\':
        argument = argument.replace("\\" + sign, sign)
    assert argument.replace("%%", "%") == str(odd / "start.sh")
    assert run_alone([argument.replace("%%", "%"), "--version"], unpacked.env).startswith("barrio ")
    run_alone([str(odd / "install-menu.sh"), "--remove"], unpacked.env)
    # The system keeps an index of what is there.
    assert {path.name for path in unpacked.home.rglob("*") if path.is_file()} <= {"mimeinfo.cache"}
    assert "barrio" not in "".join(path.read_text("utf-8") for path in unpacked.home.rglob("mimeinfo.cache"))


def test_the_folder_of_an_appimage(made: Made, tmp_path: Path) -> None:
    folder = tmp_path / "AppDir"
    env = {"BARRIO_DIST": str(made.artefacts[0].parent)}
    run_alone([str(ROOT / "packaging/appimage/make_appimage.sh"), "--folder", str(folder)], env)
    # The three that an AppImage must have at its top.
    assert (folder / "AppRun").exists() and (folder / ".DirIcon").exists()
    entry = (folder / "barrio.desktop").read_text("utf-8")
    assert "Icon=barrio\n" in entry and (folder / "barrio.svg").exists()
    run_alone(["desktop-file-validate", str(folder / "barrio.desktop")])
    shown = run_alone([str(folder / "AppRun"), "peer", "--version"], {"APPDIR": str(folder)})
    assert shown.startswith("barrio-peer ")
