"""Receipts and quarantine: who gave which pieces, what was wasted, and that a liar stays away from all transfers."""

import os
import time

from bench import MIB, Bench
from holders import Exchange, manifest_of, slowly, wait_until

from peer_core.server import shapes
from peer_core.transfer.quarantine import FORGET_SECONDS, SECONDS, Quarantine
from peer_core.transfer.record import joined_runs, runs_of
from peer_core.transfer.store import TransferStore
from peer_core.transfer.types import TransferState


def lies(x: Exchange) -> None:
    x.head(len(x.honest_bytes))
    x.send(bytes(len(x.honest_bytes)))


def pieces_of(runs: list[list[int]]) -> list[int]:
    return [piece for first, last in runs for piece in range(first, last + 1)]


def test_each_piece_is_on_the_receipt_once_over_two_sessions(bench: Bench) -> None:
    data = os.urandom(24 * MIB)

    bench.hostile(data, slowly(0.01))
    started = time.time()
    transfers = bench.start()
    added = transfers.add(manifest_of(data).content_id, "film.mkv")
    wait_until(lambda: transfers.get(added.id).pieces_done >= 4)
    running = transfers.receipt(added.id)
    assert sum(len(pieces_of(runs)) for runs in running.given.values()) >= 4
    bench.stop()
    bench.honest(data)
    transfers = bench.start()
    done = bench.rested(added.id, 60)
    assert done.state is TransferState.DONE, done.trouble
    shown = shapes.receipt(transfers.receipt(added.id))
    assert len(shown["holders"]) == 2
    given = sorted(piece for holder in shown["holders"] for piece in pieces_of(holder["runs"]))
    assert given == list(range(done.pieces))
    assert all(len(pieces_of(h["runs"])) == h["pieces"] for h in shown["holders"])
    assert shown["bytes"]["verified"] == len(data)
    assert shown["bytes"]["received"] == bench.received
    assert shown["bytes"]["wasted"] == bench.received - len(data)
    assert shown["verified"] >= shapes.moment(started)
    assert all(holder["verified"] >= shapes.moment(started) for holder in shown["holders"])
    bench.stop()
    again = bench.start().receipt(added.id)
    assert shapes.receipt(again) == shown


def test_a_liar_is_kept_from_all_transfers_and_over_a_restart(bench: Bench) -> None:
    first, second = os.urandom(3 * MIB), os.urandom(2 * MIB)
    liar = bench.hostile(first, lies)
    failed = bench.download(first)
    assert failed.state is TransferState.FAILED
    transfers = bench.transfers
    assert transfers is not None
    (caught,) = transfers.quarantine.all()
    assert caught.peer_id == liar.holder.peer_id
    assert 0 < caught.until - time.time() <= SECONDS[0]
    (holder,) = shapes.receipt(transfers.receipt(failed.id))["holders"]
    assert holder["caught"]
    assert holder["wasted"] > 0
    assert holder["quarantined_until"] == shapes.moment(caught.until)
    bench.stop()
    transfers = bench.start()
    asked = liar.requests
    other = transfers.add(manifest_of(second).content_id, "other.bin")
    refused = bench.rested(other.id)
    assert refused.state is TransferState.FAILED
    assert liar.requests == asked
    bench.honest(second)
    transfers.resume(other.id)
    assert bench.rested(other.id).state is TransferState.DONE
    assert liar.requests == asked
    # A hand that resumes the transfer that caught it gives it another chance.
    transfers.resume(failed.id)
    wait_until(lambda: liar.requests > asked)
    bench.rested(failed.id)
    assert transfers.quarantine.all()[0].until - time.time() > SECONDS[0]


def test_a_quarantine_ends_grows_and_is_forgotten(bench: Bench) -> None:
    store = TransferStore(bench.root / "q.sqlite", bench.root / "q")
    now = [1_000_000.0]
    quarantine = Quarantine(store, lambda: now[0])
    assert quarantine.put("p", "name", "why") == now[0] + SECONDS[0]
    now[0] += SECONDS[0] - 1
    assert quarantine.holds("p")
    now[0] += 2
    assert not quarantine.holds("p")
    assert quarantine.all() == []
    for seconds in (*SECONDS[1:], SECONDS[-1]):
        assert quarantine.put("p", "name", "why") == now[0] + seconds
    assert [e.peer_id for e in Quarantine(store, lambda: now[0]).all()] == ["p"]
    assert quarantine.lift(["p", "other"]) == ["p"]
    assert not Quarantine(store, lambda: now[0]).holds("p")
    now[0] += FORGET_SECONDS
    assert quarantine.put("p", "name", "why") == now[0] + SECONDS[0]
    # A clock that was ahead when it was put does not make it endless.
    now[0] -= 2 * FORGET_SECONDS
    assert not quarantine.holds("p")
    store.close()


def test_runs() -> None:
    assert runs_of({5, 1, 2, 9, 3}) == [[1, 3], [5, 5], [9, 9]]
    assert joined_runs([[1, 3], [9, 9]], [[4, 5], [7, 7]]) == [[1, 5], [7, 7], [9, 9]]
