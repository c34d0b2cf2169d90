"""A folder whose listing says what it did is not compared again; whatever changes is found all the same."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from peer_core.content import Manifest
from peer_core.library.index import Index

if TYPE_CHECKING:
    from tests.library.conftest import Room

LINUX = os.uname().sysname == "Linux" if hasattr(os, "uname") else False
OLD = 10**18


def seals(room: Room) -> dict[str, bytes | None]:
    with closing(sqlite3.connect(room.database)) as db:
        return dict(db.execute("SELECT path, seal FROM folders"))


def write_old(room: Room, name: str, data: bytes) -> Path:
    path = room.write(name, data)
    os.utime(path, ns=(OLD, OLD))
    return path


@pytest.fixture
def sealed(room: Room) -> Room:
    """A library whose folders are all sealed."""
    for name in ("a/one", "a/two", "a/left.tmp", "a/b/three", "c/four", "five"):
        write_old(room, name, name.encode())
    (room.folder / "a" / "link").symlink_to("one")
    room.share()
    room.rescan()
    assert set(seals(room)) == {"", "a", "a/b", "c"}
    assert None not in seals(room).values()
    return room


def test_a_sealed_folder_is_not_compared(sealed: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[int] = []
    files_in = Index.files_in

    def spy(index: Index, folder: int) -> object:
        compared.append(folder)
        return files_in(index, folder)

    monkeypatch.setattr(Index, "files_in", spy)
    sealed.rescan()
    assert compared == []
    sealed.restart().quiet()
    assert compared == []
    write_old(sealed, "a/b/new", b"new")
    sealed.rescan()
    assert len(compared) == 1
    assert sealed.hashed() == 1


def shrink_time(room: Room) -> None:
    """Another content of the same size, with the time put back but for one nanosecond."""
    path = room.folder / "a/one"
    path.write_bytes(b"A/ONE")
    os.utime(path, ns=(OLD + 1, OLD + 1))


def exchange(room: Room) -> None:
    """Another file with the same name, size and time."""
    path = room.folder / "a/one"
    other = write_old(room, "a/other.tmp", b"ONE/A")
    other.replace(path)


def swap(room: Room) -> None:
    """Two files of the same size and time trade places."""
    one, two = room.folder / "a/one", room.folder / "a/two"
    spare = room.folder / "a/spare"
    one.rename(spare)
    two.rename(one)
    spare.rename(two)


def become_link(room: Room) -> None:
    path = room.folder / "a/one"
    path.unlink()
    path.symlink_to("two")


def become_folder(room: Room) -> None:
    path = room.folder / "a/one"
    path.unlink()
    write_old(room, "a/one/inside", b"in")


def come_in(room: Room) -> None:
    """What was left out for its name gets another one."""
    (room.folder / "a/left.tmp").rename(room.folder / "a/left")


def go_out(room: Room) -> None:
    (room.folder / "a/one").rename(room.folder / "a/one.tmp")


def move_folder(room: Room) -> None:
    (room.folder / "a/b").rename(room.folder / "c/b")


def leave(room: Room) -> None:
    (room.folder / "a/b/three").unlink()


def arrive_below(room: Room) -> None:
    write_old(room, "a/b/deep/new", b"new")


@pytest.mark.parametrize(
    "change",
    [shrink_time, exchange, swap, become_link, become_folder, come_in, go_out, move_folder, leave, arrive_below],
)
def test_any_change_is_found(
    sealed: Room, change: Callable[[Room], None], content_id: Callable[[bytes], bytes]
) -> None:
    change(sealed)
    sealed.rescan()
    expected = {
        path.relative_to(sealed.folder).as_posix(): content_id(path.read_bytes())
        for path in sealed.folder.rglob("*")
        if path.is_file() and not path.is_symlink() and path.suffix != ".tmp"
    }
    assert sealed.ids() == expected
    # And once it has been compared, it is sealed anew.
    sealed.rescan()
    there = {path.rpartition("/")[0] for path in expected}
    assert all(seals(sealed)[folder] is not None for folder in there)


def test_other_rules_are_applied_to_sealed_folders(sealed: Room) -> None:
    sealed.library.change_share("folder", exclude=["two"])
    sealed.quiet()
    assert sealed.paths() == {"a/one", "a/b/three", "c/four", "five"}
    sealed.rescan()
    sealed.library.change_share("folder", exclude=[])
    sealed.quiet()
    assert sealed.paths() == {"a/one", "a/two", "a/b/three", "c/four", "five"}


def test_a_download_that_was_adopted_ends_the_seal(sealed: Room, manifest: Callable[[bytes], Manifest]) -> None:
    path = write_old(sealed, "c/done", b"done")
    sealed.library.adopt([(path, manifest(b"done"))])
    assert seals(sealed)["c"] is None
    path.unlink()
    assert sealed.rescan().paths() == {"a/one", "a/two", "a/b/three", "c/four", "five"}


def test_a_share_that_was_away_is_compared_again(sealed: Room) -> None:
    away = sealed.folder.rename(sealed.root / "away")
    sealed.rescan()
    assert sealed.paths() == set()
    assert all(seal is None for seal in seals(sealed).values())
    away.rename(sealed.folder)
    assert sealed.rescan().paths() == {"a/one", "a/two", "a/b/three", "c/four", "five"}
    assert sealed.hashed() == 5


def test_a_share_that_was_removed_is_compared_when_it_is_added_again(sealed: Room) -> None:
    sealed.library.remove_share("folder")
    other = sealed.write("x", b"x", sealed.root / "other").parent
    sealed.share(other, "folder")
    assert sealed.paths() == {"x"}
    assert all(seal is None for path, seal in seals(sealed).items() if path)


@pytest.mark.skipif(not LINUX, reason="other systems refuse such names")
def test_a_folder_with_a_problem_is_asked_again(room: Room) -> None:
    room.write("good", b"good")
    Path(os.fsdecode(os.fsencode(room.folder) + b"/caf\xe9.txt")).write_bytes(b"x")
    room.share()
    for _ in range(3):
        assert len(room.rescan().library.share("folder").problems) == 1
    assert seals(room) == {"": None}


def test_what_is_not_hashed_yet_is_not_sealed(room: Room) -> None:
    room.library.pause(True)
    room.write("a", b"a")
    room.library.add_share(room.folder)
    room.until(lambda: room.library.work().looks == 1)
    room.library.rescan()
    room.until(lambda: room.library.work().looks == 2)
    assert seals(room) == {"": None}
    room.library.pause(False)
    room.quiet().rescan()
    assert seals(room)[""] is not None
