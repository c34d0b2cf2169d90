"""Asks the neighbours to connect back, and reads what they say. Any thread."""

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from peer_core.directory.callback import Tried, Why
from peer_core.directory.types import PeerRecord
from peer_core.errors import BarrioError, PeerMisbehavedError

# Status and body of the neighbour's answer; raises PeerUnreachableError, PeerMisbehavedError.
Ask = Callable[[PeerRecord, bytes], tuple[int, bytes]]


@dataclass(frozen=True)
class Report:
    """What one neighbour says. `answers`: this peer reaches it; `seen`: the address that it sees this peer at, "" when
    it tried nothing, which `busy` explains."""

    peer: PeerRecord
    answers: bool
    seen: str = ""
    tried: tuple[Tried, ...] = ()
    busy: bool = False


def ask_all(ask: Ask, neighbours: Sequence[PeerRecord], addresses: Sequence[str]) -> list[Report]:
    """All neighbours at once; in their order."""
    if not neighbours:
        return []
    with ThreadPoolExecutor(len(neighbours), "reach") as pool:
        return list(pool.map(lambda peer: _ask(ask, peer, addresses), neighbours))


def _ask(ask: Ask, peer: PeerRecord, addresses: Sequence[str]) -> Report:
    try:
        status, body = ask(peer, json.dumps({"addresses": list(addresses)}).encode())
    except PeerMisbehavedError:
        return Report(peer, answers=True, busy=True)
    except BarrioError:
        return Report(peer, answers=False)
    # One of an earlier version answers 204 and tries nothing.
    if status != 200:
        return Report(peer, answers=True, busy=True)
    return read_report(peer, body, addresses)


def read_report(peer: PeerRecord, body: bytes, addresses: Sequence[str]) -> Report:
    """Whatever a neighbour sends; what it says of other addresses is left out."""
    try:
        data = json.loads(body)
        seen = data["seen"]
        tried = [
            Tried(t["address"], t["reached"] is True, Why(t["why"]) if t.get("why") else None)
            for t in data["tried"][: len(addresses)]
            if t["address"] in addresses
        ]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return Report(peer, answers=True, busy=True)
    known = isinstance(seen, str) and seen.isprintable() and len(seen) <= 64
    return Report(peer, True, seen if known else "", tuple(tried))
