"""The limits of fetching, against real holders: rates, small ones too, slots, the line, changes while it runs."""

import os
import time

import pytest
from bench import MIB, Bench
from holders import Exchange, manifest_of, wait_until

from peer_core.limits import intake
from peer_core.limits.policy import Limits
from peer_core.server.channels import Patience
from peer_core.transfer import source
from peer_core.transfer.types import SourceState, TransferState


def rate_over(bench: Bench, seconds: float) -> float:
    """Bytes of content that came in, for one second."""
    before, began = bench.received, time.monotonic()
    time.sleep(seconds)
    return (bench.received - before) / (time.monotonic() - began)


def test_the_total_and_the_limit_of_a_peer_hold_and_are_lifted_at_once(bench: Bench) -> None:
    data = os.urandom(40 * MIB)
    for _ in range(3):
        bench.honest(data)
    bench.limits = Limits(download_rate=3_000_000, download_slots=4)
    added = bench.start().add(manifest_of(data).content_id, "film.mkv")
    wait_until(lambda: bench.received > MIB // 2)
    assert rate_over(bench, 3) == pytest.approx(3_000_000, rel=0.1)
    bench.limits = Limits(download_rate=3_000_000, download_rate_per_peer=400_000, download_slots=4)
    time.sleep(0.5)
    assert rate_over(bench, 3) == pytest.approx(1_200_000, rel=0.1)
    bench.limits = Limits(download_slots=4)
    done = bench.rested(added.id)
    assert done.state is TransferState.DONE, done.trouble
    assert done.path.read_bytes() == data
    assert sum(s.failures for s in done.sources) == 0
    assert bench.received <= 1.02 * len(data) + MIB, "a limit is no reason to fetch things twice"


def test_a_small_limit_outlasts_everybodys_patience(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    # As with 15 s, 60 s and some KB/s, but in a time that a test has.
    monkeypatch.setattr(intake, "REQUEST_SECONDS", 0.2)
    monkeypatch.setattr(source, "STALL_SECONDS", 1.5)
    data = os.urandom(7 * MIB)
    bench.honest(data, patience=Patience(idle=0.7))
    bench.limits = Limits(download_rate=20_000, download_slots=4)
    added = bench.start().add(manifest_of(data).content_id, "film.mkv")
    wait_until(lambda: bench.received)
    assert rate_over(bench, 6) == pytest.approx(20_000, rel=0.15)
    bench.limits = Limits(download_slots=4)
    done = bench.rested(added.id)
    assert done.state is TransferState.DONE, done.trouble
    assert [s.failures for s in done.sources] == [0]
    assert bench.received == len(data)


def test_a_holder_with_a_small_limit_is_no_failing_source(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "STALL_SECONDS", 1.5)
    data = os.urandom(400_000)
    holder = bench.honest(data, patience=Patience(idle=1.5))
    holder.limits = Limits(upload_rate=100_000)
    began = time.monotonic()
    done = bench.download(data)
    assert done.state is TransferState.DONE, done.trouble
    assert time.monotonic() - began > 3
    assert [s.failures for s in done.sources] == [0]


def test_what_a_limit_slows_down_is_not_fetched_twice(bench: Bench) -> None:
    data = os.urandom(MIB)
    for _ in range(2):
        bench.honest(data)
    bench.limits = Limits(download_rate=250_000, download_slots=4)
    done = bench.download(data)
    assert done.state is TransferState.DONE, done.trouble
    assert bench.received == len(data), "whoever has nothing to do leaves the last piece to the other"


def test_stopping_does_not_wait_for_a_limit(bench: Bench) -> None:
    data = os.urandom(4 * MIB)
    bench.honest(data)
    bench.limits = Limits(download_rate=1000, download_slots=4)
    transfers = bench.start()
    added = transfers.add(manifest_of(data).content_id, "film.mkv")
    wait_until(lambda: bench.received > 0)
    began = time.monotonic()
    assert transfers.pause(added.id).state is TransferState.PAUSED
    bench.stop()
    assert time.monotonic() - began < 2


def test_slots_bound_what_runs_and_more_of_them_count_at_once(bench: Bench) -> None:
    files = [os.urandom(MIB) + bytes([n]) for n in range(6)]
    for data in files:
        bench.honest(data)

    def running() -> int:
        return sum(t.state in (TransferState.RUNNING, TransferState.LOCATING) for t in transfers.all())

    bench.limits = Limits(download_rate=20_000, download_slots=2)
    transfers = bench.start()
    for number, data in enumerate(files):
        transfers.add(manifest_of(data).content_id, f"file {number}")
    wait_until(lambda: bench.received > 0)
    assert running() == 2
    bench.limits = Limits(download_rate=20_000, download_slots=5)
    transfers.slots_changed()
    wait_until(lambda: running() == 5)
    bench.limits = Limits(download_slots=1)
    transfers.slots_changed()
    wait_until(lambda: all(t.state is TransferState.DONE for t in transfers.all()))


def test_waiting_in_line_is_shown_and_no_failure(bench: Bench) -> None:
    data = os.urandom(3 * MIB)
    holder = bench.honest(data, name="Ana")
    holder.limits = Limits(upload_slots=1)
    assert holder.line.enter("somebody else") is None
    transfers = bench.start()
    added = transfers.add(manifest_of(data).content_id, "film.mkv")

    def in_line() -> bool:
        return [s.state for s in transfers.get(added.id).sources] == [SourceState.IN_LINE]

    wait_until(in_line)
    waiting = transfers.get(added.id)
    assert waiting.state is TransferState.RUNNING and waiting.trouble is None
    assert waiting.sources[0].reason == "Ana serves others now; this download is number 1 in line there."
    assert holder.bytes_sent == 0
    holder.line.leave("somebody else")
    done = bench.rested(added.id)
    assert done.state is TransferState.DONE, done.trouble
    assert done.path.read_bytes() == data
    (report,) = done.sources
    assert (report.failures, report.reason, report.pieces) == (0, None, 3)
    assert bench.received == len(data)


def test_a_turn_that_ends_in_the_middle_of_a_piece_loses_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "REQUEST_SECONDS", 0.2)
    data = os.urandom(2 * MIB)
    turns = iter([False, True, False, False, True] + [False] * 10_000)
    asked: list[int] = []

    def script(x: Exchange) -> None:
        asked.append(len(x.honest_bytes))
        if next(turns):
            x.send(b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\nRetry-After: 1\r\nBarrio-Line: 7\r\n\r\nbusy")
        else:
            x.head(len(x.honest_bytes))
            x.send(x.honest_bytes)

    bench.hostile(data, script)
    bench.limits = Limits(download_rate=1_000_000, download_slots=4)
    done = bench.download(data)
    assert done.state is TransferState.DONE, done.trouble
    assert bench.received == len(data)
    assert [s.failures for s in done.sources] == [0]
    assert max(asked) <= 200_000, "under a limit each request is one that is answered soon"


@pytest.mark.parametrize(
    "told", ["Retry-After: 99999999999999999999\r\nBarrio-Line: -1", "Barrio-Line: \xb2\r\nRetry-After: x"]
)
def test_nonsense_about_the_line_does_no_harm(bench: Bench, told: str) -> None:
    data = os.urandom(MIB)

    def script(x: Exchange) -> None:
        x.send(f"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n{told}\r\n\r\n".encode("latin-1"))

    liar = bench.hostile(data, script)
    bench.honest(data)
    done = bench.download(data)
    assert done.state is TransferState.DONE, done.trouble
    assert liar.requests <= 3
    bench.stop()
