"""The short run of `./barrio hosts`, and that nothing of it is left behind, however it ends."""

import contextlib
import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import wait_for
from several_hosts import apart
from several_hosts.scoreboard import Scoreboard, below, read_floor

PROGRAM = Path(__file__).parents[2] / "packaging" / "hosts.py"
REASON = apart.why_not()
needs_hosts = pytest.mark.skipif(bool(REASON), reason=f"hosts cannot be made here: {REASON}")


@needs_hosts
@pytest.mark.timeout(240)
def test_a_short_run_is_at_the_floor_or_above(tmp_path: Path) -> None:
    argv = [sys.executable, str(PROGRAM), "--short", "--json", "--logs", str(tmp_path)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=220, check=False)
    assert done.returncode == 0, f"{done.stderr}\n{done.stdout}"
    board = json.loads(done.stdout)
    assert board["below_floor"] == []
    # A fault that came too late, or did nothing, is no fault.
    assert board["notes"] == []
    assert board["searches"] >= 150
    assert board["downloads"] >= 9
    assert board["several_holders"] >= 3
    assert len(board["converged"]) == 7
    assert len(board["directions"]) == 3
    assert len(list(tmp_path.glob("*.log"))) == 7


def tagged(tag: str) -> Iterator[int]:
    """Processes that were started with that tag in their environment."""
    for folder in Path("/proc").glob("[0-9]*"):
        # It may be gone by now.
        with contextlib.suppress(OSError):
            if tag.encode() in (folder / "environ").read_bytes():
                yield int(folder.name)


@needs_hosts
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_run_that_is_killed_leaves_no_process_and_no_network(number: signal.Signals, tmp_path: Path) -> None:
    tag = secrets.token_hex(16)
    names = set(Path("/run/netns").glob("*"))
    with (tmp_path / "log").open("wb") as log:
        run = subprocess.Popen(
            [sys.executable, str(PROGRAM), "--short"],
            stdout=log,
            stderr=log,
            start_new_session=True,
            env={**os.environ, "BARRIO_HOSTS_TAG": tag},
        )
    try:
        # The program, the cable, the central, and peers that begin to join.
        wait_for(lambda: len(list(tagged(tag))) >= 5, 60, "the hosts")
    finally:
        run.send_signal(number)
        run.wait(30)
    wait_for(lambda: not list(tagged(tag)), 20, "all of its processes to end")
    assert set(Path("/run/netns").glob("*")) == names
    assert not list(Path("/dev/shm").glob("*-shared"))


@needs_hosts
def test_a_run_ends_in_time() -> None:
    done = subprocess.run(
        [sys.executable, str(PROGRAM), "--short", "--limit", "3"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "not done in 3 s" in done.stderr


def test_where_hosts_cannot_be_made_it_says_why(tmp_path: Path) -> None:
    env = {**os.environ, "PATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, str(PROGRAM)], capture_output=True, text=True, env=env, timeout=60, check=False
    )
    assert done.returncode == 77
    assert done.stderr.startswith("barrio hosts: not run: ")


def good() -> Scoreboard:
    return Scoreboard(
        5.0, 10, 10, 4, 4, 1, 1000, 0, converged={"a fault": 9.9, "another": 0.1}, directions={"eva both-ways": True}
    )


def test_the_floor_is_what_was_promised_or_more() -> None:
    floor = read_floor()
    assert floor["searches_answered_percent"] == 100
    assert floor["downloads_completed_percent"] == 100
    assert floor["directions_found_percent"] == 100
    assert floor["bytes_useful_percent"] >= 90
    assert floor["convergence_leases"] <= 2
    assert below(good().figures(), floor) == []


@pytest.mark.parametrize(
    "worse",
    [
        {"answered": 9},
        {"searches": 0, "answered": 0},
        {"completed": 3},
        {"downloads": 0, "completed": 0},
        {"bytes_wasted": 500},
        {"converged": {"a fault": 10.1}},
        {"converged": {"a fault": None}},
        {"converged": {}},
        {"directions": {"eva both-ways": False}},
        {"directions": {}},
    ],
)
def test_a_run_that_is_worse_is_below_the_floor(worse: dict[str, object]) -> None:
    board = good()
    for name, value in worse.items():
        setattr(board, name, value)
    assert len(below(board.figures(), read_floor())) == 1
    assert "BELOW THE FLOOR" in board.as_text()
    assert board.as_json()["below_floor"]
