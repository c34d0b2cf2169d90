"""A holder that lies, stalls, drips, floods or breaks off at each stage of a download, over real TLS: a table of them.

Beside an honest holder: the right bytes. Alone: a state that says why. In both: little memory, little of a processor.
"""

import contextlib
import os
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from bench import MIB, Bench
from holders import Exchange, manifest_of, wait_until
from shelves import shelf

from peer_core.limits.policy import Limits
from peer_core.transfer import bundle, choosing, crew, job, manifest_race, runner, small, source
from peer_core.transfer.types import Holder, Located, SourceState, Transfer, TransferState, Wanted

# Pieces of a large file, and small files, of each case.
PIECES, SMALL = 3, 4
PATIENCE = 0.3
HONEST_RATE = 8_000_000
# For each stage: what the buffers of its cases take, and what the test itself holds of what is sent. Of a processor, in
# seconds, for each case.
MOST_MEMORY = 64 * MIB
MOST_SECONDS = 0.4
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


def _answer(x: Exchange, body: bytes, length: int | None = None) -> None:
    x.send(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body) if length is None else length}\r\n\r\n".encode() + body)


def another_manifest(x: Exchange) -> None:
    _answer(x, manifest_of(bytes(reversed(x.data))).to_bytes())


def cut_manifest(x: Exchange) -> None:
    _answer(x, manifest_of(x.data).to_bytes()[:-32])


def stalls_in_the_manifest(x: Exchange) -> None:
    _answer(x, manifest_of(x.data).to_bytes()[:50], len(manifest_of(x.data).to_bytes()))
    x.stall()


def drips_the_manifest(x: Exchange) -> None:
    _answer(x, b"", len(manifest_of(x.data).to_bytes()))
    x.drip(manifest_of(x.data).to_bytes(), 0.1)


def chunks_without_end(x: Exchange) -> None:
    _flood(x, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"8000\r\n" + bytes(0x8000) + b"\r\n")


