"""Downloads from honest holders over real TLS: edges, pausing, restarts, names, room."""

import os
import time

import pytest
from bench import MIB, Bench
from holders import manifest_of, slowly, wait_until

from peer_core.errors import StorageError
from peer_core.limits.policy import Limits
from peer_core.transfer.part_file import PartFile
from peer_core.transfer.store import TransferStore
from peer_core.transfer.types import Holder, SourceState, TransferState


@pytest.mark.parametrize("size", [0, 1, MIB - 1, MIB, MIB + 1, 9 * MIB + 5])
def test_sizes_around_the_edges(bench: Bench, size: int) -> None:
    data = os.urandom(size)
    bench.honest(data)
    done = bench.download(data)
    assert done.state is TransferState.DONE, done.trouble
    assert done.path.read_bytes() == data
    assert done.bytes_done == done.size == size
    assert [p for p, _ in bench.adopted] == [done.path]
    assert sorted(p.name for p in done.folder.iterdir()) == [done.path.name]
    assert list((bench.root / "transfers").iterdir()) == []


def test_somebody_else_at_the_address_is_not_used(bench: Bench) -> None:
    data = os.urandom(2 * MIB)
    real = bench.honest(data, listed=False)
    impostor = bench.authority.identity(bench.root / "other", "other")
    bench.holders.append(Holder(impostor.peer_id, "impostor", real.holder.addresses))
    failed = bench.download(data)
    assert failed.state is TransferState.FAILED
    assert failed.trouble is not None
    assert "somebody else" in failed.trouble.message
    assert real.bytes_sent == 0


def test_pause_keeps_resume_goes_on_and_cancel_cleans(bench: Bench) -> None:
    data = os.urandom(40 * MIB)

    bench.hostile(data, slowly(0.02))
    transfers = bench.start()
    added = transfers.add(manifest_of(data).content_id, "../film.mkv", bench.root / "out")
    assert transfers.add(manifest_of(data).content_id, "again", bench.root / "out").id == added.id
    wait_until(lambda: transfers.get(added.id).pieces_done >= 5)
    running = transfers.get(added.id)
    assert running.rate > 0
    assert running.eta_seconds is not None
    paused = transfers.pause(added.id)
    assert paused.state is TransferState.PAUSED
    received = bench.received
    time.sleep(0.3)
    assert bench.received == received
    assert not paused.path.exists()
    transfers.resume(added.id)
    done = bench.rested(added.id, 60)
    assert done.state is TransferState.DONE, done.trouble
    assert done.path == bench.root / "out" / "_film.mkv"
    assert done.path.read_bytes() == data
    assert bench.received <= len(data) + 2 * MIB

    second = transfers.add(manifest_of(data).content_id, "film.mkv", bench.root / "out2")
    wait_until(lambda: transfers.get(second.id).pieces_done >= 2)
    transfers.cancel(second.id)
    assert list((bench.root / "out2").iterdir()) == []
    assert [t.id for t in transfers.all()] == [added.id]


def test_a_stopped_program_goes_on_at_the_next_start(bench: Bench) -> None:
    data = os.urandom(30 * MIB)

    bench.hostile(data, slowly(0.01))
    transfers = bench.start()
    added = transfers.add(manifest_of(data).content_id, "film.mkv")
    wait_until(lambda: transfers.get(added.id).pieces_done >= 5)
    bench.stop()
    before = bench.received
    bench.start()
    done = bench.rested(added.id, 60)
    assert done.state is TransferState.DONE, done.trouble
    assert done.path.read_bytes() == data
    assert bench.received - before <= len(data) - 5 * MIB + 1
    assert sum(s.pieces for s in done.sources) == done.pieces


def test_another_file_of_that_name_is_never_replaced(bench: Bench) -> None:
    data = os.urandom(MIB)
    bench.honest(data)
    folder = bench.root / "downloads"
    folder.mkdir()
    (folder / "file.bin").write_bytes(b"mine")
    (folder / "file (2).bin").symlink_to("/etc/hostname")
    done = bench.download(data)
    assert done.path.name == "file (3).bin"
    assert done.path.read_bytes() == data
    assert (folder / "file.bin").read_bytes() == b"mine"


def test_a_name_for_the_file_may_come_from_the_central(bench: Bench) -> None:
    data = os.urandom(100)
    bench.honest(data)
    transfers = bench.start()
    done = bench.rested(transfers.add(manifest_of(data).content_id).id)
    assert done.path.name == "from the central.bin"


def test_a_new_holder_is_taken_up_while_it_waits(bench: Bench) -> None:
    data = os.urandom(2 * MIB)
    waiting = bench.download(data)
    assert waiting.state is TransferState.WAITING
    assert waiting.trouble is not None
    bench.honest(data)
    wait_until(lambda: bench.transfers is not None and bench.transfers.get(waiting.id).state is TransferState.DONE)
    assert waiting.path.read_bytes() == data


