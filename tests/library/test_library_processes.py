"""The worker and the watcher are processes of their own: they die, rest, and never outlive the peer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from peer_core.library.child import run_if_asked
from peer_core.library.helper import FLAG, command

if TYPE_CHECKING:
    from tests.library.conftest import Room

GIB = 1 << 30

PROGRAM = """
import sys, time
from pathlib import Path
from peer_core.library.library import Library
library = Library(Path(sys.argv[1]))
library.start()
library.add_share(sys.argv[2])
while len(library.processes()) < 2:
    time.sleep(0.01)
print(*library.processes().values(), flush=True)
time.sleep(60)
"""


def is_alive(pid: int) -> bool:
    """Of a process that may be a stranger's child, and so a zombie for a moment."""
    try:
        with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


linux = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="looks into /proc")


def test_all_is_indexed_by_another_process(process_room: Room, content_id: Callable[[bytes], bytes]) -> None:
    room = process_room
    data = {f"{i % 5}/{i}": b"%d" % i for i in range(200)}
    for name, content in data.items():
        room.write(name, content)
    room.share()
    assert room.ids() == {path: content_id(content) for path, content in data.items()}
    room.until(lambda: room.library.work().files_hashed == 200)
    room.until(lambda: room.changed > 0)
    assert room.library.work().looks == 1
    assert os.getpid() not in room.library.processes().values()


def test_a_killed_worker_loses_nothing(process_room: Room, content_id: Callable[[bytes], bytes]) -> None:
    room = process_room
    data = {f"{i % 11}/{i}": b"%d" % i * 50 for i in range(3000)}
    for name, content in data.items():
        room.write(name, content)
    room.library.add_share(room.folder)
    for count in (1, 500, 1500):
        room.until(lambda: room.library.share("folder").pending + room.library.share("folder").files > count)  # noqa: B023
        room.until(lambda: bool(room.library.processes()))
        os.kill(room.library.processes()["worker"], signal.SIGKILL)
        assert all(content == content_id(data[path]) for path, content in room.ids().items())
    room.quiet()
    assert room.ids() == {path: content_id(content) for path, content in data.items()}


def test_what_was_asked_of_a_worker_that_died_is_done_by_the_next(process_room: Room) -> None:
    room = process_room
    room.write("a", b"a")
    room.share()
    room.until(lambda: bool(room.library.processes()))
    os.kill(room.library.processes()["worker"], signal.SIGSTOP)
    room.write("b", b"b")
    room.library.rescan()
    os.kill(room.library.processes()["worker"], signal.SIGKILL)
    room.quiet()
    assert room.paths() == {"a", "b"}


def test_an_idle_worker_rests_and_comes_back(
    process_room: Room, monkeypatch: pytest.MonkeyPatch, new_process_room: Callable[[], Room]
) -> None:
    monkeypatch.setattr("peer_core.library.remote.IDLE_SECONDS", 0.1)
    room = new_process_room()
    room.write("a", b"a")
    room.share()
    room.until(lambda: not room.library.processes())
    problem_free = room.library.share("folder")
    assert problem_free.files == 1
    room.write("b", b"b")
    room.library.rescan()
    room.quiet()
    assert room.paths() == {"a", "b"}
    room.until(lambda: room.library.work().files_hashed == 2)
    room.until(lambda: not room.library.processes())


def test_stop_is_quick_while_a_huge_file_is_read(process_room: Room) -> None:
    room = process_room
    with room.write("huge").open("wb") as file:
        file.truncate(1 << 40)
    room.write("small", b"s")
    room.library.add_share(room.folder)
    room.until(lambda: room.library.work().bytes_hashed > GIB // 8)
    assert room.paths() == {"small"}
    (pid,) = room.library.processes().values()
    started = time.monotonic()
    room.library.stop()
    assert time.monotonic() - started < 2
    assert not is_alive(pid)


def test_helpers_that_do_not_answer_are_ended(room_watched_apart: Room) -> None:
    room = room_watched_apart
    room.share()
    room.until(lambda: len(room.library.processes()) == 2)
    pids = room.library.processes().values()
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    started = time.monotonic()
    room.library.stop()
    assert time.monotonic() - started < 2
    assert not any(map(is_alive, pids))


@linux
def test_the_helpers_end_with_a_parent_that_is_killed(new_room: Callable[[], Room]) -> None:
    room = new_room()
    room.library.stop()
    with room.write("huge").open("wb") as file:
        file.truncate(1 << 40)
    argv = [sys.executable, "-c", PROGRAM, str(room.database), str(room.folder)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        helpers = [int(pid) for pid in process.stdout.readline().split()]
        assert all(map(is_alive, helpers))
        process.kill()
    assert len(helpers) == 2
    room.until(lambda: not any(map(is_alive, helpers)), seconds=2)


@linux
def test_the_worker_gives_way_and_stays_small(process_room: Room) -> None:
    room = process_room
    for i in range(5000):
        room.write(f"{i % 50}/{i}", b"%d" % i)
    room.share()
    (pid,) = room.library.processes().values()
    assert os.getpriority(os.PRIO_PROCESS, pid) - os.getpriority(os.PRIO_PROCESS, 0) in (10, 19 - os.nice(0))
    with open(f"/proc/{pid}/status") as file:  # noqa: PTH123
        peak_kib = next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))
    assert peak_kib < 80_000


def test_a_frozen_program_starts_its_helpers_through_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    argv = command(["worker", "{}"])
    assert argv == [sys.executable, FLAG, "worker", "{}"]
    monkeypatch.setattr("peer_core.library.child.main", asked.append)
    monkeypatch.setattr(sys, "argv", ["barrio", *argv[1:]])
    run_if_asked()
    monkeypatch.setattr(sys, "argv", ["barrio", "--data-dir", "x"])
    run_if_asked()
    assert asked == [["worker", "{}"]]