def trailers_without_end(x: Exchange) -> None:
    _flood(x, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X: a\r\n" * 1000)


def too_many_pieces(x: Exchange) -> None:
    _answer(x, bytes(3000))


def no_pieces(x: Exchange) -> None:
    _answer(x, b"")


def stalls_in_the_pieces(x: Exchange) -> None:
    _answer(x, b"", 1)
    x.stall()


def has_all(x: Exchange) -> None:
    _answer(x, b"\xe0")


def has_none(x: Exchange) -> None:
    _answer(x, b"\0")


def _sized(size: int, data: bytes) -> bytes:
    return struct.pack(">Q", size) + data


def stalls_in_the_bundle(x: Exchange) -> None:
    _answer(x, _sized(len(x.data), x.data[:99]), 1 << 17)
    x.stall()


def drips_the_bundle(x: Exchange) -> None:
    _answer(x, b"", 1 << 17)
    x.drip(_sized(len(x.data), x.data), 0.02)


def wrong_bundle(x: Exchange) -> None:
    _answer(x, _sized(3000, bytes(3000)))


def huge_bundle(x: Exchange) -> None:
    _answer(x, _sized(1 << 40, b""), 1 << 41)
    _flood(x, b"", FLOOD)


def short_bundle(x: Exchange) -> None:
    _answer(x, _sized(len(x.data), x.data[:-1]))


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


class Party:
    """What one case downloads, the holder that the case is about, and how often that one came to its stage."""

    def __init__(self, bench: Bench, case: Case) -> None:
        self.case = case
        self.asked = 0
        self.small = case.stage == "bundle"
        sizes = [3000 + number for number in range(SMALL)] if self.small else [(PIECES - 1) * MIB + 77]
        self.files = {manifest_of(data).content_id: data for data in map(os.urandom, sizes)}
        self._raw: RawHolder | None = None
        if case.stage in ("connect", "TLS"):
            self._raw = RawHolder(bench, case.script)
            self.holder = self._raw.holder
        else:
            made = bench.hostile(next(iter(self.files.values())), self._answer, self._manifest)
            self.holder = replace(made.holder, partial=case.stage == "pieces")

    def times(self) -> int:
        return self.asked if self._raw is None else self._raw.asked

    def close(self) -> None:
        if self._raw is not None:
            self._raw.close()

    def _manifest(self, x: Exchange) -> None:
        if self.case.stage == "manifest":
            self.asked += 1
            self.case.script(x)
        elif self.small:
            x.head(0, "404 Not Found")
        else:
            x.honest_manifest()

    def _answer(self, x: Exchange) -> None:
        ending = {"pieces": "/pieces", "bundle": "/v1/bundle"}.get(self.case.stage, "")
        if not ending or x.target.endswith(ending):
            self.asked += 1
            self.case.script(x)
        else:
            x.head(0, "404 Not Found")


class Stage:
    """All cases of one stage at once, each with contents of its own, and honest holders of them that may be located."""

    def __init__(self, bench: Bench, name: str) -> None:
        self._bench = bench
        self.parties = [Party(bench, case) for case in CASES if case.stage == name]
        self.honest_is_here = False
        self._honest = [self._made_honest(number, party) for number, party in enumerate(self.parties)]
        self._by_content = {c: number for number, party in enumerate(self.parties) for c in party.files}
        bench.limits = Limits()
        bench._locate = self._locate  # type: ignore[method-assign]

    def _made_honest(self, number: int, party: Party) -> Holder:
        holder, _ = shelf(self._bench, list(party.files.values()), f"honest {number}")
        holder.limits = Limits(upload_rate=HONEST_RATE)
        return holder.holder

    def _locate(self, content_id: bytes) -> Located:
        number = self._by_content[content_id]
        holders = [self.parties[number].holder, self._honest[number]]
        return Located(0, "file", tuple(holders[: 1 + self.honest_is_here]), True)

    def begin(self) -> None:
        transfers = self._bench.start()
        for number, party in enumerate(self.parties):
            for content, data in party.files.items():
                name = f"{number}.{len(data)}"
                transfers.add(content, name, size=len(data) if party.small else None)

    def of(self, party: Party) -> list[Transfer]:
        assert self._bench.transfers is not None
        return self._bench.transfers.find(party.files)

    def resting(self, party: Party) -> list[Transfer]:
        """How it is when it is as expected, else nothing."""
        now = self.of(party)
        return now if {t.state for t in now} == {party.case.alone} else []

    def resume_failed(self) -> None:
        assert self._bench.transfers is not None
        for transfer in self._bench.transfers.all():
            if transfer.state is FAILED:
                self._bench.transfers.resume(transfer.id)

    def assert_right(self) -> None:
        """In a while."""
        for party in self.parties:
            wait_until(lambda party=party: all(t.state is TransferState.DONE for t in self.of(party)), 30)
            for transfer in self.of(party):
                assert transfer.path.read_bytes() == party.files[transfer.content_id], party.case

    def close(self) -> None:
        self._bench.stop()
        for party in self.parties:
            party.close()


@pytest.fixture
def stage(request: pytest.FixtureRequest, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    for module, names in (
        (source, ("CONNECT_SECONDS", "STALL_SECONDS")),
        (bundle, ("CONNECT_SECONDS", "STALL_SECONDS")),
        (manifest_race, ("CONNECT_SECONDS", "QUIET_SECONDS", "HEAD_SECONDS")),
    ):
        for name in names:
            monkeypatch.setattr(module, name, PATIENCE)
    monkeypatch.setattr(source, "RETRY_SECONDS", 0.05)
    monkeypatch.setattr(source, "PIECES_SECONDS", 0.1)
    monkeypatch.setattr(crew, "IDLE_SECONDS", 0.1)
    monkeypatch.setattr(small, "LINE_SECONDS", 1.0)
    monkeypatch.setattr(job, "LocatePace", lambda now: choosing.LocatePace(now, (0.5,)))
    monkeypatch.setattr(runner, "RETRY_SECONDS", (1.0,))
    made = Stage(bench, request.param)
    yield made
    made.close()


@contextlib.contextmanager
def frugal(cases: int) -> Iterator[None]:
    """What is done inside takes a bounded part of memory, and of a processor; both ends are in it."""

    def memory(key: str) -> int:
        status = Path("/proc/self/status").read_text()
        return int(status.partition(f"{key}:")[2].split()[0]) << 10

    linux = Path("/proc/self/clear_refs").exists()
    if linux:
        Path("/proc/self/clear_refs").write_text("5")
    before, used = memory("VmRSS") if linux else 0, time.process_time()
    yield
    processor = time.process_time() - used
    assert processor < 1 + MOST_SECONDS * cases, f"{processor:.1f} s of a processor"
    if linux:
        more = memory("VmHWM") - before
        assert more < MOST_MEMORY, f"{more >> 20} MiB more"


STAGES = list(dict.fromkeys(case.stage for case in CASES))


@pytest.mark.parametrize("stage", STAGES, indirect=True)
def test_beside_an_honest_holder_the_right_bytes_come(stage: Stage) -> None:
    stage.honest_is_here = True
    with frugal(len(stage.parties)):
        stage.begin()
        stage.assert_right()
    for party in stage.parties:
        assert party.times(), f"{party.case} was asked"


@pytest.mark.parametrize("stage", STAGES, indirect=True)
def test_alone_it_leaves_a_reason_and_an_honest_one_ends_it(stage: Stage) -> None:
    with frugal(len(stage.parties)):
        stage.begin()
        for party in stage.parties:
            wait_until(party.times)
            alone = wait_until(lambda party=party: stage.resting(party))
            assert not any(t.path.exists() for t in alone), party.case
            told = alone[0].trouble
            assert party.case.alone is RUNNING or (told is not None and "hostile" in told.message), party.case
        if any(party.case.alone is RUNNING for party in stage.parties):
            # They come to no end; what they take meanwhile is what counts.
            time.sleep(1.0)
            for party in stage.parties:
                assert party.case.alone is not RUNNING or stage.resting(party), f"{party.case} still runs"
    stage.honest_is_here = True
    stage.resume_failed()
    stage.assert_right()


@pytest.mark.parametrize("others", [1, bundle.MOST_CONTENTS + 10], ids=["in its last answer", "in one of several"])
def test_one_that_lies_after_a_right_content_is_quarantined_and_the_right_one_kept(bench: Bench, others: int) -> None:
    files = [os.urandom(3000 + number) for number in range(1 + others)]

    def right_then_wrong(x: Exchange) -> None:
        _answer(x, _sized(len(x.data), x.data) + _sized(3001, bytes(3001)), 1 << 17)

    liar = bench.hostile(files[0], right_then_wrong, lambda x: x.head(0, "404 Not Found"))
    transfers = bench.start()
    wanted = [Wanted(manifest_of(data).content_id, (), f"{n:03}", len(data)) for n, data in enumerate(files)]
    first, *rest = [t.id for t in transfers.add_folder(wanted)[0]]
    (caught,) = wait_until(transfers.quarantine.all)
    assert (caught.peer_id, caught.reason) == (
        liar.holder.peer_id,
        "hostile sent wrong bytes; nothing of them is kept.",
    )
    done = wait_until(lambda: (t := transfers.get(first)).state is TransferState.DONE and t)
    assert done.path.read_bytes() == files[0]
    told = wait_until(lambda: [s for id_ in rest for s in transfers.get(id_).sources])
    assert {s.state for s in told} == {SourceState.BANNED}
