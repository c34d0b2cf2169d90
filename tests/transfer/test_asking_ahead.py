"""The next run is asked for while the answer before it arrives; what was asked ahead goes with its connection."""

import os
import threading

import pytest
from bench import MIB, Bench
from holders import Exchange, manifest_of, wait_until

from peer_core.transfer.types import SourceState, TransferState


class Waiting:
    """A holder that ends its first answer only when it has read the beginning of the next request."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []
        self.came_early = False

    def script(self, x: Exchange) -> None:
        self.asked.append((x.start, x.end))
        body = x.honest_bytes
        x.head(len(body))
        if len(self.asked) > 1:
            x.send(body)
            return
        x.send(body[:-1])
        self.came_early = x.next_has_come(10)
        x.send(body[-1:])


def test_the_next_run_is_asked_for_before_the_last_byte_of_this_one(bench: Bench) -> None:
    data, waiting = os.urandom(24 * MIB), Waiting()
    bench.hostile(data, waiting.script)
    done = bench.download(data)
    assert done.state is TransferState.DONE, done.trouble
    assert done.path.read_bytes() == data
    assert waiting.came_early
    # Nothing twice, and in order.
    assert [start for start, _ in waiting.asked] == [0, *(end + 1 for _, end in waiting.asked[:-1])]


def test_what_was_asked_ahead_of_one_that_hangs_up_is_fetched_from_another(bench: Bench) -> None:
    data = os.urandom(24 * MIB)
    asked = threading.Event()

    def hangs_up(x: Exchange) -> None:
        x.head(len(x.honest_bytes))
        x.send(x.honest_bytes[: MIB // 2])
        if x.next_has_come(10):
            asked.set()
        raise OSError

    hostile = bench.hostile(data, hangs_up)
    transfers = bench.start()
    added = transfers.add(manifest_of(data).content_id, "film.mkv")
    assert asked.wait(20)
    honest = bench.honest(data)
    done = bench.rested(added.id)
    assert done.state is TransferState.DONE, done.trouble
    assert done.path.read_bytes() == data
    given = {source.peer_id: source.pieces for source in done.sources}
    assert given[honest.holder.peer_id] == done.pieces
    assert given.get(hostile.holder.peer_id, 0) == 0


def test_bytes_beyond_an_answer_are_no_answer(bench: Bench) -> None:
    """Whoever sends more than it said is caught at the next answer, and what is verified stays right."""
    data = os.urandom(24 * MIB)

    def too_much(x: Exchange) -> None:
        x.head(len(x.honest_bytes))
        x.send(x.honest_bytes + b"HTTP/1.1 200 nonsense\r\nContent-Length: 3\r\n\r\nabc")

    hostile = bench.hostile(data, too_much)
    bench.honest(data, listed=False)
    transfers = bench.start()
    added = transfers.add(manifest_of(data).content_id, "film.mkv")
    wait_until(lambda: any(s.state is SourceState.BANNED for s in transfers.get(added.id).sources))
    assert {s.peer_id for s in transfers.get(added.id).sources} == {hostile.holder.peer_id}


def test_a_holder_that_closes_after_each_answer_is_asked_nothing_ahead_and_gives_all(bench: Bench) -> None:
    data, early = os.urandom(24 * MIB), []

    def closes(x: Exchange) -> None:
        x.head(len(x.honest_bytes), Connection="close")
        x.send(x.honest_bytes[:-1])
        early.append(x.next_has_come(0.2))
        x.send(x.honest_bytes[-1:])
        raise OSError

    bench.hostile(data, closes)
    done = bench.download(data)
    assert done.state is TransferState.DONE, done.trouble
    assert done.path.read_bytes() == data
    assert len(early) > 1 and not any(early)
    assert [(source.failures, source.retries) for source in done.sources] == [(0, 0)]


def test_a_request_that_was_sent_ahead_may_be_put_in_line(bench: Bench) -> None:
    data, asked = os.urandom(24 * MIB), []

    def lets_the_second_wait(x: Exchange) -> None:
        asked.append((x.start, x.end))
        if len(asked) == 2:
            x.send(b"HTTP/1.1 503 Busy\r\nRetry-After: 1\r\nBarrio-Line: 1\r\nContent-Length: 0\r\n\r\n")
            return
        x.head(len(x.honest_bytes))
        x.send(x.honest_bytes[:-1])
        early.append(len(asked) > 1 or x.next_has_come(10))
        x.send(x.honest_bytes[-1:])

    early: list[bool] = []
    bench.hostile(data, lets_the_second_wait)
    done = bench.download(data)
    assert done.state is TransferState.DONE, done.trouble
    assert done.path.read_bytes() == data
    assert early[0], "the second was sent ahead"
    (source,) = done.sources
    assert (source.pieces, source.failures, source.retries) == (done.pieces, 0, 0)
    # What waited is asked for again, and nothing else is.
    assert sum(end + 1 - start for start, end in asked) == len(data) + asked[1][1] + 1 - asked[1][0]


def test_a_wrong_piece_with_a_request_ahead_closes_that_connection_and_loses_nothing(bench: Bench) -> None:
    data, asked = os.urandom(24 * MIB), []
    ahead = threading.Event()

    def lies_once(x: Exchange) -> None:
        asked.append((x.start, x.end))
        x.head(len(x.honest_bytes))
        body = x.honest_bytes
        if len(asked) > 1:
            x.send(body)
            return
        if x.next_has_come(10):
            ahead.set()
        x.send(bytes([body[0] ^ 1]) + body[1:])

    bench.hostile(data, lies_once)
    done = bench.download(data)
    assert done.state is TransferState.DONE, done.trouble
    assert done.path.read_bytes() == data
    assert ahead.is_set()
    (source,) = done.sources
    assert source.pieces == done.pieces
    assert sum(start == 0 for start, _ in asked) == 2, "the wrong one was fetched again"


@pytest.mark.parametrize("told", [b"[]", b'{"peers": 3}', b'{"peers": ["x"]}', b"\xff"])
def test_a_meeting_that_names_no_members_ends_the_source(bench: Bench, told: bytes) -> None:
    data = os.urandom(24 * MIB)
    hostile = bench.hostile(data, lambda x: (x.head(len(x.honest_bytes)), x.send(x.honest_bytes))[0])
    hostile.told = told
    done = bench.download(data)
    assert done.state is not TransferState.DONE
    assert done.sources[0].state is SourceState.BANNED


def test_what_is_under_way_is_not_wasted_until_it_is_lost(bench: Bench) -> None:
    data, half = os.urandom(3 * MIB), MIB // 2
    sent, go_on = threading.Event(), threading.Event()

    def breaks_off_once(x: Exchange) -> None:
        if go_on.is_set():
            x.head(len(x.honest_bytes))
            x.send(x.honest_bytes)
            return
        x.head(len(x.honest_bytes))
        x.send(x.honest_bytes[:half])
        sent.set()
        go_on.wait(20)
        raise OSError

    bench.hostile(data, breaks_off_once)
    transfers = bench.start()
    added = transfers.add(manifest_of(data).content_id, "film.mkv")
    assert sent.wait(20)
    wait_until(lambda: bench.received == half)
    assert [source.wasted for source in transfers.get(added.id).sources] == [0]
    go_on.set()
    done = bench.rested(added.id)
    assert done.state is TransferState.DONE, done.trouble
    assert [(s.wasted, s.received) for s in done.sources] == [(half, len(data) + half)]
