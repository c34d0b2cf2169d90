"""Several sources at once: who comes later is taken up, who errs once is watched, who is slow is relieved."""

import os
import time
from collections.abc import Callable

import pytest
from bench import MIB, Bench
from holders import Exchange, manifest_of, wait_until

from peer_core.limits.policy import Limits
from peer_core.transfer.types import SourceState, TransferState


def paced(seconds: float) -> Callable[[Exchange], None]:
    """Honest bytes, a quarter of a MiB each so many seconds."""

    def script(x: Exchange) -> None:
        x.head(len(x.honest_bytes))
        for start in range(0, len(x.honest_bytes), MIB // 4):
            if x.stopping.wait(seconds):
                return
            x.send(x.honest_bytes[start : start + MIB // 4])

    return script


def test_a_holder_that_comes_later_helps_a_download_that_runs(bench: Bench) -> None:
    data = os.urandom(40 * MIB)
    bench.hostile(data, paced(0.2))
    transfers = bench.start()
    added = transfers.add(manifest_of(data).content_id, "film.mkv")
    wait_until(lambda: transfers.get(added.id).pieces_done >= 1)
    late = bench.honest(data)
    done = bench.rested(added.id)
    assert done.state is TransferState.DONE, done.trouble
    assert done.path.read_bytes() == data
    by_id = {s.peer_id: s for s in done.sources}
    assert by_id[late.holder.peer_id].pieces > done.pieces // 2
    assert sum(s.pieces for s in done.sources) == done.pieces
    assert bench.received <= len(data) + 2 * MIB


def test_a_source_that_errs_once_is_watched_then_trusted_again(bench: Bench) -> None:
    data = os.urandom(24 * MIB)
    asked: list[int] = []
    after: list[int] = []

    def errs_once(x: Exchange) -> None:
        """In the first answer of several pieces."""
        body = bytearray(x.honest_bytes)
        if len(asked) > 0 and asked[-1] > MIB:
            after.append(len(body))
        else:
            asked.append(len(body))
            if len(body) > MIB:
                body[5] ^= 1
        x.head(len(body))
        x.send(bytes(body))

    bench.hostile(data, errs_once)
    done = bench.download(data)
    assert done.state is TransferState.DONE, done.trouble
    assert done.path.read_bytes() == data
    (report,) = done.sources
    assert report.pieces == 24
    assert report.reason is not None and "wrong bytes" in report.reason
    assert asked[0] == MIB and asked[-1] > MIB
    if after[0] > MIB:
        # It was asked for before the mistake was seen.
        after.pop(0)
    assert after[:4] == [MIB] * 4, "one piece at a time until it is cleared"
    assert after[4] > MIB


def test_a_watched_source_is_shown_as_such_and_dropped_at_the_next_lie(bench: Bench) -> None:
    data = os.urandom(12 * MIB)
    asked: set[int] = set()

    def errs(x: Exchange) -> None:
        """The first piece is wrong once, the others always."""
        body = bytearray(x.honest_bytes)
        if x.start or x.start not in asked:
            body[-1] ^= 1
            body[0] ^= 1
        asked.add(x.start)
        x.head(len(body))
        for start in range(0, len(body), MIB // 4):
            if x.stopping.wait(0.1):
                return
            x.send(bytes(body[start : start + MIB // 4]))

    bench.hostile(data, errs)
    transfers = bench.start()
    added = transfers.add(manifest_of(data).content_id, "film.mkv")
    wait_until(lambda: [s.state for s in transfers.get(added.id).sources] == [SourceState.PAROLE])
    failed = bench.rested(added.id)
    assert failed.state is TransferState.FAILED
    assert [s.state for s in failed.sources] == [SourceState.BANNED]
    assert failed.pieces_done == 1


def test_the_last_pieces_of_a_slow_source_are_taken_over_and_its_answer_is_cut(bench: Bench) -> None:
    data = os.urandom(30 * MIB)
    slow = bench.hostile(data, paced(0.5))
    bench.honest(data)
    began = time.monotonic()
    done = bench.download(data)
    assert done.state is TransferState.DONE, done.trouble
    assert time.monotonic() - began < 8
    assert done.path.read_bytes() == data
    wasted = bench.received - len(data)
    assert wasted < 2 * MIB, f"{wasted} bytes twice, by {slow.requests} requests"


def test_a_far_slower_source_makes_room_for_others_that_wait(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("peer_core.transfer.crew.MAX_SOURCES", 3)
    monkeypatch.setattr("peer_core.transfer.choosing.SLOW_AFTER_SECONDS", 1.0)
    monkeypatch.setattr("peer_core.transfer.choosing.ROTATE_AFTER_SECONDS", 3.0)
    data = os.urandom(60 * MIB)
    slow = bench.hostile(data, paced(0.6))
    for _ in range(2):
        bench.hostile(data, paced(0.06))
    reserve = bench.honest(data)
    reserve.limits = Limits(upload_rate=4_000_000)
    done = bench.download(data, 60)
    assert done.state is TransferState.DONE, done.trouble
    assert done.path.read_bytes() == data
    by_id = {s.peer_id: s for s in done.sources}
    assert by_id[slow.holder.peer_id].state is SourceState.LOST
    assert by_id[reserve.holder.peer_id].pieces > by_id[slow.holder.peer_id].pieces
