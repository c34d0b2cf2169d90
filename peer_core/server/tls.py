"""TLS inside waitress: handshake, records and farewell of one connection, and the context that they use.

A `TlsChannel` lives in the loop thread of its server; the contexts may be made in any thread.
"""

import socket
import ssl
import time
from typing import Any

from peer_core.server.channels import READ_BYTES, Channel, log
from peer_core.server.listener import Listener
from protos.agreed import peer_id_from_host_name

# Python does not let OpenSSL write in part: a call that would block must be repeated from the same byte with at least
# the same length. The buffers give that, since they only move on by what was sent. Several records a call spare the
# price of giving up and taking back the interpreter lock for each.
SEND_BYTES = 1 << 16


class TlsChannel(Channel):
    """A connection that speaks TLS; nothing of HTTP is read before the handshake is done."""

    handshaking = True

    def __init__(self, server: Listener, sock: socket.socket, addr: Any) -> None:
        sock.setblocking(False)
        # WORKAROUND https://github.com/python/cpython/blob/v3.11.7/Lib/ssl.py#L1066 : when the connection was reset,
        # `wrap_socket` raises and forgets to close the socket that it made.
        sock.getpeername()
        assert server.new_context is not None
        tls = server.new_context().wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        self._wants_write = False
        self._ends_at = 0.0
        try:
            super().__init__(server, tls, addr)
        except BaseException:
            tls.close()
            raise

    def readable(self) -> bool:
        if self.handshaking:
            return self.socket is not None and not self._wants_write and not self.will_close
        return super().readable()

    def writable(self) -> bool:
        if self.handshaking:
            return self.socket is not None and bool(self._wants_write or self.will_close)
        return super().writable()

    def handle_read(self) -> None:
        if not self.handshaking:
            return super().handle_read()
        return self._handshake()

    def handle_write(self) -> None:
        if not self.handshaking or self.will_close:
            return super().handle_write()
        return self._handshake()

    def _handshake(self) -> None:
        self._wants_write = False
        try:
            self.socket.do_handshake()
        except ssl.SSLWantReadError:
            return None
        except ssl.SSLWantWriteError:
            self._wants_write = True
            return None
        except (OSError, ValueError) as error:
            # Plain HTTP, garbage, a reset are everyday noise; a certificate that is refused may be a member's trouble.
            write = log.info if isinstance(error, ssl.SSLCertVerificationError) else log.debug
            write("no TLS with %s: %s", self.addr[0], getattr(error, "reason", None) or type(error).__name__)
            return self.handle_close()
        self.handshaking = False
        self.moved = time.monotonic()
        certificate = self.socket.getpeercert() or {}
        self.peer_names = tuple(value for kind, value in certificate.get("subjectAltName", ()) if kind == "DNS")
        ids = {peer_id for peer_id in map(peer_id_from_host_name, self.peer_names) if peer_id is not None}
        self.peer_id = ids.pop() if len(ids) == 1 else ""
        self._ends_at = ssl.cert_time_to_seconds(str(certificate["notAfter"])) if certificate else 0.0
        if self.server.has_enough_of(self.peer_id):
            log.info("too many connections of %s", self.peer_id)
            return self.handle_close()
        # A request may have come with the last flight, and poll() cannot see it inside OpenSSL.
        return super().handle_read()

    def receive(self) -> bytes | None:
        try:
            return bytes(self.socket.recv(READ_BYTES))
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None
        except OSError:
            return b""

    def transmit(self, view: memoryview) -> int:
        sent = 0
        self.owed = 0
        try:
            while sent < len(view):
                sent += self.socket.send(view[sent : sent + SEND_BYTES])
        except (ssl.SSLWantWriteError, ssl.SSLWantReadError):
            self.owed = min(SEND_BYTES, len(view) - sent)
        return sent

    def say_goodbye(self) -> None:
        try:
            self.socket.unwrap()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            # Sent, or no room for it; theirs need not be waited for.
            return

    def overdue(self, now: float) -> str | None:
        if self.handshaking:
            return "no handshake" if now - self.born > self.server.patience.handshake else None
        # The end of a certificate is a time of the calendar; a kept connection must not outlive it.
        if time.time() > self._ends_at:
            return "the certificate has ended"
        return super().overdue(now)
