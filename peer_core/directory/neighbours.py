"""The peers through which this one reaches the central: one primary, two substitutes. Owns its list and one thread.

A question goes to the primary; when it fails or is slow, the next one is asked within the same request.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from peer_core.directory.central import CentralClient
from peer_core.directory.peer_http import PeerHttp
from peer_core.directory.types import Neighbour, PeerRecord, Role, Via, ViaKind
from peer_core.errors import BarrioError, PeerMisbehavedError, PeerUnreachableError, RevokedError

WANTED = 3
CANDIDATES = 16
# A neighbour slower than this gets company: the next one is asked too, and the first answer counts.
HEDGE_SECONDS = 0.6
RELAY_SECONDS = 6.0
PROBE_SECONDS = 3.0
AVOID_SECONDS = 60.0
LOOK_AGAIN_SECONDS = 3.0
MAX_ANSWER = 1 << 20
log = logging.getLogger("barrio.directory")


class Neighbours:
    """`preferred`: peer ids to take first when the central names them."""

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
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._keep, name="neighbours")
        self._pool = ThreadPoolExecutor(max_workers=8, thread_name_prefix="relay")
        self._lock = threading.Lock()
        # Guarded by _lock. The first of _known is the primary; _failed: peer id → monotonic time of the failure.
        self._known: list[PeerRecord] = []
        self._failed: dict[str, float] = {}

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """The connections must be closed before, so that nothing waits."""
        self._stopping = True
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def look_now(self) -> None:
        self._wake.set()

    def current(self) -> list[Neighbour]:
        with self._lock:
            return [
                Neighbour(peer, Role.SUBSTITUTE if number else Role.PRIMARY, peer.peer_id not in self._failed)
                for number, peer in enumerate(self._known)
            ]

    def ask(self, sealed: bytes) -> tuple[bytes, Via]:
        """The central's answer and how it came. Raises CentralUnreachableError, RevokedError."""
        known = self._usable(set())
        answer = self._race(known, sealed)
        if answer is None:
            self._find_more()
            answer = self._race(self._usable({peer.peer_id for peer in known}), sealed)
        if answer is not None:
            return answer
        self._wake.set()
        return self._central.query(sealed), Via(ViaKind.DIRECT)

    def _usable(self, asked: set[str]) -> list[PeerRecord]:
        with self._lock:
            known = [p for p in self._known if p.peer_id not in asked and not self._is_revoked(p.peer_id)]
            return sorted(known, key=lambda p: p.peer_id in self._failed)

    def _race(self, candidates: list[PeerRecord], sealed: bytes) -> tuple[bytes, Via] | None:
        """Asks one after the other, the next one when the last fails or is slow; the first answer counts."""
        queue = list(candidates)
        running: dict[Future[bytes], PeerRecord] = {}
        slow: list[PeerRecord] = []
        while queue or running:
            if queue:
                peer = queue.pop(0)
                running[self._pool.submit(self._relay, peer, sealed)] = peer
            done, _ = wait(running, HEDGE_SECONDS if queue else RELAY_SECONDS, FIRST_COMPLETED)
            if not done:
                slow.extend(p for p in running.values() if p not in slow)
                if not queue:
                    break
            for future in done:
                peer = running.pop(future)
                try:
                    answer = future.result()
                except BarrioError as error:
                    log.info("the neighbour %s did not help: %s", peer.peer_id[:12], error.message)
                    self._fail(peer)
                    continue
                for late in slow:
                    if late is not peer:
                        self._fail(late)
                self._promote(peer)
                return answer, Via(ViaKind.NEIGHBOUR, peer)
        for peer in slow:
            self._fail(peer)
        return None

    def _relay(self, peer: PeerRecord, sealed: bytes) -> bytes:
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
        )
        if status == 200:
            return body
        if status in (502, 503, 504):
            raise PeerUnreachableError(f"{peer.name} does not reach the central either.")
        raise PeerMisbehavedError(f"{peer.name} did not pass the question on (status {status}).")

    def _fail(self, peer: PeerRecord) -> None:
        with self._lock:
            self._failed[peer.peer_id] = time.monotonic()
        self._wake.set()

    def _promote(self, peer: PeerRecord) -> None:
        """Whoever answered is reachable, and stays or becomes the primary."""
        with self._lock:
            self._failed.pop(peer.peer_id, None)
            if peer in self._known:
                self._known.remove(peer)
                self._known.insert(0, peer)

    def _keep(self) -> None:
        while not self._stopping:
            self._wake.clear()
            try:
                self._probe_all()
                self._find_more()
            except RuntimeError:  # the pool shuts down: stopping
                return
            enough = sum(n.reachable for n in self.current()) >= WANTED
            self._wake.wait(self._period() if enough else min(LOOK_AGAIN_SECONDS, self._period()))

    def _probe_all(self) -> None:
        with self._lock:
            peers = list(self._known)
        probes = {self._pool.submit(self._probe, peer): peer for peer in peers}
        wait(probes, PROBE_SECONDS + 1)
        for future, peer in probes.items():
            answers = future.done() and not future.cancelled() and future.result()
            with self._lock:
                if answers:
                    self._failed.pop(peer.peer_id, None)
                else:
                    self._failed.setdefault(peer.peer_id, time.monotonic())

    def _probe(self, peer: PeerRecord) -> bool:
        try:
            status, _, _ = self._http.request(peer.peer_id, peer.addresses, "GET", "/v1/peer", timeout=PROBE_SECONDS)
        except BarrioError:
            return False
        return status == 200

    def _find_more(self) -> None:
        """Fills the list up from the central when it is short or has silent peers."""
        now = time.monotonic()
        with self._lock:
            self._failed = {
                peer_id: since
                for peer_id, since in self._failed.items()
                if now - since < AVOID_SECONDS or any(p.peer_id == peer_id for p in self._known)
            }
            good = [p for p in self._known if p.peer_id not in self._failed and not self._is_revoked(p.peer_id)]
            silent = list(self._failed)
        if len(good) >= WANTED:
            return
        count = CANDIDATES if self._preferred else WANTED - len(good)
        try:
            more = self._central.neighbours(count, [*silent, *(p.peer_id for p in good)])
        except RevokedError:
            more = []
        except BarrioError:
            return
        more.sort(key=lambda p: p.peer_id not in self._preferred)
        with self._lock:
            known = [p for p in self._known if p in good]
            for peer in more:
                if len(known) < WANTED and all(p.peer_id != peer.peer_id for p in known):
                    known.append(peer)
            if self._preferred:
                known.sort(key=lambda p: p.peer_id not in self._preferred)
            self._known = known
