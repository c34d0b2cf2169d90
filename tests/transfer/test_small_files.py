"""Small files go many in one answer: from real peer APIs over real TLS, with holders that lie, leave and are old."""

import os
import struct
from pathlib import Path

import pytest
from bench import Bench
from holders import Exchange, manifest_of, wait_until
from shelves import shelf

from peer_core.content import SMALL_BYTES
from peer_core.limits.policy import Limits
from peer_core.transfer.queue import Transfers
from peer_core.transfer.record import Record
from peer_core.transfer.store import TransferStore
from peer_core.transfer.types import SourceState, Transfer, TransferState, Wanted

FILES = [os.urandom(size) for size in (0, 1, 100, 16 << 10, SMALL_BYTES)] + [os.urandom(3000 + n) for n in range(300)]
WANTED = [
    Wanted(manifest_of(data).content_id, ("folder", f"part {number % 3}"), f"file {number}.bin", len(data))
    for number, data in enumerate(FILES)
]


def resting(transfers: Transfers, seconds: float = 30) -> list[Transfer]:
    rest = (TransferState.DONE, TransferState.FAILED, TransferState.PAUSED, TransferState.WAITING)
    return wait_until(lambda: (all_ := transfers.all()) and all(t.state in rest for t in all_) and all_, seconds)


def assert_all_here(bench: Bench, transfers: list[Transfer]) -> None:
    assert {t.state for t in transfers} == {TransferState.DONE}, [t.trouble for t in transfers if t.trouble][:3]
    got = {path.relative_to(bench.root / "downloads"): path for path in (bench.root / "downloads").rglob("*.*")}
    assert len(got) == len(FILES), "each once, and no partial file"
    for wanted, data in zip(WANTED, FILES, strict=True):
        assert got[Path(*wanted.parts, wanted.name)].read_bytes() == data


def test_a_folder_of_small_files_takes_few_requests_and_each_is_proven(bench: Bench) -> None:
    _, shelved = shelf(bench, FILES)
    transfers = bench.start()
    transfers.add_folder(WANTED)
    done = resting(transfers)
    assert_all_here(bench, done)
    assert shelved.asked == len(FILES), "each was looked up once: no manifests, no single requests"
    assert bench.received <= sum(map(len, FILES)) + 8 * len(FILES)
    assert len(bench.adopted) == len(FILES)
    for transfer in done:
        ((name, pieces, count),) = [(s.name, s.pieces, s.bytes) for s in transfer.sources]
        assert (name, pieces, count) == ("honest", min(1, count), transfer.size)
    assert list((bench.root / "transfers").iterdir()) == []
    bench.stop()
    assert {t.state for t in bench.start().all()} == {TransferState.DONE}, "so it is on disk"


def test_what_one_holder_lacks_another_gives(bench: Bench) -> None:
    shelf(bench, FILES[:200], "one")
    shelf(bench, FILES[150:], "two")
    transfers = bench.start()
    transfers.add_folder(WANTED)
    done = resting(transfers)
    assert_all_here(bench, done)
    assert {s.name for t in done for s in t.sources if s.pieces} == {"one", "two"}


def lies(x: Exchange) -> None:
    body = struct.pack(">Q", 3000) + bytes(3000)
    x.head(len(body), "200 OK")
    x.send(body)


def wants_to_send_too_much(x: Exchange) -> None:
    x.head(1 << 40, "200 OK")
    x.send(struct.pack(">Q", 1 << 39))


def breaks_off(x: Exchange) -> None:
    x.head(1000, "200 OK")
    x.send(struct.pack(">Q", 500) + bytes(10))
    raise ConnectionResetError


def is_old(x: Exchange) -> None:
    x.head(0, "404 Not Found")


