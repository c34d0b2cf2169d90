"""The process that writes the catalogue: it may die at any moment, and ends with its central."""

import os
import pickle
import random
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from central.catalogue.sqlite.parts import Parts
from central.catalogue.sqlite.scribe_process import LENGTH_BYTES, ScribeProcess, command
from central.catalogue.sqlite.store import SqliteCatalogue
from central.database import Database
from central.domain import Batch, Change, FileFacts, Quota, SearchQuestion
from central.errors import BadInputError, OverloadedError, QuotaError, ScribeLostError

INDEX = bytes(range(16))


class World:
    """A catalogue with a scribe's process, and who publishes."""

    def __init__(self, folder: Path, quota: Quota | None = None) -> None:
        self.database = Database.create(folder / "central.sqlite")
        self.scribes: list[ScribeProcess] = []
        self.catalogue = SqliteCatalogue(
            self.database, scribe=lambda secret: self._scribe(secret, quota or Quota()), popular=2, known=1
        )

    def _scribe(self, secret: bytes, quota: Quota) -> ScribeProcess:
        self.scribes.append(ScribeProcess(self.database, secret, quota))
        return self.scribes[-1]

    def pid(self) -> int | None:
        process = self.scribes[0]._writer._process
        return None if process is None else process.pid

    def works(self) -> bool:
        return self.scribes[0]._writer._answering_since is not None

    def publish(self, member: int, previous: int, paths: list[str], size: int = 7) -> None:
        changes = tuple(
            Change(previous + n, path, FileFacts(path.encode().ljust(32, b".")[:32], size, 1))
            for n, path in enumerate(paths, 1)
        )
        result = self.catalogue.publish(member, Batch(INDEX, previous, previous + len(paths), changes))
        assert not result.resync

    def close(self) -> None:
        self.catalogue.close()
        self.database.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.close()


def found(world: World, text: str) -> dict[str, int]:
    """Fifty at most; a machine that is busy tells them in several pages."""
    rows: dict[str, int] = {}
    cursor = ""
    while True:
        page = world.catalogue.search(SearchQuestion(text, cursor=cursor))
        rows |= {row.name: row.holders for row in page.rows}
        cursor = page.next_cursor
        if not cursor or len(rows) >= 50:
            return rows


def test_a_scribe_that_is_killed_again_and_again_loses_nothing(world: World) -> None:
    """Each batch is asked for until it is held, as a peer does; memory and database agree in the end."""
    ended = threading.Event()
    killed = []

    def kill() -> None:
        rng = random.Random(3)
        # Its start takes a tenth of a second or more, so that it dies before, while and after it works.
        while len(killed) < 25 and not ended.wait(rng.uniform(0.02, 0.4)):
            # Every second time while it works.
            while len(killed) % 2 and not world.works() and not ended.is_set():
                time.sleep(0)
            pid = world.pid()
            if pid is not None and pid not in killed:
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)

    members = (1, 2, 3)
    for member in members:
        world.catalogue.set_live(member, True)
    killer = threading.Thread(target=kill)
    killer.start()
    lost = 0
    try:
        for step in range(20):
            for member in members:
                paths = [f"share/step {step}/file {n} of some" for n in range(40)]
                last = 40 * (step + 1)
                deadline = time.monotonic() + 60
                while True:
                    held = world.catalogue.acknowledged(member)
                    if held is not None and held.sequence == last:
                        break
                    assert time.monotonic() < deadline
                    try:
                        world.publish(member, 40 * step, paths)
                    except ScribeLostError:
                        lost += 1
    finally:
        ended.set()
        killer.join()
    assert killed
    assert lost
    run = world.database.read()
    for member in members:
        held = sorted(name for name, _ in Parts(run, member).pairs())
        assert len(held) == 20 * 40
        assert sorted(world.catalogue._live._held[member]) == held
    for step in (0, 7, 19):
        page = world.catalogue.search(SearchQuestion(f'"step {step}"', limit=100))
        assert {row.holders for row in page.rows} == {3}
        assert len(page.rows) == 40


def test_what_the_scribe_refuses_is_told_as_it_is(tmp_path: Path) -> None:
    world = World(tmp_path, Quota(entries=3, text_bytes=1000))
    try:
        world.publish(1, 0, ["share/a", "share/b"])
        pid = world.pid()
        with pytest.raises(QuotaError, match="may publish 3 files"):
            world.publish(1, 2, ["share/c", "share/d"])
        with pytest.raises(BadInputError, match="one size"):
            _two_sizes(world)
        assert world.pid() == pid
    finally:
        world.close()


def _two_sizes(world: World) -> None:
    facts = [FileFacts(b"x" * 32, size, 1) for size in (1, 2)]
    changes = tuple(Change(1 + n, f"share/x{n}", fact) for n, fact in enumerate(facts))
    world.catalogue.publish(1, Batch(INDEX, 0, 2, changes))


def test_one_without_work_ends_and_the_next_step_starts_another(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.publish(1, 0, ["share/first"])
    first = world.pid()
    world.catalogue.rest()
    assert world.pid() == first
    monkeypatch.setattr("central.catalogue.sqlite.scribe_process.IDLE_SECONDS", 0.0)
    world.catalogue.rest()
    assert world.pid() is None
    world.catalogue.set_live(1, True)
    world.publish(1, 1, ["share/second"])
    assert found(world, "share") == {"first": 1, "second": 1}


def test_tiers_that_are_built_are_given_up_in_a_hurry(world: World, tmp_path: Path) -> None:
    world.catalogue.set_live(1, True)
    for step in range(10):
        world.publish(1, 1000 * step, [f"share/{step}/{n}" for n in range(1000)])
    world.catalogue.build_tiers()
    before = set(tmp_path.glob("*.tiers-*"))
    trouble: list[BaseException] = []

    def build() -> None:
        try:
            while not trouble:
                world.catalogue.build_tiers()
        except OverloadedError as error:
            trouble.append(error)

    builder = threading.Thread(target=build)
    builder.start()
    deadline = time.monotonic() + 30
    while builder.is_alive():
        assert time.monotonic() < deadline
        world.catalogue.hurry()
        time.sleep(0.01)
    builder.join()
    assert trouble
    assert before
    # Searches go on with what is there.
    assert len(found(world, "share")) == 50
    world.catalogue.build_tiers()


def test_half_a_message_ends_it() -> None:
    """As when the central is killed while it writes one: its lock must not outlive it."""
    child = subprocess.Popen(command(), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdin is not None
    assert child.stdout is not None
    with child.stdin, child.stdout:
        child.stdin.write((1000).to_bytes(LENGTH_BYTES) + b"half")
        child.stdin.close()
        assert child.wait(20) == 0


def test_after_the_close_nothing_is_written(world: World) -> None:
    world.publish(1, 0, ["share/first"])
    world.catalogue.close()
    with pytest.raises(OverloadedError):
        world.publish(1, 1, ["share/second"])


def test_a_batch_travels_whole() -> None:
    changes = Change(1, "s/ñandú.flac", FileFacts(bytes(range(32)), 1 << 53, 1700000000)), Change(2, "s/b", None)
    for batch in (
        Batch(INDEX, 0, 2, changes, b"before", b"after", True, (7, 1 << 62)),
        Batch(INDEX, 3, 9, ()),
        Batch(INDEX, 0, 1, (Change(1, "s/empty", FileFacts(bytes(32), 0, 0)),)),
    ):
        assert pickle.loads(pickle.dumps(batch, 5)) == batch
