"""Presence with a clock in the test's hand: lapses, returns, what is written, and races with revocation."""

import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from central_kit import batch, content_id

from central.catalogue.sqlite.store import SqliteCatalogue
from central.database import Database
from central.directory import Directory
from central.domain import SearchQuestion
from central.errors import NotFoundError, RevokedError, StrangerError
from central.members import Members, Revocations, list_members, revoke
from central.presence import Presence
from protos.agreed import encode_id, revocations_message

ANA, BRUNO = (encode_id(bytes([n]) * 32) for n in (1, 2))


class World:
    """The parts around presence, without gRPC and certificates."""

    def __init__(self, folder: Path) -> None:
        self.now = 1000.0
        self.wall = 5_000_000.0
        self.database = Database.create(folder / "central.sqlite")
        self.catalogue = SqliteCatalogue(self.database)
        self.presence = Presence(self.database, self.catalogue, lambda: self.now, lambda: self.wall, random.Random(3))
        self.members = Members(self.database)
        self.revocations = Revocations(self.database, lambda message: b"signed:" + message)
        with self.database.write() as connection:
            for peer_id, name in ((ANA, "Ana"), (BRUNO, "Bruno")):
                self.members.admit(connection, peer_id, name, 7)
        self.ana = self.members.find(ANA).number
        self.bruno = self.members.find(BRUNO).number

    def found(self) -> int:
        self.presence.sweep()
        return len(self.catalogue.search(SearchQuestion("plaza")).rows)

    def row(self, peer_id: str) -> object:
        return next(row for row in list_members(self.database, True) if row.peer_id == peer_id)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.database.close()


def test_entries_go_with_the_lease_and_come_back_without_publishing(world: World) -> None:
    world.presence.register(world.ana, (), 10)
    world.catalogue.publish(world.ana, batch(0, [("m/plaza.mp3", 1)]))
    assert world.found() == 1
    world.now += 9.9
    assert world.found() == 1
    assert world.presence.beat(world.ana, (), 10)
    world.now += 9.9
    assert world.found() == 1
    world.now += 0.2
    assert world.found() == 0
    assert world.catalogue.locate((content_id(1),), 8)[0].holders == ()
    assert not world.presence.beat(world.ana, (), 10)
    world.presence.register(world.ana, (), 10)
    assert world.found() == 1
    world.presence.leave(world.ana)
    assert world.found() == 0


def test_a_wall_clock_that_jumps_changes_nothing(world: World) -> None:
    world.presence.register(world.ana, (), 10)
    world.wall += 10**7
    assert world.presence.beat(world.ana, (), 10)
    world.wall -= 2 * 10**7
    assert world.presence.beat(world.ana, (), 10)
    assert world.presence.count() == 1


def test_what_the_administrator_sees(world: World) -> None:
    world.presence.register(world.ana, ("https://a:1",), 10)
    world.presence.flush()
    row = world.row(ANA)
    assert (row.online, row.last_seen, row.addresses) == (True, 5_000_000, ["https://a:1"])
    assert not list_members(world.database, False)[0].online
    world.wall += 60
    world.now += 11
    world.presence.sweep()
    world.presence.flush()
    row = world.row(ANA)
    assert (row.online, row.last_seen, row.addresses) == (False, 5_000_000, ["https://a:1"])
    world.presence.register(world.ana, ("https://b:2",), 10)
    world.presence.close()
    row = world.row(ANA)
    assert (row.online, row.last_seen, row.addresses) == (True, 5_000_060, ["https://b:2"])
    assert not list_members(world.database, False)[0].online
    world.presence.start()
    assert not world.row(ANA).online
    assert world.row(BRUNO).last_seen is None


def test_beats_are_written_in_batches_only(world: World) -> None:
    world.presence.register(world.ana, (), 10)
    world.presence.flush()
    before = world.database.data_version()
    for _ in range(100):
        world.presence.beat(world.ana, (), 10)
    assert world.database.data_version() == before
    world.wall += 1
    world.presence.beat(world.ana, (), 10)
    world.presence.flush()
    assert world.database.data_version() != before


