"""Partial sources: what is served of a download that runs, who is told of it, holders that lie about it."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench import MIB, Bench
from holders import Exchange, HonestHolder, manifest_of, wait_until
from trust import Authority

from peer_core.directory.peer_http import PeerHttp
from peer_core.limits.policy import Limits
from peer_core.transfer import asking, exchange
from peer_core.transfer.part_file import PartFile
from peer_core.transfer.types import Holder, SourceState, TransferState
from protos.agreed import encode_id

DATA = os.urandom(20 * MIB + 7)
MANIFEST = manifest_of(DATA)
CONTENT = encode_id(MANIFEST.content_id)


def put(part: PartFile, *pieces: int) -> None:
    for piece in pieces:
        start, length = MANIFEST.span(piece)
        part.write(piece, memoryview(DATA)[start : start + length])


@pytest.fixture
def part(tmp_path: Path) -> Iterator[PartFile]:
    made = PartFile(tmp_path / "x.part", tmp_path / "x.bits", MANIFEST)
    yield made
    made.close()


def downloading(bench: Bench, part: PartFile, name: str = "downloader") -> HonestHolder:
    """A holder that has a part of the file only, and is not located."""
    holder = bench.honest(DATA, listed=False, name=name)
    holder.holding, holder.parts = False, part
    where = holder.holder
    bench.downloaders[where.peer_id] = Holder(where.peer_id, where.name, where.addresses, partial=True)
    return holder


def test_just_the_pieces_that_are_here_are_served(tmp_path: Path, part: PartFile) -> None:
    authority = Authority()
    (tmp_path / "file").write_bytes(DATA)
    holder = HonestHolder(authority.identity(tmp_path / "holder", "holder"), tmp_path / "file")
    holder.holding, holder.parts = False, part
    http = PeerHttp(authority.identity(tmp_path / "caller", "caller"))
    where = holder.holder

    def ask(method: str, path: str = "", ranged: str = "") -> tuple[int, bytes]:
        headers = {"Range": f"bytes={ranged}"} if ranged else {}
        path = f"/v1/contents/{CONTENT}{path}"
        status, _, body = http.request(
            where.peer_id, where.addresses, method, path, headers=headers, max_bytes=len(DATA) + 1000
        )
        return status, body

    try:
        assert ask("GET", "/pieces") == (200, b"\0\0\0")
        assert ask("GET", "/manifest") == (200, MANIFEST.to_bytes())
        put(part, 0, 1, 3, 20)
        assert ask("GET", "/pieces") == (200, b"\xd0\0\x08")
        assert ask("GET", ranged=f"5-{2 * MIB - 1}") == (206, DATA[5 : 2 * MIB])
        assert ask("GET", ranged=f"{20 * MIB}-") == (206, DATA[20 * MIB :])
        for missing in (f"5-{2 * MIB}", f"{2 * MIB}-{2 * MIB}", "0-", "", f"{19 * MIB}-"):
            status, body = ask("GET", ranged=missing)
            assert status == 404 and b"not-here-yet" in body, missing
        assert ask("HEAD")[0] == 404
        assert ask("HEAD", ranged="0-9")[0] == 206
        part.path.unlink()
        part.path.write_bytes(bytes(len(DATA)))
        assert ask("GET", ranged="0-9")[0] == 410, "another file lies there by now"
        part.path.unlink()
        assert ask("GET", ranged="0-9")[0] == 410
    finally:
        http.close()
        holder.close()


def test_downloaders_that_a_holder_names_bring_what_they_have(bench: Bench, part: PartFile) -> None:
    put(part, *range(10, 20))
    seed = bench.honest(DATA)
    seed.limits = Limits(upload_rate=2_000_000)
    other = downloading(bench, part)
    seed.exchange.meet(MANIFEST.content_id, other.identity.peer_id)
    done = bench.download(DATA)
    assert done.state is TransferState.DONE, done.trouble
    assert done.path.read_bytes() == DATA
    by_id = {s.peer_id: s for s in done.sources}
    assert by_id[other.identity.peer_id].pieces >= 8
    assert by_id[other.identity.peer_id].failures == 0
    assert sum(s.pieces for s in done.sources) == done.pieces
    assert seed.exchange.others(MANIFEST.content_id)[0] == bench.me.peer_id
    assert other.exchange.others(MANIFEST.content_id) == [bench.me.peer_id]


def test_pieces_that_come_later_at_a_partial_source_are_noticed(bench: Bench, part: PartFile) -> None:
    put(part, 4)
    seed = bench.honest(DATA)
    seed.limits = Limits(upload_rate=1_000_000)
    other = downloading(bench, part)
    seed.exchange.meet(MANIFEST.content_id, other.identity.peer_id)
    transfers = bench.start()
    added = transfers.add(MANIFEST.content_id, "film.mkv")
    wait_until(lambda: other.bytes_sent >= MIB)
    put(part, *range(21))
    done = bench.rested(added.id)
    assert done.state is TransferState.DONE, done.trouble
    assert done.path.read_bytes() == DATA
    assert {s.peer_id: s for s in done.sources}[other.identity.peer_id].pieces > 5


def test_a_mistake_of_the_program_is_not_repeated_at_once(
    bench: Bench, part: PartFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[float] = []

    def fails(*_: object) -> None:
        asked.append(time.monotonic())
        raise ZeroDivisionError

    monkeypatch.setattr(asking, "ask_pieces", fails)
    seed = bench.honest(DATA)
    seed.limits = Limits(upload_rate=8_000_000)
    other = downloading(bench, part)
    seed.exchange.meet(MANIFEST.content_id, other.identity.peer_id)
    done = bench.download(DATA)
    assert done.state is TransferState.DONE, done.trouble
    assert len(asked) == 1
    assert {s.peer_id: s for s in done.sources}[other.identity.peer_id].state is SourceState.LOST


def test_a_download_that_runs_is_shown_until_it_ends(bench: Bench) -> None:
    seed = bench.honest(DATA)
    seed.limits = Limits(upload_rate=4_000_000)
    transfers = bench.start()
    added = transfers.add(MANIFEST.content_id, "film.mkv")
    shown = wait_until(lambda: transfers.exchange.part(MANIFEST.content_id))
    wait_until(lambda: len(shown.part.present) >= 2)
    transfers.pause(added.id)
    assert transfers.exchange.part(MANIFEST.content_id) is None
    seed.limits = Limits()
    transfers.resume(added.id)
    assert bench.rested(added.id).state is TransferState.DONE
    assert transfers.exchange.part(MANIFEST.content_id) is None


def test_what_is_not_shared_with_all_is_shown_to_nobody(bench: Bench) -> None:
    bench.public = False
    seed = bench.honest(DATA)
    seed.limits = Limits(upload_rate=8_000_000)
    transfers = bench.start()
    added = transfers.add(MANIFEST.content_id, "film.mkv")
    wait_until(lambda: transfers.get(added.id).pieces_done >= 5)
    assert transfers.exchange.part(MANIFEST.content_id) is None
    assert bench.rested(added.id).state is TransferState.DONE
    assert seed.exchange.others(MANIFEST.content_id) == []


def has_all_and_gives_nothing(x: Exchange) -> None:
    if x.target.endswith("/pieces"):
        x.send(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n\xff\xff\xff")
    else:
        x.head(0, "404 Not Found")


def has_too_much(x: Exchange) -> None:
    x.send(b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n" + bytes(3_000_000))


def has_too_little(x: Exchange) -> None:
    x.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n\xff")


def tells_nonsense_of_what_comes(x: Exchange) -> None:
    x.send(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nBarrio-Coming: 5-4\r\n\r\n\0\0\0")


def lies_about_what_comes(x: Exchange) -> None:
    x.send(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nBarrio-Coming: 0-20\r\n\r\n\0\0\0")


def lies_about_the_bytes(x: Exchange) -> None:
    if x.target.endswith("/pieces"):
        x.send(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n\xff\xff\xff")
    else:
        x.head(len(x.honest_bytes))
        x.send(bytes(len(x.honest_bytes)))


def never_has_any(x: Exchange) -> None:
    x.send(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n\0\0\0")


@pytest.mark.parametrize(
    ("script", "ends"),
    [
        (has_all_and_gives_nothing, SourceState.LOST),
        (has_too_much, SourceState.BANNED),
        (has_too_little, SourceState.BANNED),
        (lies_about_the_bytes, SourceState.BANNED),
        (never_has_any, None),
        (tells_nonsense_of_what_comes, SourceState.BANNED),
        (lies_about_what_comes, None),
    ],
)
def test_a_partial_source_that_lies_costs_nothing_but_itself(bench: Bench, script: object, ends: object) -> None:
    seed = bench.honest(DATA)
    seed.limits = Limits(upload_rate=6_000_000)
    liar = bench.hostile(DATA, script)  # type: ignore[arg-type]
    bench.holders.remove(liar.holder)
    where = liar.holder
    bench.downloaders[where.peer_id] = Holder(where.peer_id, where.name, where.addresses, partial=True)
    seed.exchange.meet(MANIFEST.content_id, where.peer_id)
    done = bench.download(DATA)
    assert done.state is TransferState.DONE, done.trouble
    assert done.path.read_bytes() == DATA
    report = {s.peer_id: s for s in done.sources}[where.peer_id]
    assert report.pieces == 0
    if ends is not None:
        assert report.state is ends
    assert liar.requests < 12, "no busy loop"


@pytest.mark.parametrize(
    "body", [b"[]", b'{"peers": 7}', b'{"peers": ["../x"]}', b'{"peers": [1]}', b"[" * 60_000, b"x" * 70_000]
)
def test_nonsense_about_who_else_downloads_ends_that_source_alone(bench: Bench, body: bytes) -> None:
    def honest(x: Exchange) -> None:
        x.head(len(x.honest_bytes))
        x.send(x.honest_bytes)

    liar = bench.hostile(DATA, honest)
    liar.told = body
    bench.honest(DATA).limits = Limits(upload_rate=20_000_000)
    done = bench.download(DATA)
    assert done.state is TransferState.DONE, done.trouble
    assert {s.peer_id: s for s in done.sources}[liar.holder.peer_id].state is SourceState.BANNED


def test_downloaders_are_remembered_for_a_while_and_not_without_bound() -> None:
    now = [0.0]
    known = exchange.Exchange(lambda: now[0])
    assert known.meet(b"a", "ana") == []
    now[0] = 30
    assert known.meet(b"a", "eva") == ["ana"]
    assert known.meet(b"b", "eva") == []
    now[0] = 61
    assert known.meet(b"a", "leo") == ["eva"]
    assert known.others(b"a") == ["leo", "eva"]
    for number in range(3 * exchange.MOST_PEERS):
        told = known.meet(b"a", str(number))
        assert len(told) <= exchange.MOST_TOLD and str(number) not in told
    for number in range(exchange.MOST_CONTENTS):
        known.meet(b"%d" % number, "mia")
    assert known.others(b"a") == [], "the contents asked for the longest ago are forgotten first"
