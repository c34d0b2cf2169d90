"""Connects back to a member that asks whether it can be reached. Any thread; `close` ends what is under way.

It is no scanner: only addresses that the asker has told the barrio are tried (or the one that it calls from, while the
central does not answer), and no name is looked up for anybody. A connection counts only when the asker's own
certificate answers, and why another address than the one that it calls from was not reached is not told, nor shown by
how long it took.
"""

import ipaddress
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum

from peer_core.addresses import parse_url, url_of
from peer_core.directory.types import PeerRecord
from peer_core.errors import BarrioError, PeerMisbehavedError
from peer_core.identity.connection import USER_AGENT, PeerConnection, converted, read_bounded
from peer_core.identity.store import Identity

TRY_SECONDS = 3.0
# A silent address's own try ends somewhat later than TRY_SECONDS after the first one began; by then all have ended.
ANSWER_LATER_SECONDS = 0.5
MAX_TRIED = 8
AT_A_TIME = 2
PER_CALLER = 4
PER_CALLER_SECONDS = 60.0
MAX_ANSWER = 4096


class TooOftenError(BarrioError):
    title = "Asked too often"
    status = 429


class Why(Enum):
    """Why a member was not reached. SILENT: nothing came back; OTHER: somebody else answers there."""

    REFUSED = "refused"
    SILENT = "silent"
    OTHER = "other"
    FAILED = "failed"


@dataclass(frozen=True)
class Tried:
    """One address of the asker's; `why` only where it calls from that very address."""

    address: str
    reached: bool
    why: Why | None = None


class CallBack:
    def __init__(self, identity: Identity, find: Callable[[str], PeerRecord | None]) -> None:
        """`find`: where a member told the barrio that it is; may raise BarrioError."""
        self._identity = identity
        self._find = find
        self._lock = threading.Lock()
        # Guarded by _lock: monotonic times of each caller's last questions; questions under way, and their connections.
        self._asked: dict[str, list[float]] = {}
        self._running = 0
        self._connections: set[PeerConnection] = set()
        self._closed = False

    def close(self) -> None:
        with self._lock:
            self._closed = True
            connections = list(self._connections)
        for connection in connections:
            connection.abort()

    def call(self, caller: str, calls_from: str, addresses: Sequence[str]) -> list[Tried]:
        """Tries those of `addresses` that may be tried; the others are left out. `calls_from`: an IP address.

        Raises TooOftenError.
        """
        self._enter(caller)
        try:
            source = plain_ip(calls_from)
            told = self._told_addresses(caller, source, addresses)
            allowed = [a for a in addresses if a in told and is_ip(parse_url(a)[0])][:MAX_TRIED]
            if not allowed:
                return []
            began = time.monotonic()
            with ThreadPoolExecutor(len(allowed), "call-back") as pool:
                tried = list(pool.map(lambda address: self._try(caller, source, address), allowed))
            if any(not t.reached and t.why is None for t in tried):
                self._wait(began + TRY_SECONDS + ANSWER_LATER_SECONDS)
            return tried
        finally:
            with self._lock:
                self._running -= 1

    def _enter(self, caller: str) -> None:
        now = time.monotonic()
        with self._lock:
            recent = {c: [t for t in times if now - t < PER_CALLER_SECONDS] for c, times in self._asked.items()}
            self._asked = {c: times for c, times in recent.items() if times}
            if self._running >= AT_A_TIME or len(self._asked.get(caller, ())) >= PER_CALLER:
                raise TooOftenError(
                    "This peer tries addresses only now and then; ask again in a minute.", "probe-too-often"
                )
            self._asked.setdefault(caller, []).append(now)
            self._running += 1

    def _told_addresses(self, caller: str, source: str, addresses: Sequence[str]) -> Sequence[str]:
        try:
            record = self._find(caller)
        except BarrioError:
            record = None
        if record is not None:
            return record.addresses
        return [address for address in addresses if parse_url(address)[0] == source]

    def _try(self, caller: str, source: str, address: str) -> Tried:
        host, port = parse_url(address)
        ip = plain_ip(host)
        if not may_try(ip, source):
            return Tried(address, False)
        why = self._reach(caller, url_of(ip, port))
        return Tried(address, why is None, why if ip == source else None)

    def _reach(self, caller: str, address: str) -> Why | None:
        connection = PeerConnection(self._identity, caller, "The asker", [address], TRY_SECONDS)
        with self._lock:
            if self._closed:
                return Why.FAILED
            self._connections.add(connection)
        try:
            connection.deadline = time.monotonic() + TRY_SECONDS
            connection.open(TRY_SECONDS)
            with converted(connection.who):
                connection.request("GET", "/v1/peer", None, {"User-Agent": USER_AGENT})
                with connection.getresponse() as response:
                    read_bounded(response, MAX_ANSWER, connection.who)
                    return None if response.status == 200 else Why.FAILED
        except PeerMisbehavedError:
            return Why.OTHER
        except BarrioError as error:
            cause = error.__cause__
            if isinstance(cause, ConnectionRefusedError):
                return Why.REFUSED
            return Why.SILENT if isinstance(cause, TimeoutError) else Why.FAILED
        finally:
            with self._lock:
                self._connections.discard(connection)
            connection.close()

    def _wait(self, until: float) -> None:
        while not self._closed and (left := until - time.monotonic()) > 0:
            time.sleep(min(left, 0.1))


def plain_ip(text: str) -> str:
    """An IP address without the name of an interface, and IPv4 as such; other text as it is."""
    try:
        ip = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return text
    return str(ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped else ip)


def is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def may_try(ip: str, source: str) -> bool:
    """Whether a caller from `source` may have `ip` tried: never what means this computer or no computer at all,
    unless the caller is on this computer."""
    if ip == source:
        return True
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        return False
    return not (
        address.is_loopback
        or address.is_unspecified
        or address.is_multicast
        or address.is_link_local
        or address.is_reserved
    )