def test_what_could_not_be_written_is_written_later(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.presence.register(world.ana, (), 10)

    def fail(rows: object) -> None:
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(world.presence, "_write", fail)
        with pytest.raises(OSError, match="disk full"):
            world.presence.flush()
    world.presence.flush()
    assert world.row(ANA).online


def test_a_revocation_by_another_process_is_noticed_at_the_next_call(world: World) -> None:
    ended = []
    world.revocations.listen(ended.append)
    first = world.revocations.current()
    assert (first.number, first.peer_ids) == (0, ())
    world.revocations.check(ANA)
    other = Database.open(world.database.path)
    assert revoke(other, ANA[:8]) == (ANA, "Ana", True)
    assert revoke(other, ANA) == (ANA, "Ana", False)
    with pytest.raises(RevokedError):
        world.revocations.check(ANA)
    assert ended == [frozenset({ANA})]
    world.revocations.check(BRUNO)
    now = world.revocations.current()
    assert now.peer_ids == (ANA,)
    assert now.number >= int(time.time()) - 60, "higher than any number that a lost database gave"
    assert now.signature == b"signed:" + revocations_message(now.number, [ANA])
    revoke(other, BRUNO)
    assert world.revocations.current().number > now.number
    assert ended == [frozenset({ANA}), frozenset({BRUNO})]
    other.close()


def test_who_is_revoked_while_registering_gets_no_lease(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = Directory(world.members, world.revocations, world.presence, world.catalogue, "La Plaza", 30.0)
    ana = directory.member(ANA)
    register = world.presence.register

    def slowly(member: int, addresses: tuple[str, ...], seconds: float) -> None:
        revoke(world.database, ANA)
        world.revocations.current()
        register(member, addresses, seconds)

    monkeypatch.setattr(world.presence, "register", slowly)
    with pytest.raises(RevokedError):
        directory.register(ana, (), bytes(16), 0)
    assert world.presence.count() == 0


def test_revoking_nobody_is_an_error(world: World) -> None:
    for text, kind in ((ANA[:7], "first 8"), ("z" * 52, "no member"), ("%" * 10, "first 8"), ("", "first 8")):
        with pytest.raises(Exception, match=kind):
            revoke(world.database, text)
    with pytest.raises(NotFoundError):
        revoke(world.database, "aaaaaaaa")
    assert world.revocations.current().number == 0


def test_an_ambiguous_beginning_is_an_error(world: World) -> None:
    twin = ANA[:-2] + ("aa" if ANA[-2:] != "aa" else "ba")
    with world.database.write() as connection:
        world.members.admit(connection, twin, "Twin", 8)
    with pytest.raises(Exception, match="more than one"):
        revoke(world.database, ANA[:20])
    assert world.revocations.current().number == 0


def test_strangers_are_not_found(world: World) -> None:
    with pytest.raises(StrangerError):
        world.members.find("z" * 52)
    with pytest.raises(NotFoundError):
        world.members.by_number(99)


def test_members_come_back_after_a_start(world: World) -> None:
    for member in (world.ana, world.bruno):
        world.presence.register(member, (), 10)
    assert not world.presence.returning
    world.presence.close()
    again = Presence(world.database, world.catalogue, lambda: world.now, lambda: world.wall)
    again.start(10)
    assert again.returning
    again.register(world.ana, (), 10)
    assert again.returning
    again.register(world.bruno, (), 10)
    assert not again.returning
    again.leave(world.bruno)
    world.now += 10
    # Who did not come back by then is not expected any more.
    assert not again.returning


def test_who_left_or_was_put_out_is_not_waited_for(world: World) -> None:
    for member in (world.ana, world.bruno):
        world.presence.register(member, (), 10)
    world.presence.leave(world.ana)
    world.presence.close()
    revoke(world.database, BRUNO)
    again = Presence(world.database, world.catalogue, lambda: world.now, lambda: world.wall)
    again.start(10)
    assert not again.returning
