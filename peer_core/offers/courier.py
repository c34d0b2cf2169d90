"""Brings offers and news of them to those they are for, when both are here. A thread, and a few for visits.

What is to be told is known from the list of offers alone, so nothing of it is lost with the program.
"""

import json
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock

from peer_core.directory.types import PeerRecord
from peer_core.errors import BadInputError, BarrioError, PeerMisbehavedError, PeerUnreachableError
from peer_core.offers.receiving import Receiving
from peer_core.offers.sending import Sending
from peer_core.offers.store import OfferStore
from peer_core.offers.terms import News, news_bytes
from peer_core.offers.types import Direction, Offer, OfferState, Post
from peer_core.transfer.record import trouble_of
from protos.sentences import Sentence, heard, say

VISITS = 4
AGAIN_SECONDS = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)
PROGRESS_SECONDS = 1.0
FIND_AT_ONCE = 64
MAX_WORDS = 300
# Who is away for longer than this after an offer's time is not told any more how it ended.
TELLING_SECONDS = 30 * 86_400.0
_ENDED_THERE = (OfferState.DECLINED, OfferState.DONE, OfferState.FAILED, OfferState.EXPIRED)
log = logging.getLogger("barrio.offers")


class _NotNowError(PeerUnreachableError):
    """The member answers, but does not take this now."""


@dataclass
class Again:
    """When a member is looked for next (monotonic), and how often it was in vain."""

    at: float = 0.0
    attempts: int = 0


