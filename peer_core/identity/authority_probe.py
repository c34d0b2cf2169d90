"""Reads the certificate chain that a server shows, before anything about it is trusted."""

import socket
import ssl
from typing import Any

LIMIT_SECONDS = 8.0
MAX_CHAIN = 8


def chain_of(host: str, port: int, server_name: str) -> list[bytes]:
    """Certificates (DER) as the server sent them, unverified. Raises OSError, ssl.SSLError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["h2"])
    with socket.create_connection((host, port), LIMIT_SECONDS) as raw:
        with context.wrap_socket(raw, server_hostname=server_name) as tls:
            return _unverified_chain(tls)[:MAX_CHAIN]


def _unverified_chain(tls: ssl.SSLSocket) -> list[bytes]:
    public: Any = getattr(tls, "get_unverified_chain", None)
    if public is not None:
        return list(public())
    # WORKAROUND https://github.com/python/cpython/issues/62433: public only since Python 3.13.
    inner: Any = tls._sslobj  # type: ignore[attr-defined]  # the same object that 3.13 wraps
    return [ssl.PEM_cert_to_DER_cert(c.public_bytes()) for c in inner.get_unverified_chain() or ()]
