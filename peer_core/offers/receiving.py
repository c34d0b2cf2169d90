"""What members offer this peer: taken in within limits, accepted by the person or by a rule, followed to the end.

Any thread. The list of offers is on disk before anything is fetched, so a killed program goes on where it was.
"""

import math
import secrets
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path

from peer_core.errors import BadInputError, BarrioError, ConflictError, WithdrawnError
from peer_core.offers.store import OfferStore
from peer_core.offers.terms import News, Terms, read_offer
from peer_core.offers.types import Direction, Offer, OfferState
from peer_core.settings import parse_folder
from peer_core.transfer.finishing import check_room, make_usable
from peer_core.transfer.queue import Transfers
from peer_core.transfer.record import trouble_of
from peer_core.transfer.types import Transfer, TransferState, Wanted
from protos.sentences import Sentence, say

MAX_OPEN_OF_ONE = 16
MAX_FILES_OF_ONE = 40_000
MAX_OPEN = 500
MAX_NEW_OF_ONE = 60
MAX_NEW_FILES_OF_ONE = 40_000
NEW_SECONDS = 600.0
KEPT_OF_ONE = 50
PARSED_AT_ONCE = 2
PARSE_WAIT_SECONDS = 2.0
# Of what a rule takes: so many offers at a time, the others wait for their turn, and so many files a day.
RULE_OPEN = 4
RULE_FILES = 20_000
# Between two looks at what is being fetched, so many times as long as one took.
LOOK_SHARE = 20.0


class TooManyError(BarrioError):
    title = "Too many offers at once"
    status = 429


class RuleUsedUpError(BarrioError):
    title = "A rule has taken much"
    status = 429


_WITHDRAWN = trouble_of(
    WithdrawnError(
        "The sender has withdrawn the offer. What is here stays; resume it to look for others.", "offer-taken-back"
    )
)


