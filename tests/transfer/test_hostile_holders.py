"""Downloads from broken and hostile holders over real TLS: right bytes in the end, or a clear reason."""

import contextlib
import os
import socket
import time

import pytest
from bench import MIB, Bench, Script
from holders import Exchange, manifest_of, wait_until
from hostile_cases import another_etag, another_size, endless

from peer_core.transfer.types import Holder, SourceState, TransferState


def wrong_bytes(x: Exchange) -> None:
    x.head(len(x.honest_bytes))
    x.send(bytes(b ^ 1 for b in x.honest_bytes))


def one_bit_in_the_last_piece(x: Exchange) -> None:
    body = bytearray(x.honest_bytes)
    if x.end == len(x.data) - 1:
        body[-1] ^= 0x40
    x.head(len(body))
    x.send(bytes(body))


def other_range(x: Exchange) -> None:
    x.head(len(x.honest_bytes), Content_Range=f"bytes 7-{x.end + 7}/{len(x.data)}")
    x.send(x.honest_bytes)


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
    another_etag,
    other_range,
    another_size,
    endless,
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
