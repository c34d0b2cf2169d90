"""Addresses: `HOST:PORT` to listen on, `https://HOST:PORT` where a peer answers. Pure."""

from urllib.parse import urlsplit

from peer_core.errors import BadInputError

MAX_LENGTH = 256


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


def own_host(host: str) -> str:
    """Where this computer reaches its own server that listens on `host`; one on "::" takes IPv4 too, and IPv6 may be
    off here."""
    return "127.0.0.1" if host in ("0.0.0.0", "::") else host


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
