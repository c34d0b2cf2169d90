"""One holder at work for one download: a thread with one connection that fetches runs of pieces and verifies each.

Whatever the holder does, nothing unverified leaves this module, and memory is bounded by one piece.
"""

import http.client
import logging
import threading
import time
from typing import Protocol

from peer_core.content import Manifest, piece_hash
from peer_core.errors import BarrioError, PeerMisbehavedError, PeerUnreachableError
from peer_core.identity.connection import USER_AGENT, PeerConnection, converted, read_bounded
from peer_core.identity.store import Identity
from peer_core.limits.intake import Intake
from peer_core.transfer.answers import MOST_ANSWER_BYTES, GoneError, InLineError, check_status
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

    def accept(self, key: str, piece: int, data: memoryview) -> bool:
        """Keeps a verified piece; False when it was here already. Raises StorageError."""

    def give_back(self, key: str, run: Run) -> None: ...

    def received(self, count: int) -> None:
        """Counts bytes as they come in."""

    @property
    def intake(self) -> Intake:
        """How fast they may."""

    def stalled(self, key: str) -> None:
        """The source will not move for a while: others may take over what it works on."""

    def ended(self, key: str, error: BarrioError | None) -> None:
        """The source does no more; the error says why."""


class Source:
    """`start`, then `stop` and `join`. The counters are written by its thread alone and read by any."""

    def __init__(self, identity: Identity, holder: Holder, content_id: bytes, work: Work) -> None:
        self.holder = holder
        self.key = holder.peer_id
        self.state = SourceState.CONNECTING
        self.pieces = 0
        self.bytes = 0
        self.received = 0
        self.rate = 0.0
        self.gone = False
        self.errors = 0
        self.run_started_at = 0.0
        self.run_bytes_left = 0
        self.failures = 0
        self.reason: str | None = None
        self.in_line: InLineError | None = None
        self.ended_at = 0.0
        self.piece_at = time.monotonic()
        self._identity = identity
        self._content = encode_id(content_id)
        self._work = work
        self._stopping = threading.Event()
        self._connection: PeerConnection | None = None
        self._window: int | None = None
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
    def leaving(self) -> bool:
        """Asked to stop."""
        return self._stopping.is_set()

    @property
    def finished(self) -> bool:
        """Its thread has ended."""
        return not self._thread.is_alive()

    @property
    def alive(self) -> bool:
        return self.state in (SourceState.CONNECTING, SourceState.ACTIVE, SourceState.IN_LINE, SourceState.IDLE)

    def carry_over(self, old: "Source") -> None:
        """Goes on counting where an earlier source for the same holder ended."""
        self.pieces, self.bytes, self.received = old.pieces, old.bytes, old.received
        self.failures = old.failures
        self.errors = old.errors

    def seconds_to_finish(self, now: float) -> float:
        """How long the run under way will take at this pace; 0 without one, or when it just began."""
        if self.state is not SourceState.ACTIVE or now - self.run_started_at < 1.0:
            return 0.0
        return self.run_bytes_left / self.rate if self.rate > 1 else float("inf")

    def report(self) -> SourceReport:
        rate = self.rate if self.alive else 0.0
        in_line = self.in_line
        reason = self.reason if in_line is None else in_line.message
        return SourceReport(
            self.key, self.holder.name, self.state, self.pieces, self.bytes, rate, self.failures, reason
        )

    def _run(self) -> None:
        error: BarrioError | None = None
        try:
            while error is None:
                error = self._fetch_until_failure()
                if error is None or self._stopping.is_set():
                    break
                self.failures += 1
                self.errors += 1
                self.gone = isinstance(error, GoneError)
                passing = isinstance(error, PeerUnreachableError) and not self.gone
                if passing and self.failures < MAX_FAILURES and not self._stopping.wait(RETRY_SECONDS * self.failures):
                    error = None
        except BarrioError as unexpected:
            error = unexpected
        except Exception:
            log.exception("a source failed by a mistake in the program")
            error = PeerUnreachableError("Barrio made a mistake; its log says more.")
        finally:
            self._close()
            self._settle(error)
            self._work.ended(self.key, None if self._stopping.is_set() else error)

    def _settle(self, error: BarrioError | None) -> None:
        self.ended_at = time.monotonic()
        self.in_line = None
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
                self.run_bytes_left = sum(
                    self._work.manifest.span(p)[1] for p in range(run.first, run.first + run.count)
                )
                self.run_started_at = time.monotonic()
                self.state = SourceState.ACTIVE if self.in_line is None else SourceState.IN_LINE
                told: InLineError | None = None
                try:
                    self._fetch(run, buffer)
                except InLineError as error:
                    told = error
                finally:
                    self._work.give_back(self.key, run)
                # It works again: the count tells how long to wait after the next failure.
                self.failures = 0
                if told is not None:
                    self._wait_in_line(told)
        except (PeerUnreachableError, PeerMisbehavedError) as error:
            return error
        finally:
            self._close()
        return None

    def _wait_in_line(self, told: InLineError) -> None:
        """Shown as such, and no failure of anybody."""
        self.in_line = told
        self.state = SourceState.IN_LINE
        self._stopping.wait(told.seconds)

    def _open(self) -> None:
        self.state = SourceState.CONNECTING
        holder = self.holder
        self._window = self._work.intake.window()
        # Known before it connects, so that `stop` can wake it at every moment.
        self._connection = PeerConnection(
            self._identity, holder.peer_id, holder.name, holder.addresses, STALL_SECONDS, self._window
        )
        if self._stopping.is_set():
            raise PeerUnreachableError("The download stops.")
        self._connection.open(CONNECT_SECONDS)

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _fetch(self, run: Run, buffer: memoryview) -> None:
        """In one request, or in several small ones where a limit makes each take its time."""
        manifest = self._work.manifest
        start, _ = manifest.span(run.first)
        last_start, last_length = manifest.span(run.first + run.count - 1)
        end = last_start + last_length
        piece, filled = run.first, 0
        with converted(self.holder.name):
            while start < end:
                most = self._work.intake.request_bytes()
                length = end - start if most is None else min(most, end - start)
                try:
                    response = self._ask(start, length)
                except InLineError as told:
                    if not filled:
                        raise
                    # What is here of a piece is kept; somebody else may fetch that piece meanwhile.
                    self._work.stalled(self.key)
                    self._wait_in_line(told)
                    if self._stopping.is_set():
                        raise PeerUnreachableError("The download stops.") from told
                    continue
                with response:
                    left = length
                    while left:
                        view = buffer[: manifest.span(piece)[1]]
                        part = view[filled : filled + left]
                        self._receive(response, part)
                        left, filled = left - len(part), filled + len(part)
                        if filled == len(view):
                            self._keep(piece, view)
                            piece, filled = piece + 1, 0
                start += length

    def _ask(self, start: int, length: int) -> http.client.HTTPResponse:
        """The answer, of which only the body is left to be read."""
        if self._window != self._work.intake.window():
            # Another limit wants another window, which a connection gets when it is made.
            self._close()
            self._open()
        connection = self._connection
        assert connection is not None
        headers = {"Range": f"bytes={start}-{start + length - 1}", "User-Agent": USER_AGENT}
        connection.deadline = time.monotonic() + STALL_SECONDS
        connection.request("GET", f"/v1/contents/{self._content}", headers=headers)
        response = connection.getresponse()
        try:
            self._check(response, start, length)
        except InLineError:
            # So that the connection can be used again.
            with response:
                read_bounded(response, MOST_ANSWER_BYTES, self.holder.name)
            raise
        except BaseException:
            response.close()
            raise
        # A body takes as long as it takes; the download helps out a slow one.
        connection.deadline = None
        self.in_line = None
        self.state = SourceState.ACTIVE
        return response

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

    def _receive(self, response: http.client.HTTPResponse, view: memoryview) -> None:
        """Fills `view`, no faster than the limits allow."""
        intake, got = self._work.intake, 0
        while got < len(view):
            allowed = intake.allow(self.key, min(CHUNK, len(view) - got), self._stopping.is_set)
            if not allowed:
                raise PeerUnreachableError("The download stops.")
            count = response.readinto(view[got : got + allowed])
            intake.give_back(self.key, allowed - count)
            if not count:
                raise http.client.IncompleteRead(b"")
            got += count
            self.received += count
            self.run_bytes_left -= count
            self._work.received(count)

    def _keep(self, piece: int, view: memoryview) -> None:
        """Verifies a piece and hands it over."""
        if piece_hash(view) != self._work.manifest.hash_of(piece):
            if self._stopping.is_set():
                raise PeerUnreachableError("The download stops.")
            raise PeerMisbehavedError(f"{self.holder.name} sent wrong bytes; nothing of them is kept.")
        self.piece_at = time.monotonic()
        if self._work.accept(self.key, piece, view):
            self.pieces += 1
            self.bytes += len(view)
