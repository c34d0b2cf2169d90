"""Addresses: `HOST:PORT` to listen on, `https://HOST:PORT` where a peer answers. Pure, but for `own_addresses`."""

import ipaddress
import socket
from urllib.parse import urlsplit

from peer_core.errors import BadInputError

MAX_LENGTH = 256
# Addresses for documentation (RFC 5737, RFC 3849): the way to them is the way to everywhere else.
_ELSEWHERE = ("192.0.2.1", "2001:db8::1")


def parse_listen(text: str) -> tuple[str, int]:
    """(host, port) of `HOST:PORT`; port 0 lets the system choose. Raises BadInputError."""
    host, colon, port = text.strip().rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
        raise BadInputError(
            "“{text}” is no address to listen on; write HOST:PORT, for example 0.0.0.0:51020.",
            "listen-address",
            text=text,
        )
    return host, int(port)


def format_host_port(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def parse_url(text: str) -> tuple[str, int]:
    """(host, port) of `https://HOST:PORT` and nothing more. Raises BadInputError."""
    try:
        url = urlsplit(text)
        host, port = url.hostname, url.port
    except ValueError:
        host = port = None
    if (
        len(text) > MAX_LENGTH
        or not text.isprintable()
        or host is None
        or port is None
        or url.scheme != "https"
        or url.username is not None
        or url.path not in ("", "/")
        or url.query
        or url.fragment
    ):
        raise BadInputError(
            "“{text}” is no address of a peer; write https://HOST:PORT.", "peer-address", text=text[:80]
        )
    return host, port


def url_of(host: str, port: int) -> str:
    return f"https://{format_host_port(host, port)}"


def own_addresses(listen_host: str, port: int, towards: str) -> list[str]:
    """Addresses under which others reach a server on `listen_host`; `towards` is a host in the network meant."""
    host = listen_host.lower()
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return [url_of(listen_host, port)]
    if not ip.is_unspecified:
        return [url_of(listen_host, port)]
    found = [a for target in (towards, *_ELSEWHERE) for a in _route_sources(target)] + _host_name_addresses()
    usable = [a for a in dict.fromkeys(found) if ip.version == 6 or ":" not in a]
    # Loopback last: it means another machine to everybody else.
    usable.sort(key=lambda a: ipaddress.ip_address(a).is_loopback)
    return [url_of(a, port) for a in usable[:16]] or [url_of("127.0.0.1", port)]


def _route_sources(towards: str) -> list[str]:
    """The address that the system would use towards a host; sends nothing."""
    sources = []
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((towards, 9))
                sources.append(str(probe.getsockname()[0]).split("%", 1)[0])
        except OSError:
            continue
    return sources


def _host_name_addresses() -> list[str]:
    try:
        infos = socket.getaddrinfo(socket.gethostname(), None, type=socket.SOCK_STREAM)
    except OSError:
        return []
    return [str(info[4][0]) for info in infos if not str(info[4][0]).startswith("fe80")]
