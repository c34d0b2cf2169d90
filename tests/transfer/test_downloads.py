"""Downloads against real holders over real TLS: honest, broken and hostile ones."""

import contextlib
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from holders import Exchange, HonestHolder, HostileHolder, manifest_of, wait_until
from trust import Authority

from peer_core.content import Manifest
from peer_core.errors import NoSourceError, StorageError
from peer_core.transfer.part_file import PartFile
from peer_core.transfer.queue import Transfers
from peer_core.transfer.store import TransferStore
from peer_core.transfer.types import Holder, Located, SourceState, Transfer, TransferState

MIB = 1 << 20
Script = Callable[[Exchange], None]


class Bench:
    """A downloader, holders, and the list of holders that locating answers."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.authority = Authority()
        self.me = self.authority.identity(root / "me", "me")
        self.holders: list[Holder] = []
        self.received = 0
        self.located_name = "from the central.bin"
        self.adopted: list[tuple[Path, Manifest]] = []
        self._lock = threading.Lock()
        self._close: list[Callable[[], None]] = []
        self.transfers: Transfers | None = None

    def honest(self, data: bytes, listed: bool = True) -> HonestHolder:
        path = self.root / f"source{len(self._close)}"
        path.write_bytes(data)
        made = HonestHolder(self.authority.identity(self.root / f"id{len(self._close)}", "honest"), path)
        self._close.append(made.close)
        if listed:
            self.holders.append(made.holder)
        return made

    def hostile(self, data: bytes, script: Script, manifest: Script = Exchange.honest_manifest) -> HostileHolder:
        identity = self.authority.identity(self.root / f"id{len(self._close)}", "hostile")
        made = HostileHolder(identity, data, script, manifest)
        self._close.append(made.close)
        self.holders.append(made.holder)
        return made

    def start(self) -> Transfers:
        store = TransferStore(self.root / "transfers.sqlite", self.root / "transfers")
        self.transfers = Transfers(store, lambda: self.root / "downloads", self._count)
        self.transfers.start(self.me, self._locate, lambda p, m: self.adopted.append((p, m)))
        return self.transfers

    def _count(self, count: int) -> None:
        with self._lock:
            self.received += count

    def _locate(self, content_id: bytes) -> Located:
        if not self.holders:
            raise NoSourceError("Nobody is online.")
        return Located(0, self.located_name, tuple(self.holders))

    def download(self, data: bytes, seconds: float = 30) -> Transfer:
        """Until the transfer rests: done, failed, paused or waiting."""
        transfers = self.transfers or self.start()
        added = transfers.add(manifest_of(data).content_id, "file.bin")
        return self.rested(added.id, seconds)

    def rested(self, transfer_id: str, seconds: float = 30) -> Transfer:
        assert self.transfers is not None
        resting = (TransferState.DONE, TransferState.FAILED, TransferState.PAUSED, TransferState.WAITING)

        def look() -> Transfer | None:
            assert self.transfers is not None
            now = self.transfers.get(transfer_id)
            return now if now.state in resting else None

        return wait_until(look, seconds)

    def stop(self) -> None:
        if self.transfers is not None:
            self.transfers.stop()
            self.transfers = None

    def close(self) -> None:
        self.stop()
        for close in self._close:
            close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.close()


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


def wrong_bytes(x: Exchange) -> None:
    x.head(len(x.honest_bytes))
    x.send(bytes(b ^ 1 for b in x.honest_bytes))


def one_bit_in_the_last_piece(x: Exchange) -> None:
    body = bytearray(x.honest_bytes)
    if x.end == len(x.data) - 1:
        body[-1] ^= 0x40
    x.head(len(body))
    x.send(bytes(body))


def wrong_etag(x: Exchange) -> None:
    x.head(len(x.honest_bytes), ETag='"another"')
    x.send(x.honest_bytes)


def other_range(x: Exchange) -> None:
    x.head(len(x.honest_bytes), Content_Range=f"bytes 7-{x.end + 7}/{len(x.data)}")
    x.send(x.honest_bytes)


def lies_about_the_size(x: Exchange) -> None:
    x.head(len(x.honest_bytes), Content_Range=f"bytes {x.start}-{x.end}/{1 << 62}")
    x.send(x.honest_bytes)


def endless_body(x: Exchange) -> None:
    x.head(1 << 62)
    with contextlib.suppress(OSError):
        while not x.stopping.is_set():
            x.send(bytes(65536))


def whole_file_instead(x: Exchange) -> None:
    x.head(len(x.data), "200 OK", Content_Range="")
    x.send(x.data)


def endless_header_line(x: Exchange) -> None:
    x.send(b"HTTP/1.1 206 Partial Content\r\nX: ")
    with contextlib.suppress(OSError):
        for _ in range(2000):
            x.send(b"a" * 8192)


def endless_headers(x: Exchange) -> None:
    x.send(b"HTTP/1.1 206 Partial Content\r\n")
    with contextlib.suppress(OSError):
        for number in range(100_000):
            x.send(f"X-{number}: a\r\n".encode())


def not_http(x: Exchange) -> None:
    x.send(b"SSH-2.0-OpenSSH_9.2\r\n" + os.urandom(500))
    x.stall()


def chunked_surprise(x: Exchange) -> None:
    x.head(0, Content_Length="", Transfer_Encoding="chunked")
    x.send(b"ffffffffffffffff\r\n" + bytes(1000))
    x.stall()


def negative_length(x: Exchange) -> None:
    x.head(-5)
    x.send(x.honest_bytes)


def redirects(x: Exchange) -> None:
    x.head(0, "302 Found", Location="https://127.0.0.1:1/")


def says_416(x: Exchange) -> None:
    x.head(0, "416 Range Not Satisfiable")


LIARS: list[Script] = [
    wrong_bytes,
    one_bit_in_the_last_piece,
    wrong_etag,
    other_range,
    lies_about_the_size,
    endless_body,
    whole_file_instead,
    endless_header_line,
    endless_headers,
    not_http,
    chunked_surprise,
    negative_length,
    redirects,
    says_416,
]


@pytest.mark.parametrize("script", LIARS)
def test_a_lying_holder_never_gets_a_byte_into_the_file(bench: Bench, script: Script) -> None:
    data = os.urandom(20 * MIB + 9)
    liar = bench.hostile(data, script)
    failed = bench.download(data)
    assert failed.state is TransferState.FAILED, failed
    assert failed.trouble is not None
    assert "hostile" in failed.trouble.message
    assert not failed.path.exists()
    assert [s.state for s in failed.sources] == [SourceState.BANNED]
    good_before = failed.pieces_done

    bench.honest(data)
    assert bench.transfers is not None
    bench.transfers.resume(failed.id)
    done = bench.rested(failed.id)
    assert done.state is TransferState.DONE, done.trouble
    assert done.path.read_bytes() == data
    by_state = {s.peer_id: s for s in done.sources}
    honest = by_state[bench.holders[1].peer_id]
    assert honest.pieces + by_state[liar.holder.peer_id].pieces == done.pieces
    assert honest.pieces <= done.pieces - good_before


def resets(x: Exchange) -> None:
    raise ConnectionResetError


def cut_in_the_middle(x: Exchange) -> None:
    x.head(len(x.honest_bytes))
    x.send(x.honest_bytes[: MIB + 100])
    raise ConnectionResetError


def gone(x: Exchange) -> None:
    x.head(0, "404 Not Found")


def busy(x: Exchange) -> None:
    x.head(0, "503 Service Unavailable")


@pytest.mark.parametrize("script", [resets, cut_in_the_middle, gone, busy])
def test_a_broken_holder_alone_leaves_a_reason_and_what_was_good(bench: Bench, script: Script) -> None:
    data = os.urandom(6 * MIB)
    bench.hostile(data, script)
    waiting = bench.download(data)
    assert waiting.state is TransferState.WAITING
    assert waiting.trouble is not None
    assert waiting.trouble.message
    bench.honest(data)

    def done() -> bool:
        assert bench.transfers is not None
        return bench.transfers.get(waiting.id).state is TransferState.DONE

    wait_until(done)
    assert waiting.path.read_bytes() == data
    assert bench.received <= len(data) + 6 * MIB


def stalls_at_once(x: Exchange) -> None:
    x.stall()


def stalls_in_the_head(x: Exchange) -> None:
    x.send(b"HTTP/1.1 206 Par")
    x.stall()


def stalls_in_a_piece(x: Exchange) -> None:
    x.head(len(x.honest_bytes))
    x.send(x.honest_bytes[: MIB // 2])
    x.stall()


def drips(x: Exchange) -> None:
    x.head(len(x.honest_bytes))
    x.drip(x.honest_bytes, 0.05)


@pytest.mark.parametrize("script", [stalls_at_once, stalls_in_the_head, stalls_in_a_piece, drips])
def test_a_stalling_holder_does_not_hold_the_download_up(bench: Bench, script: Script) -> None:
    data = os.urandom(12 * MIB)
    bench.hostile(data, script)
    bench.honest(data)
    started = time.monotonic()
    done = bench.download(data)
    assert done.state is TransferState.DONE, done.trouble
    assert done.path.read_bytes() == data
    assert time.monotonic() - started < 12


def another_manifest(x: Exchange) -> None:
    other = manifest_of(bytes(reversed(x.data))).to_bytes()
    x.send(f"HTTP/1.1 200 OK\r\nContent-Length: {len(other)}\r\n\r\n".encode() + other)


def huge_manifest(x: Exchange) -> None:
    x.send(f"HTTP/1.1 200 OK\r\nContent-Length: {1 << 60}\r\n\r\n".encode())
    with contextlib.suppress(OSError):
        while not x.stopping.is_set():
            x.send(bytes(65536))


def cut_manifest(x: Exchange) -> None:
    x.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + bytes(100))
    raise ConnectionResetError


def drips_the_manifest(x: Exchange) -> None:
    raw = manifest_of(x.data).to_bytes()
    x.send(f"HTTP/1.1 200 OK\r\nContent-Length: {len(raw)}\r\n\r\n".encode())
    x.drip(raw, 1.0)


def test_a_dripped_manifest_is_overtaken_and_pause_returns_at_once(bench: Bench) -> None:
    data = os.urandom(3 * MIB)
    bench.hostile(data, wrong_bytes, drips_the_manifest)
    transfers = bench.start()
    added = transfers.add(manifest_of(data).content_id, "file.bin")
    wait_until(lambda: transfers.get(added.id).state is TransferState.LOCATING)
    time.sleep(0.3)
    started = time.monotonic()
    assert transfers.pause(added.id).state is TransferState.PAUSED
    assert time.monotonic() - started < 1.5
    bench.honest(data)
    transfers.resume(added.id)
    started = time.monotonic()
    done = bench.rested(added.id)
    assert done.state is TransferState.DONE, done.trouble
    assert time.monotonic() - started < 5


def crawls(x: Exchange) -> None:
    """About 60 KB a second: it moves all the time."""
    x.head(len(x.honest_bytes))
    for start in range(0, len(x.honest_bytes), 6000):
        if x.stopping.wait(0.1):
            return
        x.send(x.honest_bytes[start : start + 6000])


def test_a_slow_holder_does_not_keep_the_last_pieces(bench: Bench) -> None:
    data = os.urandom(20 * MIB)
    bench.hostile(data, crawls)
    bench.honest(data)
    started = time.monotonic()
    done = bench.download(data)
    assert done.state is TransferState.DONE, done.trouble
    assert done.path.read_bytes() == data
    assert time.monotonic() - started < 15


def test_a_holder_that_sleeps_delays_nothing(bench: Bench) -> None:
    data = os.urandom(3 * MIB)
    asleep = bench.authority.identity(bench.root / "asleep", "asleep")
    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = f"https://127.0.0.1:{mute.getsockname()[1]}"
        bench.holders.append(Holder(asleep.peer_id, "asleep", (address, address)))
        bench.honest(data)
        started = time.monotonic()
        done = bench.download(data)
        assert done.state is TransferState.DONE, done.trouble
        assert time.monotonic() - started < 4


@pytest.mark.parametrize("manifest", [another_manifest, huge_manifest, cut_manifest])
def test_a_false_manifest_is_refused_and_the_next_holder_asked(bench: Bench, manifest: Script) -> None:
    data = os.urandom(3 * MIB)
    bench.hostile(data, wrong_bytes, manifest)
    bench.honest(data)
    done = bench.download(data)
    assert done.state is TransferState.DONE, done.trouble
    assert done.path.read_bytes() == data


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

    def slow(x: Exchange) -> None:
        x.head(len(x.honest_bytes))
        for start in range(0, len(x.honest_bytes), MIB // 4):
            if x.stopping.wait(0.02):
                return
            x.send(x.honest_bytes[start : start + MIB // 4])

    bench.hostile(data, slow)
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

    def slow(x: Exchange) -> None:
        x.head(len(x.honest_bytes))
        for start in range(0, len(x.honest_bytes), MIB // 4):
            if x.stopping.wait(0.01):
                return
            x.send(x.honest_bytes[start : start + MIB // 4])

    bench.hostile(data, slow)
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
    assert bench.transfers is not None
    bench.transfers.resume(paused.id)
    assert bench.rested(paused.id).state is TransferState.DONE


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
