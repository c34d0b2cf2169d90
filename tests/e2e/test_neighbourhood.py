"""`./barrio run` without a display: each hop is told, the file is verified, and nothing is left behind."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("display", ["", ":64999"])
def test_the_job_runs_in_the_terminal_and_cleans_up(tmp_path: Path, display: str) -> None:
    hidden = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    env = {k: v for k, v in os.environ.items() if k not in hidden} | {"TMPDIR": str(tmp_path), "DISPLAY": display}
    done = subprocess.run(
        [sys.executable, str(ROOT / "packaging" / "neighbourhood.py"), "--recording-seconds", "60"],
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = [line.split()[0] for line in done.stdout.splitlines() if line and not line.startswith(" ")]
    for first, then in zip(
        ["me", "neighbour", "central", "found", "holder"],
        ["neighbour", "central", "found", "holder", "verified"],
        strict=True,
    ):
        assert told.index(first) < told.index(then), done.stdout
    # A display that does not answer is told before anything is built.
    noticed = done.stdout.startswith("the display :64999 does not answer; everything runs in the terminal\n")
    assert noticed == bool(display)
    assert "the same as Ana's: True" in done.stdout
    assert list(tmp_path.iterdir()) == []
