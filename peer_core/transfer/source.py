"""One holder at work for one download: a thread with one connection that fetches runs of pieces and verifies each.

Whatever the holder does, nothing unverified leaves this module, and memory is bounded by two pieces. The next run is
asked for while the answer for the one before it arrives.
"""

import http.client
import logging
import threading
import time

from peer_core.content import piece_hash
from peer_core.errors import BarrioError, PeerMisbehavedError, PeerUnreachableError
from peer_core.identity.connection import USER_AGENT, PeerConnection, converted, read_bounded
from peer_core.identity.store import Identity
from peer_core.transfer import asking
from peer_core.transfer.answers import MOST_ANSWER_BYTES, GoneError, InLineError, check_range
from peer_core.transfer.keeping import Keeper
from peer_core.transfer.picker import Run
from peer_core.transfer.types import Holder, SourceReport, SourceState
from peer_core.transfer.work import Work
from protos.agreed import encode_id
from protos.sentences import say

CONNECT_SECONDS = 5.0
STALL_SECONDS = 15.0
# After a run quicker than this the next one is twice as long, or more after a much quicker one, as far as so many
# bytes; after a slower one half as long. A request costs a pause, which a fast holder fills with longer runs; a slow
# one shall not be waited for.
QUICK_RUN_SECONDS, SLOW_RUN_SECONDS = 0.3, 1.0
MOST_LONGER = 8
MOST_RUN_BYTES = 64 << 20
CHUNK = 256 << 10
MAX_FAILURES = 3
RETRY_SECONDS = 0.5
# Right pieces after a wrong one, until a source is trusted again; a second wrong one is its last.
PAROLE_PIECES = 4
# What is not needed any more is read all the same when so few bytes of it are left.
CUT_BYTES = 256 << 10
# A partial holder is asked this often what it has, and each holder of a file of some size who else downloads it.
PIECES_SECONDS = 0.5
# What it has of a file of many pieces is a long answer: less often.
MANY_PIECES, MANY_PIECES_SECONDS = 1 << 15, 2.0
MEET_SECONDS = 10.0
MEET_PIECES = 8
log = logging.getLogger("barrio.transfer")


class _WrongPiece(Exception):
    """The first one of this source; it is on parole now."""


class _NotNeeded(Exception):
    """Somebody else brought what is being fetched."""


