"""Barrios on the local network, by multicast DNS: announced and found. The one wrapper of `zeroconf`, which is
imported only when it is used.

What is announced is the barrio's name and its authority's fingerprint, under a name that is random at each start:
nothing of the person or the device. What is found is hostile text until an invite proves it.
"""

import logging
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

from peer_core.addresses import parse_url
from peer_core.loops import Loop
from peer_core.own_addresses import choose, interface_addresses
from protos.agreed import decode_id

if TYPE_CHECKING:
    from zeroconf import ServiceInfo, Zeroconf

SERVICE = "_barrio._tcp.local."
FIND_SECONDS = 2.5
# For those whose announcement did not say all, each and together.
ASK_SECONDS = 0.8
ASK_SECONDS_IN_ALL = 1.5
MAX_FOUND = 32
MAX_NAME = 64
# What a record has room for, with its key.
MAX_NAME_BYTES = 200
# A peer that starts has better things to do at first.
FIRST_SECONDS = 3.0
LOOK_SECONDS = 10.0
RETRY_SECONDS = 60.0
# A network that says more than this is flooded; what zeroconf remembers of it is let go of now and then.
MAX_HEARD = 2000
RENEW_SECONDS = 300.0
TIME_TO_LIVE = 120
log = logging.getLogger("barrio")


@dataclass(frozen=True)
class Barrio:
    """`fingerprint`: of its authority, as in invites. `announcers`: members on this network that say so."""

    name: str
    fingerprint: str
    announcers: int = 1


class Announcer:
    """Says that a barrio is here, as long as `wanted` and this computer is on a network. Owns one thread.

    `addresses`: where this peer is on its networks now, "https://HOST:PORT".
    """

    def __init__(
        self,
        barrio: Barrio,
        port: Callable[[], int],
        addresses: Callable[[], Sequence[str]],
        wanted: Callable[[], bool],
    ) -> None:
        self._barrio = barrio
        self._port = port
        self._addresses = addresses
        self._wanted = wanted
        self._loop = Loop("announce", self._step)
        self._begun = False
        # Of the thread alone, and of `stop` after it has ended.
        self._announced: tuple[str, ...] = ()
        self._zeroconf: Zeroconf | None = None
        self._renewable_at = 0.0

    def start(self) -> None:
        self._loop.start()

    def look_now(self) -> None:
        """The setting may have changed."""
        self._loop.wake()

    def stop(self) -> None:
        """Says goodbye; takes at most a second or two."""
        self._loop.stop()
        self._withdraw()

    def _step(self) -> float | None:
        if not self._begun:
            self._begun = True
            return FIRST_SECONDS
        if not self._wanted():
            self._withdraw()
            return None
        here = tuple(network_addresses(self._addresses()))
        if here != self._announced or self._is_flooded():
            self._withdraw()
            if here and not self._announce(here):
                return RETRY_SECONDS
        return LOOK_SECONDS

    def _is_flooded(self) -> bool:
        """Not again for RENEW_SECONDS, so that no flood makes an announcement come and go all the time."""
        now = time.monotonic()
        if self._zeroconf is None or now < self._renewable_at or len(self._zeroconf.cache.names()) <= MAX_HEARD:
            return False
        self._renewable_at = now + RENEW_SECONDS
        return True

    def _announce(self, here: tuple[str, ...]) -> bool:
        from zeroconf import Error

        try:
            self._zeroconf = _zeroconf(here)
            self._zeroconf.register_service(_service(self._barrio, self._port(), here), allow_name_change=True)
        except (Error, OSError, RuntimeError, TimeoutError, ValueError) as error:
            log.info("the barrio cannot be announced on this network (%s)", type(error).__name__)
            self._withdraw()
            return False
        self._announced = here
        return True

    def _withdraw(self) -> None:
        self._announced = ()
        if self._zeroconf is not None:
            self._zeroconf.close()
            self._zeroconf = None


def find(stopped: threading.Event | None = None, seconds: float = FIND_SECONDS) -> list[Barrio]:
    """Barrios that members announce on this network, by name. Any thread. Listens for `seconds`, and asks for at most
    ASK_SECONDS_IN_ALL after that; less when `stopped`."""
    here = network_addresses(choose("::", 1, [], interface_addresses()))
    if not here:
        return []
    from zeroconf import Error, ServiceBrowser

    try:
        zeroconf = _zeroconf(here)
    except (Error, OSError, RuntimeError) as error:
        log.info("this network cannot be searched for barrios (%s)", type(error).__name__)
        return []
    try:
        listener = _Listener()
        ServiceBrowser(zeroconf, SERVICE, listener=listener)  # type: ignore[arg-type]  # has the methods of one
        stopped = stopped or threading.Event()
        stopped.wait(seconds)
        return collected(_answers(zeroconf, listener.names(), stopped))
    finally:
        zeroconf.close()


