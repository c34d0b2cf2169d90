"""Comparing and repairing over gRPC: bounded answers, hostile ranges, what a call costs, marks over a restart."""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from central_kit import INDEX, SECONDS, Caller, Central, batch, change, content_id, refused

from central import database as database_module
from central.catalogue.sqlite import comparing
from central.catalogue.sqlite.store import SqliteCatalogue
from central.database import Database
from central.domain import Comparison, Range
from protos.agreed import MAX_KEY, entries_digest, entry_key, path_digest
from protos.barrio.v1 import directory_pb2 as pb

BAD = grpc.StatusCode.INVALID_ARGUMENT
ONE, TWO = b"1" * 16, b"2" * 16


def compare(caller: Caller, first: int = 0, last: int = MAX_KEY, digest: bytes = b"") -> pb.CompareResponse:
    return caller.stub.Compare(pb.CompareRequest(first=first, last=last, digest=digest), timeout=SECONDS)


def publish(caller: Caller, **fields: object) -> pb.PublishResponse:
    return caller.stub.Publish(pb.PublishRequest(index_id=INDEX, **fields), timeout=SECONDS)  # type: ignore[arg-type]


def key(path: str) -> int:
    return entry_key(path, path_digest(path))


def test_marks_name_what_is_held_and_outlive_a_restart(central: Central) -> None:
    member = central.member()
    told = member.register()
    assert (told.mark, told.entries, told.compares) == (b"", 0, True)
    assert publish(member, last=1, changes=[change(1, "a", 1)], mark=ONE).mark == ONE
    refused_one = publish(member, previous=1, last=2, changes=[change(2, "b", 2)], held_mark=TWO, mark=TWO)
    assert (refused_one.resync, refused_one.mark, refused_one.acknowledged_sequence) == (True, ONE, 1)
    device = member.device
    central.restart()
    member = central.caller(device)
    told = member.register(last=1)
    assert (told.mark, told.entries, told.acknowledged_sequence) == (ONE, 1, 1)
    assert publish(member, previous=1, last=2, changes=[change(2, "b", 2)], held_mark=ONE, mark=TWO).mark == TWO


def test_a_repair_changes_only_what_it_names(central: Central) -> None:
    member = central.member()
    member.register()
    publish(member, last=9, changes=[change(n, f"f{n}", n) for n in range(1, 10)], mark=ONE)
    repaired = publish(
        member, last=4, repair=True, mark=TWO, changes=[change(0, "f1", 77)], removed=[key("Music/f2"), 5]
    )
    assert (repaired.resync, repaired.acknowledged_sequence, repaired.mark) == (False, 4, TWO)
    names = {row.name for row in member.rows("music", limit=50)}
    assert names == {f"f{n}" for n in (1, 3, 4, 5, 6, 7, 8, 9)}
    assert [len(place.holders) for place in member.locate(content_id(77), content_id(1), content_id(2))] == [1, 0, 0]
    # Half a repair is no state that anybody can go on from.
    publish(member, last=0, repair=True, changes=[change(0, "f3", 78)])
    told = member.register(last=9)
    assert (told.mark, told.acknowledged_sequence) == (b"", 0)


def test_hostile_ranges_and_repairs_are_refused(central: Central) -> None:
    member = central.member()
    member.register()
    for first, last in ((1, 0), (0, MAX_KEY + 1), (MAX_KEY + 1, MAX_KEY + 1)):
        with refused(BAD):
            compare(member, first, last)
    for fields in (
        {"mark": b"x"},
        {"held_mark": b"x" * 17},
        {"removed": [1]},
        {"removed": [1 << 63], "repair": True},
        {"removed": list(range(1001)), "repair": True},
        {"changes": [change(0, "../x", 1)], "repair": True},
    ):
        with refused(BAD):
            publish(member, last=1, **fields)
    assert compare(member, digest=entries_digest(b"")).same
    assert compare(central.member()).entries == b""


def test_nobody_sees_the_entries_of_another(central: Central) -> None:
    one, other = central.member(), central.member()
    one.register()
    publish(one, last=1, changes=[change(1, "a", 1)])
    assert len(compare(one).entries) == 16
    assert compare(other).entries == b""


def test_an_answer_is_bounded_and_cheap_and_the_next_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = Database.create(tmp_path / "central.sqlite")
    catalogue = SqliteCatalogue(database)
    total = 40_000
    for start in range(0, total, 1000):
        changes = [(f"Music/{n % 97}/{n}.mp3", n + 1) for n in range(start, start + 1000)]
        catalogue.publish(1, batch(start, changes))
    keys = []
    first, worst = 0, 0.0
    while first <= MAX_KEY:
        started = time.perf_counter()
        found = catalogue.compare(1, Range(first, MAX_KEY, os.urandom(16)))
        worst = max(worst, time.perf_counter() - started)
        assert len(found.entries) <= 16 * comparing.MOST
        keys += [int.from_bytes(found.entries[at : at + 8]) for at in range(0, len(found.entries), 16)]
        first = found.through + 1
    assert len(keys) == len(set(keys)) == total
    assert keys == sorted(keys)
    assert worst < 0.5
    catalogue.close()
    database.close()


def test_more_than_a_few_comparisons_at_a_time_are_put_off(central: Central, monkeypatch: pytest.MonkeyPatch) -> None:
    callers = [central.member() for _ in range(5)]
    begun, go_on = threading.Barrier(5), threading.Event()
    real = SqliteCatalogue.compare

    def slow(self: SqliteCatalogue, member: int, span: Range) -> Comparison:
        begun.wait(10)
        go_on.wait(10)
        return real(self, member, span)

    monkeypatch.setattr(SqliteCatalogue, "compare", slow)
    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(compare, caller) for caller in callers[:4]]
        begun.wait(10)
        with refused(grpc.StatusCode.RESOURCE_EXHAUSTED, "try again"):
            compare(callers[4])
        go_on.set()
        assert [future.result().same for future in running] == [False] * 4


def test_a_database_without_marks_gets_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "central.sqlite"
    steps = [step for step in database_module._migrations() if step[0] <= 2]
    with monkeypatch.context() as older:
        older.setattr(database_module, "_migrations", lambda: steps)
        database = Database.create(path)
        with database.write() as connection:
            connection.execute("INSERT INTO publication VALUES (1, ?, 7, 0)", (INDEX,))
        database.close()
    database = Database.create(path)
    catalogue = SqliteCatalogue(database)
    held = catalogue.acknowledged(1)
    assert held is not None
    assert (held.index_id, held.sequence, held.mark) == (INDEX, 7, b"")
    assert not catalogue.publish(1, batch(7, [("Music/a", 1)])).resync
    catalogue.close()
    database.close()
