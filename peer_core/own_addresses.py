"""Under which addresses others reach this computer. `Whereabouts` is asked by one thread; the rest is pure."""

import ipaddress
import socket
from collections.abc import Callable, Sequence

import ifaddr

from peer_core.addresses import url_of

MAX_ADDRESSES = 16
# Addresses for documentation (RFC 5737, RFC 3849): the way to them is the way to everywhere else.
_ELSEWHERE = ("192.0.2.1", "2001:db8::1")


def choose(listen_host: str, port: int, routed: Sequence[str], interfaces: Sequence[str]) -> list[str]:
    """URLs to tell others, best first, at most 16, for a server on `listen_host`.

    `routed`: addresses that the system would use towards others, best first; `interfaces`: all that it has. Loopback,
    which means another machine to everybody else, is told only when there is nothing else; link-local addresses,
    which mean nothing without the name of an interface, never.
    """
    try:
        listening = ipaddress.ip_address(listen_host)
    except ValueError:
        return [url_of(listen_host, port)]
    if not listening.is_unspecified:
        return [url_of(listen_host, port)]
    own = {ip for text in interfaces if (ip := _usable(text, listening.version)) is not None}
    first = [ip for text in routed if (ip := _usable(text, listening.version)) is not None]
    ordered = dict.fromkeys([*first, *sorted(own, key=lambda ip: (ip.version, not ip.is_private, ip.packed))])
    told = [ip for ip in ordered if not ip.is_loopback] or [ip for ip in ordered if ip.is_loopback]
    return [url_of(str(ip), port) for ip in told[:MAX_ADDRESSES]] or [url_of("127.0.0.1", port)]


def _usable(text: str, listening: int) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        ip = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if ip.is_unspecified or ip.is_multicast or ip.is_link_local or (listening == 4 and ip.version == 6):
        return None
    return ip


def interface_addresses() -> list[str]:
    """All addresses of this computer's interfaces."""
    return sorted(
        str(ip.ip if isinstance(ip.ip, str) else ip.ip[0]) for adapter in ifaddr.get_adapters() for ip in adapter.ips
    )


def route_sources(towards: Sequence[str]) -> list[str]:
    """The addresses that the system would use towards some hosts; sends nothing to them."""
    sources = []
    for host in towards:
        for family in (socket.AF_INET, socket.AF_INET6):
            try:
                with socket.socket(family, socket.SOCK_DGRAM) as probe:
                    probe.connect((host, 9))
                    sources.append(str(probe.getsockname()[0]))
            except OSError:
                continue
    return sources


class Whereabouts:
    """The addresses of a server that listens at `listen()`, as of the last look. `told`: those that the person chose,
    instead. `towards`: a host in the network meant, by name or number.

    Looking is cheap as long as no interface changes: only then routes are asked for, and the name looked up.
    """

    def __init__(
        self,
        listen: Callable[[], tuple[str, int]],
        towards: str,
        told: Sequence[str] = (),
        interfaces: Callable[[], list[str]] = interface_addresses,
        routes: Callable[[Sequence[str]], list[str]] = route_sources,
    ) -> None:
        self._listen = listen
        self._towards = towards
        self._told = tuple(told)
        self._interfaces = interfaces
        self._routes = routes
        self._seen: list[str] = []
        self.current: tuple[str, ...] = self._told

    def look(self) -> bool:
        """Whether they are others than before; `current` has them."""
        if self._told:
            return False
        try:
            seen = self._interfaces()
        except OSError:
            return False
        if seen == self._seen:
            return False
        self._seen = seen
        before, self.current = (
            self.current,
            tuple(choose(*self._listen(), self._routes([self._towards, *_ELSEWHERE]), seen)),
        )
        return self.current != before