def test_a_file_that_changes_at_the_holder_is_not_sent_as_the_old_one(bench: Bench) -> None:
    data = os.urandom(4 * MIB)
    honest = bench.honest(data)
    honest.path.write_bytes(os.urandom(4 * MIB))
    waiting = bench.download(data)
    assert waiting.state is TransferState.WAITING
    assert waiting.trouble is not None
    assert "no longer has" in waiting.trouble.message


def test_a_file_that_changes_while_it_is_served_is_noticed_there_before_a_byte_of_it_leaves(bench: Bench) -> None:
    data = os.urandom(12 * MIB)
    honest = bench.honest(data)
    honest.limits = Limits(upload_rate=4_000_000)
    transfers = bench.start()
    added = transfers.add(manifest_of(data).content_id, "film.mkv")
    wait_until(lambda: transfers.get(added.id).pieces_done >= 2)
    with honest.path.open("r+b") as file:
        file.write(os.urandom(12 * MIB))
    waiting = bench.rested(added.id)
    assert waiting.state is TransferState.WAITING
    assert waiting.trouble is not None and "no longer has" in waiting.trouble.message
    (report,) = waiting.sources
    assert report.state is SourceState.LOST, "it lied about nothing"
    assert report.reason is None or "wrong bytes" not in report.reason
    assert 2 <= waiting.pieces_done < 12
    bench.honest(data)
    wait_until(lambda: transfers.get(added.id).state is TransferState.DONE)
    assert transfers.get(added.id).path.read_bytes() == data


def test_too_little_room_pauses_with_a_sentence(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    data = os.urandom(MIB)
    bench.honest(data)
    usage = type("usage", (), {"total": 1, "used": 1, "free": 12_345})
    monkeypatch.setattr("peer_core.transfer.finishing.shutil.disk_usage", lambda path: usage)
    paused = bench.download(data)
    assert paused.state is TransferState.PAUSED
    assert paused.trouble is not None
    assert "not enough room" in paused.trouble.message
    monkeypatch.undo()
    transfers = bench.transfers
    assert transfers is not None
    # By itself, now that there is room.
    wait_until(lambda: transfers.get(paused.id).state is TransferState.DONE)


@pytest.mark.parametrize("moment", ["before the link", "after the link", "after the part is gone"])
def test_a_program_killed_while_it_names_the_file_finishes_without_asking_anybody(bench: Bench, moment: str) -> None:
    data = os.urandom(3 * MIB)
    bench.honest(data)
    transfers = bench.start()
    paused = transfers.add(manifest_of(data).content_id, "file.bin")
    done = bench.rested(paused.id)
    bench.stop()
    # What the disk holds at that moment: the row says running, the manifest and the record of pieces are there.
    store = TransferStore(bench.root / "transfers.sqlite", bench.root / "transfers")
    (record,) = store.all()
    assert record.part is not None
    record.state, record.finished = TransferState.RUNNING, None
    store.save(record)
    store.save_manifest(record, manifest_of(data))
    part_file = PartFile(record.part, store.bits_path(record), manifest_of(data))
    for piece in range(3):
        part_file.write(piece, memoryview(data)[piece * MIB : (piece + 1) * MIB])
    part_file.close()
    store.close()
    done.path.unlink()
    if moment == "after the link":
        done.path.hardlink_to(record.part)
    elif moment == "after the part is gone":
        record.part.rename(done.path)
    bench.holders.clear()
    received = bench.received
    bench.start()
    again = bench.rested(paused.id)
    assert again.state is TransferState.DONE, again.trouble
    assert again.path == done.path
    assert again.path.read_bytes() == data
    assert [p.name for p in again.folder.iterdir()] == ["file.bin"]
    assert bench.received == received


def test_a_hostile_name_from_the_central_never_shows_a_path_outside(bench: Bench) -> None:
    data = os.urandom(100)
    waiting = bench.start().add(manifest_of(data).content_id)
    bench.located_name = "/etc/passwd"
    bench.honest(data)
    seen = set()

    def look() -> bool:
        assert bench.transfers is not None
        now = bench.transfers.get(waiting.id)
        seen.add(now.path.parent)
        return now.state is TransferState.DONE

    wait_until(look)
    assert seen == {bench.root / "downloads"}


def test_a_full_disk_at_cancel_loses_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    data = os.urandom(MIB)
    waiting = bench.download(data)
    assert bench.transfers is not None

    def full(self: TransferStore, record: object) -> None:
        raise StorageError("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(TransferStore, "delete", full)
        with pytest.raises(StorageError):
            bench.transfers.cancel(waiting.id)
    assert [t.id for t in bench.transfers.all()] == [waiting.id]
    bench.transfers.cancel(waiting.id)
    assert bench.transfers.all() == []
