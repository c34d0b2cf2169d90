"""With real events of the file system: what changes is found by itself, soon, and without looking at everything."""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from peer_core.library import helper_thread, watching
from peer_core.library.helper_thread import HelperThread
from peer_core.library.watching import Watched, watch, why

if TYPE_CHECKING:
    from tests.library.conftest import Room


def watched(room: Room, files: int = 0) -> Room:
    """Shares the folder, and waits until it is watched and was looked at since."""
    room.share()
    room.until(lambda: room.library.work().looks >= 2)
    room.quiet()
    assert room.library.share("folder").files == files
    return room


def test_every_change_is_found_by_itself(watched_room: Room, content_id: Callable[[bytes], bytes]) -> None:
    room = watched_room
    for name in ("a", "d/b", "d/e/c"):
        room.write(name, name.encode())
    watched(room, files=3)
    room.write("new/deep/er/file", b"n")
    room.until(lambda: "new/deep/er/file" in room.paths())
    room.write("a", b"changed")
    room.until(lambda: room.ids().get("a") == content_id(b"changed"))
    (room.folder / "d").rename(room.folder / "moved")
    room.until(lambda: room.paths() == {"a", "moved/b", "moved/e/c", "new/deep/er/file"})
    room.write("moved/e/later", b"l")
    room.until(lambda: "moved/e/later" in room.paths())
    (room.folder / "a").unlink()
    (room.folder / "a").mkdir()
    room.write("a/inside", b"i")
    room.until(lambda: "a/inside" in room.paths() and "a" not in room.paths())
    (room.folder / "moved" / "b").rename(room.folder / "moved" / "B")
    room.until(lambda: "moved/B" in room.paths() and "moved/b" not in room.paths())
    os.utime(room.folder / "moved" / "B", ns=(0, 10**18))
    room.until(lambda: room.library.find(content_id(b"d/b")) is not None)
    for path in sorted(room.folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    room.until(lambda: room.paths() == set())


def test_a_folder_that_comes_from_elsewhere_is_taken_whole(watched_room: Room) -> None:
    room = watched(watched_room)
    outside = room.root / "outside"
    for i in range(30):
        room.write(f"{i % 3}/{i % 5}/{i}", b"x", outside)
    outside.rename(room.folder / "inside")
    room.until(lambda: room.library.share("folder").files == 30)
    (room.folder / "inside").rename(room.root / "outside")
    room.until(lambda: room.library.share("folder").files == 0)


def test_only_what_changed_is_looked_at(watched_room: Room) -> None:
    room = watched_room
    for i in range(50):
        room.write(f"{i}/file", b"x")
    watched(room, files=50)
    before = room.library.work().looks
    room.write("7/new", b"n")
    room.until(lambda: "7/new" in room.paths())
    room.until(lambda: room.library.work().looks > before)
    assert room.library.work().looks == before + 1


def test_a_steady_writer_does_not_keep_the_others_waiting(watched_room: Room) -> None:
    room = watched(watched_room)
    stop = threading.Event()

    def write_on_and_on() -> None:
        with (room.folder / "log").open("ab", buffering=0) as file:
            while not stop.wait(0.05):
                file.write(b"line\n")

    writer = threading.Thread(target=write_on_and_on)
    writer.start()
    try:
        room.write("other", b"o")
        room.until(lambda: "other" in room.paths(), seconds=8)
    finally:
        stop.set()
        writer.join()
    room.until(lambda: room.paths() == {"log", "other"})


def test_our_own_unfinished_downloads_cause_no_look(watched_room: Room) -> None:
    room = watched(watched_room)
    before = room.library.work().looks
    for i in range(20):
        room.write("film.part", b"x" * i)
    room.write(".hidden/file", b"h")
    room.write("real", b"r")
    room.until(lambda: room.paths() == {"real"})
    assert room.library.work().looks <= before + 2
    (room.folder / "film.part").rename(room.folder / "film")
    room.until(lambda: room.paths() == {"real", "film"})


def test_a_storm_is_found_as_a_whole(watched_room: Room) -> None:
    """50,000 files with BARRIO_TEST_STORM=50000; the time is written down in the benchmarks."""
    room = watched(watched_room)
    count = int(os.environ.get("BARRIO_TEST_STORM", "4000"))
    for i in range(count):
        room.write(f"archive/{i % 97}/{i % 1009}/{i}", b"%d" % i)
    room.until(lambda: room.library.share("folder").files == count, seconds=60)
    assert room.library.work().looks < 30
    assert len(room.listen(1000)) == count


def test_a_watcher_that_dies_is_replaced_and_what_it_missed_is_found(room_watched_apart: Room) -> None:
    room = watched(room_watched_apart)
    pid = room.library.processes()["watcher"]
    os.kill(pid, signal.SIGSTOP)
    room.write("missed", b"m")
    os.kill(pid, signal.SIGKILL)
    room.until(lambda: room.paths() == {"missed"})
    room.until(lambda: room.library.processes().get("watcher", pid) != pid)
    room.quiet()
    looks = room.library.work().looks
    room.until(lambda: room.library.work().looks >= looks)
    room.write("seen", b"s")
    room.until(lambda: room.paths() == {"missed", "seen"})


def test_a_share_that_comes_back_is_watched_again(
    new_watched_room: Callable[[], Room], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("peer_core.library.keeper.ROOTS_SECONDS", 0.2)
    room = new_watched_room()
    room.write("a", b"a")
    watched(room, files=1)
    room.folder.rename(room.root / "away")
    room.until(lambda: room.library.share("folder").unavailable == 1)
    (room.root / "away").rename(room.folder)
    room.until(lambda: room.library.share("folder").files == 1)
    # Where it is not watched yet, the look with which watching begins finds it.
    room.write("b", b"b")
    room.until(lambda: room.paths() == {"a", "b"})


def test_removed_shares_are_not_watched(room_watched_apart: Room) -> None:
    room = watched(room_watched_apart)
    assert "watcher" in room.library.processes()
    room.library.remove_share("folder")
    room.until(lambda: "watcher" not in room.library.processes())


def observers() -> list[str]:
    return [thread.name for thread in threading.enumerate() if "inotify" in type(thread).__module__]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="of inotify")
def test_inside_removed_shares_leave_no_thread_and_others_are_watched_again(room_watched_inside: Room) -> None:
    room = watched(room_watched_inside)
    assert "watcher" not in room.library.processes()
    assert observers()
    room.library.remove_share("folder")
    room.until(lambda: not observers())
    room.write("before", b"b")
    watched_again = room.library.work().looks
    room.share()
    room.until(lambda: observers() and room.library.work().looks > watched_again)
    room.quiet()
    room.write("after", b"a")
    room.until(lambda: room.paths() == {"before", "after"})


def watching_descriptors() -> int:
    found = 0
    for link in list(Path("/proc/self/fd").iterdir()):
        with suppress(FileNotFoundError):
            found += str(link.readlink()) == "anon_inode:inotify"
    return found


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="of inotify")
@pytest.mark.parametrize("which", [watching.BaseObserver, watching._Descriptor])
def test_without_a_thread_for_it_nothing_is_left(tmp_path: Path, which: type, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    before = watching_descriptors(), len(observers())
    share = Watched(1, str(tmp_path), 0, 0, (), False)
    monkeypatch.setattr(which, "start", refuses)
    with pytest.raises(RuntimeError, match="new thread"):
        watching.observing(share, lambda *_: None, lambda _: None, lambda _: None)
    assert (watching_descriptors(), len(observers())) == before


def test_inside_after_a_long_good_time_a_failure_is_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(helper_thread, "SHORT_LIFE_SECONDS", 0.5)
    monkeypatch.setattr(helper_thread, "LONGEST_PAUSE_SECONDS", 20.0)
    began: list[float] = []

    def work(line: HelperThread) -> None:
        began.append(time.monotonic())
        # Four short lives, a long one, a short one.
        if len(began) == 5:
            time.sleep(0.6)
        raise ValueError

    helper = HelperThread(
        "test", work, greeting=list, received=lambda _: None, ended=lambda in_order: len(began) < 7 and not in_order
    )
    helper.start()
    helper.want()
    deadline = time.monotonic() + 20
    while len(began) < 7:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    helper.stop()
    # Doubled four times it would be 1.6 s and more.
    assert began[5] - began[4] < 1.6
    assert began[4] - began[3] > 0.7


def test_inside_a_failure_begins_again_and_what_was_missed_is_found(
    room_watched_inside: Room, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    room = room_watched_inside
    failures = [RuntimeError("broken"), OSError(errno.EIO, "broken")]
    real = watching.observing

    def breaks_first(*args: Any) -> Any:
        if failures:
            raise failures.pop(0)
        return real(*args)

    monkeypatch.setattr(watching, "observing", breaks_first)
    monkeypatch.setattr(watching, "RETRY_SECONDS", 0.2)
    room.share()
    room.write("missed", b"m")
    room.until(lambda: not failures and room.paths() == {"missed"})
    assert "it begins again" in caplog.text
    room.until(lambda: not room.library.unwatched())
    room.quiet()
    room.write("seen", b"s")
    room.until(lambda: room.paths() == {"missed", "seen"})


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="of inotify")
def test_lost_events_lead_to_a_full_look(tmp_path: Path) -> None:
    from watchdog.observers.inotify_c import InotifyConstants, InotifyEvent, WatchDescriptor

    from peer_core.library.watching import _Descriptor

    lost: list[bool] = []
    descriptor = _Descriptor(Watched(1, str(tmp_path), 0, 0, (), False), lambda: lost.append(True), lambda: None)
    descriptor.start()
    descriptor.handle_event(InotifyEvent(WatchDescriptor(-1), InotifyConstants.IN_Q_OVERFLOW, 0, b""))
    descriptor.stop()
    descriptor.join()
    assert lost == [True]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="of inotify")
