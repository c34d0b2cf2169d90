"""Hashing: right or not at all, small files first, and it can be stopped at any time."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peer_core.content import MAX_PIECE, Manifest
from peer_core.library.hasher import Hasher
from peer_core.library.hashing import Bench, Cancelled, FileChangedError, FileHash, seconds_until_settled

if TYPE_CHECKING:
    from tests.library.conftest import Room

GIB = 1 << 30
MIB = 1 << 20


def whole(path: Path, two: bool) -> Manifest:
    with FileHash(path) as hashing, closing(Bench(two)) as bench:
        while not hashing.finished:
            hashing.step(bench)
        return hashing.manifest()


@pytest.mark.parametrize("size", [0, 1, MIB - 1, MIB, MIB + 1, 3 * MIB + 5, 8 * MIB, 21 * MIB + 7])
def test_a_manifest_proves_every_piece(tmp_path: Path, size: int, manifest: Callable[[bytes], Manifest]) -> None:
    data = os.urandom(size)
    path = tmp_path / "file"
    path.write_bytes(data)
    for two in (False, True):
        assert whole(path, two) == manifest(data)
        assert whole(path, two).count == -(-size // MIB)


def test_large_files_have_larger_pieces(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(300 * GIB)
    with FileHash(path) as hashing, closing(Bench(False)) as bench:
        hashing.step(bench)
        assert hashing.bytes_done == MAX_PIECE


def test_hashing_goes_on_where_it_was_cancelled(tmp_path: Path, manifest: Callable[[bytes], Manifest]) -> None:
    data = os.urandom(20 * MIB)
    path = tmp_path / "file"
    path.write_bytes(data)
    with FileHash(path) as hashing, closing(Bench(True)) as bench:
        hashing.step(bench)
        with pytest.raises(Cancelled):
            hashing.step(bench, lambda: True)
        while not hashing.finished:
            hashing.step(bench)
        assert hashing.manifest() == manifest(data)


@pytest.mark.parametrize("change", ["write", "grow", "shrink", "replace", "delete"])
def test_a_file_that_changes_meanwhile_has_no_manifest(tmp_path: Path, change: str) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(9 * MIB))
    os.utime(path, ns=(0, 10**18))
    with FileHash(path) as hashing, closing(Bench(False)) as bench:
        hashing.step(bench)
        match change:
            case "write":
                with path.open("r+b") as file:
                    file.write(b"x")
            case "grow":
                with path.open("ab") as file:
                    file.write(b"x")
            case "shrink":
                os.truncate(path, MIB)
            case "replace":
                other = tmp_path / "other"
                other.write_bytes(b"x" * 9 * MIB)
                os.utime(other, ns=(0, 10**18))
                other.replace(path)
            case "delete":
                path.unlink()
        with pytest.raises((FileChangedError, FileNotFoundError)):
            while not hashing.finished:
                hashing.step(bench)
            hashing.manifest()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_what_became_a_pipe_a_link_or_a_folder_is_gone(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "file")
    for name in ("pipe", "folder", "link", "none"):
        with pytest.raises(FileNotFoundError):
            FileHash(tmp_path / name)


@given(st.integers(-(10**10), 10**10))
def test_a_fresh_file_waits_until_its_time_can_tell(age_ns: int) -> None:
    coarse = (time.time_ns() - age_ns) // 10**9 * 10**9
    for mtime_ns, window in ((coarse, 2.1), (coarse + 1, 0.02)):
        delay = seconds_until_settled(mtime_ns)
        now = time.time_ns()
        assert delay in (0.0, window)
        if abs(now - mtime_ns) > window * 1e9 + 10**8:
            assert delay == 0.0
        if abs(now - mtime_ns) < window * 1e9 - 10**8:
            assert delay == window


def test_a_file_in_the_making_is_published_once_it_stands_still(
    room: Room, content_id: Callable[[bytes], bytes]
) -> None:
    path = room.write("growing", b"")
    stop = threading.Event()

    def grow() -> None:
        with path.open("ab", buffering=0) as file:
            while not stop.is_set():
                file.write(os.urandom(MIB // 4))
                time.sleep(0.002)

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        room.library.add_share(room.folder)
        room.until(lambda: room.library.work().looks >= 1)
        time.sleep(0.5)
        room.library.rescan()
        time.sleep(0.3)
        seen = room.library.changes_after(0, 10)
    finally:
        stop.set()
        writer.join()
    assert all(c.deleted for c in seen)
    room.quiet()
    assert room.ids() == {"growing": content_id(path.read_bytes())}


def test_stop_does_not_wait_for_a_huge_file(room: Room) -> None:
    with room.write("huge").open("wb") as file:
        file.truncate(1 << 40)
    room.write("small", b"small")
    room.library.add_share(room.folder)
    room.until(lambda: room.library.work().bytes_hashed > 100 * MIB)
    # Small ones come first, and later ones in between.
    room.until(lambda: room.paths() == {"small"})
    room.write("also small", b"2")
    room.library.rescan()
    room.until(lambda: room.paths() == {"small", "also small"})
    share = room.library.share("folder")
    assert share.pending == 1
    assert share.progress is not None
    assert share.progress.bytes_total >= 1 << 40
    assert share.progress.files_total - share.progress.files_done == 1
    before = share.progress.bytes_done
    room.until(lambda: room.library.share("folder").progress.bytes_done > before)  # type: ignore[union-attr]
    started = time.monotonic()
    room.library.stop()
    assert time.monotonic() - started < 2


def test_a_small_file_that_grew_huge_holds_nobody_up(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    path = room.write("grows", b"small")
    os.utime(path, ns=(10**18, 10**18))
    original = Hasher._hash_small

    def grow_first(hasher: Hasher) -> None:
        if path.stat().st_size < MIB:
            with path.open("ab") as file:
                file.truncate(1 << 40)
            os.utime(path, ns=(10**18, 10**18))
        original(hasher)

    monkeypatch.setattr(Hasher, "_hash_small", grow_first)
    room.library.add_share(room.folder)
    room.until(lambda: room.library.work().bytes_hashed > 100 * MIB)
    room.write("small", b"2")
    room.library.rescan()
    room.until(lambda: room.paths() == {"small"})
    started = time.monotonic()
    room.library.stop()
    assert time.monotonic() - started < 2


def test_a_deleted_file_gives_up_its_place(room: Room) -> None:
    huge = room.write("huge")
    with huge.open("wb") as file:
        file.truncate(1 << 40)
    room.library.add_share(room.folder)
    room.until(lambda: room.library.work().bytes_hashed > 100 * MIB)
    huge.unlink()
    room.rescan()
    room.write("next", b"n")
    assert room.rescan().paths() == {"next"}


def test_a_disk_error_is_a_problem_and_the_rest_goes_on(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    step = FileHash.step

    def failing(hashing: FileHash, bench: Bench, cancelled: Callable[[], bool]) -> None:
        if hashing.signature.size == 666:
            raise OSError(errno.EIO, "Input/output error")
        step(hashing, bench, cancelled)

    monkeypatch.setattr(FileHash, "step", failing)
    room.write("bad sector", bytes(666))
    room.write("good", b"good")
    share = room.share()
    assert room.paths() == {"good"}
    assert [(p.path, "disk reports an error" in p.reason) for p in share.problems] == [("bad sector", True)]
    monkeypatch.undo()
    assert room.rescan().paths() == {"bad sector", "good"}
    assert room.library.share("folder").problems == ()


def test_an_unexpected_failure_does_not_end_the_thread(
    room: Room, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("a mistake of ours")

    room.write("file", b"f")
    monkeypatch.setattr(FileHash, "__init__", broken)
    room.library.add_share(room.folder)
    room.until(lambda: room.library.trouble() is not None)
    monkeypatch.undo()
    room.quiet()
    assert room.paths() == {"file"}
    room.until(lambda: room.library.trouble() is None)
    assert "a mistake of ours" in caplog.text


def test_readers_never_wait_for_the_scan(room: Room) -> None:
    for i in range(4000):
        room.write(f"{i % 40}/{i}", b"%d" % i)
    waits: list[float] = []
    errors: list[BaseException] = []
    done = threading.Event()

    def read() -> None:
        try:
            while not done.is_set():
                started = time.monotonic()
                library = room.library
                library.shares()
                totals = library.totals()
                changes = library.changes_after(0, 20)
                if changes and library.shares() and not changes[0].deleted:
                    found = library.find(changes[0].content_id)
                    assert found is not None or not library.shares()
                assert 0 <= totals.files <= 4000
                library.rescan()
                waits.append(time.monotonic() - started)
                time.sleep(0.001)
        except BaseException as error:
            errors.append(error)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    try:
        room.library.add_share(room.folder)
        room.until(lambda: room.library.totals().files == 4000)
        room.library.remove_share("folder")
        room.until(lambda: all(c.deleted for c in room.library.changes_after(0, 5000)))
    finally:
        done.set()
        for reader in readers:
            reader.join()
    assert errors == []
    assert sorted(waits)[len(waits) // 2] < 0.25