class Source:
    """`start`, then `stop` and `join`. The counters are written by its thread alone and read by any."""

    def __init__(self, identity: Identity, holder: Holder, content_id: bytes, work: Work) -> None:
        self.holder = holder
        self.key = holder.peer_id
        self.state = SourceState.CONNECTING
        self.pieces = 0
        self.bytes = 0
        self.received = 0
        # Of what was received, what was not kept; told when nothing is under way.
        self.wasted = 0
        self.rate = self.pace = 0.0
        self.gone = False
        self.errors = 0
        self.slow = False
        self.wrong = 0
        self.parole = 0
        self._look_at = self._meet_at = 0.0
        self.run_started_at = 0.0
        # How much is asked for at once: little at first, since the holder may name others that download the same.
        self.run_pieces = 1
        self.run_bytes_left = 0
        # A run that is asked for already while the one before it is under way.
        self._ahead: Run | None = None
        self._ahead_bytes = 0
        self._meeting = False
        self.failures = 0
        self.reason: str | None = None
        self.in_line: InLineError | None = None
        self.ended_at = 0.0
        self.hired_at = self.piece_at = time.monotonic()
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
        self.pieces, self.bytes, self.received, self.wasted = old.pieces, old.bytes, old.received, old.wasted
        self.failures, self.wrong, self.pace = old.failures, old.wrong, old.pace
        self.errors = old.errors

    @property
    def bytes_left(self) -> int:
        """Of the run under way, and of the one that is asked for ahead."""
        return self.run_bytes_left + self._ahead_bytes

    def seconds_to_finish(self, now: float) -> float:
        """How long what is asked for will take at this pace; 0 without one, or when it just began."""
        if self.state is not SourceState.ACTIVE or now - self.run_started_at < 1.0:
            return 0.0
        return self.bytes_left / self.rate if self.rate > 1 else float("inf")

    def report(self) -> SourceReport:
        rate = self.rate if self.alive else 0.0
        in_line = self.in_line
        reason = self.reason if in_line is None else in_line.message
        state = SourceState.PAROLE if self.parole and self.state is SourceState.ACTIVE else self.state
        return SourceReport(self.key, self.holder.name, state, self.pieces, self.bytes, rate, self.failures, reason)

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
            error = PeerUnreachableError("Barrio made a mistake; its log says more.", "mistake")
            # So that it is not taken back at once.
            self.failures += 1
            self.errors += 1
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
            log.info("source %s: %s", self.key, error.logged)

    def _fetch_until_failure(self) -> BarrioError | None:
        """None when the work is over. StorageError goes up: it is not the holder's fault."""
        manifest = self._work.manifest
        keeper = Keeper(manifest.piece_size, manifest.count, self._keep)
        try:
            self._open()
            while not self._stopping.is_set():
                run, self._ahead = self._ahead, None
                asked = run is not None
                if run is None:
                    self.state = SourceState.IDLE
                    self._look_around()
                    run = self._work.take(self.key)
                if run is None:
                    return None
                if not run.count:
                    continue
                self._ahead_bytes = 0
                self.run_bytes_left = self._span(run)[1]
                self.run_started_at = time.monotonic()
                self.state = SourceState.ACTIVE if self.in_line is None else SourceState.IN_LINE
                told: InLineError | None = None
                try:
                    try:
                        self._fetch(run, keeper, asked)
                    finally:
                        try:
                            keeper.wait()
                        finally:
                            # Nothing is under way now: what was not kept by now is lost.
                            self.wasted = self.received - self.bytes
                    self._suit_runs(time.monotonic() - self.run_started_at, run.count)
                except InLineError as error:
                    told = error
                except (_WrongPiece, _NotNeeded):
                    # The rest of that answer is not read.
                    self._close()
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
            keeper.close()
        return None

    def _suit_runs(self, seconds: float, count: int) -> None:
        """The last run of `count` pieces came whole, and took `seconds`."""
        if seconds < QUICK_RUN_SECONDS:
            times = 2 if seconds > QUICK_RUN_SECONDS / MOST_LONGER else MOST_LONGER
            most = MOST_RUN_BYTES // self._work.manifest.piece_size
            self.run_pieces = max(self.run_pieces, min(most, times * count))
        elif seconds > SLOW_RUN_SECONDS:
            self.run_pieces = max(1, self.run_pieces // 2)

    def _look_around(self) -> None:
        """Which pieces a partial holder has by now, and who else downloads."""
        self._read_meeting()
        if self._ending:
            self._close()
        if self._looks:
            count = self._work.manifest.count
            self._look_at = time.monotonic() + (PIECES_SECONDS if count <= MANY_PIECES else MANY_PIECES_SECONDS)
            self._work.has(self.key, *asking.ask_pieces(self._connected(), self._content, count))
        self._send_meeting()

    @property
    def _looks(self) -> bool:
        return self.holder.partial and time.monotonic() >= self._look_at

    def _send_meeting(self) -> None:
        """When it is due. The answer is read before the one to the next request, so nobody waits for it."""
        now = time.monotonic()
        meets = self._work.public and self._work.manifest.count >= MEET_PIECES
        if meets and now >= self._meet_at and not self._meeting and not self._ending:
            self._meet_at = now + MEET_SECONDS
            asking.send_meeting(self._any_connection(), self._content)
            self._meeting = True

    def _read_meeting(self) -> None:
        if self._meeting:
            self._meeting = False
            self._work.told(asking.read_meeting(self._connected()))

    @property
    def _ending(self) -> bool:
        """The holder closes the connection, and the next request wants another one."""
        connection = self._connection
        return connection is not None and connection.ending

    def _connected(self) -> PeerConnection:
        """The connection, with the time that an answer may take."""
        connection = self._any_connection()
        connection.deadline = time.monotonic() + STALL_SECONDS
        return connection

    def _any_connection(self) -> PeerConnection:
        if self._connection is None:
            self._open()
        assert self._connection is not None
        return self._connection

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
            raise PeerUnreachableError("The download stops.", "download-stops")
        self._connection.open(CONNECT_SECONDS)

    def _close(self) -> None:
        connection, self._connection = self._connection, None
        ahead, self._ahead = self._ahead, None
        self._meeting, self._ahead_bytes = False, 0
        if ahead is not None:
            self._work.give_back(self.key, ahead)
        if connection is not None:
            connection.close()

    def _span(self, run: Run) -> tuple[int, int]:
        """(start, length) in bytes."""
        manifest = self._work.manifest
        start, _ = manifest.span(run.first)
        last_start, last_length = manifest.span(run.first + run.count - 1)
        return start, last_start + last_length - start

    def _fetch(self, run: Run, keeper: Keeper, asked: bool) -> None:
        """In one request, or in several small ones where a limit makes each take its time. `asked`: it was sent."""
        manifest = self._work.manifest
        start, length = self._span(run)
        end = start + length
        piece, filled = run.first, 0
        with converted(self.holder.name):
            while start < end:
                if not asked:
                    most = self._work.intake.request_bytes()
                    length = end - start if most is None else min(most, end - start)
                    self._send(start, length)
                asked = False
                try:
                    response = self._answer(start, length)
                except InLineError as told:
                    if not filled:
                        raise
                    # What is here of a piece is kept; somebody else may fetch that piece meanwhile.
                    self._work.stalled(self.key)
                    self._wait_in_line(told)
                    if self._stopping.is_set():
                        raise PeerUnreachableError("The download stops.", "download-stops") from told
                    continue
                with response:
                    if start + length == end and not response.will_close:
                        self._ask_ahead()
                    left = length
                    while left:
                        view = keeper.buffer[: manifest.span(piece)[1]]
                        part = view[filled : filled + left]
                        self._receive(response, part, piece)
                        left, filled = left - len(part), filled + len(part)
                        if filled == len(view):
                            keeper.hand_over(piece, view, wait=self.parole > 0)
                            piece, filled = piece + 1, 0
                start += length

    def _ask_ahead(self) -> None:
        """For the next run, so that no time passes between the end of this answer and the beginning of that one."""
        if self.parole or self._stopping.is_set() or self._looks or self._limited:
            return
        self._ahead = self._work.take_ahead(self.key)
        if self._ahead is not None:
            start, self._ahead_bytes = self._span(self._ahead)
            self._send_meeting()
            self._send(start, self._ahead_bytes)

    @property
    def _limited(self) -> bool:
        intake = self._work.intake
        return intake.request_bytes() is not None or self._window != intake.window()

    def _send(self, start: int, length: int) -> None:
        if self._ahead is None and (self._ending or self._window != self._work.intake.window()):
            # Another limit wants another window, which a connection gets when it is made.
            self._close()
            self._open()
        headers = {"Range": f"bytes={start}-{start + length - 1}", "User-Agent": USER_AGENT}
        self._any_connection().send_ahead("GET", f"/v1/contents/{self._content}", headers)

    def _answer(self, start: int, length: int) -> http.client.HTTPResponse:
        """To the first request that is not answered yet; only its body is left to be read."""
        self._read_meeting()
        connection = self._connected()
        response = connection.next_answer("GET")
        try:
            check_range(response, self.holder.name, self._content, start, length, self._work.manifest.size)
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

    def _receive(self, response: http.client.HTTPResponse, view: memoryview, piece: int) -> None:
        """Fills `view`, no faster than the limits allow, as long as the piece is wanted."""
        intake, got = self._work.intake, 0
        while got < len(view):
            if len(view) - got > CUT_BYTES and not self._work.wanted(piece):
                raise _NotNeeded
            allowed = intake.allow(self.key, min(CHUNK, len(view) - got), self._stopping.is_set)
            if not allowed:
                raise PeerUnreachableError("The download stops.", "download-stops")
            count = response.readinto(view[got : got + allowed])
            intake.give_back(self.key, allowed - count)
            if not count:
                raise http.client.IncompleteRead(b"")
            got += count
            self.received += count
            self.run_bytes_left -= count
            self._work.received(count)

    def _keep(self, piece: int, view: memoryview) -> None:
        """Verifies a piece and hands it over. In the keeper's thread, one at a time."""
        if piece_hash(view) != self._work.manifest.hash_of(piece):
            if self._stopping.is_set():
                raise PeerUnreachableError("The download stops.", "download-stops")
            self.wrong += 1
            self.reason = say(
                "{name} sent wrong bytes; nothing of them is kept.", "holder-wrong-bytes", name=self.holder.name
            )
            if self.wrong > 1:
                raise PeerMisbehavedError(self.reason)
            self.parole = PAROLE_PIECES
            self._work.suspected(self.key)
            raise _WrongPiece
        self.piece_at = time.monotonic()
        if self.parole:
            self.parole -= 1
            if not self.parole:
                self._work.cleared(self.key)
        if self._work.accept(self.key, piece, view):
            self.pieces += 1
            self.bytes += len(view)
