"""A share as a tree: order, pages, counts, and that nothing but what is shared can be named."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from peer_core.content import Manifest
from peer_core.database import Database
from peer_core.errors import BadInputError, NotFoundError
from peer_core.library.browsing import Browsing, TreePage
from peer_core.library.index import KIND
from peer_core.library.records import Found, Signature
from peer_core.library.writing import Writing

if TYPE_CHECKING:
    from tests.library.conftest import Room


class Tree:
    """An index filled without a disk: `files` are paths below the share `s`."""

    def __init__(self, root: Path, files: list[str], size: int = 10) -> None:
        self.database = Database(root / "library.sqlite", KIND)
        self.writing = Writing(self.database)
        self.share = self.writing.add_share(root / "s", lambda _: "s")
        self.browsing = Browsing(self.database)
        self.put(files, size)

    def put(self, files: list[str], size: int = 10) -> None:
        with self.database.write() as db:
            manifest = Manifest(size, 1 << 20, bytes(32))
            db.execute(
                "INSERT INTO contents (content_id, size, hashes) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                (manifest.content_id, size, bytes(32)),
            )
            (content,) = db.execute("SELECT id FROM contents WHERE size = ?", (size,)).fetchone()
        steps = []
        for number, path in enumerate(files):
            folder, _, name = path.rpartition("/")
            steps.append(Found(folder, name, Signature(size, 10**18 + number, 1, number + 1), content))
        assert self.writing.apply(self.share, steps)

    def walk(self, path: str, limit: int) -> tuple[list[tuple[str, int, int]], list[str]]:
        """All pages of one folder put together."""
        folders: list[tuple[str, int, int]] = []
        files: list[str] = []
        after = ""
        while True:
            page = self.browsing.page(path, after, limit)
            assert len(page.folders) + len(page.files) <= limit
            folders += [(f.name, f.files, f.bytes) for f in page.folders]
            files += [f.name for f in page.files]
            if page.after is None:
                return folders, files
            assert page.folders or page.files
            after = page.after

    def walk_below(self, path: str, limit: int) -> list[str]:
        files: list[str] = []
        after = ""
        while True:
            page = self.browsing.below(path, after, limit)
            assert len(page.files) <= limit
            files += [f"{f.folder}/{f.name}".lstrip("/") for f in page.files]
            if page.after is None:
                return files
            after = page.after

    def close(self) -> None:
        self.database.close()


def test_folders_come_before_files_and_each_in_the_order_of_its_name(tmp_path: Path) -> None:
    names = ["b/1", "a b/1", "a/1", "a-b/x/1", "a.b/1", "Z.txt", "a.txt", "a/b/c/2", "a\x01/1", "ñ/1", "z/\U0001f600/9"]
    with closing(Tree(tmp_path, names)) as tree:
        for limit in (1, 2, 3, 100):
            folders, files = tree.walk("s", limit)
            assert [f[0] for f in folders] == ["a", "a\x01", "a b", "a-b", "a.b", "b", "z", "ñ"]
            assert files == ["Z.txt", "a.txt"]
            assert folders[0] == ("a", 2, 20)
            assert tree.walk("s/a", limit) == ([("b", 1, 10)], ["1"])
        page = tree.browsing.page("s/a/b/c/2")
        assert page.is_file
        assert [f.name for f in page.files] == ["2"]


PARTS = st.lists(
    st.text(st.sampled_from("ab \x01-.~é\U0001f600"), min_size=1, max_size=3).filter(lambda t: t not in (".", "..")),
    min_size=1,
    max_size=4,
)


@settings(max_examples=60, deadline=None)
@given(st.lists(PARTS, max_size=25), st.integers(1, 5))
def test_every_tree_is_shown_whole_and_in_order(parts: list[list[str]], limit: int) -> None:
    import tempfile

    paths = {"/".join(p) for p in parts}
    # What is a file is no folder.
    paths = {p for p in paths if not any(other.startswith(p + "/") for other in paths)}
    with tempfile.TemporaryDirectory() as folder, closing(Tree(Path(folder), sorted(paths))) as tree:
        places = {""} | {p[:i] for p in paths for i, c in enumerate(p) if c == "/"}
        for place in places:
            inside = [p[len(place) :].removeprefix("/") for p in paths if not place or p.startswith(place + "/")]
            folders, files = tree.walk(f"s/{place}".rstrip("/"), limit)
            expected = sorted({p.split("/")[0] for p in inside if "/" in p})
            assert [f[0] for f in folders] == expected
            assert [f[1] for f in folders] == [sum(p.startswith(e + "/") for p in inside) for e in expected]
            assert files == sorted(p for p in inside if "/" not in p)
            below = tree.walk_below(f"s/{place}".rstrip("/"), limit)
            assert below == sorted(inside, key=lambda p: (p.rpartition("/")[0].replace("/", "\0") + "\0", p))


@pytest.mark.parametrize("prefix", ["", "deep/"])
def test_a_folder_with_100_000_entries_opens_at_once(tmp_path: Path, prefix: str) -> None:
    files = [f"{prefix}{n:05}.bin" for n in range(50_000)] + [f"{prefix}d{n:05}/f" for n in range(50_000)]
    with closing(Tree(tmp_path, files)) as tree:
        where = f"s/{prefix}".rstrip("/")
        for after in ("", "d25000/", "00000.bin", "40000.bin"):
            took = []
            for _ in range(3):
                started = time.perf_counter()
                page = tree.browsing.page(where, after)
                took.append(time.perf_counter() - started)
            assert len(page.folders) + len(page.files) == 200
            assert min(took) < 0.05
        assert len(tree.walk(where, 1000)[1]) == 50_000


def test_a_page_is_bounded_in_bytes_and_goes_on(tmp_path: Path) -> None:
    names = [f"{n:03}" + "é" * 120 for n in range(1000)]
    deep = "/".join("x" * 200 for _ in range(18))
    with closing(Tree(tmp_path, [f"{deep}/{name}" for name in names])) as tree:
        page = tree.browsing.below("s", "", 1000)
        assert 0 < len(page.files) < 1000
        assert len(tree.walk_below("s", 1000)) == 1000


@pytest.mark.parametrize(
    "path",
    ["s/..", "s/../s", "s/a/..", "s/./a", "s//a", "s/a/", "s/a\\b", "/etc", "nothing", "s/A", "s/a/1/x", "s/a\x01", ""],
)
def test_what_is_no_shared_path_is_not_found(tmp_path: Path, path: str) -> None:
    with closing(Tree(tmp_path, ["a/1"])) as tree:
        for ask in (tree.browsing.page, tree.browsing.below):
            with pytest.raises(NotFoundError):
                ask(path)


@pytest.mark.parametrize("path", ["s/a\0", "\0", "s/" + "x" * 6000, "s/\udcff"])
def test_what_is_no_path_at_all_is_refused(tmp_path: Path, path: str) -> None:
    with closing(Tree(tmp_path, ["a/1"])) as tree:
        for ask in (tree.browsing.page, tree.browsing.below):
            with pytest.raises(BadInputError):
                ask(path)
        with pytest.raises(BadInputError):
            tree.browsing.page("s", path)


def test_only_what_is_shared_and_there_is_shown(room: Room, tmp_path: Path) -> None:
    browsing = room.library.browsing
    room.write("in/kept", b"1")
    room.write("in/.hidden", b"2")
    room.write("gone/file", b"3")
    room.share()
    name = room.folder.name
    assert [(s.name, s.files, s.bytes) for s in browsing.shares()] == [(name, 2, 2)]
    (room.folder / "gone" / "file").unlink()
    room.write("in/kept", b"22")
    room.rescan()
    assert [(f.name, f.files, f.bytes) for f in browsing.page(name).folders] == [("in", 1, 2)]
    assert [f.name for f in browsing.page(f"{name}/in").files] == ["kept"]
    with pytest.raises(NotFoundError):
        browsing.page(f"{name}/gone")
    room.folder.rename(tmp_path / "away")
    room.rescan()
    assert browsing.shares() == []
    with pytest.raises(NotFoundError):
        browsing.page(name)
    (tmp_path / "away").rename(room.folder)
    room.rescan()
    assert [(f.name, f.files, f.bytes) for f in browsing.page(name).folders] == [("in", 1, 2)]
    room.library.remove_share(name)
    with pytest.raises(NotFoundError):
        browsing.page(name)


def test_an_older_index_counts_what_it_has(tmp_path: Path) -> None:
    scripts = [s for s in KIND.scripts() if "folders_tree" not in s]
    path = tmp_path / "library.sqlite"
    old = Database(path, KIND, scripts[:1])
    with old.write() as db:
        db.execute("INSERT INTO shares (name, path) VALUES ('s', '/s')")
        db.execute("INSERT INTO folders (share, path) VALUES (1, 'a/b')")
        db.execute("INSERT INTO contents (content_id, size, hashes) VALUES (zeroblob(32), 5, zeroblob(32))")
        columns = "folder, name, size, mtime_ns, device, inode, state, content, sequence"
        db.execute(
            f"INSERT INTO files ({columns}) VALUES (1, 'x', 5, 1, 1, 1, 1, 1, 1), (1, 'y', 7, 1, 1, 2, 0, NULL, 0)"
        )
    old.close()
    with closing(Database(path, KIND)) as new:
        page: TreePage = Browsing(new).page("s")
        assert [(f.name, f.files, f.bytes) for f in page.folders] == [("a", 1, 5)]
