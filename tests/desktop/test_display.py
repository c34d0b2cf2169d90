"""A display that does not answer is noticed before Qt ends the process over it."""

import ctypes
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from processes import run_command, wait_for

from desktop.display import NONE, display_trouble

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="X11 and Wayland are Linux's")
# No port and no socket has this number.
NOBODY = ":64999"
# Of X11: display N is at port 6000 + N.
FIRST_PORT = 6000


def has_xcb() -> bool:
    try:
        ctypes.CDLL("libxcb.so.1")
    except OSError:
        return False
    return True


# Without it, a display of X11 is left to Qt.
needs_xcb = pytest.mark.skipif(not has_xcb(), reason="libxcb is not installed")


@needs_xcb
def test_a_display_that_does_not_answer_is_named(data_dir: Path) -> None:
    assert display_trouble({}) == NONE
    assert display_trouble({"DISPLAY": NOBODY}) == f"the display {NOBODY} does not answer"
    assert display_trouble({"DISPLAY": "nonsense"}) == "the display nonsense does not answer"
    for name in ("wayland-9", "/no/such/socket"):
        env = {"WAYLAND_DISPLAY": name, "XDG_RUNTIME_DIR": str(data_dir)}
        assert display_trouble(env) == f"the display {name} does not answer"
    assert display_trouble({"QT_QPA_PLATFORM": "xcb", "DISPLAY": NOBODY}) is not None
    assert display_trouble({"QT_QPA_PLATFORM": "offscreen"}) is None


@needs_xcb
def test_the_window_says_one_line_and_ends(data_dir: Path) -> None:
    env = {"DISPLAY": NOBODY, "WAYLAND_DISPLAY": "", "QT_QPA_PLATFORM": ""}
    done = run_command("barrio", "--data-dir", str(data_dir), env=env)
    said = f"barrio: the display {NOBODY} does not answer; use barrio-peer, or set DISPLAY to one that answers\n"
    assert (done.returncode, done.stderr) == (1, said)


@needs_xcb
def test_a_display_that_takes_the_connection_and_says_nothing_is_given_up() -> None:
    before = set(threading.enumerate())
    listener, display = silent_display()
    with listener:
        began = time.monotonic()
        assert display_trouble({"DISPLAY": display}) == f"the display {display} does not answer"
        assert time.monotonic() - began < 10
        listener.settimeout(5)
        # It was asked; with the end of the connection, whoever asked ends too.
        listener.accept()[0].close()
    wait_for(lambda: set(threading.enumerate()) <= before, 10, "the thread that asked to end")


def silent_display() -> tuple[socket.socket, str]:
    for number in range(40, 100):
        try:
            return socket.create_server(("127.0.0.1", FIRST_PORT + number)), f"127.0.0.1:{number}"
        except OSError:
            continue
    raise AssertionError("no port of a display is free")


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


def test_the_usual_wayland_socket_and_one_that_is_open_already_count(tmp_path: Path) -> None:
    named, session = {"QT_QPA_PLATFORM": "wayland"}, {"XDG_SESSION_TYPE": "wayland"}
    runtime = {"XDG_RUNTIME_DIR": str(tmp_path)}
    assert display_trouble(named | runtime) == NONE
    assert display_trouble(session | runtime) == NONE
    assert display_trouble({"WAYLAND_SOCKET": "5"}) is None
    assert display_trouble({"WAYLAND_SOCKET": "5", "QT_QPA_PLATFORM": "xcb"}) == NONE
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
        listener.bind(str(tmp_path / "wayland-0"))
        listener.listen()
        assert display_trouble(named | runtime) is None
        assert display_trouble(session | runtime) is None
        assert display_trouble(runtime) == NONE, "Qt would not look there"
        # Only where none is named.
        assert display_trouble(named | runtime | {"WAYLAND_DISPLAY": "w"}) == "the display w does not answer"
