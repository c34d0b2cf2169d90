"""A look at a share: what is taken, what is left out, and that nothing is hashed twice."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from peer_core.library import rules
from peer_core.library.keeper import Watch
from peer_core.library.library import Library
from peer_core.library.types import ShareState

if TYPE_CHECKING:
    from tests.library.conftest import Room

LINUX = os.uname().sysname == "Linux" if hasattr(os, "uname") else False
LEFT_OUT = [".hidden", "x.part", "X.PART", "a.crdownload", "b.tmp", "~$letter.docx", ".~lock.a.odt#"]
LEFT_OUT += ["Thumbs.db", "desktop.ini", ".DS_Store", ".git/config", "$RECYCLE.BIN/x", "lost+found/x", "y.part/z"]


def open_the_way(folder: Path) -> None:
    """Lets another user reach what lies in a test's own folder."""
    for parent in folder.parents:
        if parent == Path(tempfile.gettempdir()):
            break
        parent.chmod(0o755)


def test_hidden_temporary_and_system_files_are_left_out(room: Room) -> None:
    for name in LEFT_OUT:
        room.write(name, b"no")
    for name in ("part", "a.b", "tmp/notes.txt", "~home", "$5.txt", "a part.txt"):
        room.write(name, b"yes")
    share = room.share()
    assert room.paths() == {"part", "a.b", "tmp/notes.txt", "~home", "$5.txt", "a part.txt"}
    assert share.problems == ()


def test_a_hidden_folder_can_be_shared_on_purpose(room: Room) -> None:
    room.write("a", b"a", room.root / ".hidden")
    room.share(room.root / ".hidden")
    assert room.paths() == {"a"}


def test_no_link_leaves_the_share_and_special_files_are_no_files(room: Room) -> None:
    outside = room.write("secret", b"s", room.root / "outside")
    room.write("real/file", b"f")
    (room.folder / "to-file").symlink_to(outside)
    (room.folder / "to-folder").symlink_to(outside.parent, target_is_directory=True)
    (room.folder / "loop").symlink_to(room.folder, target_is_directory=True)
    (room.folder / "broken").symlink_to(room.root / "none")
    if LINUX:
        os.mkfifo(room.folder / "pipe")
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(os.path.relpath(room.folder / "socket"))
    share = room.share()
    assert room.paths() == {"real/file"}
    assert share.problems == ()


@pytest.mark.skipif(not LINUX, reason="other systems refuse such names")
def test_a_name_that_is_no_text_is_a_problem(room: Room) -> None:
    bad = os.fsencode(room.folder) + b"/caf\xe9"
    Path(os.fsdecode(bad + b".txt")).write_bytes(b"x")
    Path(os.fsdecode(bad)).mkdir()
    Path(os.fsdecode(bad + b"/below.txt")).write_bytes(b"x")
    room.write("café.txt", b"good")
    share = room.share()
    assert room.paths() == {"café.txt"}
    assert {p.path for p in share.problems} == {"caf\ufffd.txt", "caf\ufffd"}
    assert all("UTF-8" in p.reason for p in share.problems)


def test_sizes_and_paths_beyond_the_format_are_refused() -> None:
    assert rules.refusal("a", 1 << 53) is None
    assert "large" in str(rules.refusal("a", (1 << 53) + 1))
    assert "long" in str(rules.refusal("ñ" * 2049, 0))
    assert rules.refusal("ñ" * 2048, 0) is None


