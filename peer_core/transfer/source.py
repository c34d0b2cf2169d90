"""One holder at work for one download: a thread with one connection that fetches runs of pieces and verifies each.

Whatever the holder does, nothing unverified leaves this module, and memory is bounded by one piece.
"""

import http.client
import logging
import threading
import time
from typing import Protocol

from peer_core.content import MAX_MANIFEST_BYTES, MAX_SIZE, Manifest, piece_hash
from peer_core.errors import BarrioError, PeerMisbehavedError, PeerUnreachableError
from peer_core.identity.connection import USER_AGENT, PeerConnection, converted, open_connection, read_bounded
from peer_core.identity.store import Identity
from peer_core.transfer.picker import Run
from peer_core.transfer.types import Holder, SourceReport, SourceState
from protos.agreed import encode_id

CONNECT_SECONDS = 5.0
STALL_SECONDS = 15.0
CHUNK = 64 << 10
MAX_FAILURES = 3
RETRY_SECONDS = 0.5
log = logging.getLogger("barrio.transfer")


class Work(Protocol):
    """What a source needs of its download. Calls come from the source's thread."""

    manifest: Manifest

    def take(self, key: str) -> Run | None:
        """The next run; waits while there is none; None: the work is over."""

    def accept(self, key: str, piece: int, data: memoryview) -> None:
        """Keeps a verified piece. Raises StorageError."""

    def give_back(self, key: str, run: Run) -> None: ...

    def received(self, count: int) -> None:
        """Counts bytes as they come in."""

    def ended(self, key: str, error: BarrioError | None) -> None:
        """The source does no more; the error says why."""


class GoneError(PeerUnreachableError):
    """The holder answers, but no longer has the content."""


