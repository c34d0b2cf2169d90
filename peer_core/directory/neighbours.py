"""The peers through which this one reaches the central: one primary, two substitutes. Owns its list and one thread.

A question goes to the primary; when it fails or is slow, the next one is asked within the same request, and at last
the central itself; the first answer counts, and the others are given up.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from peer_core.directory.central import CentralClient
from peer_core.directory.messages import peers_bytes, read_members
from peer_core.directory.peer_http import PeerHttp
from peer_core.directory.types import Neighbour, PeerRecord, Role, Via, ViaKind
from peer_core.errors import (
    BadInputError,
    BarrioError,
    CentralMisbehavedError,
    CentralUnreachableError,
    PeerMisbehavedError,
    PeerUnreachableError,
)
from peer_core.identity.connection import PeerConnection
from peer_core.loops import Loop

WANTED = 3
# A neighbour slower than this gets company: the next one is asked too. The central itself is asked only when that much
# longer nobody has answered, for it learns who asks.
HEDGE_SECONDS = 0.6
DIRECT_AFTER_SECONDS = 2.5
RELAY_SECONDS = 6.0
PROBE_SECONDS = 3.0
# A neighbour that did not help is not asked for so long, twice as long each time it fails again; one that lies for the
# longest time at once.
AVOID_SECONDS = 4.0
AVOID_MOST_SECONDS = 60.0
LOOK_AGAIN_SECONDS = 3.0
MAX_ANSWER = 1 << 20
RELAY_THREADS = 12
log = logging.getLogger("barrio.directory")
T = TypeVar("T")


class Neighbours:
    """`preferred`: peer ids to take first when the central names them. `period`: seconds between two looks."""

    def __init__(
        self,
        central: CentralClient,
        http: PeerHttp,
        preferred: Sequence[str],
        is_revoked: Callable[[str], bool],
        period: Callable[[], float],
    ) -> None:
        self._central = central
        self._http = http
        self._preferred = list(preferred)
        self._is_revoked = is_revoked
        self._period = period
        self._loop = Loop("neighbours", self._keep)
        # Of the loop's thread: who was here at the last look, and the wait after it.
        self._here_before: set[str] = set()
        self._patience = LOOK_AGAIN_SECONDS
        self._relays = ThreadPoolExecutor(max_workers=RELAY_THREADS, thread_name_prefix="relay")
        # Apart, so that relays that hang cannot make all neighbours look silent.
        self._probes = ThreadPoolExecutor(max_workers=WANTED, thread_name_prefix="probe")
        self._lock = threading.Lock()
        # Guarded by _lock. The first of _known is the primary. _silent: peers whose last probe failed; _unhelpful:
        # those that failed to pass a question on, which a good probe does not excuse.
        self._known: list[PeerRecord] = []
        self._silent: set[str] = set()
        self._unhelpful: dict[str, _Avoided] = {}

    def start(self) -> None:
        self._loop.start()

    def stop(self) -> None:
        """The connections must be closed before, so that nothing waits."""
        self._loop.stop_soon()
        self._relays.shutdown(wait=True, cancel_futures=True)
        self._probes.shutdown(wait=True, cancel_futures=True)
        self._loop.stop()

    def look_now(self) -> None:
        self._loop.wake()

    def forgive(self) -> None:
        """The central or the network was away: that nobody could help meanwhile says nothing about anybody."""
        with self._lock:
            self._unhelpful.clear()
        self._loop.wake()

    def current(self) -> list[Neighbour]:
        with self._lock:
            return [
                Neighbour(peer, Role.SUBSTITUTE if number else Role.PRIMARY, self._is_good(peer))
                for number, peer in enumerate(self._known)
            ]

    def ask(self, sealed: bytes, read: Callable[[bytes], T], avoid: str = "") -> tuple[T, Via]:
        """The central's answer, as `read` makes it, and how it came; `avoid`: a neighbour not to ask.

        A neighbour whose answer cannot be read does not help, and the next one is asked; that the question is wrong
        counts when two say so. Raises BadInputError, CentralUnreachableError, CentralMisbehavedError, RevokedError.
        """
        try:
            if not self._usable({avoid}):
                self._find_more()
            return _Race(self, self._usable({avoid}), read).run(sealed)
        except (RuntimeError, CancelledError) as error:  # the pools are shut down
            raise CentralUnreachableError("This peer is stopping.", "stopping") from error

    def _usable(self, asked: set[str]) -> list[PeerRecord]:
        with self._lock:
            known = [p for p in self._known if p.peer_id not in asked and not self._is_revoked(p.peer_id)]
            return sorted(known, key=lambda p: not self._is_good(p))

    def _is_good(self, peer: PeerRecord) -> bool:
        """The caller holds the lock."""
        avoided = self._unhelpful.get(peer.peer_id)
        return peer.peer_id not in self._silent and (avoided is None or avoided.until <= time.monotonic())

    def relay(self, peer: PeerRecord, sealed: bytes, started: Callable[[PeerConnection], None]) -> bytes:
        """Raises PeerUnreachableError, PeerMisbehavedError."""
        status, _, body = self._http.request(
            peer.peer_id,
            peer.addresses,
            "POST",
            "/v1/relay",
            sealed,
            {"Content-Type": "application/octet-stream"},
            RELAY_SECONDS,
            MAX_ANSWER,
            peer.name,
            started,
        )
        if status == 200:
            return body
        if status in (429, 502, 503, 504):
            raise PeerUnreachableError("{name} does not reach the central either.", "relay-cut-off", name=peer.name)
        raise PeerMisbehavedError(
            "{name} did not pass the question on (status {status}).", "relay-refused", name=peer.name, status=status
        )

    def failed(self, peer: PeerRecord, lied: bool = False) -> None:
        now = time.monotonic()
        with self._lock:
            before = self._unhelpful.get(peer.peer_id)
            if before is None or before.until <= now or lied:
                twice = AVOID_SECONDS if before is None else min(2 * before.seconds, AVOID_MOST_SECONDS)
                seconds = AVOID_MOST_SECONDS if lied else twice
                self._unhelpful[peer.peer_id] = _Avoided(now + seconds, seconds)
        self._loop.wake()

    def answered(self, peer: PeerRecord) -> None:
        """It stays or becomes the primary."""
        with self._lock:
            self._unhelpful.pop(peer.peer_id, None)
            self._silent.discard(peer.peer_id)
            if peer in self._known:
                self._known.remove(peer)
                self._known.insert(0, peer)

    def submit(self, call: Callable[[], bytes]) -> Future[bytes]:
        return self._relays.submit(call)

    def ask_central(self, sealed: bytes) -> bytes:
        return self._central.query(sealed)

    def _keep(self) -> float:
        """One look after the neighbours; returns the seconds until the next."""
        try:
            self._probe_all()
            self._find_more()
        except (RuntimeError, CancelledError):
            if not self._loop.stopping:
                raise
        here = {n.peer.peer_id for n in self.current() if n.reachable}
        return min(self._next_look(here), self._period())

    def _next_look(self, here: set[str]) -> float:
        """Seconds. A small barrio never has enough of them: there is less haste while those that are here serve."""
        if len(here) >= WANTED:
            return self._period()
        patience = self._patience * 2 if here and here == self._here_before else LOOK_AGAIN_SECONDS
        # Bounded, so that it does not grow for ever.
        self._here_before, self._patience = here, min(patience, self._period())
        return patience

    def _probe_all(self) -> None:
        with self._lock:
            peers = list(self._known)
        probes = {self._probes.submit(self._probe, peer): peer for peer in peers}
        wait(probes, PROBE_SECONDS + 1)
        silent = {p.peer_id for future, p in probes.items() if not (future.done() and future.result())}
        with self._lock:
            self._silent = silent

    def _probe(self, peer: PeerRecord) -> bool:
        try:
            status, _, _ = self._http.request(peer.peer_id, peer.addresses, "GET", "/v1/peer", timeout=PROBE_SECONDS)
        except BarrioError:
            return False
        return status == 200

    def _find_more(self) -> None:
        """Fills the list up from the central when it is short or has peers that do not help."""
        now = time.monotonic()
        with self._lock:
            # Who failed and was not asked for long since begins anew.
            self._unhelpful = {p: a for p, a in self._unhelpful.items() if now < a.until + AVOID_MOST_SECONDS}
            good = [p for p in self._known if self._is_good(p) and not self._is_revoked(p.peer_id)]
            avoided = [*self._silent, *(p for p, a in self._unhelpful.items() if now < a.until)]
        preferred = [p for p in self._preferred if p not in avoided and all(g.peer_id != p for g in good)]
        if len(good) >= WANTED and not preferred:
            return
        try:
            more = self._wanted(preferred)
            if len(good) + len(more) < WANTED:
                more += self._central.neighbours(WANTED, [*avoided, *(p.peer_id for p in [*good, *more])])
        except BarrioError:
            return
        with self._lock:
            known = {p.peer_id: p for p in [*more, *(p for p in self._known if p in good)]}
            # Those that the person prefers first, then those that have helped before.
            order = [*(p for p in self._preferred if p in known), *(p.peer_id for p in good), *known]
            self._known = [known[peer_id] for peer_id in dict.fromkeys(order)][:WANTED]
            self._silent &= {p.peer_id for p in self._known}

    def _wanted(self, peer_ids: list[str]) -> list[PeerRecord]:
        """Those of the peers that are here now."""
        if not peer_ids:
            return []
        page = read_members(self._central.query(peers_bytes(peer_ids)), len(peer_ids))
        return [record for record in page.members if record.peer_id in peer_ids]


@dataclass(frozen=True)
class _Avoided:
    """Until when, of the monotonic clock, and how long that was in all."""

    until: float
    seconds: float


class _Race(Generic[T]):
    """One question on its way: the neighbours one after the other, the central last, the first answer counts."""

    def __init__(self, neighbours: Neighbours, known: list[PeerRecord], read: Callable[[bytes], T]) -> None:
        self._neighbours = neighbours
        self._read = read
        self._refusals: list[BadInputError] = []
        self._queue: list[PeerRecord | None] = [*known, None]
        self._running: dict[Future[bytes], PeerRecord | None] = {}
        self._slow: list[PeerRecord] = []
        self._lock = threading.Lock()
        # Guarded by _lock: what to abort when another one has answered.
        self._connections: list[tuple[PeerRecord, PeerConnection]] = []
        self._over = False

    def run(self, sealed: bytes) -> tuple[T, Via]:
        """Raises the central's error when nobody answers."""
        failure: BarrioError = CentralUnreachableError(
            "The central does not answer; it is tried again by itself.", "central-silent"
        )
        try:
            while self._queue or self._running:
                if self._queue:
                    self._ask(self._queue.pop(0), sealed)
                done, late = wait(self._running, self._patience(), FIRST_COMPLETED)
                if not done:
                    self._slow += [p for p in map(self._running.get, late) if p is not None and p not in self._slow]
                for future in done:
                    peer = self._running.pop(future)
                    try:
                        return self._read(future.result()), self._won(peer)
                    except BadInputError as error:
                        self._refused(peer, error)
                    except BarrioError as error:
                        failure = self._failed(peer, error, failure)
            raise failure
        finally:
            self._give_up()

    def _refused(self, peer: PeerRecord | None, error: BadInputError) -> None:
        """One neighbour might make it up; a second one, or the central itself, settles it."""
        self._refusals.append(error)
        others = any(p is not None for p in [*self._queue, *self._running.values()])
        if peer is None or len(self._refusals) > 1 or not others:
            raise error

    def _failed(self, peer: PeerRecord | None, error: BarrioError, before: BarrioError) -> BarrioError:
        if peer is None:
            return error
        log.info("the neighbour %s did not help: %s", peer.peer_id, error.logged)
        self._neighbours.failed(peer, lied=isinstance(error, PeerMisbehavedError | CentralMisbehavedError))
        return before

    def _patience(self) -> float | None:
        """Seconds until the next one is asked beside those that have not answered."""
        if not self._queue:
            return None
        return DIRECT_AFTER_SECONDS if self._queue[0] is None else HEDGE_SECONDS

    def _ask(self, peer: PeerRecord | None, sealed: bytes) -> None:
        if peer is None:
            future = self._neighbours.submit(lambda: self._neighbours.ask_central(sealed))
        else:
            started = partial(self._started, peer)
            future = self._neighbours.submit(lambda: self._neighbours.relay(peer, sealed, started))
        self._running[future] = peer

    def _won(self, peer: PeerRecord | None) -> Via:
        for late in self._slow:
            if late is not peer:
                self._neighbours.failed(late)
        if peer is None:
            return Via(ViaKind.DIRECT)
        self._neighbours.answered(peer)
        return Via(ViaKind.NEIGHBOUR, peer)

    def _started(self, peer: PeerRecord, connection: PeerConnection) -> None:
        with self._lock:
            self._connections.append((peer, connection))
            over = self._over
        if over:
            connection.abort()

    def _give_up(self) -> None:
        """Lets those go that have not answered; a connection that has is in use by others by now."""
        with self._lock:
            self._over = True
            connections = list(self._connections)
        late = [peer for future, peer in self._running.items() if not future.cancel()]
        for peer, connection in connections:
            if peer in late:
                connection.abort()