def network_addresses(urls: Iterable[str]) -> list[str]:
    """The IP addresses in URLs that others can use."""
    found = []
    for url in urls:
        host = parse_url(url)[0]
        try:
            if not ip_address(host).is_loopback:
                found.append(host)
        except ValueError:
            continue
    return found


def collected(answers: Iterable[dict[bytes, bytes | None]]) -> list[Barrio]:
    """Barrios of what was answered, whatever that is, each once; by name."""
    counted: Counter[tuple[str, str]] = Counter()
    for answer in answers:
        try:
            name = (answer.get(b"name") or b"").decode("utf-8").strip()
            fingerprint = (answer.get(b"fingerprint") or b"").decode("ascii")
            decode_id(fingerprint)
        except (UnicodeDecodeError, ValueError):
            continue
        if 1 <= len(name) <= MAX_NAME and name.isprintable():
            counted[name, fingerprint] += 1
    return [Barrio(name, fingerprint, count) for (name, fingerprint), count in sorted(counted.items())[:MAX_FOUND]]


def _zeroconf(here: Sequence[str]) -> "Zeroconf":
    from zeroconf import IPVersion, Zeroconf

    four = [ip for ip in here if ":" not in ip]
    return Zeroconf(interfaces=four or list(here), ip_version=IPVersion.V4Only if four else IPVersion.V6Only)


def _service(barrio: Barrio, port: int, here: Sequence[str]) -> "ServiceInfo":
    from zeroconf import ServiceInfo

    name = f"barrio-{secrets.token_hex(4)}.{SERVICE}"
    told = {"name": cut(barrio.name), "fingerprint": barrio.fingerprint}
    return ServiceInfo(
        SERVICE,
        name,
        port,
        properties=told,
        server=name,
        parsed_addresses=list(here),
        host_ttl=TIME_TO_LIVE,
        other_ttl=TIME_TO_LIVE,
    )


def cut(name: str) -> str:
    """As much of it as is announced."""
    return name[:MAX_NAME].encode("utf-8", "replace")[:MAX_NAME_BYTES].decode("utf-8", "ignore")


def _answers(
    zeroconf: "Zeroconf", names: Sequence[str], stopped: threading.Event
) -> Iterator[dict[bytes, bytes | None]]:
    """First those that are known by now, so that one who announces and then is silent costs the others nothing."""
    silent = []
    for name in names:
        if known := _heard(zeroconf, name):
            yield known
        else:
            silent.append(name)
    deadline = time.monotonic() + ASK_SECONDS_IN_ALL
    for name in silent:
        left = deadline - time.monotonic()
        if left <= 0 or stopped.is_set():
            return
        yield _ask(zeroconf, name, min(left, ASK_SECONDS))


def _heard(zeroconf: "Zeroconf", name: str) -> dict[bytes, bytes | None]:
    from zeroconf import Error, ServiceInfo

    try:
        service = ServiceInfo(SERVICE, name)
        return dict(service.properties) if service.load_from_cache(zeroconf) else {}
    except (Error, OSError, RuntimeError, ValueError):
        return {}


def _ask(zeroconf: "Zeroconf", name: str, seconds: float) -> dict[bytes, bytes | None]:
    from zeroconf import Error

    try:
        service = zeroconf.get_service_info(SERVICE, name, int(1000 * seconds))
    except (Error, OSError, RuntimeError, TimeoutError, ValueError):
        return {}
    return dict(service.properties) if service is not None else {}


class _Listener:
    """Names that were announced; called in the threads of zeroconf."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Guarded by _lock, in the order in which they came.
        self._names: dict[str, None] = {}

    def names(self) -> list[str]:
        with self._lock:
            return list(self._names)

    def add_service(self, zeroconf: Any, service: str, name: str) -> None:
        with self._lock:
            if len(self._names) < MAX_FOUND:
                self._names[name] = None

    def update_service(self, zeroconf: Any, service: str, name: str) -> None:
        return

    def remove_service(self, zeroconf: Any, service: str, name: str) -> None:
        with self._lock:
            self._names.pop(name, None)
