"""A library with folders on a real disk, and an observer that applies its journal as the central does."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from library_kit import in_this_process

from peer_core.content import Manifest, piece_hash, piece_size_for
from peer_core.library.keeper import Watch
from peer_core.library.library import Library, MakeWorker
from peer_core.library.remote import in_a_process
from peer_core.library.types import Share, ShareState


def manifest_of(data: bytes) -> Manifest:
    """Made apart from the library's own way."""
    size = piece_size_for(len(data))
    pieces = [data[i : i + size] for i in range(0, len(data), size)]
    return Manifest(len(data), size, b"".join(map(piece_hash, pieces)))


class Room:
    """`folder` is there to be shared; the library's own files are beside it."""

    def __init__(self, root: Path, worker: MakeWorker = in_this_process, watch: Watch = Watch.NO) -> None:
        self.root = root
        self.worker = worker
        self.watch = watch
        self.folder = root / "folder"
        self.folder.mkdir(parents=True)
        self.database = root / "data" / "library.sqlite"
        self.changed = 0
        self.library = self._made()
        # What an observer holds that was told of every change in batches.
        self.told: dict[tuple[str, str], bytes] = {}
        self.acknowledged = 0

    def _made(self) -> Library:
        return Library(
            self.database,
            rescan_seconds=3600,
            excluded=[self.database.parent],
            on_change=self._count_change,
            watch=self.watch,
            worker=self.worker,
        )

    def _count_change(self) -> None:
        self.changed += 1

    def write(self, name: str, data: bytes = b"", folder: Path | None = None) -> Path:
        path = (folder or self.folder) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    def share(self, folder: Path | None = None, name: str | None = None) -> Share:
        """Shares, starts when needed, and waits until all is indexed."""
        made = self.library.add_share(folder or self.folder, name)
        return self.quiet().library.share(made.name)

    def start(self) -> "Room":
        self.library.start()
        return self

    def restart(self) -> "Room":
        self.library.stop()
        self.library = self._made()
        return self.start()

    def rescan(self) -> "Room":
        self.library.rescan()
        return self.quiet()

    def quiet(self, seconds: float = 20.0) -> "Room":
        """Waits until every share is ready or unavailable."""
        self.until(
            lambda: all(s.state in (ShareState.READY, ShareState.UNAVAILABLE) for s in self.library.shares()), seconds
        )
        return self

    def until(self, condition: Callable[[], bool], seconds: float = 20.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "it took too long"
            time.sleep(0.005)

    def hashed(self) -> int:
        """Files hashed since the last start."""
        return self.library.work().files_hashed

    def listen(self, limit: int = 3) -> dict[tuple[str, str], bytes]:
        """Takes all news in batches; the observer's entries."""
        while changes := self.library.changes_after(self.acknowledged, limit):
            numbers = [change.sequence for change in changes]
            assert numbers == sorted(set(numbers))
            assert numbers[0] > self.acknowledged
            assert numbers[-1] <= self.library.last_sequence()
            for change in changes:
                if change.deleted:
                    self.told.pop((change.share, change.path), None)
                else:
                    self.told[change.share, change.path] = change.content_id
            self.acknowledged = numbers[-1]
        return self.told

    def paths(self) -> set[str]:
        """What the observer sees of the first share's files, by path."""
        return {path for _, path in self.listen()}

    def ids(self) -> dict[str, bytes]:
        return {path: content for (_, path), content in self.listen().items()}


@pytest.fixture
def new_room(tmp_path: Path) -> Iterator[Callable[[], Room]]:
    """Makes rooms with libraries that are not started yet."""
    rooms: list[Room] = []

    def make() -> Room:
        rooms.append(Room(tmp_path / f"room{len(rooms)}"))
        return rooms[-1]

    yield make
    for room in rooms:
        room.library.stop()


def _rooms(root: Path, watch: Watch) -> Iterator[Callable[[], Room]]:
    rooms: list[Room] = []

    def make() -> Room:
        rooms.append(Room(root / f"room{len(rooms)}", in_a_process, watch=watch))
        return rooms[-1].start()

    yield make
    for room in rooms:
        room.library.stop()


@pytest.fixture
def new_process_room(tmp_path: Path) -> Iterator[Callable[[], Room]]:
    """Makes rooms as they are in a peer: with their worker in another process. They run and share nothing yet."""
    yield from _rooms(tmp_path, Watch.NO)


@pytest.fixture(params=[Watch.APART, Watch.INSIDE], ids=lambda watch: watch.value)
def new_watched_room(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Callable[[], Room]]:
    """The same, and their folders are watched, by another process or by a thread of this one."""
    yield from _rooms(tmp_path, request.param)


@pytest.fixture
def room_watched_apart(tmp_path: Path) -> Iterator[Room]:
    for make in _rooms(tmp_path, Watch.APART):
        yield make()


@pytest.fixture
def room_watched_inside(tmp_path: Path) -> Iterator[Room]:
    for make in _rooms(tmp_path, Watch.INSIDE):
        yield make()


@pytest.fixture
def process_room(new_process_room: Callable[[], Room]) -> Room:
    return new_process_room()


@pytest.fixture
def watched_room(new_watched_room: Callable[[], Room]) -> Room:
    return new_watched_room()


@pytest.fixture
def room(new_room: Callable[[], Room]) -> Room:
    """With a library that runs and shares nothing yet."""
    return new_room().start()


@pytest.fixture
def content_id() -> Callable[[bytes], bytes]:
    return lambda data: manifest_of(data).content_id


@pytest.fixture
def manifest() -> Callable[[bytes], Manifest]:
    return manifest_of


@pytest.fixture
def as_ordinary_user() -> Iterator[Callable[[], None]]:
    """From its call on, the process has no right to read everything; root is such a process."""
    if os.name == "nt":
        pytest.skip("folders cannot be closed this way on Windows")
    before = os.geteuid()

    def become() -> None:
        if before == 0:
            os.seteuid(65534)

    yield become
    os.seteuid(before)
