"""What a hostile or broken holder may do at each stage of a download, and a table of it. See test_every_stage."""

import contextlib
import os
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass

from bench import Bench
from holders import Exchange, manifest_of

from peer_core.transfer.types import Holder, TransferState

FLOOD = bytes(64 << 10)
WAITING, FAILED, RUNNING = TransferState.WAITING, TransferState.FAILED, TransferState.RUNNING


# Before there is TLS: what is done with the plain socket.


def says_nothing(raw: socket.socket, stopping: threading.Event) -> None:
    stopping.wait(60)


def hangs_up(raw: socket.socket, stopping: threading.Event) -> None:
    raw.recv(1)
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def stalls_in_the_handshake(raw: socket.socket, stopping: threading.Event) -> None:
    raw.recv(65536)
    raw.sendall(b"\x16\x03\x03\x10\x00")
    stopping.wait(60)


def drips_the_handshake(raw: socket.socket, stopping: threading.Event) -> None:
    raw.recv(65536)
    for byte in b"\x16\x03\x03\x40\x00" + bytes(4096):
        raw.sendall(bytes([byte]))
        if stopping.wait(0.05):
            return


def talks_plainly(raw: socket.socket, stopping: threading.Event) -> None:
    raw.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    stopping.wait(60)


def floods_the_handshake(raw: socket.socket, stopping: threading.Event) -> None:
    while not stopping.is_set():
        raw.sendall(FLOOD)


# After it: what is answered.


def stalls(x: Exchange) -> None:
    x.stall()


def stalls_in_the_head(x: Exchange) -> None:
    x.send(b"HTTP/1.1 206 Par")
    x.stall()


def drips_the_head(x: Exchange) -> None:
    x.drip(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 60_000, 0.02)


def resets(x: Exchange) -> None:
    raise ConnectionResetError


def not_http(x: Exchange) -> None:
    x.send(b"SSH-2.0-OpenSSH_9.2\r\n" + os.urandom(500))
    x.stall()


def _flood(x: Exchange, first: bytes, again: bytes) -> None:
    x.send(first)
    with contextlib.suppress(OSError):
        while not x.stopping.is_set():
            x.send(again)


def endless_header_line(x: Exchange) -> None:
    _flood(x, b"HTTP/1.1 206 Partial Content\r\nX: ", b"a" * 8192)


def endless_headers(x: Exchange) -> None:
    _flood(x, b"HTTP/1.1 206 Partial Content\r\n", b"".join(b"X-%d: a\r\n" % number for number in range(1000)))


def goes_on_with_100(x: Exchange) -> None:
    _flood(x, b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 500)


