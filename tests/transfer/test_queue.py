"""Folders as one transfer, their order, choice, pausing and cancelling, with real files from an honest holder."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from importlib import resources

import pytest
from bench import Bench
from holders import HostileHolder, manifest_of, wait_until

from peer_core.content import SMALL_BYTES
from peer_core.errors import BadInputError, ConflictError, NotFoundError
from peer_core.transfer.queue import Transfers
from peer_core.transfer.store import TransferStore
from peer_core.transfer.types import Holder, Located, Move, Priority, TransferState, Wanted

SMALL = 4000
State = TransferState


def wanted_of(folder: str, name: str, data: bytes) -> Wanted:
    parts = ("album", *(folder.split("/") if folder else ()))
    return Wanted(manifest_of(data).content_id, parts, name, len(data))


class Shelf:
    """A queue whose locating answers by content, so that each file has its holder."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.holders: dict[bytes, Holder] = {}
        self.asked: list[bytes] = []
        self.slots = 1
        self.queue = self.open()

    def open(self) -> Transfers:
        root = self.bench.root
        store = TransferStore(root / "transfers.sqlite", root / "transfers")
        self.queue = Transfers(store, lambda: root / "downloads", lambda n: None, slots=lambda: self.slots)
        return self.queue

    def start(self) -> None:
        self.queue.start(self.bench.me, self._locate, lambda p, m: None)

    def file(self, data: bytes, folder: str = "", name: str = "") -> Wanted:
        made = self.bench.honest(data, listed=False)
        wanted = wanted_of(folder, name or f"{len(self.holders)}.bin", data)
        self.holders[wanted.content_id] = made.holder
        return wanted

    def stalling(self, data: bytes, folder: str = "", name: str = "stalls") -> tuple[Wanted, HostileHolder]:
        made = self.bench.hostile(data, lambda exchange: exchange.stall())
        wanted = wanted_of(folder, name, data)
        self.holders[wanted.content_id] = made.holder
        return wanted, made

    def _locate(self, content_id: bytes) -> Located:
        self.asked.append(content_id)
        holder = self.holders.get(content_id)
        return Located(0, "", (holder,) if holder else ())

    def state(self, transfer_id: str) -> State:
        return self.queue.get(transfer_id).state


@pytest.fixture
def shelf(bench: Bench) -> Iterator[Shelf]:
    made = Shelf(bench)
    yield made
    made.queue.stop()


def test_a_folder_is_one_row_with_totals_and_its_files_in_pages(shelf: Shelf) -> None:
    data = [os.urandom(SMALL + n) for n in range(5)]
    wanted = [shelf.file(each, "cd1" if n < 3 else "cd2") for n, each in enumerate(data)]
    made = shelf.queue.add_tree(wanted, "album")
    assert made.files is not None
    assert (made.files.total, made.files.done, made.size) == (5, 0, sum(map(len, data)))
    assert made.path == shelf.bench.root / "downloads" / "album"
    shelf.start()
    wait_until(lambda: shelf.state(made.id) is State.DONE)
    (row,) = shelf.queue.listed()
    assert row.files is not None
    assert (row.id, row.files.done, row.bytes_done, row.place) == (made.id, 5, made.size, None)
    assert row.finished is not None
    first, after = shelf.queue.files(made.id, 2)
    rest, end = shelf.queue.files(made.id, 10, after or 0)
    assert [t.path.read_bytes() for t in [*first, *rest]] == data
    assert end is None
    assert {t.path.parent.name for t in first} == {"cd1"}
    assert sum(s.pieces for s in shelf.queue.get(made.id).sources) == 5
    # Asked for again: nothing is fetched twice, and a lost file comes back.
    asked = len(shelf.asked)
    again = shelf.queue.add_tree(wanted, "album")
    assert (again.id, again.state, len(shelf.asked)) == (made.id, State.DONE, asked)
    first[1].path.unlink()
    assert shelf.queue.add_tree(wanted, "album").state is not State.DONE
    wait_until(lambda: shelf.state(made.id) is State.DONE)
    assert first[1].path.read_bytes() == data[1]
    assert len(shelf.asked) == asked + 1