class Source:
    """`start`, then `stop` and `join`. The counters are written by its thread alone and read by any."""

    def __init__(self, identity: Identity, holder: Holder, content_id: bytes, work: Work) -> None:
        self.holder = holder
        self.key = holder.peer_id
        self.state = SourceState.CONNECTING
        self.pieces = 0
        self.bytes = 0
        self.rate = 0.0
        self.failures = 0
        self.reason: str | None = None
        self.ended_at = 0.0
        self.moved_at = time.monotonic()
        self._identity = identity
        self._content = encode_id(content_id)
        self._work = work
        self._stopping = threading.Event()
        self._connection: PeerConnection | None = None
        self._thread = threading.Thread(target=self._run, name="source")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ends the work under way; returns at once."""
        self._stopping.set()
        connection = self._connection
        if connection is not None:
            connection.abort()

    def join(self) -> None:
        self._thread.join()

    @property
    def finished(self) -> bool:
        """Its thread has ended."""
        return not self._thread.is_alive()

    @property
    def alive(self) -> bool:
        return self.state in (SourceState.CONNECTING, SourceState.ACTIVE, SourceState.IDLE)

    def report(self) -> SourceReport:
        rate = self.rate if self.alive else 0.0
        return SourceReport(
            self.key, self.holder.name, self.state, self.pieces, self.bytes, rate, self.failures, self.reason
        )

    def _run(self) -> None:
        error: BarrioError | None = None
        try:
            while error is None:
                error = self._fetch_until_failure()
                if error is None or self._stopping.is_set():
                    break
                self.failures += 1
                passing = isinstance(error, PeerUnreachableError) and not isinstance(error, GoneError)
                if passing and self.failures < MAX_FAILURES and not self._stopping.wait(RETRY_SECONDS * self.failures):
                    error = None
        except BarrioError as unexpected:
            error = unexpected
        finally:
            self._close()
            self._settle(error)
            self._work.ended(self.key, None if self._stopping.is_set() else error)

    def _settle(self, error: BarrioError | None) -> None:
        self.ended_at = time.monotonic()
        if error is None or self._stopping.is_set():
            self.state = SourceState.IDLE if error is None else SourceState.LOST
        else:
            self.state = SourceState.BANNED if isinstance(error, PeerMisbehavedError) else SourceState.LOST
            self.reason = error.message
            log.info("source %s: %s", self.key[:12], error.message)

    def _fetch_until_failure(self) -> BarrioError | None:
        """None when the work is over. StorageError goes up: it is not the holder's fault."""
        buffer = memoryview(bytearray(self._work.manifest.piece_size))
        try:
            self._open()
            while not self._stopping.is_set():
                self.state = SourceState.IDLE
                run = self._work.take(self.key)
                if run is None:
                    return None
                self.state = SourceState.ACTIVE
                self.moved_at = time.monotonic()
                try:
                    self._fetch(run, buffer)
                finally:
                    self._work.give_back(self.key, run)
                self.failures = 0
        except (PeerUnreachableError, PeerMisbehavedError) as error:
            return error
        finally:
            self._close()
        return None

    def _open(self) -> None:
        self.state = SourceState.CONNECTING
        holder = self.holder
        self._connection = open_connection(
            self._identity, holder.peer_id, holder.name, holder.addresses, CONNECT_SECONDS, STALL_SECONDS
        )
        if self._stopping.is_set():
            raise PeerUnreachableError("The download stops.")

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _fetch(self, run: Run, buffer: memoryview) -> None:
        connection = self._connection
        assert connection is not None
        manifest = self._work.manifest
        start, _ = manifest.span(run.first)
        last_start, last_length = manifest.span(run.first + run.count - 1)
        length = last_start + last_length - start
        headers = {"Range": f"bytes={start}-{start + length - 1}", "User-Agent": USER_AGENT}
        with converted(self.holder.name):
            connection.request("GET", f"/v1/contents/{self._content}", headers=headers)
            with connection.getresponse() as response:
                self._check(response, start, length)
                for piece in range(run.first, run.first + run.count):
                    self._receive(response, piece, buffer[: manifest.span(piece)[1]])

    def _check(self, response: http.client.HTTPResponse, start: int, length: int) -> None:
        """Raises unless the answer is just the bytes that were asked for."""
        who = self.holder.name
        check_status(response, who)
        size = self._work.manifest.size
        whole = response.status == 200 and length == size
        if not whole and response.status != 206:
            raise PeerMisbehavedError(f"{who} answered with status {response.status} to a request for a range.")
        etag = response.getheader("ETag", "")
        if etag != f'"{self._content}"':
            raise PeerMisbehavedError(f"{who} answered with another file.")
        said = response.getheader("Content-Range", "")
        if response.length != length or (not whole and said != f"bytes {start}-{start + length - 1}/{size}"):
            raise PeerMisbehavedError(f"{who} answered with other bytes than were asked for.")

    def _receive(self, response: http.client.HTTPResponse, piece: int, view: memoryview) -> None:
        got = 0
        while got < len(view):
            count = response.readinto(view[got : got + CHUNK])
            if not count:
                raise http.client.IncompleteRead(b"")
            got += count
            self.moved_at = time.monotonic()
            self._work.received(count)
        if piece_hash(view) != self._work.manifest.hash_of(piece):
            if self._stopping.is_set():
                raise PeerUnreachableError("The download stops.")
            raise PeerMisbehavedError(f"{self.holder.name} sent wrong bytes; nothing of them is kept.")
        self._work.accept(self.key, piece, view)
        self.pieces += 1
        self.bytes += len(view)


def check_status(response: http.client.HTTPResponse, who: str) -> None:
    """Raises for a holder that refuses, is busy, or no longer has the content."""
    match response.status:
        case 404 | 410:
            raise GoneError(f"{who} no longer has this file.")
        case 401 | 403:
            raise GoneError(f"{who} does not give this file to you.")
        case 429 | 502 | 503 | 504:
            raise PeerUnreachableError(f"{who} is busy.")


def fetch_manifest(identity: Identity, holder: Holder, content_id: bytes) -> Manifest:
    """Raises PeerUnreachableError, PeerMisbehavedError (also when it is not the content's manifest)."""
    connection = open_connection(
        identity, holder.peer_id, holder.name, holder.addresses, CONNECT_SECONDS, STALL_SECONDS
    )
    try:
        with converted(holder.name):
            headers = {"User-Agent": USER_AGENT}
            connection.request("GET", f"/v1/contents/{encode_id(content_id)}/manifest", headers=headers)
            with connection.getresponse() as response:
                check_status(response, holder.name)
                if response.status != 200:
                    raise PeerMisbehavedError(f"{holder.name} answered with status {response.status}.")
                data = read_bounded(response, MAX_MANIFEST_BYTES, holder.name)
    finally:
        connection.close()
    manifest = Manifest.from_bytes(data, content_id)
    if manifest.size > MAX_SIZE:
        raise PeerMisbehavedError("The manifest has impossible sizes; another holder is asked.")
    return manifest
