"""A display that does not answer is noticed before Qt ends the process over it."""

import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from processes import run_command

from desktop.display import NONE, display_trouble

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="X11 and Wayland are Linux's")
# No port and no socket has this number.
NOBODY = ":64999"


def test_a_display_that_does_not_answer_is_named(data_dir: Path) -> None:
    assert display_trouble({}) == NONE
    assert display_trouble({"DISPLAY": NOBODY}) == f"the display {NOBODY} does not answer"
    assert display_trouble({"DISPLAY": "nonsense"}) == "the display nonsense does not answer"
    for name in ("wayland-9", "/no/such/socket"):
        env = {"WAYLAND_DISPLAY": name, "XDG_RUNTIME_DIR": str(data_dir)}
        assert display_trouble(env) == f"the display {name} does not answer"
    assert display_trouble({"QT_QPA_PLATFORM": "xcb", "DISPLAY": NOBODY}) is not None
    assert display_trouble({"QT_QPA_PLATFORM": "offscreen"}) is None


def test_the_window_says_one_line_and_ends(data_dir: Path) -> None:
    env = {"DISPLAY": NOBODY, "WAYLAND_DISPLAY": "", "QT_QPA_PLATFORM": ""}
    done = run_command("barrio", "--data-dir", str(data_dir), env=env)
    said = f"barrio: the display {NOBODY} does not answer; use barrio-peer, or set DISPLAY to one that answers\n"
    assert (done.returncode, done.stderr) == (1, said)


@pytest.mark.skipif(shutil.which("Xvfb") is None, reason="Xvfb is not installed")
def test_an_x_server_answers_until_it_ends() -> None:
    server = subprocess.Popen(["Xvfb", "-displayfd", "1", "-nolisten", "tcp"], stdout=subprocess.PIPE, text=True)
    with server:
        assert server.stdout is not None
        display = f":{server.stdout.readline().strip()}"
        try:
            assert display_trouble({"DISPLAY": display}) is None
        finally:
            server.terminate()
    assert display_trouble({"DISPLAY": display}) is not None


def test_a_wayland_socket_answers(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(tmp_path / "w"))
        listener.listen()
        for name in ("w", str(tmp_path / "w")):
            env = {"WAYLAND_DISPLAY": name, "XDG_RUNTIME_DIR": str(tmp_path), "DISPLAY": NOBODY}
            assert display_trouble(env) is None
