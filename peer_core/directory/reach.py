"""Whether others reach this peer: the neighbours are asked to connect back. `ReachWatch` owns one thread."""

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from ipaddress import ip_address

from peer_core.addresses import parse_url
from peer_core.directory.callback import Tried, Why, is_ip, plain_ip
from peer_core.directory.types import PeerRecord
from peer_core.errors import BarrioError, PeerMisbehavedError
from peer_core.loops import Loop

# Seconds until the next question: at first, when nobody could tell, when nobody came in, and when all is well.
FIRST_SECONDS = 20.0
UNKNOWN_SECONDS = 120.0
CLOSED_SECONDS = 90.0
OPEN_SECONDS = 3600.0

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


def inwards(reports: Sequence[Report]) -> bool | None:
    """Whether somebody came in at some address; None when nobody tried."""
    tried = [t.reached for report in reports if report.answers and not report.busy for t in report.tried]
    return any(tried) if tried else None


def alone(addresses: Sequence[str]) -> bool:
    """Whether all of them mean this computer to whoever uses them; a name may mean anything."""
    hosts = [parse_url(address)[0] for address in addresses]
    return all(host == "localhost" or (is_ip(host) and ip_address(plain_ip(host)).is_loopback) for host in hosts)


class ReachWatch:
    """Asks now and then, and soon after a move. `closed`: nobody came in, twice in a row, though they answer."""

    def __init__(self, addresses: Callable[[], Sequence[str]], ask: Callable[[], list[Report]]) -> None:
        self._addresses = addresses
        self._ask = ask
        self._loop = Loop("reach", self._step)
        self._begun = False
        self._failed = 0
        # Written by the thread alone, read by any.
        self.closed = False

    def start(self) -> None:
        self._loop.start()

    def look_again(self) -> None:
        """This computer has moved; what was found before counts no more."""
        self._begun = False
        self._loop.wake()

    def stop_soon(self) -> None:
        self._loop.stop_soon()

    def stop(self) -> None:
        """The connections must be closed before, so that nothing waits."""
        self._loop.stop()

    def _step(self) -> float:
        if not self._begun:
            # Neighbours have to be found, and to hear where this peer is.
            self._begun, self._failed, self.closed = True, 0, False
            return FIRST_SECONDS
        # On this computer alone there is nothing to find out.
        came_in = inwards(self._ask()) if not alone(self._addresses()) else None
        if came_in is None:
            return UNKNOWN_SECONDS
        self._failed = 0 if came_in else self._failed + 1
        self.closed = self._failed >= 2
        return OPEN_SECONDS if came_in else CLOSED_SECONDS


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