def test_files_are_chosen_and_skipped_before_a_paused_folder_starts(shelf: Shelf) -> None:
    data = [os.urandom(SMALL) for _ in range(4)]
    wanted = [shelf.file(each) for each in data]
    held = {wanted[0].content_id, wanted[1].content_id}
    made = shelf.queue.add_tree(wanted, "album", held=held, paused=True)
    shelf.start()
    assert made.state is State.PAUSED
    assert made.files is not None
    assert (made.files.have, made.files.have_bytes, made.files.skipped) == (2, 2 * SMALL, 0)
    chosen = shelf.queue.choose(made.id, False, have=True)
    assert chosen.files is not None
    assert (chosen.files.skipped, chosen.size) == (2, 2 * SMALL)
    files, _ = shelf.queue.files(made.id, 10)
    assert [f.state for f in files] == [State.SKIPPED, State.SKIPPED, State.PAUSED, State.PAUSED]
    shelf.queue.choose(made.id, True, [files[0].id])
    shelf.queue.choose(made.id, False, [files[3].id])
    with pytest.raises(NotFoundError):
        shelf.queue.choose(made.id, False, ["other"])
    shelf.queue.stop()
    shelf.open()
    shelf.start()
    assert shelf.state(made.id) is State.PAUSED
    assert shelf.asked == []
    shelf.queue.resume(made.id)
    wait_until(lambda: shelf.state(made.id) is State.DONE)
    assert sorted(shelf.asked) == sorted([wanted[0].content_id, wanted[2].content_id])
    assert sorted(p.name for p in made.path.iterdir()) == ["0.bin", "2.bin"]
    left = shelf.queue.add_tree(wanted, "other", held=held, skip_held=True, paused=True)
    assert left.files is not None
    # Two that the first folder has fetched to the same place, and one more that is held.
    assert left.files.skipped == 3


def test_the_order_is_that_of_priority_then_of_places(shelf: Shelf) -> None:
    ids = {}
    contents = {}
    for name in "abcde":
        data = os.urandom(SMALL)
        contents[name] = shelf.file(data).content_id
        if name == "c":
            ids[name] = shelf.queue.add_tree([wanted_of("", "x", data)], "folder c").id
        else:
            ids[name] = shelf.queue.add(contents[name], name).id
    queue = shelf.queue
    assert [queue.get(ids[n]).place for n in "abcde"] == [1, 2, 3, 4, 5]
    queue.move(ids["e"], Move.TOP)
    queue.move(ids["a"], Move.BOTTOM)
    queue.move(ids["c"], Move.UP)
    assert queue.move(ids["e"], Move.UP).place == 1
    queue.set_priority(ids["d"], Priority.HIGH)
    queue.set_priority(ids["e"], Priority.LOW)
    expected = "dcbae"
    assert [queue.get(ids[n]).place for n in expected] == [1, 2, 3, 4, 5]
    (inside,), _ = queue.files(ids["c"], 10)
    with pytest.raises(BadInputError):
        queue.move(inside.id, Move.TOP)
    queue.stop()
    shelf.open()
    assert [shelf.queue.get(ids[n]).place for n in expected] == [1, 2, 3, 4, 5]
    shelf.start()
    wait_until(lambda: all(shelf.state(each) is State.DONE for each in ids.values()))
    assert shelf.asked == [contents[n] for n in expected]


def test_all_are_paused_and_resumed_at_once(shelf: Shelf) -> None:
    shelf.slots = 4
    single, stalls = shelf.stalling(os.urandom(SMALL))
    inside, _ = shelf.stalling(os.urandom(SMALL), name="inside")
    file, folder = shelf.queue.add(single.content_id, "file").id, shelf.queue.add_tree([inside], "album").id
    shelf.start()
    wait_until(lambda: {shelf.state(file), shelf.state(folder)} == {State.RUNNING})
    shelf.queue.pause_all()
    assert {shelf.state(file), shelf.state(folder)} == {State.PAUSED}
    asked = len(shelf.asked)
    shelf.queue.resume_all()
    wait_until(lambda: {shelf.state(file), shelf.state(folder)} == {State.RUNNING})
    assert len(shelf.asked) >= asked
    assert stalls.requests > 0


