"""Listing and hashing what a person chose: the real process, its death, files that change, and what is refused."""

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from holders import manifest_of, wait_until

from peer_core.errors import StorageError
from peer_core.library.keeper import Watch
from peer_core.library.library import Library
from peer_core.library.loose import Refused, listed
from peer_core.library.packer import PackedFile, Packer
from peer_core.library.types import ShareState

MIB = 1 << 20


class Told:
    """What the packer tells."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.begun_times = 0
        self.files: dict[int, list[PackedFile]] = {}
        self.ended: dict[int, str] = {}

    def begun(self, number: int) -> None:
        with self.lock:
            self.begun_times += 1
            self.files[number] = []

    def found(self, number: int, files: Sequence[PackedFile], hashed: int, total: int) -> None:
        with self.lock:
            assert hashed <= total
            self.files[number] += files

    def packed(self, number: int) -> None:
        self.ended[number] = ""

    def refused(self, number: int, reason: str) -> None:
        self.ended[number] = reason


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def make_packer(told: Told) -> Iterator[Callable[..., Packer]]:
    made: list[Packer] = []

    def make(library: Path | None = None, most: int = 1000) -> Packer:
        made.append(Packer(library, told, most))
        made[-1].start()
        return made[-1]

    yield make
    for packer in made:
        packer.stop()


def old(path: Path, data: bytes) -> Path:
    """A file that was written a while ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.utime(path, ns=(10**18, 10**18 + 1))
    return path


def test_what_was_chosen_is_listed_and_hashed(tmp_path: Path, told: Told, make_packer: Callable[..., Packer]) -> None:
    data = os.urandom(3 * MIB + 5)
    old(tmp_path / "a" / "Photos" / "one.jpg", data)
    old(tmp_path / "a" / "Photos" / "deep" / "er" / "two.jpg", b"2")
    old(tmp_path / "b" / "Photos" / "three.jpg", b"")
    single = old(tmp_path / "note.txt", b"hello")
    (tmp_path / "a" / "Photos" / "link").symlink_to(single)
    os.mkfifo(tmp_path / "a" / "Photos" / "pipe")
    (tmp_path / "way").symlink_to(tmp_path / "note.txt")
    chosen = [tmp_path / "a" / "Photos", tmp_path / "b" / "Photos", single, tmp_path / "way"]
    make_packer().pack(7, [str(path) for path in chosen])
    wait_until(lambda: 7 in told.ended)
    assert told.ended[7] == ""
    assert [(f.folder, f.name, f.size) for f in told.files[7]] == [
        ("Photos/deep/er", "two.jpg", 1),
        ("Photos", "one.jpg", len(data)),
        ("Photos (2)", "three.jpg", 0),
        ("", "note.txt", 5),
        ("", "way", 5),
    ]
    one = told.files[7][1]
    assert (one.content_id, one.hashes) == (manifest_of(data).content_id, manifest_of(data).hashes)
    assert one.place == tmp_path / "a" / "Photos" / "one.jpg"
    assert one.root == tmp_path / "a" / "Photos"


def takes_long(path: Path) -> Path:
    """A file with a hole that takes a while to hash, and no room."""
    with path.open("wb") as file:
        file.truncate(1 << 30)
    os.utime(path, ns=(10**18, 10**18 + 1))
    return path


def test_a_killed_process_is_replaced_and_begins_again(
    tmp_path: Path, told: Told, make_packer: Callable[..., Packer]
) -> None:
    paths = [old(tmp_path / "small.bin", b"x"), takes_long(tmp_path / "large.bin")]
    packer = make_packer()
    packer.pack(1, list(map(str, paths)))
    wait_until(lambda: told.begun_times == 1 and packer.pid is not None)
    assert packer.pid is not None
    os.kill(packer.pid, signal.SIGKILL)
    wait_until(lambda: 1 in told.ended, 90)
    assert (told.ended[1], told.begun_times) == ("", 2)
    assert [(f.name, f.size) for f in told.files[1]] == [("small.bin", 1), ("large.bin", 1 << 30)]