def half(x: Exchange) -> None:
    x.head(len(x.honest_bytes))
    x.send(x.honest_bytes[: len(x.honest_bytes) // 2])


def stalls_in_the_body(x: Exchange) -> None:
    half(x)
    x.stall()


def breaks_off(x: Exchange) -> None:
    half(x)
    raise ConnectionResetError


def drips_the_body(x: Exchange) -> None:
    x.head(len(x.honest_bytes))
    x.drip(x.honest_bytes, 0.02)


def wrong_bytes(x: Exchange) -> None:
    x.head(len(x.honest_bytes))
    x.send(bytes(b ^ 1 for b in x.honest_bytes))


def says_less(x: Exchange) -> None:
    x.head(len(x.honest_bytes) - 1)
    x.send(x.honest_bytes[:-1])


def nothing_at_all(x: Exchange) -> None:
    x.head(0)


def another_etag(x: Exchange) -> None:
    x.head(len(x.honest_bytes), ETag='"another"')
    x.send(x.honest_bytes)


def another_size(x: Exchange) -> None:
    x.head(len(x.honest_bytes), Content_Range=f"bytes {x.start}-{x.end}/{1 << 62}")
    x.send(x.honest_bytes)


def endless(x: Exchange) -> None:
    x.head(1 << 62, "200 OK" if x.target.endswith(("/manifest", "/pieces", "/bundle")) else "206 Partial Content")
    _flood(x, b"", FLOOD)


def answer(x: Exchange, body: bytes, length: int | None = None) -> None:
    x.send(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body) if length is None else length}\r\n\r\n".encode() + body)


def another_manifest(x: Exchange) -> None:
    answer(x, manifest_of(bytes(reversed(x.data))).to_bytes())


def cut_manifest(x: Exchange) -> None:
    answer(x, manifest_of(x.data).to_bytes()[:-32])


def stalls_in_the_manifest(x: Exchange) -> None:
    answer(x, manifest_of(x.data).to_bytes()[:50], len(manifest_of(x.data).to_bytes()))
    x.stall()


def drips_the_manifest(x: Exchange) -> None:
    answer(x, b"", len(manifest_of(x.data).to_bytes()))
    x.drip(manifest_of(x.data).to_bytes(), 0.1)


def chunks_without_end(x: Exchange) -> None:
    _flood(x, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"8000\r\n" + bytes(0x8000) + b"\r\n")


def trailers_without_end(x: Exchange) -> None:
    _flood(x, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X: a\r\n" * 1000)


def too_many_pieces(x: Exchange) -> None:
    answer(x, bytes(3000))


def no_pieces(x: Exchange) -> None:
    answer(x, b"")


def stalls_in_the_pieces(x: Exchange) -> None:
    answer(x, b"", 1)
    x.stall()


def has_all(x: Exchange) -> None:
    answer(x, b"\xe0")


def has_none(x: Exchange) -> None:
    answer(x, b"\0")


def sized(size: int, data: bytes) -> bytes:
    return struct.pack(">Q", size) + data


def stalls_in_the_bundle(x: Exchange) -> None:
    answer(x, sized(len(x.data), x.data[:99]), 1 << 17)
    x.stall()


def drips_the_bundle(x: Exchange) -> None:
    answer(x, b"", 1 << 17)
    x.drip(sized(len(x.data), x.data), 0.02)


def wrong_bundle(x: Exchange) -> None:
    answer(x, sized(3000, bytes(3000)))


def huge_bundle(x: Exchange) -> None:
    answer(x, sized(1 << 40, b""), 1 << 41)
    _flood(x, b"", FLOOD)


def short_bundle(x: Exchange) -> None:
    answer(x, sized(len(x.data), x.data[:-1]))


def lets_wait(x: Exchange) -> None:
    x.send(b"HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nBarrio-Line: 1\r\nContent-Length: 0\r\n\r\n")


@dataclass(frozen=True)
class Case:
    """`alone`: how the transfer is when there is nobody else; RUNNING: as long as something comes."""

    stage: str
    script: Callable[..., None]
    alone: TransferState


HEADS = [
    (stalls, WAITING),
    (stalls_in_the_head, WAITING),
    (drips_the_head, WAITING),
    (resets, WAITING),
    (not_http, FAILED),
    (endless_header_line, FAILED),
    (endless_headers, FAILED),
    (goes_on_with_100, FAILED),
]
CASES = [
    *(Case("connect", script, WAITING) for script in (says_nothing, hangs_up)),
    *(
        Case("TLS", script, WAITING)
        for script in (stalls_in_the_handshake, drips_the_handshake, talks_plainly, floods_the_handshake)
    ),
    *(Case("head", script, alone) for script, alone in HEADS),
    # A manifest may come from anybody else, so nobody is sent away for what it answers there but for this content.
    *(Case("manifest", script, alone) for script, alone in HEADS),
    Case("manifest", another_manifest, FAILED),
    Case("manifest", cut_manifest, FAILED),
    Case("manifest", endless, FAILED),
    Case("manifest", chunks_without_end, FAILED),
    Case("manifest", trailers_without_end, FAILED),
    Case("manifest", stalls_in_the_manifest, WAITING),
    Case("manifest", drips_the_manifest, WAITING),
    Case("pieces", stalls, WAITING),
    Case("pieces", stalls_in_the_pieces, WAITING),
    Case("pieces", too_many_pieces, FAILED),
    Case("pieces", no_pieces, FAILED),
    Case("pieces", endless, FAILED),
    Case("pieces", chunks_without_end, FAILED),
    Case("pieces", trailers_without_end, FAILED),
    Case("pieces", goes_on_with_100, FAILED),
    Case("pieces", has_none, RUNNING),
    Case("pieces", has_all, WAITING),
    Case("body", stalls_in_the_body, WAITING),
    Case("body", breaks_off, WAITING),
    Case("body", drips_the_body, RUNNING),
    Case("body", wrong_bytes, FAILED),
    Case("body", says_less, FAILED),
    Case("body", nothing_at_all, FAILED),
    Case("body", another_etag, FAILED),
    Case("body", another_size, FAILED),
    Case("body", endless, FAILED),
    *(Case("bundle", script, alone) for script, alone in HEADS),
    Case("bundle", stalls_in_the_bundle, WAITING),
    Case("bundle", drips_the_bundle, WAITING),
    Case("bundle", short_bundle, WAITING),
    Case("bundle", lets_wait, WAITING),
    Case("bundle", wrong_bundle, FAILED),
    Case("bundle", huge_bundle, FAILED),
    Case("bundle", chunks_without_end, FAILED),
    Case("bundle", trailers_without_end, FAILED),
]


class RawHolder:
    """Has an address, and no TLS there."""

    def __init__(self, bench: Bench, script: Callable[[socket.socket, threading.Event], None]) -> None:
        self.asked = 0
        identity = bench.authority.identity(bench.root / f"raw {script.__name__}", "hostile")
        self._script = script
        self._stopping = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        address = f"https://127.0.0.1:{self._listener.getsockname()[1]}"
        self.holder = Holder(identity.peer_id, "hostile", (address,))
        self._threads = [threading.Thread(target=self._accept, name="raw")]
        self._threads[0].start()

    def _accept(self) -> None:
        while not self._stopping.is_set():
            raw, _ = self._listener.accept()
            self.asked += 1
            self._threads.append(threading.Thread(target=self._serve, args=(raw,), name="raw connection"))
            self._threads[-1].start()

    def _serve(self, raw: socket.socket) -> None:
        with raw, contextlib.suppress(OSError):
            raw.settimeout(5)
            self._script(raw, self._stopping)

    def close(self) -> None:
        self._stopping.set()
        with contextlib.suppress(OSError):
            socket.create_connection(self._listener.getsockname(), 1).close()
        for thread in self._threads:
            thread.join(10)
        self._listener.close()
