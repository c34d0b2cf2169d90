"""TLS between members: 1.3 only, both sides show a certificate, the barrio's authority alone is trusted. Any thread."""

import ssl
from pathlib import Path

from peer_core.errors import StorageError


def server_context(certificate: Path, key: Path, authority: Path, password: bytes) -> ssl.SSLContext:
    """For the peer API: the caller must show a member's certificate. Raises StorageError for an unusable file."""
    context = _context(ssl.PROTOCOL_TLS_SERVER, certificate, key, authority, password)
    # No resumption: a revoked or expired certificate must be looked at on each connection.
    context.num_tickets = 0
    context.set_alpn_protocols(["http/1.1"])
    return context


def client_context(certificate: Path, key: Path, authority: Path, password: bytes) -> ssl.SSLContext:
    """For calls to a peer, whose certificate must carry the name that is asked for. Raises StorageError."""
    return _context(ssl.PROTOCOL_TLS_CLIENT, certificate, key, authority, password)


def _context(protocol: int, certificate: Path, key: Path, authority: Path, password: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        # Empty rather than none, or OpenSSL asks for a password on the terminal.
        context.load_cert_chain(certificate, key, password)
        context.load_verify_locations(authority)
    except (OSError, ValueError) as error:
        raise StorageError(
            "The certificate or key in {folder} cannot be used ({reason}); join again with a new invite.",
            "certificate-unusable",
            folder=certificate.parent,
            reason=error,
        ) from error
    context.verify_mode = ssl.CERT_REQUIRED
    return context
