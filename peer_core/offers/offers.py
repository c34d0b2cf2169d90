"""Offers both ways: the room's front door. Any thread; owns one thread, the visits to others, and the packer."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from peer_core.content import MAX_SIZE
from peer_core.errors import BadInputError, BarrioError, ConflictError, NotFoundError
from peer_core.library.types import HeldFile
from peer_core.loops import Loop
from peer_core.offers.courier import Courier, soonest
from peer_core.offers.receiving import Receiving
from peer_core.offers.sending import Sending
from peer_core.offers.store import OfferStore
from peer_core.offers.terms import News, read_news
from peer_core.offers.types import Direction, Offer, OfferedFile, OfferState, Post, Rule
from peer_core.settings import parse_folder, parse_peer_id
from peer_core.transfer.queue import Transfers


class Offers:
    """`start` begins to prepare what is to be sent; `go_online` to bring it to others."""

    def __init__(
        self,
        database: Path,
        transfers: Transfers,
        download_folder: Callable[[], Path],
        *,
        library: Path | None = None,
        excluded: Sequence[Path] = (),
    ) -> None:
        """Opens the list, and brings an older one up to date. Raises DataVersionError and StorageError."""
        self._store = OfferStore(database)
        self._sending = Sending(self._store, library, excluded, self._changed)
        self._receiving = Receiving(self._store, transfers, download_folder, self._changed)
        self._loop = Loop("offers", self._step)
        self._courier: Courier | None = None
        self._post: Post | None = None
        self._own_id = ""
        self._lock = threading.Lock()
        # Under _lock.
        self._revision = 0

    def start(self) -> None:
        self._sending.start()
        self._loop.start()

    def go_online(self, own_id: str, post: Post) -> None:
        self._receiving.go_on()
        self._own_id, self._post = own_id, post
        self._courier = Courier(self._store, self._sending, self._receiving, post, self._changed)
        self._loop.wake()

    def stop_soon(self) -> None:
        self._loop.stop_soon()
        self._sending.stop_soon()

    def stop(self) -> None:
        """To be called when the way to others is closed: ends the threads and the process."""
        self._loop.stop()
        if self._courier is not None:
            self._courier.close()
        self._sending.stop()

    def close(self) -> None:
        """To be called when downloads have stopped; afterwards every other call raises StorageError."""
        self._store.close()

    # What the person asks

    def revision(self) -> int:
        """Grows with whatever there is new to show."""
        with self._lock:
            return self._revision

    def undecided(self) -> int:
        """Offers to this peer that wait for the person."""
        return self._store.undecided()

    def all(self) -> list[Offer]:
        """Newest first."""
        return [self._moving(offer) for offer in self._store.all()]

    def get(self, offer_id: str) -> Offer:
        """Raises NotFoundError."""
        return self._moving(self._offer(offer_id))

    def files(self, offer_id: str, after: int, limit: int) -> list[OfferedFile]:
        """At most `limit` of its files, after the first `after`. Raises NotFoundError."""
        return self._store.files(self._offer(offer_id).parcel, after - 1, limit)

    def hashed(self, offer: Offer) -> tuple[int, int]:
        """Bytes hashed, and bytes in all, while it is prepared."""
        return self._sending.progress(offer.parcel)

    def send(
        self, paths: Sequence[str], recipients: Sequence[str], message: str = "", expires_in: float | None = None
    ) -> list[Offer]:
        """Offers files and folders, an offer for each recipient. Raises BadInputError, ConflictError."""
        if self._own_id in recipients:
            raise BadInputError("That is this device itself; its files are here already.", "own-device")
        return self._sending.send(paths, recipients, message, expires_in)

    def accept(self, offer_id: str, folder: str | None = None) -> Offer:
        """Raises NotFoundError, ConflictError, BadInputError, StorageError."""
        self._receiving.accept(self._incoming(offer_id), folder)
        return self.get(offer_id)

    def decline(self, offer_id: str) -> Offer:
        """Raises NotFoundError, ConflictError."""
        self._receiving.decline(self._incoming(offer_id))
        return self.get(offer_id)

    def withdraw(self, offer_id: str) -> Offer:
        """Raises NotFoundError, ConflictError."""
        offer = self._offer(offer_id)
        if offer.direction is Direction.IN:
            raise ConflictError("Only its sender can withdraw an offer; decline it.", "offer-withdraw-sender")
        self._sending.withdraw(offer)
        if self._post is not None:
            with suppress(BarrioError):
                # Answers that began before end too; whatever else it fetches, it asks for again.
                self._post.cut_off(offer.peer_id)
        return self.get(offer_id)

    def forget(self, offer_id: str) -> None:
        """Takes an ended one off the list; the other end is told of it still. Raises NotFoundError, ConflictError."""
        offer = self._offer(offer_id)
        if offer.state.open:
            raise ConflictError("This offer is still open; decline it, or withdraw it, first.", "offer-still-open")
        self._store.forget(offer.id)
        self._changed()

    def rules(self) -> list[Rule]:
        return self._store.rules()

    def set_rule(self, peer_id: str, folder: str | None = None, max_bytes: int | None = None) -> Rule:
        """Accepts offers of that member from now on, and those that wait. Raises BadInputError."""
        most = MAX_SIZE if max_bytes is None else max_bytes
        if not 0 < most <= MAX_SIZE:
            raise BadInputError("The most that is accepted without asking is a number of bytes from 1.", "rule-most")
        where = parse_folder(folder) if folder else ""
        rule = Rule(parse_peer_id(peer_id), self._store.name_of(peer_id), where, most)
        self._store.set_rule(rule)
        self._changed()
        return rule

    def remove_rule(self, peer_id: str) -> None:
        """Raises NotFoundError."""
        if not self._store.remove_rule(peer_id):
            raise NotFoundError("There is no rule for that member.", "rule-unknown")
        self._changed()

    # What other members say; `caller` is who its certificate says

    def offered(self, caller: str, data: bytes) -> OfferState:
        """Raises BadInputError, TooManyError, StorageError."""
        state = self._receiving.offered(caller, data)
        self._here(caller)
        return state

    def told(self, caller: str, number: str, data: bytes) -> OfferState:
        """Raises NotFoundError, BadInputError, StorageError."""
        news = read_news(data)
        offer = self._store.by_number(Direction.OUT, caller, number)
        if offer is not None:
            state = self._sending.told(offer, news)
            self._note(offer, news, state)
        else:
            offer = self._store.by_number(Direction.IN, caller, number)
            if offer is None:
                raise NotFoundError("There is no such offer between the two of you.", "offer-not-between")
            state = self._receiving.told(offer, news)
        self._here(caller)
        return state

    def held(self, caller: str, content_id: bytes) -> HeldFile | None:
        """A file that is offered to the caller, and still what was offered."""
        return self._sending.held(caller, content_id)

    # What downloads ask

    def senders(self, content_ids: Sequence[bytes]) -> list[list[str]]:
        """Of each content the members who offered it, which was accepted."""
        return self._store.senders(content_ids)

    def arrived(self, content_id: bytes) -> None:
        """To be called for each download that is done."""
        self._receiving.arrived(content_id)

    def _changed(self) -> None:
        with self._lock:
            self._revision += 1
        self._loop.wake()

    def _here(self, peer_id: str) -> None:
        if self._courier is not None:
            self._courier.here(peer_id)
            self._loop.wake()

    def _step(self) -> float:
        now = time.time()
        if self._store.expire(now):
            self._store.drop_lists()
            self._changed()
        wait = soonest(self._store.all(), now)
        if self._courier is None:
            return wait
        self._receiving.apply_rules()
        told = self._courier.step(self._receiving.follow())
        return min(wait, told, self._receiving.stale_seconds)

    def _offer(self, offer_id: str) -> Offer:
        offer = self._store.get(offer_id)
        if offer is None or offer.forgotten:
            raise NotFoundError("There is no such offer; it may have been taken off the list.", "offer-unknown")
        return offer

    def _incoming(self, offer_id: str) -> Offer:
        offer = self._offer(offer_id)
        if offer.direction is Direction.OUT:
            raise ConflictError("This is an offer of yours; its recipient accepts or declines it.", "offer-own")
        return offer

    def _note(self, offer: Offer, news: News, state: OfferState) -> None:
        if state is OfferState.ACCEPTED and self._courier is not None:
            self._courier.heard(offer.id, min(news.files_done, offer.files), min(news.bytes_done, offer.bytes))

    def _moving(self, offer: Offer) -> Offer:
        """With how far it is now, which is not on disk."""
        if self._courier is None or offer.state is not OfferState.ACCEPTED:
            return offer
        progress = self._courier.progress(offer.id)
        return offer if progress is None else replace(offer, files_done=progress[0], bytes_done=progress[1])