@pytest.mark.parametrize("keep", [False, True])
def test_cancelling_a_folder_keeps_or_removes_partial_files_as_asked(shelf: Shelf, keep: bool) -> None:
    done = shelf.file(os.urandom(SMALL), name="a")
    stalls, _ = shelf.stalling(os.urandom(SMALL_BYTES + 1), name="b")
    made = shelf.queue.add_tree([done, stalls], "album")
    shelf.start()
    wait_until(lambda: shelf.queue.files(made.id, 10)[0][1].state is State.RUNNING)
    wait_until(lambda: len(list(made.path.iterdir())) == 2)
    shelf.queue.cancel(made.id, keep)
    assert shelf.queue.listed() == []
    names = sorted(p.suffix for p in made.path.iterdir())
    assert names == (["", ".part"] if keep else [""])
    assert list((shelf.bench.root / "transfers").iterdir()) == []
    shelf.queue.stop()
    assert shelf.open().listed() == []


def test_pages_of_the_list_hold_each_row_once_while_it_changes(shelf: Shelf) -> None:
    ids = [shelf.queue.add(os.urandom(32), f"{n}").id for n in range(7)]
    first, cursor = shelf.queue.page(2)
    shelf.queue.add(os.urandom(32), "new")
    shelf.queue.cancel(ids[3])
    second, cursor = shelf.queue.page(2, cursor)
    third, end = shelf.queue.page(2, cursor)
    assert [t.id for t in [*first, *second, *third]] == [i for i in reversed(ids) if i != ids[3]]
    assert end == ""
    with pytest.raises(BadInputError):
        shelf.queue.page(2, "nonsense")


def test_what_is_done_is_taken_off_the_list_at_once(shelf: Shelf) -> None:
    file, lost = shelf.file(os.urandom(SMALL)), os.urandom(32)
    shelf.queue.add_tree([file], "album")
    waits = shelf.queue.add(lost, "waits").id
    shelf.start()
    wait_until(lambda: {t.state for t in shelf.queue.listed()} == {State.DONE, State.WAITING})
    done = next(t.id for t in shelf.queue.listed() if t.state is State.DONE)
    with pytest.raises(ConflictError):
        shelf.queue.pause(done)
    shelf.queue.clear_done()
    assert [t.id for t in shelf.queue.listed()] == [waits]
    assert (shelf.bench.root / "downloads" / "album" / "0.bin").exists()


def test_a_list_of_the_first_version_is_taken_over(shelf: Shelf) -> None:
    root = shelf.bench.root / "old"
    root.mkdir()
    script = (resources.files("peer_core.transfer.migrations") / "0001_transfers.sql").read_text("utf-8")
    with closing(sqlite3.connect(root / "transfers.sqlite")) as old:
        old.executescript(f"{script}; PRAGMA application_id = {0x42617254}; PRAGMA user_version = 1;")
        for number, state in enumerate(("queued", "done")):
            row = (f"id{number}", bytes(32), f"n{number}", str(root), 100.0 + number, state)
            old.execute("INSERT INTO transfer VALUES (?, ?, ?, ?, ?, ?, NULL, NULL, 5, 1, 0, 0, NULL, NULL, '[]')", row)
        old.commit()
    store = TransferStore(root / "transfers.sqlite", root / "transfers")
    queue = Transfers(store, lambda: root, lambda n: None)
    assert [(t.id, t.state, t.place, t.priority) for t in queue.listed()] == [
        ("id1", State.DONE, None, Priority.NORMAL),
        ("id0", State.QUEUED, 1, Priority.NORMAL),
    ]
    queue.stop()