class Courier:
    """`step` belongs to one thread; `wake` to any."""

    def __init__(
        self, store: OfferStore, sending: Sending, receiving: Receiving, post: Post, changed: Callable[[], None]
    ) -> None:
        self._store, self._sending, self._receiving, self._post = store, sending, receiving, post
        self._changed = changed
        self._pool = ThreadPoolExecutor(VISITS, thread_name_prefix="offers-visit")
        self._lock = Lock()
        # Under _lock.
        self._again: dict[str, Again] = {}
        self._visiting: set[str] = set()
        self._progress: dict[str, tuple[int, int]] = {}
        self._reported: dict[str, tuple[int, int]] = {}
        self._heard: dict[str, tuple[int, int]] = {}

    def close(self) -> None:
        """Waits for the visits; those under way end when the way to others is closed."""
        self._pool.shutdown(cancel_futures=True)

    def here(self, peer_id: str) -> None:
        """That member was just heard of: it need not be waited for."""
        with self._lock:
            self._again.pop(peer_id, None)

    def visiting(self) -> int:
        """Members that are being told something now."""
        with self._lock:
            return len(self._visiting)

    def heard(self, offer_id: str, files_done: int, bytes_done: int) -> None:
        """How far the recipient of an offer is."""
        with self._lock:
            self._heard[offer_id] = (files_done, bytes_done)
        self._changed()

    def progress(self, offer_id: str) -> tuple[int, int] | None:
        """Files and bytes that are there, of an accepted offer of either direction."""
        with self._lock:
            return self._progress.get(offer_id, self._heard.get(offer_id))

    def step(self, progress: dict[str, tuple[int, int]]) -> float:
        """Visits whoever is to be told something and is here; returns the seconds until it is worth another look."""
        with self._lock:
            moved = progress != self._progress
            self._progress = progress
        if moved:
            self._changed()
        work: dict[str, list[Offer]] = {}
        # The oldest first, so that they arrive in the order in which they were sent.
        offers = self._store.known()[::-1]
        if over := [offer.id for offer in offers if offer.forgotten and not self._has_to_tell(offer)]:
            self._store.delete(over)
        accepted = {offer.id for offer in offers if offer.state is OfferState.ACCEPTED}
        for offer in offers:
            if self._has_to_tell(offer) or (offer.state.open and not offer.peer_name):
                work.setdefault(offer.peer_id, []).append(offer)
        now = time.monotonic()
        with self._lock:
            self._again = {peer: again for peer, again in self._again.items() if peer in work}
            for kept in (self._reported, self._heard):
                for ended in kept.keys() - accepted:
                    del kept[ended]
            due = [
                peer for peer in work if peer not in self._visiting and self._again.setdefault(peer, Again()).at <= now
            ]
        for start in range(0, len(due), FIND_AT_ONCE):
            self._find({peer: work[peer] for peer in due[start : start + FIND_AT_ONCE]})
        with self._lock:
            times = [again.at for peer, again in self._again.items() if peer not in self._visiting]
        wait = max(0.1, min(times) - time.monotonic()) if times else 60.0
        return min(wait, PROGRESS_SECONDS) if progress else wait

    def _has_to_tell(self, offer: Offer) -> bool:
        if time.time() > offer.expires + TELLING_SECONDS:
            return False
        if offer.direction is Direction.OUT:
            if offer.state is OfferState.WITHDRAWN:
                return offer.told is not OfferState.WITHDRAWN
            return offer.state is OfferState.WAITING
        if offer.state in (OfferState.ACCEPTED, OfferState.DECLINED, OfferState.DONE, OfferState.FAILED):
            with self._lock:
                progress = self._progress.get(offer.id)
                moved = progress is not None and progress != self._reported.get(offer.id)
            return offer.told is not offer.state or (moved and offer.state is OfferState.ACCEPTED)
        return False

    def _find(self, work: dict[str, list[Offer]]) -> None:
        try:
            found = self._post.find(list(work))
        except BarrioError as error:
            log.info("nobody can be asked who is here: %s", error.logged)
            found = {}
        for peer_id, offers in work.items():
            record = found.get(peer_id)
            if record is None:
                self._put_off(peer_id)
                continue
            if self._store.name_peer(peer_id, record.name):
                self._changed()
            with self._lock:
                self._visiting.add(peer_id)
            self._pool.submit(self._visit, record, [o for o in offers if self._has_to_tell(o)])

    def _put_off(self, peer_id: str) -> None:
        with self._lock:
            again = self._again.setdefault(peer_id, Again())
            again.at = time.monotonic() + AGAIN_SECONDS[min(again.attempts, len(AGAIN_SECONDS) - 1)]
            again.attempts += 1

    def _visit(self, peer: PeerRecord, offers: Sequence[Offer]) -> None:
        refused: BarrioError | None = None
        try:
            for offer in offers:
                try:
                    self._tell(peer, offer)
                except (_NotNowError, BadInputError, PeerMisbehavedError) as error:
                    # This one is told later; what else there is may be taken.
                    refused = error
            if refused is not None:
                raise refused
        except BarrioError as error:
            log.info("the offers wait for %s: %s", peer.peer_id, error.logged)
            self._put_off(peer.peer_id)
        except Exception:
            log.exception("telling a member of offers failed by a mistake in the program")
            self._put_off(peer.peer_id)
        else:
            with self._lock:
                again = self._again.setdefault(peer.peer_id, Again())
                again.at, again.attempts = time.monotonic() + PROGRESS_SECONDS, 0
        finally:
            with self._lock:
                self._visiting.discard(peer.peer_id)
            self._changed()

    def _tell(self, peer: PeerRecord, offer: Offer) -> None:
        if offer.direction is Direction.IN:
            self._report(peer, offer)
        elif offer.state is OfferState.WITHDRAWN:
            answer = self._ask(peer, "PATCH", offer, news_bytes(News(OfferState.WITHDRAWN)))
            if answer in _ENDED_THERE:
                # The recipient was quicker.
                self._store.move(offer.id, answer, (OfferState.WITHDRAWN,), now=offer.ended)
            self._store.set_told(offer.id, OfferState.WITHDRAWN)
        else:
            self._deliver(peer, offer)

    def _deliver(self, peer: PeerRecord, offer: Offer) -> None:
        try:
            answer = self._ask(peer, "POST", offer, self._sending.offer_bytes(offer))
        except BadInputError as error:
            failed = trouble_of(error)
            self._store.move(offer.id, OfferState.FAILED, (OfferState.WAITING,), now=time.time(), trouble=failed)
            return
        assert answer is not None
        state = answer if answer in _ENDED_THERE else OfferState.DELIVERED
        self._store.move(offer.id, state, (OfferState.WAITING,), now=time.time(), told=OfferState.DELIVERED)

    def _report(self, peer: PeerRecord, offer: Offer) -> None:
        with self._lock:
            done = self._progress.get(offer.id, (offer.files_done, offer.bytes_done))
        if offer.state is not OfferState.ACCEPTED:
            done = (offer.files_done, offer.bytes_done)
        answer = self._ask(peer, "PATCH", offer, news_bytes(News(offer.state, *done)))
        self._store.set_told(offer.id, offer.state)
        with self._lock:
            self._reported[offer.id] = done
        if answer in (None, OfferState.WITHDRAWN, OfferState.EXPIRED) and offer.state is OfferState.ACCEPTED:
            ended = answer or OfferState.WITHDRAWN
            self._store.move(offer.id, ended, (OfferState.ACCEPTED,), now=time.time(), told=ended)

    def _ask(self, peer: PeerRecord, method: str, offer: Offer, body: bytes) -> OfferState | None:
        """How it stands at the other end; None when it knows nothing of it.

        Raises BadInputError when it takes no such offer, _NotNowError when it may later, and what asking raises.
        """
        path = "/v1/offers" if method == "POST" else f"/v1/offers/{offer.number}"
        status, data = self._post.ask(peer, method, path, body)
        if status in (200, 201):
            return _state(peer, data)
        if method != "POST" and status == 404:
            return None
        words = _words(data) or say("status {status}", "answer-status", status=status)
        if status in (400, 404, 405, 413):
            raise BadInputError(
                "{name} cannot take this offer: {answer}",
                "offer-refused",
                name=peer.name,
                answer=words,
            )
        raise _NotNowError("{name} takes no offers now: {answer}", "offer-not-now", name=peer.name, answer=words)


def _state(peer: PeerRecord, data: bytes) -> OfferState:
    try:
        return OfferState(json.loads(data)["state"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise PeerMisbehavedError(
            "{name} answered something that cannot be to an offer.", "offer-answer-impossible", name=peer.name
        ) from error


def _words(data: bytes) -> Sentence:
    """What the other end says about a refusal; it may be anything."""
    try:
        return heard(json.loads(data), MAX_WORDS)
    except (ValueError, RecursionError):
        return Sentence("")


def soonest(offers: Iterable[Offer], now: float) -> float:
    """Seconds until the first of them expires; an hour at most."""
    undecided = (o.expires - now for o in offers if o.state in (OfferState.WAITING, OfferState.DELIVERED))
    return max(0.1, min(undecided, default=3600.0))