@pytest.mark.parametrize("script", [lies, wants_to_send_too_much, breaks_off, is_old])
def test_a_holder_that_lies_breaks_off_or_is_old_costs_nothing_but_itself(bench: Bench, script: object) -> None:
    bad = bench.hostile(FILES[7], script)  # type: ignore[arg-type]
    shelf(bench, FILES)
    transfers = bench.start()
    transfers.add_folder(WANTED)
    done = resting(transfers)
    assert_all_here(bench, done)
    of_it = [s for t in done for s in t.sources if s.peer_id == bad.holder.peer_id]
    assert of_it and sum(s.pieces for s in of_it) == 0
    lied = script in (lies, wants_to_send_too_much)
    assert {s.state for s in of_it} == {SourceState.BANNED if lied else SourceState.LOST}
    assert [caught.peer_id for caught in transfers.quarantine.all()] == ([bad.holder.peer_id] if lied else [])
    if lied:
        asked = bad.requests
        transfers.add_folder([Wanted(file.content_id, ("again",), file.name, file.size) for file in WANTED[:20]])
        assert {t.state for t in resting(transfers)} == {TransferState.DONE}
        assert bad.requests == asked, "it is kept from other transfers"


def test_a_file_that_changed_and_a_wrong_size_are_left_to_the_usual_way(bench: Bench) -> None:
    _, shelved = shelf(bench, FILES)
    shelved.paths[WANTED[20].content_id].write_bytes(os.urandom(len(FILES[20])))
    promised = [*WANTED[:30], Wanted(WANTED[40].content_id, (), "promised.bin", 5)]
    transfers = bench.start()
    transfers.add_folder(promised)
    by_name = {t.name: t for t in resting(transfers)}
    assert by_name["file 20.bin"].state is TransferState.WAITING
    assert by_name["promised.bin"].state is TransferState.FAILED
    assert "another size" in str(by_name["promised.bin"].trouble)
    assert sum(t.state is TransferState.DONE for t in by_name.values()) == 29


def test_pausing_cancelling_and_stopping_in_the_middle_lose_nothing(bench: Bench) -> None:
    holder, _ = shelf(bench, FILES)
    holder.limits = Limits(upload_rate=30_000)
    transfers = bench.start()
    added, _ = transfers.add_folder(WANTED)
    wait_until(lambda: bench.received > 20_000)
    assert transfers.pause(added[-1].id).state is TransferState.PAUSED
    transfers.cancel(added[-2].id)
    bench.stop()
    holder.limits = Limits()
    transfers = bench.start()
    wait_until(lambda: sum(t.state is TransferState.DONE for t in transfers.all()) == len(FILES) - 2)
    assert transfers.get(added[-1].id).state is TransferState.PAUSED
    transfers.resume(added[-1].id)
    transfers.add_folder(WANTED[-2:])
    assert_all_here(bench, resting(transfers))


def test_files_of_a_slow_answer_are_done_while_the_rest_still_comes(bench: Bench) -> None:
    holder, shelved = shelf(bench, FILES)
    holder.limits = Limits(upload_rate=30_000)
    transfers = bench.start()
    transfers.add_folder(WANTED)
    done = wait_until(lambda: [t for t in transfers.all() if t.state is TransferState.DONE])
    assert 0 < len(done) < len(FILES) // 2
    for transfer in done:
        assert transfer.path is not None
        assert transfer.path.stat().st_size == transfer.size
    asked = shelved.asked
    bench.stop()
    holder.limits = Limits()
    again = bench.start()
    assert_all_here(bench, resting(again))
    assert shelved.asked - asked <= len(FILES) - len(done), "what was there is not asked for again"


@pytest.mark.parametrize("named", [False, True])
def test_a_program_killed_between_name_and_record_does_not_fetch_again(bench: Bench, named: bool) -> None:
    shelf(bench, FILES)
    folder = bench.root / "downloads"
    folder.mkdir()
    store = TransferStore(bench.root / "transfers.sqlite", bench.root / "transfers")
    record = Record("a1", WANTED[3].content_id, "file.bin", folder, 1.0, TransferState.RUNNING, size=16 << 10)
    record.part, record.path = folder / "file.bin.a1.part", folder / "file.bin"
    store.save(record)
    store.close()
    (record.path if named else record.part).write_bytes(FILES[3])
    (done,) = resting(bench.start())
    assert done.state is TransferState.DONE, done.trouble
    assert [p.name for p in folder.iterdir()] == ["file.bin"]
    assert done.path.read_bytes() == FILES[3]
    assert bench.received == (0 if named else len(FILES[3]) + 8)