@pytest.mark.skipif(not LINUX, reason="the trick needs folders opened by number")
def test_what_cannot_be_reached_is_a_problem(room: Room) -> None:
    part = "d" * 200
    here = os.open(room.folder, os.O_RDONLY)
    for _ in range(25):
        os.mkdir(part, dir_fd=here)
        below = os.open(part, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    room.write("ok.txt", b"ok")
    share = room.share()
    assert room.paths() == {"ok.txt"}
    assert ["too long" in p.reason for p in share.problems] == [True]


def test_an_unreadable_file_is_named_with_its_reason(room: Room, as_ordinary_user: Callable[[], None]) -> None:
    open_the_way(room.folder)
    room.write("open.txt", b"o")
    closed = room.write("closed.txt", b"c")
    closed.chmod(0)
    _own(room)
    as_ordinary_user()
    share = room.share()
    assert room.paths() == {"open.txt"}
    assert [(p.path, "permission denied" in p.reason) for p in share.problems] == [("closed.txt", True)]
    assert share.pending == 0
    closed.chmod(0o644)
    assert room.rescan().paths() == {"open.txt", "closed.txt"}
    assert room.library.share("folder").problems == ()


def test_an_unreadable_folder_is_withdrawn_and_not_forgotten(room: Room, as_ordinary_user: Callable[[], None]) -> None:
    open_the_way(room.folder)
    for name in ("in/a", "in/deep/b", "inside/c", "d"):
        room.write(name, name.encode())
    _own(room)
    as_ordinary_user()
    room.share()
    hashed = room.hashed()
    (room.folder / "in").chmod(0)
    assert room.rescan().paths() == {"inside/c", "d"}
    assert [p.path for p in room.library.share("folder").problems] == ["in"]
    room.library.forget_tombstones(room.acknowledged)
    (room.folder / "in").chmod(0o755)
    assert room.rescan().paths() == {"in/a", "in/deep/b", "inside/c", "d"}
    assert room.library.share("folder").problems == ()
    assert room.hashed() == hashed


def test_a_file_that_becomes_unreadable_is_withdrawn_with_a_reason(
    room: Room, as_ordinary_user: Callable[[], None]
) -> None:
    room.share()
    _close_and_open(room, as_ordinary_user, lambda: room.rescan().paths())


def test_its_rights_are_watched(tmp_path: Path, as_ordinary_user: Callable[[], None], room: Room) -> None:
    # The rights are this process's, so that the worker has to be in it.
    watched = type(room)(tmp_path / "watched", watch=Watch.APART)
    try:
        watched.start().share()
        # The watcher is another process, which begins as whoever started it.
        watched.until(lambda: "watcher" in watched.library.processes() and watched.library.work().looks >= 2)
        _close_and_open(watched, as_ordinary_user, watched.paths)
    finally:
        watched.library.stop()


def _close_and_open(room: Room, as_ordinary_user: Callable[[], None], seen: Callable[[], set[str]]) -> None:
    open_the_way(room.folder)
    closed = room.write("in/closed.txt", b"c")
    room.write("in/open.txt", b"o").chmod(0o600)
    _own(room)
    as_ordinary_user()
    everything = {"in/closed.txt", "in/open.txt"}
    room.until(lambda: seen() == everything)
    closed.chmod(0)
    room.until(lambda: seen() == {"in/open.txt"})
    for _ in range(2):
        room.rescan()
        (problem,) = room.library.share("folder").problems
        assert problem.path == "in/closed.txt" and "permission denied" in problem.reason
        assert room.library.share("folder").unavailable == 1
    closed.rename(room.folder / "in" / "moved.txt")
    room.until(lambda: [p.path for p in room.rescan().library.share("folder").problems] == ["in/moved.txt"])
    assert room.paths() == {"in/open.txt"}
    (room.folder / "in" / "moved.txt").rename(closed)
    room.until(lambda: [p.path for p in room.rescan().library.share("folder").problems] == ["in/closed.txt"])
    closed.chmod(0o640)
    room.until(lambda: seen() == everything)
    room.until(lambda: room.library.share("folder").problems == ())
    assert room.paths() == everything


def test_one_that_is_readable_again_is_not_hashed_again(room: Room, as_ordinary_user: Callable[[], None]) -> None:
    open_the_way(room.folder)
    closed = room.write("closed.txt", b"c")
    _own(room)
    as_ordinary_user()
    room.share()
    hashed = room.hashed()
    closed.chmod(0)
    assert room.rescan().paths() == set()
    room.library.forget_tombstones(room.acknowledged)
    closed.chmod(0o644)
    assert room.rescan().paths() == {"closed.txt"}
    assert room.hashed() == hashed
    closed.chmod(0)
    assert room.rescan().paths() == set()
    closed.chmod(0o644)
    closed.write_bytes(b"changed")
    closed.chmod(0)
    assert room.rescan().paths() == set()
    closed.chmod(0o644)
    assert room.rescan().paths() == {"closed.txt"}
    assert room.hashed() == hashed + 1


def _own(room: Room) -> None:
    """Gives all to the ordinary user when we are root."""
    if os.geteuid() == 0:
        for path in [room.root, *room.root.rglob("*")]:
            os.chown(path, 65534, 65534)


def test_unchanged_files_are_never_read_again(room: Room) -> None:
    files = [room.write(f"{i % 7}/{i}.txt", b"%d" % i) for i in range(700)]
    room.share()
    assert room.library.work().files_hashed == 700
    assert room.library.work().bytes_hashed == sum(f.stat().st_size for f in files)
    # An access time older than the change makes the file system note the next read.
    for file in files[:5]:
        os.utime(file, ns=(0, file.stat().st_mtime_ns))
    last = room.library.last_sequence()
    room.rescan()
    assert room.library.last_sequence() == last
    assert room.restart().quiet().library.work().files_hashed == 0
    assert room.library.last_sequence() == last
    assert [f.stat().st_atime_ns for f in files[:5]] == [0] * 5


def test_changed_added_and_deleted_files(room: Room, content_id: Callable[[bytes], bytes]) -> None:
    for name in ("same", "changed", "deleted", "becomes-folder"):
        room.write(name, name.encode())
    room.share()
    room.listen()
    room.write("changed", b"CHANGED")
    room.write("added", b"added")
    (room.folder / "deleted").unlink()
    (room.folder / "becomes-folder").unlink()
    room.write("becomes-folder/file", b"f")
    room.rescan()
    assert room.ids() == {
        "same": content_id(b"same"),
        "changed": content_id(b"CHANGED"),
        "added": content_id(b"added"),
        "becomes-folder/file": content_id(b"f"),
    }
    assert room.hashed() == 4 + 3


def test_renames_keep_their_hashes_and_are_one_step(room: Room) -> None:
    names = ["a.txt", "sub/b.txt", "sub/deep/c.txt", "Case.txt"]
    for name in names:
        room.write(name, name.encode())
    room.share()
    before = room.ids().copy()
    (room.folder / "a.txt").rename(room.folder / "z.txt")
    (room.folder / "sub").rename(room.folder / "moved")
    (room.folder / "Case.txt").rename(room.folder / "case.txt")
    room.rescan()
    changes = room.library.changes_after(room.acknowledged, 100)
    assert room.hashed() == 4
    assert [c.sequence for c in changes] == list(range(room.acknowledged + 1, room.acknowledged + 9))
    assert [c.deleted for c in changes] == [True, False] * 4
    new_name = {"a.txt": "z.txt", "sub/b.txt": "moved/b.txt", "sub/deep/c.txt": "moved/deep/c.txt"}
    new_name["Case.txt"] = "case.txt"
    assert {old.path: new.path for old, new in zip(changes[::2], changes[1::2], strict=True)} == new_name
    # No batch ends between the two halves.
    for limit in (2, 3, 5):
        assert not room.library.changes_after(room.acknowledged, limit)[-1].deleted
    assert room.ids() == {new_name[name]: content for name, content in before.items()}


def test_files_that_trade_places_keep_their_hashes(room: Room, content_id: Callable[[bytes], bytes]) -> None:
    """All of one size and one time, as out of an archive: only the file ids tell them apart."""
    names = ["a", "b", "one/x", "two/x"]
    for name in names:
        os.utime(room.write(name, name[:1].encode()), ns=(10**18, 10**18))
    room.share()
    for first, second in (("a", "b"), ("one", "two")):
        spare = room.folder / "spare"
        (room.folder / first).rename(spare)
        (room.folder / second).rename(room.folder / first)
        spare.rename(room.folder / second)
    room.rescan()
    assert room.ids() == {
        "a": content_id(b"b"),
        "b": content_id(b"a"),
        "one/x": content_id(b"t"),
        "two/x": content_id(b"o"),
    }
    assert room.hashed() == 4


def test_an_editor_that_saves_by_renaming(room: Room, content_id: Callable[[bytes], bytes]) -> None:
    room.write("text", b"one")
    room.share()
    (room.folder / "text").rename(room.folder / "text~")
    room.write("text", b"two")
    room.rescan()
    assert room.ids() == {"text": content_id(b"two"), "text~": content_id(b"one")}
    assert room.hashed() == 2


def test_moves_between_shares_keep_their_hashes(room: Room) -> None:
    for name in ("first", "second"):
        room.write("keep", name.encode(), room.root / name)
        room.share(room.root / name)
    room.write("file", b"f", room.root / "second")
    room.rescan()
    hashed = room.hashed()
    (room.root / "second/file").rename(room.root / "first/file")
    room.rescan()
    assert set(room.listen()) == {("first", "keep"), ("second", "keep"), ("first", "file")}
    (room.root / "first/file").rename(room.root / "second/file")
    room.library.rescan("second")
    room.quiet()
    assert set(room.listen()) == {("first", "keep"), ("second", "keep"), ("second", "file")}
    assert room.hashed() == hashed


@pytest.mark.skipif(not LINUX, reason="hard links elsewhere need rights or other calls")
def test_a_second_name_of_a_file_is_not_hashed(room: Room) -> None:
    file = room.write("a", b"a")
    room.share()
    os.link(file, room.folder / "b")
    assert room.rescan().paths() == {"a", "b"}
    file.unlink()
    assert room.rescan().paths() == {"b"}
    assert room.hashed() == 1


def test_a_share_that_is_away_comes_back_without_hashing(room: Room) -> None:
    for i in range(30):
        room.write(f"{i % 3}/{i}", b"%d" % i)
    room.share()
    paths = room.paths().copy()
    away = room.root / "away"
    room.folder.rename(away)
    room.rescan()
    share = room.library.share("folder")
    assert share.state is ShareState.UNAVAILABLE
    assert (share.files, share.bytes, share.pending) == (0, 0, 0)
    assert [p.reason for p in share.problems] == ["it is not there"]
    assert room.paths() == set()
    room.library.forget_tombstones(room.acknowledged)
    assert room.library.changes_after(0, 10) == []
    hashed = room.hashed()
    assert room.restart().quiet().library.share("folder").state is ShareState.UNAVAILABLE
    away.rename(room.folder)
    room.library.rescan()
    room.until(lambda: room.library.share("folder").state is ShareState.READY)
    assert room.paths() == paths
    assert (hashed, room.hashed()) == (30, 0)


def test_the_empty_place_of_an_unmounted_disk_is_not_an_emptied_folder(room: Room) -> None:
    room.write("file", b"f")
    room.share()
    away = room.root / "disk"
    room.folder.rename(away)
    room.folder.mkdir()
    room.rescan()
    assert room.library.share("folder").state is ShareState.UNAVAILABLE
    room.folder.rmdir()
    away.rename(room.folder)
    room.library.rescan()
    room.until(lambda: room.library.share("folder").files == 1)
    (room.folder / "file").unlink()
    room.rescan()
    assert room.library.share("folder").state is ShareState.READY
    assert room.paths() == set()
    assert room.hashed() == 1


def test_a_disk_that_comes_back_is_noticed_without_being_asked(
    new_room: Callable[[], Room], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("peer_core.library.keeper.ROOTS_SECONDS", 0.2)
    room = new_room().start()
    room.write("file", b"f")
    room.share()
    room.folder.rename(room.root / "away")
    room.rescan()
    (room.root / "away").rename(room.folder)
    room.until(lambda: room.library.share("folder").files == 1)
    room.folder.rename(room.root / "away")
    room.until(lambda: room.library.share("folder").state is ShareState.UNAVAILABLE)


def test_every_share_is_looked_at_from_time_to_time(room: Room, tmp_path: Path) -> None:
    folder = tmp_path / "periodic"
    folder.mkdir()
    library = Library(tmp_path / "periodic.sqlite", rescan_seconds=1)
    library.start()
    try:
        library.add_share(folder)
        room.until(lambda: library.work().looks == 1)
        room.write("file", b"f", folder)
        room.until(lambda: library.totals().files == 1)
    finally:
        library.stop()


def test_a_rescan_during_a_scan_is_followed_by_another(room: Room) -> None:
    for i in range(3000):
        room.write(f"{i % 100}/{i}", b"x")
    room.library.add_share(room.folder)
    room.until(lambda: room.library.last_sequence() > 0 or room.library.share("folder").pending > 0)
    late = room.write("0/late", b"late")
    room.library.rescan()
    room.quiet()
    assert "0/late" in room.paths()
    late.unlink()
    assert len(room.rescan().paths()) == 3000


def test_a_folder_with_many_entries(room: Room) -> None:
    """100,000 with BARRIO_TEST_ENTRIES=100000."""
    count = int(os.environ.get("BARRIO_TEST_ENTRIES", "5000"))
    for i in range(count):
        (room.folder / f"{i:06}").touch()
    share = room.library.add_share(room.folder)
    share = room.quiet(seconds=100).library.share(share.name)
    assert (share.files, share.bytes) == (count, 0)
    assert len(room.listen(limit=700)) == count
    assert len(set(room.told.values())) == 1
    room.rescan()
    assert room.hashed() == count
