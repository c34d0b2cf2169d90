"""An HTTPS connection to one peer, proven by its certificate: the one way in which a peer calls another."""

import contextlib
import http.client
import socket
import ssl
import time
from collections.abc import Iterator, Sequence

from peer_core.addresses import parse_url
from peer_core.errors import BarrioError, PeerMisbehavedError, PeerUnreachableError
from peer_core.identity.store import Identity
from protos.agreed import peer_host_name

USER_AGENT = "Barrio"


class PeerConnection(http.client.HTTPConnection):
    """Connects to `address` and accepts nobody but `peer_id` there; counts nothing, retries nothing."""

    def __init__(self, identity: Identity, peer_id: str, address: str, timeout: float) -> None:
        host, port = parse_url(address)
        super().__init__(host, port, timeout=timeout)
        self._identity = identity
        self._server_name = peer_host_name(peer_id)

    def connect(self) -> None:
        super().connect()
        try:
            self.sock = self._identity.client_context().wrap_socket(self.sock, server_hostname=self._server_name)
        except BaseException:
            self.close()
            raise

    def abort(self) -> None:
        """Wakes a thread that waits on this connection; the connection is of no use afterwards. Any thread."""
        sock = self.sock
        if sock is not None:
            # Not SSLSocket.shutdown: that takes the TLS object away from under the thread that reads.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)


@contextlib.contextmanager
def converted(who: str) -> Iterator[None]:
    """Turns what sockets, TLS and HTTP raise into this program's errors about the peer `who`."""
    try:
        yield
    except BarrioError:
        raise
    except ssl.SSLCertVerificationError as error:
        raise PeerMisbehavedError(f"What answers at the address of {who} is somebody else; it is not used.") from error
    except TimeoutError as error:
        raise PeerUnreachableError(f"{who} did not answer in time.") from error
    except http.client.HTTPException as error:
        if isinstance(error, http.client.IncompleteRead | http.client.RemoteDisconnected):
            raise PeerUnreachableError(f"{who} hung up in the middle.") from error
        raise PeerMisbehavedError(f"{who} answered something that is not HTTP.") from error
    except (OSError, ValueError) as error:
        raise PeerUnreachableError(f"{who} cannot be reached ({_reason(error)}).") from error


def _reason(error: Exception) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there"
    if isinstance(error, ssl.SSLError):
        return error.reason or "TLS failed"
    return getattr(error, "strerror", None) or type(error).__name__


def open_connection(
    identity: Identity, peer_id: str, name: str, addresses: Sequence[str], connect_seconds: float, timeout: float
) -> PeerConnection:
    """Connects to the first address that answers. Raises PeerUnreachableError or PeerMisbehavedError."""
    failure: BarrioError = PeerUnreachableError(f"{name} has told no address.")
    deadline = time.monotonic() + connect_seconds * 3
    for address in addresses:
        connection = None
        try:
            with converted(name):
                connection = PeerConnection(identity, peer_id, address, min(connect_seconds, timeout))
                connection.connect()
                connection.sock.settimeout(timeout)
            return connection
        except BarrioError as error:
            if connection is not None:
                connection.close()
            failure = error
        if time.monotonic() > deadline:
            break
    raise failure


def read_bounded(response: http.client.HTTPResponse, limit: int, who: str) -> bytes:
    """The whole body. Raises PeerMisbehavedError beyond `limit` bytes, before reading them."""
    if (response.length or 0) > limit:
        raise PeerMisbehavedError(f"{who} wants to send more than was asked for.")
    parts, total = [], 0
    while True:
        part = response.read(min(limit - total + 1, 1 << 20))
        if not part:
            break
        total += len(part)
        if total > limit:
            raise PeerMisbehavedError(f"{who} wants to send more than was asked for.")
        parts.append(part)
    if response.length:
        raise PeerUnreachableError(f"{who} hung up in the middle.")
    return b"".join(parts)
