"""An HTTPS connection to one peer, proven by its certificate: the one way in which a peer calls another.

One thread uses it; any thread may `abort` it, at every moment from before it connects until after it is closed.
"""

import contextlib
import errno
import http.client
import selectors
import socket
import ssl
import time
from collections.abc import Iterator, Mapping, Sequence

from peer_core.addresses import parse_url
from peer_core.errors import BarrioError, PeerMisbehavedError, PeerUnreachableError
from peer_core.identity.store import Identity
from peer_core.identity.stream import Stream
from peer_core.system_words import system_words
from protos.agreed import peer_host_name
from protos.sentences import say

USER_AGENT = "Barrio"
LOOK_SECONDS = 0.1
# What each address gets at least: a few round trips over half the world.
LEAST_OPEN_SECONDS = 1.5
# What comes before the body of an answer, with what was read ahead of that.
MOST_HEAD_BYTES = 256 << 10
_CONNECTING = (errno.EINPROGRESS, errno.EWOULDBLOCK, getattr(errno, "WSAEWOULDBLOCK", errno.EWOULDBLOCK))


class PeerConnection(http.client.HTTPConnection):
    """Accepts nobody but `peer_id` at any of `addresses`; retries nothing.

    `timeout`: seconds without a byte. `deadline` (monotonic, None: none) bounds everything until it is set anew.
    `window`: bytes that may be received ahead of being read, None for what the system likes.
    """

    def __init__(
        self,
        identity: Identity,
        peer_id: str,
        name: str,
        addresses: Sequence[str],
        timeout: float,
        window: int | None = None,
    ) -> None:
        super().__init__("peer.invalid", 443, timeout=timeout)
        self.who = name
        self.deadline: float | None = None
        # That of `addresses` at which the peer answered.
        self.address = ""
        self._identity = identity
        self._server_name = peer_host_name(peer_id)
        self._addresses = list(addresses)
        self._quiet_seconds = timeout
        self._window = window
        self._aborted = False
        self._bytes_in = 0
        self._bytes_before = 0
        self._stream: Stream | None = None
        # What had come in when the head that is read now began; None: none is read.
        self._head_began: int | None = None
        # The peer answered that it closes the connection after that answer.
        self.ending = False
        self.response_class = self._response  # type: ignore[assignment]  # called like the class that it makes

    def open(self, seconds: float) -> None:
        """Connects to the first address that answers, within `seconds` in all. Raises PeerUnreachableError or
        PeerMisbehavedError."""
        end = time.monotonic() + seconds
        failure: BarrioError = PeerUnreachableError("{name} has told no address.", "peer-no-address", name=self.who)
        for number, address in enumerate(self._addresses):
            left = end - time.monotonic()
            if left <= 0:
                break
            # Each address gets its part of the time, so that a silent first one does not use up all; the first ones,
            # which are the likeliest, enough of it also when there are many.
            part = min(left, max(LEAST_OPEN_SECONDS, left / (len(self._addresses) - number)))
            try:
                with converted(self.who):
                    host, port = parse_url(address)
                    self.host, self.port = host, port
                    self.sock = self._connected(host, port, time.monotonic() + part)
                self.ending = False
                self.address = address
                return
            except BarrioError as error:
                failure = error
                self.close()
                if self._aborted:
                    break
        raise failure

    @property
    def answering(self) -> bool:
        """Something of an answer to the last request has come in."""
        return self._bytes_in > self._bytes_before

    def putrequest(self, method: str, url: str, skip_host: bool = False, skip_accept_encoding: bool = False) -> None:
        self._bytes_before = self._bytes_in
        if self.ending:
            self.close()
        super().putrequest(method, url, skip_host, skip_accept_encoding)

    def getresponse(self) -> http.client.HTTPResponse:
        """Raises HTTPException for a head without end too, such as one “100 Continue” after the other."""
        with self._head():
            response = super().getresponse()
        self.ending = response.will_close
        return response

    def close(self) -> None:
        # http.client closes when an answer is the last one, before its body is read; here the owner does.
        if self._head_began is None:
            super().close()

    def connect(self) -> None:
        """http.client would connect by itself again; here a lost connection is an error."""
        raise http.client.NotConnected

    def abort(self) -> None:
        """Wakes the thread that uses the connection; it is of no use afterwards. Any thread."""
        self._aborted = True
        sock = self.sock
        if sock is not None:
            # Not SSLSocket.shutdown: that takes the TLS object away from under the thread that reads.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def _connected(self, host: str, port: int, end: float) -> ssl.SSLSocket:
        sock = self._tcp(host, port, end)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.sock = sock
            self._check_abort()
            sock.settimeout(max(0.05, end - time.monotonic()))
            # WORKAROUND https://github.com/python/cpython/issues/113280: one that was reset by now would stay open.
            sock.getpeername()
            tls = self._identity.client_context().wrap_socket(
                sock, server_hostname=self._server_name, do_handshake_on_connect=False
            )
            self.sock = sock = tls
            self._check_abort()
            tls.do_handshake()
            tls.settimeout(self._quiet_seconds)
        except BaseException:
            sock.close()
            raise
        return tls

    def _tcp(self, host: str, port: int, end: float) -> socket.socket:
        """A connected socket; looks for an abort now and then, since no system lets a connect be woken portably."""
        family, kind, protocol, _, where = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setblocking(False)
            if self._window is not None:
                # Before it connects: a window that shrinks later makes senders wait.
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._window)
            result = sock.connect_ex(where)
            if result not in (0, *_CONNECTING):
                raise OSError(result, errno.errorcode.get(result, "cannot connect"))
            with selectors.DefaultSelector() as selector:
                selector.register(sock, selectors.EVENT_WRITE)
                while not selector.select(LOOK_SECONDS):
                    self._check_abort()
                    if time.monotonic() > end:
                        raise TimeoutError
            result = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if result:
                # The constructor picks the subclass, such as ConnectionRefusedError.
                raise OSError(result, "cannot connect")
        except BaseException:
            sock.close()
            raise
        return sock

    def _check_abort(self) -> None:
        if self._aborted:
            raise PeerUnreachableError("The call to {name} was given up.", "call-given-up", name=self.who)

    def _response(
        self, sock: ssl.SSLSocket, debuglevel: int = 0, method: str | None = None
    ) -> http.client.HTTPResponse:
        if self._stream is None or self._stream.sock is not sock:
            self._stream = Stream(self, sock)
        return http.client.HTTPResponse(self._stream, debuglevel, method)  # type: ignore[arg-type]

    def send_ahead(self, method: str, path: str, headers: Mapping[str, str]) -> None:
        """Sends a request without a body, also while the answer to the one before it is not read yet.

        Answers come in order, each by `next_answer` once the body before it is read. Not to be mixed with `request`
        while one is awaited. Raises OSError.
        """
        sock = self.sock
        if sock is None or self.ending:
            raise http.client.NotConnected
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self.host}:{self.port}", "Accept-Encoding: identity"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if method == "POST":
            lines.append("Content-Length: 0")
        sock.sendall("\r\n".join([*lines, "", ""]).encode("ascii"))

    def next_answer(self, method: str) -> http.client.HTTPResponse:
        """To the first request that was sent ahead and not answered. Raises OSError, HTTPException."""
        sock = self.sock
        if sock is None:
            raise http.client.NotConnected
        assert isinstance(sock, ssl.SSLSocket)
        response = self._response(sock, method=method)
        try:
            with self._head():
                response.begin()
        except BaseException:
            response.close()
            raise
        self.ending = response.will_close
        return response

    @contextlib.contextmanager
    def _head(self) -> Iterator[None]:
        self._head_began = self._bytes_in
        try:
            yield
        finally:
            self._head_began = None

    def before_read(self, sock: ssl.SSLSocket) -> None:
        """Reads wait until the deadline at most."""
        if self._head_began is not None and self._bytes_in - self._head_began > MOST_HEAD_BYTES:
            raise http.client.HTTPException("a head without end")
        if self.deadline is not None:
            left = self.deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError
            sock.settimeout(min(self._quiet_seconds, left))

    def after_read(self, count: int) -> None:
        self._bytes_in += count