def test_a_limit_of_the_system_is_told_with_what_helps() -> None:
    watches = why(OSError(errno.ENOSPC, "No space left on device"))
    now = int(Path("/proc/sys/fs/inotify/max_user_watches").read_text())
    assert f"sudo sysctl fs.inotify.max_user_watches={max(524288, 2 * now)}" in watches
    assert "max_user_instances=" in why(OSError(errno.EMFILE, "Too many open files"))
    assert "Permission denied" in why(PermissionError(errno.EACCES, "Permission denied"))


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="of inotify")
def test_a_share_that_cannot_be_watched_is_given_up_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the system's limit is reached halfway through its folders."""
    from watchdog.observers import inotify_c

    for i in range(30):
        (tmp_path / str(i)).mkdir()
    real, lent = inotify_c.inotify_add_watch, 0

    def stingy(descriptor: int, path: bytes, mask: int) -> int:
        nonlocal lent
        lent += 1
        if lent > 20:
            ctypes.set_errno(errno.ENOSPC)
            return -1
        return real(descriptor, path, mask)

    monkeypatch.setattr(inotify_c, "inotify_add_watch", stingy)
    parent = Parent()
    watcher = threading.Thread(target=watch, args=(parent,), kwargs={"quiet_seconds": 0.01, "longest_seconds": 0.1})
    watcher.start()
    parent.heard({"watch": [[7, str(tmp_path), 0, 1, [], False]]})
    while not (troubles := [m["trouble"] for m in parent.said if "trouble" in m]):
        time.sleep(0.005)
    parent.heard({"stop": True})
    watcher.join()
    assert troubles[0][0] == 7
    assert "sudo sysctl fs.inotify.max_user_watches=" in troubles[0][1]


class Parent:
    def __init__(self) -> None:
        self.said: list[Any] = []
        self._listening = threading.Event()

    def say(self, message: Any) -> None:
        self.said.append(message)

    def hear(self, heard: Callable[[Any], None]) -> None:
        self._heard = heard
        self._listening.set()

    def heard(self, message: Any) -> None:
        self._listening.wait()
        self._heard(message)