def test_another_file_of_that_name_stays(bench: Bench) -> None:
    shelf(bench, FILES)
    place = bench.root / "downloads" / "folder" / "part 0"
    place.mkdir(parents=True)
    (place / "file 3.bin").write_bytes(b"mine")
    (place / "file 6.bin").symlink_to("/etc/hostname")
    transfers = bench.start()
    transfers.add_folder(WANTED[:9])
    by_name = {t.name: t for t in resting(transfers)}
    refused = by_name.pop("file 6.bin")
    assert refused.state is TransferState.FAILED, "a link that leads elsewhere"
    assert {t.state for t in by_name.values()} == {TransferState.DONE}, "which is nothing to the others"
    assert (place / "file 3.bin").read_bytes() == b"mine"
    assert (place / "file 3 (2).bin").read_bytes() == FILES[3]
    assert (place / "file 6.bin").is_symlink()


def test_nobody_there_is_waited_for_together(bench: Bench) -> None:
    transfers = bench.start()
    transfers.add_folder(WANTED[:20])
    waiting = resting(transfers)
    assert {t.state for t in waiting} == {TransferState.WAITING}
    _, shelved = shelf(bench, FILES)
    wait_until(lambda: all(t.state is TransferState.DONE for t in transfers.all()))
    assert shelved.asked == 20


def test_a_line_at_the_holder_is_waited_for(bench: Bench) -> None:
    holder, _ = shelf(bench, FILES)
    holder.limits = Limits(upload_slots=1)
    assert holder.line.enter("somebody else") is None
    transfers = bench.start()
    added, _ = transfers.add_folder(WANTED[:20])
    wait_until(lambda: bench.me.peer_id in holder.line._waiting)
    assert transfers.get(added[0].id).state is TransferState.RUNNING
    holder.line.leave("somebody else")
    done = resting(transfers)
    assert {t.state for t in done} == {TransferState.DONE}
    assert {s.failures for t in done for s in t.sources} == {0}


def test_together_they_take_one_slot(bench: Bench) -> None:
    holder, _ = shelf(bench, FILES)
    holder.limits = Limits(upload_slots=1)
    bench.limits = Limits(download_slots=2)
    assert holder.line.enter("somebody else") is None
    transfers = bench.start()
    added, _ = transfers.add_folder(WANTED[:20])
    wait_until(lambda: bench.me.peer_id in holder.line._waiting)
    other = transfers.add(bytes(32), "nobody has it")
    assert bench.rested(other.id).state is TransferState.WAITING
    assert {transfers.get(t.id).state for t in added} == {TransferState.RUNNING}
    holder.line.leave("somebody else")
    wait_until(lambda: all(transfers.get(t.id).state is TransferState.DONE for t in added))


def test_a_folder_with_large_files_between_small_ones_has_a_receipt_for_each(bench: Bench) -> None:
    files = [os.urandom(SMALL_BYTES + 1 if number % 2 else 1000) for number in range(8)]
    holder, _ = shelf(bench, files)
    wanted = [Wanted(manifest_of(d).content_id, ("mixed",), f"{n}", len(d)) for n, d in enumerate(files)]
    bench.limits = Limits(download_slots=1)
    transfers = bench.start()
    folder = transfers.add_tree(wanted, "mixed")
    done = bench.rested(folder.id)
    assert done.state is TransferState.DONE, done.trouble
    assert done.finished is not None
    inside, _ = transfers.files(folder.id, 10)
    assert [t.path.read_bytes() for t in inside] == files
    bench.stop()
    transfers = bench.start()
    for file in inside:
        receipt = transfers.receipt(file.id)
        assert receipt.given == {holder.holder.peer_id: [[0, file.pieces - 1]]}
        (source,) = receipt.transfer.sources
        assert (source.bytes, source.wasted, source.verified is not None) == (file.size, 0, True)
