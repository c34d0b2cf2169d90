"""The window as a program: one instance for each data folder, a good end on a signal, and no process left behind."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from processes import Program, command, run_command, wait_for
from PySide6.QtCore import QCoreApplication
from window_kit import Barrio

from desktop import peer_host
from desktop.arguments import ALREADY_OPEN
from desktop.single_instance import hand_over, instance_name
from peer_core.library.helper import FLAG


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_well(member: Path, number: signal.Signals) -> None:
    window = Program([*command("barrio"), "--data-dir", str(member)], member.parent / "window.log")
    try:
        wait_for((member / "local-api.json").exists, 20, "the window's peer")
        time.sleep(1)
        started = time.monotonic()
        window.signal(number)
        assert window.wait(10) == 0
        assert time.monotonic() - started < 5
    finally:
        window.stop()
    assert not (member / "local-api.json").exists()
    assert (member / "window.ini").exists()
    assert window.log_text() == ""


def test_a_signal_before_the_peer_is_there(data_dir: Path, qapp: QCoreApplication) -> None:
    window = Program([*command("barrio"), "--data-dir", str(data_dir)], data_dir.parent / "window.log")
    try:
        name = instance_name(data_dir, None)
        wait_for(lambda: hand_over(name, None), 20, "the window")
        window.signal(signal.SIGTERM)
        assert window.wait(10) == 0
    finally:
        window.stop()


def test_a_second_start_hands_its_link_to_the_first(barrio: Barrio, data_dir: Path) -> None:
    first = Program([*command("barrio"), "--data-dir", str(data_dir)], data_dir.parent / "window.log")
    try:
        wait_for((data_dir / "local-api.json").exists, 20, "the window's peer")
        second = run_command("barrio", "--data-dir", str(data_dir / "."), barrio.central.invite(), seconds=20)
        assert second.returncode == 0 and second.stderr.strip() == ALREADY_OPEN
        assert first.process.poll() is None
    finally:
        assert first.stop() == 0


def test_the_window_is_shown_before_the_network_half_is_loaded() -> None:
    code = "import desktop.app, sys; print(*({'flask', 'grpc', 'httpx', 'waitress', 'peer_core'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.strip() == ""


def test_help_and_wrong_usage() -> None:
    shown = run_command("barrio", "--help")
    assert shown.returncode == 0 and "--connect" in shown.stdout
    wrong = run_command("barrio", "--nonsense")
    assert wrong.returncode == 2 and "try barrio --help" in wrong.stderr


def test_without_a_display_it_says_so(data_dir: Path) -> None:
    nowhere = {"DISPLAY": "", "WAYLAND_DISPLAY": "", "QT_QPA_PLATFORM": ""}
    done = run_command("barrio", "--data-dir", str(data_dir), env=nowhere)
    assert done.returncode == 1 and "no display" in done.stderr


def test_a_frozen_window_knows_how_the_peer_calls_its_helpers() -> None:
    assert peer_host.HELPER_ARGUMENT == FLAG