class Receiving:
    def __init__(
        self, store: OfferStore, transfers: Transfers, download_folder: Callable[[], Path], changed: Callable[[], None]
    ) -> None:
        """`changed` is called whenever there is something new to show or to tell the sender."""
        self._store = store
        self._transfers = transfers
        self._download_folder = download_folder
        self._changed = changed
        self._parsing = threading.BoundedSemaphore(PARSED_AT_ONCE)
        self._lock = threading.Lock()
        # Under _lock: monotonic times and numbers of files of the newest offers of each member (taking one in is one
        # step for all), and contents that came in since `follow`, while something is being fetched.
        self._recent: dict[str, deque[tuple[float, int]]] = {}
        self._arrived: set[bytes] = set()
        self._fetching = True
        # Of `follow`, which one thread calls: when it looks again (monotonic), what it found, and for how long still it
        # answers so.
        self.stale_seconds = math.inf
        self._look_at = 0.0
        self._last: dict[str, tuple[int, int]] = {}

    def offered(self, caller: str, data: bytes) -> OfferState:
        """Takes an offer in, once, and tells what became of it. Raises BadInputError, TooManyError, StorageError."""
        if not self._parsing.acquire(timeout=PARSE_WAIT_SECONDS):
            raise TooManyError("Others offer something too just now; try again.", "offers-others-now")
        try:
            terms = read_offer(data)
        finally:
            self._parsing.release()
        with self._lock:
            known = self._store.by_number(Direction.IN, caller, terms.number)
            if known is not None:
                return known.state
            self._admit(caller, len(terms.files))
            self._keep(caller, terms)
            self._store.prune(Direction.IN, KEPT_OF_ONE, caller)
        self._changed()
        return OfferState.DELIVERED

    def _admit(self, caller: str, files: int) -> None:
        now = time.monotonic()
        self._recent = {peer: times for peer, times in self._recent.items() if times[-1][0] > now - NEW_SECONDS}
        recent = self._recent.get(caller) or deque(maxlen=MAX_NEW_OF_ONE)
        open_of_one, files_of_one = self._store.counts(Direction.IN, caller)
        if open_of_one >= MAX_OPEN_OF_ONE or files_of_one + files > MAX_FILES_OF_ONE:
            raise TooManyError(
                "This member has not answered your other offers yet; wait, or withdraw some.", "offers-unanswered"
            )
        new_files = files + sum(count for at, count in recent if at > now - NEW_SECONDS)
        full = len(recent) == MAX_NEW_OF_ONE and recent[0][0] > now - NEW_SECONDS
        if full or new_files > MAX_NEW_FILES_OF_ONE:
            raise TooManyError("You have offered much to this member just now; wait a while.", "offers-much")
        if self._store.counts(Direction.IN)[0] >= MAX_OPEN:
            raise TooManyError("This member has too many offers already; try again later.", "offers-too-many")
        recent.append((now, files))
        # Only now: none of them is ever empty.
        self._recent[caller] = recent

    def _keep(self, caller: str, terms: Terms) -> None:
        now = time.time()
        name = self._store.name_of(caller)
        self._store.add_in(
            secrets.token_hex(6), caller, name, terms.number, terms.message, terms.files, now, now + terms.expires_in
        )

    def told(self, offer: Offer, news: News) -> OfferState:
        """What the sender says of its offer: that it is withdrawn. Returns how it stands here."""
        if news.state is not OfferState.WITHDRAWN:
            raise BadInputError("A sender can only withdraw an offer.", "offer-sender-news")
        before = (OfferState.DELIVERED, OfferState.ACCEPTED, OfferState.FAILED)
        moved = self._store.move(offer.id, OfferState.WITHDRAWN, before, now=time.time(), told=OfferState.WITHDRAWN)
        if not moved and offer.state is not OfferState.WITHDRAWN:
            return offer.state
        # Also when it was told before, and there was no room then to note what ends.
        self._give_up(offer.parcel)
        self._changed()
        return OfferState.WITHDRAWN

    def accept(self, offer: Offer, folder: str | None) -> None:
        """Fetches what is offered into `folder`, or where downloads land.

        Raises ConflictError when it is too late, BadInputError for the folder, StorageError when there is no room.
        """
        again = Path(offer.folder) if offer.folder else self._download_folder()
        where = Path(parse_folder(folder)) if folder else again
        make_usable(where)
        check_room(where, offer.bytes, 0)
        undecided = (OfferState.DELIVERED, OfferState.FAILED)
        self._store.expire(time.time())
        if not self._store.move(offer.id, OfferState.ACCEPTED, undecided, folder=str(where)):
            raise ConflictError(too_late(self._store.get(offer.id)))
        try:
            own = self._fetch(offer, where)
        except BarrioError:
            self._store.move(
                offer.id,
                offer.state,
                (OfferState.ACCEPTED,),
                now=offer.ended,
                trouble=offer.trouble,
                folder=offer.folder,
            )
            raise
        now = self._store.get(offer.id)
        if now is None or now.state is OfferState.WITHDRAWN:
            # While it was being queued: its list may be gone.
            self._transfers.end(own - self._store.fetched.wanted_elsewhere(offer.parcel), _WITHDRAWN)
        self._changed()

    def decline(self, offer: Offer) -> None:
        """Raises ConflictError when it is too late."""
        if not self._store.move(offer.id, OfferState.DECLINED, (OfferState.DELIVERED,), now=time.time()):
            raise ConflictError(too_late(self._store.get(offer.id)))
        self._store.drop_lists()
        self._changed()

    def _give_up(self, parcel: int) -> None:
        """Ends what is fetched for a withdrawn offer alone; files that are complete stay. Its list goes last: a program
        that was killed goes by it."""
        self._transfers.end(self._store.fetched.own(parcel), _WITHDRAWN)
        self._store.drop_lists()

    def go_on(self) -> None:
        """At the start: fetches what was accepted when the last run ended before it was queued, and ends the rest of
        what was withdrawn."""
        for offer in self._store.known():
            if offer.direction is Direction.IN and offer.state is OfferState.WITHDRAWN:
                self._give_up(offer.parcel)
        for offer in self._accepted():
            if any(not transfer for _, transfer, _ in self._store.fetched.missing(offer.parcel)):
                try:
                    self._fetch(offer, Path(offer.folder))
                except BarrioError as error:
                    self._end(offer, OfferState.FAILED, error)

    def apply_rules(self) -> None:
        """Accepts what the person accepts always, in bounds; where that fails, the person is asked, and sees why."""
        rules = {rule.peer_id: rule for rule in self._store.rules()}
        if not rules:
            return
        incoming = [offer for offer in self._store.all() if offer.direction is Direction.IN]
        at_once = Counter(offer.peer_id for offer in incoming if offer.state is OfferState.ACCEPTED)
        # In the order in which they came.
        for offer in reversed(incoming):
            rule = rules.get(offer.peer_id)
            waits = offer.state is OfferState.DELIVERED and offer.trouble is None
            if rule is None or not waits or offer.bytes > rule.max_bytes or at_once[offer.peer_id] >= RULE_OPEN:
                continue
            try:
                if not self._store.take_by_rule(offer.peer_id, offer.files, RULE_FILES, time.time()):
                    raise RuleUsedUpError(
                        "The rule for this member takes {files} files a day at most; look at this offer yourself.",
                        "rule-used-up",
                        files=RULE_FILES,
                    )
                try:
                    self.accept(offer, rule.folder or None)
                except BarrioError:
                    self._store.give_back_by_rule(offer.peer_id, offer.files)
                    raise
                at_once[offer.peer_id] += 1
            except ConflictError:
                continue
            except BarrioError as error:
                self._store.set_trouble(offer.id, trouble_of(error))
                self._changed()

    def follow(self) -> dict[str, tuple[int, int]]:
        """Notes what has arrived; of each offer that is being fetched, how many files and bytes are here.

        With very many files it answers as the last time until it is worth another look.
        """
        started = time.monotonic()
        if started < self._look_at:
            self.stale_seconds = self._look_at - started
            return self._last
        self.stale_seconds = math.inf
        self._last = self._look()
        ended = time.monotonic()
        self._look_at = ended + LOOK_SHARE * (ended - started)
        return self._last

    def _look(self) -> dict[str, tuple[int, int]]:
        with self._lock:
            arrived, self._arrived = self._arrived, set()
        if arrived:
            self._note(arrived)
        incoming = [offer for offer in self._store.all() if offer.direction is Direction.IN]
        accepted = [offer for offer in incoming if offer.state is OfferState.ACCEPTED]
        with self._lock:
            self._fetching = bool(accepted) or any(offer.state is OfferState.FAILED for offer in incoming)
        if not accepted:
            return {}
        transfers = {transfer.id: transfer for transfer in self._transfers.all()}
        return {offer.id: self._followed(offer, transfers) for offer in accepted}

    def arrived(self, content_id: bytes) -> None:
        """A download is done, which the next `follow` notes, also when it is off the list of transfers by then."""
        with self._lock:
            if self._fetching:
                self._arrived.add(content_id)

    def _note(self, content_ids: set[bytes]) -> None:
        for parcel in self._store.fetched.arrived(content_ids):
            for offer in self._store.of_parcel(parcel):
                if offer.files_done == offer.files:
                    self._end(offer, OfferState.DONE)

    def _accepted(self) -> list[Offer]:
        return [o for o in self._store.all() if o.direction is Direction.IN and o.state is OfferState.ACCEPTED]

    def _followed(self, offer: Offer, transfers: dict[str, Transfer]) -> tuple[int, int]:
        missing = self._store.fetched.missing(offer.parcel)
        if any(not transfer for _, transfer, _ in missing):
            # It is only just being queued.
            return offer.files_done, offer.bytes_done
        now = {number: transfers.get(transfer) for number, transfer, _ in missing}
        here = [number for number, t in now.items() if t is not None and t.state is TransferState.DONE]
        if here:
            self._store.fetched.set_done(offer.parcel, here)
            offer = self._store.get(offer.id) or offer
        left = [t for t in now.values() if t is not None and t.state is not TransferState.DONE]
        going = [t for t in left if t.state is not TransferState.FAILED]
        if not going:
            failed = next((t.trouble for t in left if t.trouble is not None), None)
            # Files whose transfers were taken off the list are not wanted any more.
            unwanted = OfferState.DONE if offer.files_done else OfferState.DECLINED
            state = OfferState.FAILED if left else unwanted
            if self._store.move(offer.id, state, (OfferState.ACCEPTED,), now=time.time(), trouble=failed):
                self._changed()
        return offer.files_done, min(offer.bytes, offer.bytes_done + sum(t.bytes_done for t in going))

    def _fetch(self, offer: Offer, folder: Path) -> set[str]:
        """Those of the transfers that bring it that are there for offers alone."""
        files, own = self._store.files(offer.parcel), self._store.fetched.made_for_offers()
        wanted = [Wanted(f.content_id, tuple(f.folder.split("/")) if f.folder else (), f.name, f.size) for f in files]
        made, new = self._transfers.add_folder(wanted, folder)
        own |= new
        self._store.fetched.set_transfers(
            offer.parcel,
            [(number, t.id, t.id in own, t.state is TransferState.DONE) for number, t in enumerate(made)],
        )
        return own.intersection(t.id for t in made)

    def _end(self, offer: Offer, state: OfferState, error: BarrioError | None = None) -> None:
        before = (OfferState.ACCEPTED, OfferState.FAILED)
        trouble = None if error is None else trouble_of(error)
        if self._store.move(offer.id, state, before, now=time.time(), trouble=trouble):
            self._changed()


def too_late(offer: Offer | None) -> Sentence:
    """Why nothing can be decided any more."""
    if offer is None:
        return say("There is no such offer any more.", "offer-gone")
    return {
        OfferState.WITHDRAWN: say("The sender has withdrawn this offer.", "offer-withdrawn"),
        OfferState.EXPIRED: say("This offer has expired; ask for it again.", "offer-expired"),
        OfferState.ACCEPTED: say("This offer is accepted already; pause or cancel its transfers.", "offer-accepted"),
        OfferState.DONE: say("All of this offer is here already.", "offer-done"),
        OfferState.DECLINED: say("This offer is declined; ask for it again.", "offer-declined"),
    }.get(offer.state, say("This offer cannot be changed now.", "offer-fixed"))
