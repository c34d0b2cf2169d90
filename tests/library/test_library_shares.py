"""Which folders can be shared, under which names, and what removing one means."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from peer_core.errors import BadInputError, ConflictError, NotFoundError, StorageError
from peer_core.library.types import ShareState

if TYPE_CHECKING:
    from tests.library.conftest import Room


def test_a_folder_is_indexed_by_itself(room: Room, content_id: Callable[[bytes], bytes]) -> None:
    room.write("hola.txt", b"hola")
    room.write("a/b/piece.bin", os.urandom(1 << 20) + b"x")
    share = room.share()
    assert (share.name, share.path, share.state) == ("folder", room.folder, ShareState.READY)
    assert (share.files, share.bytes, share.pending) == (2, (1 << 20) + 5, 0)
    assert share.progress is None
    assert share.problems == ()
    assert room.ids() == {
        "hola.txt": content_id(b"hola"),
        "a/b/piece.bin": content_id((room.folder / "a/b/piece.bin").read_bytes()),
    }
    room.until(lambda: room.changed >= 1)
    totals = room.library.totals()
    assert (totals.files, totals.bytes, totals.pending) == (2, (1 << 20) + 5, 0)


@pytest.mark.parametrize("name", ["", "  ", ".", "..", "a/b", "a\\b", "t\tab", "left\u202eright", "x" * 256, "\udcff"])
def test_a_bad_name_is_refused(room: Room, name: str) -> None:
    with pytest.raises(BadInputError):
        room.library.add_share(room.folder, name)
    assert room.library.shares() == []


def test_what_is_no_folder_is_refused(room: Room) -> None:
    file = room.write("file")
    for path in (file, room.root / "none", "folder", "~nobody-has-this-name/x", "nul\0byte", file / "below"):
        with pytest.raises(BadInputError) as caught:
            room.library.add_share(path)
        assert caught.value.message.endswith(".")


def test_a_relative_folder_is_refused(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(room.root)
    with pytest.raises(BadInputError, match="whole path"):
        room.library.add_share("folder")


def test_home_is_understood(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(room.root))
    monkeypatch.setenv("USERPROFILE", str(room.root))
    assert room.library.add_share("~/folder").path == room.folder


def test_the_data_folder_is_never_shared(room: Room) -> None:
    data = room.database.parent
    (data / "below").mkdir()
    for folder in (data, data / "below"):
        with pytest.raises(BadInputError, match="own data"):
            room.library.add_share(folder)
    room.write("song.mp3", b"la")
    room.share(room.root)
    assert room.paths() == {"folder/song.mp3"}


def test_an_unreadable_folder_is_refused(room: Room, as_ordinary_user: Callable[[], None]) -> None:
    for parent in room.folder.parents[:4]:
        parent.chmod(0o755)
    room.folder.chmod(0)
    as_ordinary_user()
    with pytest.raises(BadInputError, match="permission denied"):
        room.library.add_share(room.folder)


def test_shares_do_not_overlap(room: Room) -> None:
    inner = room.folder / "inner"
    inner.mkdir()
    (room.root / "link").symlink_to(inner, target_is_directory=True)
    room.share(inner)
    with pytest.raises(ConflictError, match="shared already"):
        room.library.add_share(room.root / "link", "other")
    with pytest.raises(ConflictError, match="contains the share"):
        room.library.add_share(room.folder)
    (inner / "deep").mkdir()
    with pytest.raises(ConflictError, match="lies inside"):
        room.library.add_share(inner / "deep")
    beside = room.folder / "inner2"
    beside.mkdir()
    assert room.library.add_share(beside).name == "inner2"


def test_names_are_unique_whatever_their_case(room: Room) -> None:
    others = [room.root / str(i) / "FOLDER" for i in range(2)]
    for other in others:
        other.mkdir(parents=True)
    room.share()
    with pytest.raises(ConflictError, match="another name"):
        room.library.add_share(others[0], "Folder")
    assert room.library.add_share(others[0]).name == "FOLDER (2)"
    assert room.library.add_share(others[1]).name == "FOLDER (3)"


def test_a_folder_with_an_odd_name_gets_a_usable_one(room: Room) -> None:
    odd = room.root / 'a:b "c"\n'
    odd.mkdir()
    assert room.library.add_share(odd).name == "a_b _c__"


def test_removing_leaves_tombstones_and_the_disk(room: Room) -> None:
    file = room.write("a.txt", b"a")
    room.share()
    assert room.paths() == {"a.txt"}
    room.library.remove_share("folder")
    assert room.library.shares() == []
    room.until(lambda: room.listen() == {})
    assert file.read_bytes() == b"a"
    for verb in (room.library.remove_share, room.library.share, room.library.rescan):
        with pytest.raises(NotFoundError):
            verb("folder")
    room.library.forget_tombstones(room.acknowledged)
    assert room.library.changes_after(0, 100) == []


def test_a_share_removed_before_the_start_still_ends(new_room: Callable[[], Room]) -> None:
    room = new_room().start()
    room.write("a.txt", b"a")
    room.share()
    room.listen()
    room.library.stop()
    room.library = room._made()
    room.library.remove_share("folder")
    room.start()
    room.until(lambda: room.listen() == {})


def test_sharing_again_hashes_nothing_while_the_tombstones_last(room: Room) -> None:
    room.write("a.txt", b"a")
    room.share()
    hashed = room.hashed()
    room.library.remove_share("folder")
    room.until(lambda: room.listen() == {})
    room.share()
    assert room.paths() == {"a.txt"}
    room.library.remove_share("folder")
    room.share(name="other")
    room.until(lambda: set(room.listen()) == {("other", "a.txt")})
    assert room.hashed() == hashed


def test_another_folder_under_the_name_of_a_removed_share(room: Room, content_id: Callable[[bytes], bytes]) -> None:
    other = room.root / "other" / "folder"
    room.write("a.txt", b"a")
    room.write("gone.txt", b"gone")
    room.write("a.txt", b"b", other)
    room.share()
    room.library.remove_share("folder")
    room.share(other)
    room.until(lambda: room.ids() == {"a.txt": content_id(b"b")})


def test_after_stop_calls_are_refused(new_room: Callable[[], Room], tmp_path: Path) -> None:
    room = new_room()
    room.library.stop()
    for call in (room.library.shares, room.library.totals, lambda: room.library.add_share(tmp_path)):
        with pytest.raises(StorageError, match="closed"):
            call()
    room.library.stop()