@contextlib.contextmanager
def converted(who: str) -> Iterator[None]:
    """Turns what sockets, TLS and HTTP raise into this program's errors about the peer `who`."""
    try:
        yield
    except BarrioError:
        raise
    except ssl.SSLCertVerificationError as error:
        raise PeerMisbehavedError(
            "What answers at the address of {name} is somebody else; it is not used.", "peer-somebody-else", name=who
        ) from error
    except TimeoutError as error:
        raise PeerUnreachableError("{name} did not answer in time.", "peer-timeout", name=who) from error
    except http.client.HTTPException as error:
        gone = http.client.IncompleteRead | http.client.RemoteDisconnected | http.client.NotConnected
        if isinstance(error, gone):
            raise PeerUnreachableError("{name} hung up in the middle.", "peer-hung-up", name=who) from error
        raise PeerMisbehavedError("{name} answered something that is not HTTP.", "peer-no-http", name=who) from error
    except (OSError, ValueError) as error:
        raise PeerUnreachableError(
            "{name} cannot be reached ({reason}).", "peer-unreachable", name=who, reason=_reason(error)
        ) from error


def _reason(error: Exception) -> str:
    if isinstance(error, ConnectionRefusedError):
        return say("nothing listens there", "nothing-listens")
    if isinstance(error, ssl.SSLError):
        return error.reason or "TLS failed"
    if isinstance(error, OSError) and error.strerror:
        return system_words(error)
    return type(error).__name__


def check_length(response: http.client.HTTPResponse, who: str) -> None:
    """Raises PeerMisbehavedError for a body in chunks: no peer sends one, and its trailers may have no end."""
    if response.chunked:
        raise PeerMisbehavedError("{name} answered without saying how much it sends.", "peer-no-length", name=who)


def read_bounded(response: http.client.HTTPResponse, limit: int, who: str) -> bytes:
    """The whole body. Raises PeerMisbehavedError beyond `limit` bytes, before reading them, and in chunks."""
    check_length(response, who)
    if (response.length or 0) > limit:
        raise PeerMisbehavedError("{name} wants to send more than was asked for.", "peer-too-much", name=who)
    parts, total = [], 0
    while True:
        part = response.read(min(limit - total + 1, 1 << 20))
        if not part:
            break
        total += len(part)
        if total > limit:
            raise PeerMisbehavedError("{name} wants to send more than was asked for.", "peer-too-much", name=who)
        parts.append(part)
    if response.length:
        raise PeerUnreachableError("{name} hung up in the middle.", "peer-hung-up", name=who)
    return b"".join(parts)
