"""What a share leaves out by its own rules, and that changing them costs no hashing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from peer_core.content import Manifest
from peer_core.database import Database
from peer_core.errors import BadInputError, NotFoundError
from peer_core.library.index import KIND, Index
from peer_core.library.library import Library
from peer_core.library.rules import FaultKind, ShareRules, fault_of
from peer_core.library.types import ShareState

if TYPE_CHECKING:
    from tests.library.conftest import Room

OLD = Path(__file__).parents[1] / "data" / "library.v1.sqlite"
NAMES = ("a.txt", "a.bak", "deep/b.txt", "deep/b.bak", "build/out.o", "src/build/out.o", "keep.bak")


def test_patterns_are_those_of_gitignore() -> None:
    rules = ShareRules(["*.bak", "!keep.bak", "/build/", "node_modules/", "docs/**/draft*"])
    left_out = {path for path in NAMES if rules.leave_out_path(path)}
    assert left_out == {"a.bak", "deep/b.bak", "build/out.o"}
    assert rules.leave_out_path("x/node_modules/y/z.js")
    assert not rules.leave_out_path("node_modules.txt")
    assert rules.leave_out_path("docs/a/b/draft-1.md")
    assert ShareRules([], hidden=True).leave_out_path("a/.git/config") is False
    assert ShareRules([], hidden=True).leave_out_path("film.part")


@pytest.mark.parametrize("pattern", ["", "  ", "a\nb", "nul\0", "x" * 1001, "\udcff", "!", "a\\", "[z-a]", "a\r"])
def test_what_is_no_pattern_is_refused(room: Room, pattern: str) -> None:
    with pytest.raises(BadInputError):
        room.library.add_share(room.folder, exclude=[pattern])
    assert room.library.shares() == []
    with pytest.raises(BadInputError, match="200"):
        ShareRules(["a"] * 201)


def test_what_is_wrong_with_a_pattern_is_told() -> None:
    wrong = {"!": "syntax", "a\\": "syntax", "[z-a]": "range", "[abc": "nothing", "/": "nothing", " ": "no-line"}
    wrong |= {"x" * 1001: "too-long", "*a*a*a*b": "costly", "/x/*a**a?*a*": "costly"}
    assert {pattern: getattr(fault_of(pattern), "kind", None) for pattern in wrong} == {
        pattern: FaultKind(kind) for pattern, kind in wrong.items()
    }
    for pattern in ("*.bak", "!keep", "# words", "a/**/b", "[a-z]*", "foo\\ ", "*a*b*/*c*d*"):
        assert fault_of(pattern) is None
    assert ShareRules(["[abc", "# words"]).leave_out_path("[abc") is False


def test_changed_rules_withdraw_and_bring_back_without_hashing(room: Room) -> None:
    for name in (*NAMES, ".hidden/h"):
        room.write(name, name.encode())
    room.library.add_share(room.folder, exclude=["*.bak"])
    room.quiet()
    everything = set(NAMES)
    assert room.paths() == {"a.txt", "deep/b.txt", "build/out.o", "src/build/out.o"}

    def change(exclude: list[str], hidden: bool = False) -> set[str]:
        room.library.change_share("folder", exclude=exclude, hidden=hidden)
        return room.quiet().paths()

    assert change([]) == everything
    assert change(["build/", "*.txt"]) == {"a.bak", "deep/b.bak", "keep.bak"}
    room.library.forget_tombstones(room.acknowledged)
    assert room.rescan().paths() == {"a.bak", "deep/b.bak", "keep.bak"}
    assert room.library.share("folder").unavailable == 0
    # What is left out may change and go meanwhile.
    room.write("a.txt", b"changed")
    (room.folder / "deep/b.txt").unlink()
    room.restart().quiet()
    assert change([]) == everything - {"deep/b.txt"}
    assert room.hashed() == 1
    assert change([], hidden=True) == everything - {"deep/b.txt"} | {".hidden/h"}
    assert change([]) == everything - {"deep/b.txt"}
    assert room.library.share("folder").exclude == ()
    with pytest.raises(NotFoundError):
        room.library.change_share("other", hidden=True)


def test_rules_hold_for_finished_downloads(room: Room, manifest: Callable[[bytes], Manifest]) -> None:
    room.library.add_share(room.folder, exclude=["private/"])
    room.quiet()
    room.library.adopt([(room.write("private/a", b"a"), manifest(b"a"))])
    room.library.adopt([(room.write("b", b"b"), manifest(b"b"))])
    assert room.rescan().paths() == {"b"}


def test_a_change_of_rules_outlives_a_restart(new_room: Callable[[], Room]) -> None:
    room = new_room()
    for name in ("a.txt", "b.bak"):
        room.write(name, b"x")
    room.start()
    room.share()
    room.library.stop()
    room.library = room._made()
    room.library.change_share("folder", exclude=["*.bak"])
    assert room.start().quiet().paths() == {"a.txt"}


def test_paused_hashing_rests_over_restarts_and_looks_go_on(room: Room) -> None:
    gone = room.write("gone", b"g")
    room.share()
    room.library.pause(True)
    room.write("new", b"n")
    gone.unlink()
    room.library.rescan()
    room.until(lambda: room.paths() == set() and room.library.share("folder").pending == 1)
    room.restart()
    assert room.library.paused()
    room.until(lambda: room.library.share("folder").state is ShareState.HASHING)
    assert room.hashed() == 0
    room.library.pause(False)
    assert room.quiet().paths() == {"new"}


def test_a_huge_file_is_gone_on_with_after_a_pause(room: Room) -> None:
    with room.write("huge").open("wb") as file:
        file.truncate(1 << 40)
    room.library.add_share(room.folder)
    room.until(lambda: room.library.work().bytes_hashed > 100 << 20)
    room.library.pause(True)
    room.write("small", b"s")
    room.library.rescan()
    room.until(lambda: room.library.share("folder").pending == 2)
    before = room.library.work().bytes_hashed
    room.library.pause(False)
    room.until(lambda: room.paths() == {"small"})
    room.until(lambda: room.library.work().bytes_hashed > before + (100 << 20))
    progress = room.library.share("folder").progress
    assert progress is not None
    assert progress.bytes_done > 200 << 20
    assert progress.rate > 0
    assert progress.eta_seconds is not None


def test_duplicates_are_counted(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("peer_core.library.index.DUPLICATES_SHARE", 0.0)
    for name in ("a", "b", "c/d"):
        room.write(name, b"same")
    room.write("other", b"other")
    room.share()
    assert room.library.duplicates() == (2, 8)
    (room.folder / "a").unlink()
    room.rescan()
    assert room.library.duplicates() == (1, 4)


def test_an_index_of_the_first_version_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "library.sqlite"
    shutil.copy(OLD, path)
    library = Library(path)
    music, photos = library.shares()
    assert (music.name, music.files, music.bytes, music.exclude, music.hidden) == ("music", 39, 5900, (), False)
    assert (photos.files, photos.unavailable) == (0, 1)
    assert library.last_sequence() == 43
    assert len(library.changes_after(0, 100)) == 41
    assert library.duplicates()[0] == 9
    assert not library.paused()
    library.stop()
    with closing(Database(path, KIND)) as database:
        assert {row.walked == row.rules for row in Index(database).shares()} == {True}
    assert os.path.exists(tmp_path / "library.sqlite.v1.backup")  # noqa: PTH110