def test_what_cannot_be_taken_in_is_told_again(
    tmp_path: Path, told: Told, make_packer: Callable[..., Packer], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the disk is full for a moment: sending goes on afterwards."""
    (tmp_path / "a").write_bytes(b"a")
    failed = threading.Event()
    take = told.found

    def found(*args: Any) -> None:
        if not failed.is_set():
            failed.set()
            raise StorageError("The disk is full.")
        take(*args)

    monkeypatch.setattr(told, "found", found)
    make_packer().pack(1, [str(tmp_path / "a")])
    wait_until(lambda: 1 in told.ended, 30)
    assert told.ended[1] == ""
    assert [file.name for file in told.files[1]] == ["a"]


def test_what_is_dropped_is_not_told_any_more(tmp_path: Path, told: Told, make_packer: Callable[..., Packer]) -> None:
    packer = make_packer()
    packer.pack(1, [str(takes_long(tmp_path / "large.bin"))])
    wait_until(lambda: told.begun_times == 1)
    packer.drop(1)
    packer.pack(2, [str(old(tmp_path / "one.txt", b"1"))])
    wait_until(lambda: 2 in told.ended, 60)
    assert 1 not in told.ended
    assert told.files[1] == []


@pytest.mark.parametrize("wrong", ["gone", "empty", "many", "unreadable", "no text", "changing"])
def test_what_cannot_be_offered_is_refused_with_a_reason(
    tmp_path: Path, told: Told, make_packer: Callable[..., Packer], wrong: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    stopped = threading.Event()
    writer = threading.Thread(target=lambda: _write_on(folder / "log.txt", stopped))
    match wrong:
        case "gone":
            folder.rmdir()
        case "many":
            for number in range(11):
                old(folder / f"{number}", b"x")
        case "unreadable":
            old(folder / "x", b"x")
            (folder / "x").chmod(0)
            if os.geteuid() == 0:
                pytest.skip("root may read all")
        case "no text":
            Path(os.fsdecode(os.fsencode(folder) + b"/\xff")).write_bytes(b"x")
        case "changing":
            writer.start()
            wait_until((folder / "log.txt").exists)
    try:
        make_packer(most=10).pack(1, [str(folder)])
        wait_until(lambda: 1 in told.ended, 60)
    finally:
        stopped.set()
        if writer.ident is not None:
            writer.join()
    expected = {
        "gone": "is not there",
        "empty": "no file in it",
        "many": "more than 10 files",
        "unreadable": "permission denied",
        "no text": "not valid text",
        "changing": "keeps changing",
    }
    assert expected[wrong] in told.ended[1]


def _write_on(path: Path, stopped: threading.Event) -> None:
    while not stopped.wait(0.005):
        with path.open("ab") as file:
            file.write(b"x")


def test_a_folder_that_holds_itself_does_not_go_on_for_ever(tmp_path: Path) -> None:
    deep = tmp_path
    for _ in range(105):
        deep = deep / "d"
    deep.mkdir(parents=True)
    with pytest.raises(Refused, match="too deep"):
        list(listed([tmp_path]))


def test_hashes_of_shared_files_are_taken_from_the_index(
    tmp_path: Path, told: Told, make_packer: Callable[..., Packer]
) -> None:
    shared = tmp_path / "shared"
    old(shared / "in" / "film.mkv", b"x" * MIB)
    library = Library(tmp_path / "library.sqlite", watch=Watch.NO)
    library.start()
    try:
        library.add_share(shared)
        wait_until(lambda: library.shares()[0].state is ShareState.READY and library.totals().files == 1)
    finally:
        library.stop()
    # Another content, with the size and the time that were hashed: only the index can tell the one it had.
    status = (shared / "in" / "film.mkv").stat()
    with (shared / "in" / "film.mkv").open("r+b") as file:
        file.write(b"y" * MIB)
    os.utime(shared / "in" / "film.mkv", ns=(status.st_mtime_ns, status.st_mtime_ns))
    packer = make_packer(tmp_path / "library.sqlite")
    packer.pack(1, [str(shared / "in")])
    wait_until(lambda: 1 in told.ended)
    assert [f.content_id for f in told.files[1]] == [manifest_of(b"x" * MIB).content_id]
    os.utime(shared / "in" / "film.mkv", ns=(10**18, 10**18 + 2))
    packer.pack(2, [str(shared / "in")])
    wait_until(lambda: 2 in told.ended)
    assert [f.content_id for f in told.files[2]] == [manifest_of(b"y" * MIB).content_id]
