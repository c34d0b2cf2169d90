"""Numbered changes for the publisher, and lookups for uploads and downloads."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING

from peer_core.content import Manifest
from peer_core.database import Database
from peer_core.library.disk import signature_of
from peer_core.library.index import KIND, Index
from peer_core.library.records import Gone
from peer_core.library.roots import Root
from peer_core.library.scanner import Walk
from peer_core.library.writing import Writing

if TYPE_CHECKING:
    from tests.library.conftest import Room


def test_only_the_newest_change_of_an_entry_is_kept(room: Room) -> None:
    room.write("a", b"1")
    room.write("b", b"1")
    room.share()
    for text in (b"22", b"333"):
        room.write("a", text)
        room.rescan()
    changes = room.library.changes_after(0, 100)
    assert sorted(c.path for c in changes) == ["a", "b"]
    assert changes[-1].path == "a"
    assert changes[-1].size == 3
    assert changes[-1].sequence == room.library.last_sequence()
    assert changes[-1].modified == int((room.folder / "a").stat().st_mtime)
    assert room.library.changes_after(changes[-1].sequence, 100) == []
    assert room.library.changes_after(1 << 64, 100) == []


def test_numbers_only_grow_over_restarts_and_forgetting(room: Room) -> None:
    index_id = room.library.index_id
    assert len(index_id) == 16
    file = room.write("a", b"1")
    room.share()
    file.unlink()
    room.rescan().listen()
    last = room.library.last_sequence()
    room.library.forget_tombstones(last)
    assert room.library.changes_after(0, 10) == []
    room.restart().quiet()
    assert room.library.last_sequence() == last
    assert room.library.index_id == index_id
    room.write("b", b"1")
    room.rescan()
    assert [c.sequence for c in room.library.changes_after(0, 10)] == [last + 1]


def test_an_unacknowledged_tombstone_stays(room: Room) -> None:
    for name in ("a", "b"):
        room.write(name, b"1")
    room.share()
    acknowledged = room.library.last_sequence()
    (room.folder / "a").unlink()
    room.rescan()
    room.library.forget_tombstones(acknowledged)
    room.restart().quiet()
    assert [(c.path, c.deleted) for c in room.library.changes_after(acknowledged, 10)] == [("a", True)]


def test_a_file_that_never_was_shared_leaves_no_tombstone(new_room: Callable[[], Room]) -> None:
    room = new_room()
    file = room.write("a", b"1")
    room.library.add_share(room.folder)
    file.unlink()
    room.start().quiet()
    assert room.library.changes_after(0, 10) == []


def test_find_gives_a_copy_that_is_unchanged(room: Room, content_id: Callable[[bytes], bytes]) -> None:
    data = os.urandom((2 << 20) + 1)
    for name in ("a", "b"):
        room.write(name, data)
    room.share()
    found = room.library.find(content_id(data))
    assert found is not None
    assert found.path.read_bytes() == data
    assert found.manifest.content_id == found.content_id == content_id(data)
    assert found.mtime_ns == found.path.stat().st_mtime_ns
    looks = room.library.work().looks
    found.path.write_bytes(b"other")
    again = room.library.find(content_id(data))
    assert again is not None
    assert again.path != found.path
    room.until(lambda: room.library.work().looks > looks)
    again.path.unlink()
    assert room.library.find(content_id(data)) is None
    room.until(lambda: room.library.has([content_id(data)]) == set())
    assert room.library.find(b"\0" * 32) is None


def test_has_tells_which_of_many(room: Room, content_id: Callable[[bytes], bytes]) -> None:
    room.write("a", b"a")
    room.write("e", b"")
    room.share()
    mine = {content_id(b"a"), content_id(b"")}
    others = [os.urandom(32) for _ in range(1200)]
    assert room.library.has([*others[:600], *mine, *others[600:]]) == mine
    assert room.library.has(iter(())) == set()
    room.library.remove_share("folder")
    assert room.library.has(mine) == set()
    assert room.library.find(content_id(b"a")) is None


def test_a_finished_download_is_shared_without_being_read(
    room: Room, manifest: Callable[[bytes], Manifest], content_id: Callable[[bytes], bytes]
) -> None:
    room.share()
    data = os.urandom(3 << 20)
    path = room.write("new/file.bin", data)
    os.utime(path, ns=(0, path.stat().st_mtime_ns))
    changed = room.changed
    room.library.adopt([(path, manifest(data))])
    assert room.library.has([content_id(data)]) == {content_id(data)}
    room.until(lambda: room.changed > changed)
    room.rescan()
    assert room.ids() == {"new/file.bin": content_id(data)}
    assert room.hashed() == 0
    assert path.stat().st_atime_ns == 0
    # The same name again, with another content.
    path.write_bytes(b"short")
    room.library.adopt([(path, manifest(b"short"))])
    assert room.ids() == {"new/file.bin": content_id(b"short")}
    assert room.library.share("folder").bytes == 5


def test_what_lies_elsewhere_or_does_not_fit_is_not_adopted(room: Room, manifest: Callable[[bytes], Manifest]) -> None:
    room.share()
    outside = room.write("file", b"data", room.root / "outside")
    hidden = room.write(".hidden/file", b"data")
    own = room.write("file", b"data", room.database.parent)
    link = room.folder / "link"
    link.symlink_to(outside)
    for path in (outside, hidden, own, link, room.folder / "none", room.folder):
        room.library.adopt([(path, manifest(b"data"))])
    room.library.adopt([(room.write("grown", b"longer"), manifest(b"data"))])
    assert room.library.changes_after(0, 10) == []
    assert room.library.totals().files == 0


def test_adopting_while_scans_run_never_loses_a_file(room: Room, manifest: Callable[[bytes], Manifest]) -> None:
    for i in range(300):
        room.write(f"old/{i}", b"%d" % i)
    room.share()
    for i in range(60):
        room.library.rescan()
        data = b"new %d" % i
        unfinished = room.write(f"{i % 5}/file{i}.part", data)
        room.library.adopt([(unfinished.rename(unfinished.with_suffix("")), manifest(data))])
    room.quiet()
    assert len(room.paths()) == 360
    assert room.rescan().library.totals().files == 360


def test_a_download_in_the_place_of_a_deleted_file_outlives_the_look_that_missed_it(
    new_room: Callable[[], Room], manifest: Callable[[bytes], Manifest], content_id: Callable[[bytes], bytes]
) -> None:
    room = new_room().start()
    path = room.write("file", b"old")
    room.share()
    room.library.stop()
    path.unlink()
    database = Database(room.database, KIND)
    index, writing = Index(database), Writing(database)
    (share,) = index.shares()
    before = index.last_sequence()
    walk = Walk(share, index)
    assert list(walk.steps(Root(share))) == []
    path.write_bytes(b"new")
    writing.adopt(share.id, "", "file", signature_of(path.stat()), manifest(b"new"))
    writing.apply(share, [Gone(file, unless_after=before) for file in walk.missing])
    assert index.held([content_id(b"new")]) == {content_id(b"new")}
    writing.apply(share, [Gone(file, unless_after=index.last_sequence()) for file in walk.missing])
    assert index.held([content_id(b"new")]) == set()
    database.close()


def test_memory_of_contents_that_nobody_has_is_given_back(room: Room) -> None:
    for i in range(10):
        room.write(f"{i}/{i}", b"%d" % i)
    room.share()
    room.library.remove_share("folder")
    room.until(lambda: room.listen() == {})
    room.library.forget_tombstones(room.acknowledged)
    room.restart()

    def rows() -> int:
        with closing(sqlite3.connect(room.database)) as db:
            return sum(db.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in ("contents", "folders", "shares"))

    room.until(lambda: rows() == 0)
