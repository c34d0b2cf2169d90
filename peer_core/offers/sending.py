"""What this peer offers to members: listed and hashed, served to the recipients alone, withdrawn. Any thread."""

import logging
import secrets
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from peer_core.errors import BadInputError, BarrioError, ConflictError, StorageError
from peer_core.library.packer import PackedFile, Packer
from peer_core.library.serving import is_same
from peer_core.library.types import HeldFile
from peer_core.offers.store import OfferStore
from peer_core.offers.terms import MAX_EXPIRY, MAX_FILES, MAX_MESSAGE, News, Terms, offer_bytes
from peer_core.offers.types import UNDECIDED, Direction, Offer, OfferState
from peer_core.settings import parse_peer_id
from peer_core.transfer.record import trouble_of
from protos.sentences import from_text

MAX_PATHS = 1000
MAX_RECIPIENTS = 50
MAX_OPEN = 500
KEPT = 200
DEFAULT_EXPIRY = 7 * 86_400
log = logging.getLogger("barrio.offers")


class Sending:
    """Also what the packer tells (the protocol `Packed`)."""

    def __init__(
        self, store: OfferStore, library: Path | None, excluded: Sequence[Path], changed: Callable[[], None]
    ) -> None:
        """`library`: the index of what is shared. `excluded`: folders that are never sent from."""
        self._store = store
        self._excluded = tuple(path.expanduser().resolve() for path in excluded)
        self._changed = changed
        self._packer = Packer(library, self, MAX_FILES)
        # Written by the packer's thread alone: hashed and total bytes of what is being packed.
        self._progress: dict[int, tuple[int, int]] = {}

    def start(self) -> None:
        for parcel, paths in self._store.unpacked().items():
            self._packer.pack(parcel, paths)
        self._packer.start()

    def stop_soon(self) -> None:
        self._packer.stop_soon()

    def stop(self) -> None:
        self._packer.stop()

    def progress(self, parcel: int) -> tuple[int, int]:
        """Bytes hashed, and bytes in all, of what is being prepared."""
        return self._progress.get(parcel, (0, 0))

    def send(
        self, paths: Sequence[str], recipients: Sequence[str], message: str, expires_in: float | None
    ) -> list[Offer]:
        """One offer for each recipient; listing and hashing begin by themselves. Raises BadInputError."""
        chosen = [str(self._checked_path(path)) for path in dict.fromkeys(paths)]
        people = [parse_peer_id(peer) for peer in dict.fromkeys(recipients)]
        if not 1 <= len(chosen) <= MAX_PATHS or not 1 <= len(people) <= MAX_RECIPIENTS:
            raise BadInputError(
                "Send 1 to {most} files or folders to 1 to {most_people} members at once.",
                "send-how-many",
                most=MAX_PATHS,
                most_people=MAX_RECIPIENTS,
            )
        if len(message) > MAX_MESSAGE or any("\ud800" <= c <= "\udfff" for c in message):
            raise BadInputError("The message is a text of at most {most} characters.", "message-most", most=MAX_MESSAGE)
        seconds = DEFAULT_EXPIRY if expires_in is None else expires_in
        if not 1 <= seconds <= MAX_EXPIRY:
            raise BadInputError(
                "An offer expires after 1 to {most} seconds (90 days).", "offer-expiry", most=MAX_EXPIRY
            )
        if self._store.counts(Direction.OUT)[0] + len(people) > MAX_OPEN:
            raise ConflictError(
                "There are {most} open offers already; withdraw some.", "offers-open-most", most=MAX_OPEN
            )
        now = time.time()
        offers = [(secrets.token_hex(6), peer, self._store.name_of(peer), secrets.token_hex(16)) for peer in people]
        parcel = self._store.add_out(offers, message.strip(), chosen, now, now + seconds)
        self._store.prune(Direction.OUT, KEPT)
        self._packer.pack(parcel, chosen)
        self._changed()
        return self._store.of_parcel(parcel)

    def withdraw(self, offer: Offer) -> None:
        """No answer begins from this moment on. Raises ConflictError when it has ended."""
        untold = offer.state is OfferState.PREPARING
        before = (*UNDECIDED, OfferState.ACCEPTED)
        told = OfferState.WITHDRAWN if untold else None
        if not self._store.move(offer.id, OfferState.WITHDRAWN, before, now=time.time(), told=told):
            raise ConflictError("This offer has ended already; there is nothing to withdraw.", "offer-ended")
        if all(not other.state.open for other in self._store.of_parcel(offer.parcel)):
            self._packer.drop(offer.parcel)
            self._progress.pop(offer.parcel, None)
        self._store.drop_lists()
        self._changed()

    def told(self, offer: Offer, news: News) -> OfferState:
        """What the recipient says of an offer. Returns how it stands here.

        Raises BadInputError for what no recipient can say.
        """
        done = min(news.files_done, offer.files), min(news.bytes_done, offer.bytes)
        before: tuple[OfferState, ...]
        match news.state:
            case OfferState.ACCEPTED:
                before = (*UNDECIDED, OfferState.FAILED)
            case OfferState.DECLINED | OfferState.FAILED:
                before = (*UNDECIDED, OfferState.ACCEPTED)
            case OfferState.DONE:
                before = (*UNDECIDED, OfferState.ACCEPTED, OfferState.FAILED)
            case _:
                raise BadInputError("A recipient accepts, declines, fails or is done.", "offer-recipient-news")
        if offer.state is news.state:
            # How far an accepted one is, is kept in memory only.
            return offer.state
        if not self._store.move(offer.id, news.state, before, now=time.time(), told=news.state):
            return offer.state
        if not news.state.open:
            self._store.set_progress(offer.id, *done)
            self._store.drop_lists()
        self._changed()
        return news.state

    def held(self, caller: str, content_id: bytes) -> HeldFile | None:
        """A file with that content that is offered to the caller, if it is still what was offered."""
        for parcel, number, file in self._store.held_for(caller, content_id):
            try:
                same = is_same(file, file.path.lstat())
            except OSError:
                same = False
            if same:
                return file
            if self._store.set_changed(parcel, number):
                self._changed()
        return None

    def offer_bytes(self, offer: Offer) -> bytes:
        """What is sent to the recipient. Raises BadInputError when it is too long."""
        left = offer.expires - time.time()
        return offer_bytes(Terms(offer.number, offer.message, left, tuple(self._store.files(offer.parcel))))

    # What the packer tells.

    def begun(self, number: int) -> None:
        self._store.empty(number)
        self._progress[number] = (0, 0)

    def found(self, number: int, files: Sequence[PackedFile], hashed: int, total: int) -> None:
        try:
            if files:
                self._store.fill(number, files)
        except StorageError as error:
            self._refuse(number, error)
            return
        self._progress[number] = (hashed, total)
        self._changed()

    def packed(self, number: int) -> None:
        self._store.packed(number)
        self._progress.pop(number, None)
        self._changed()

    def refused(self, number: int, reason: str) -> None:
        self._refuse(number, BadInputError(from_text(reason)))

    def _refuse(self, number: int, error: BarrioError) -> None:
        log.warning("nothing was sent: %s", error.logged)
        self._packer.drop(number)
        self._progress.pop(number, None)
        for offer in self._store.of_parcel(number):
            self._store.move(
                offer.id, OfferState.FAILED, (OfferState.PREPARING,), now=time.time(), trouble=trouble_of(error)
            )
        self._changed()

    def _checked_path(self, text: str) -> Path:
        """Raises BadInputError for what is not there."""
        try:
            path = Path(text).expanduser()
            if not path.is_absolute():
                raise BadInputError("Give the whole path of what is to be sent.", "send-whole-path")
            real = path.resolve(strict=True)
        except (OSError, RuntimeError, ValueError) as error:
            raise BadInputError(
                "There is no file or folder “{path}” that can be read.", "send-missing", path=text[:300]
            ) from error
        if any(real.is_relative_to(other) or other.is_relative_to(real) for other in self._excluded):
            raise BadInputError(
                "{folder} holds Barrio's own data and is never sent; choose another folder.",
                "send-own-data",
                folder=real,
            )
        return path
