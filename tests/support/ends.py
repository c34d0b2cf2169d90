"""Two members' lists of offers, joined by a way that loses what a test wants it to; real files and databases."""

import json
import secrets
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from holders import manifest_of, wait_until

from peer_core.directory.types import PeerRecord
from peer_core.errors import BarrioError, NotFoundError, PeerUnreachableError
from peer_core.library.packer import PackedFile
from peer_core.offers.courier import Courier
from peer_core.offers.receiving import Receiving
from peer_core.offers.sending import Sending
from peer_core.offers.store import OfferStore
from peer_core.offers.terms import read_news
from peer_core.offers.types import Direction, Offer
from peer_core.transfer.queue import Transfers
from peer_core.transfer.store import TransferStore
from protos.agreed import encode_id
from protos.sentences import as_text


def packed(folder: Path, name: str, data: bytes, below: str = "") -> PackedFile:
    """A file on the disk as the packer tells of it."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    status, manifest = path.stat(), manifest_of(data)
    return PackedFile(
        below, name, path, folder, len(data), status.st_mtime_ns, status.st_ino, manifest.content_id, manifest.hashes
    )


class End:
    """One member: its list, and what it would do in its thread, step by step. `kill` and go on as a killed one does."""

    def __init__(self, root: Path, name: str) -> None:
        self.root, self.name = root / name, name
        self.root.mkdir(parents=True)
        self.peer_id = encode_id(secrets.token_bytes(32))
        self.other: End | None = None
        # What becomes of the next request: True when it arrives, and whether its answer does.
        self.fate: Callable[[], tuple[bool, bool]] = lambda: (True, True)
        self._open()

    def _open(self) -> None:
        self.store = OfferStore(self.root / "offers.sqlite")
        self.transfers = Transfers(
            TransferStore(self.root / "transfers.sqlite", self.root / "transfers"),
            lambda: self.root / "got",
            lambda n: None,
        )
        self.sending = Sending(self.store, None, [], lambda: None)
        self.receiving = Receiving(self.store, self.transfers, lambda: self.root / "got", lambda: None)
        self.receiving.go_on()
        self.courier = Courier(self.store, self.sending, self.receiving, self, lambda: None)

    def close(self) -> None:
        self.courier.close()
        self.transfers.stop()
        self.store.close()

    def kill(self) -> None:
        """What was in memory is gone."""
        self.close()
        self._open()

    def offer(self, files: Sequence[PackedFile], expires_in: float = 1000.0) -> str:
        """An offer to the other end that is prepared; its id here."""
        assert self.other is not None
        id_, now = secrets.token_hex(6), time.time()
        made = [(id_, self.other.peer_id, "", secrets.token_hex(16))]
        parcel = self.store.add_out(made, "hello", [], now, now + expires_in)
        self.store.fill(parcel, files)
        self.store.packed(parcel)
        return id_

    def step(self) -> None:
        """One round of the courier, until its visits have ended."""
        self.store.expire(time.time())
        self.receiving.apply_rules()
        self.courier.step(self.receiving.follow())
        wait_until(lambda: not self.courier.visiting())

    def offers(self, direction: Direction) -> list[Offer]:
        return [offer for offer in self.store.all() if offer.direction is direction]

    # The way to the other end (the protocol `Post`).

    def find(self, peer_ids: Sequence[str]) -> dict[str, PeerRecord]:
        assert self.other is not None
        record = PeerRecord(self.other.peer_id, self.other.name, ("https://127.0.0.1:9",))
        return {record.peer_id: record} if record.peer_id in peer_ids else {}

    def ask(self, peer: PeerRecord, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        assert self.other is not None and peer.peer_id == self.other.peer_id
        arrives, answered = self.fate()
        if not arrives:
            raise PeerUnreachableError("The request was lost.")
        try:
            answer = 200, json.dumps({"state": self.other.answer(self.peer_id, method, path, body)}).encode()
        except BarrioError as error:
            answer = error.status, as_text(error.message).encode()
        if not answered:
            raise PeerUnreachableError("The answer was lost.")
        return answer

    def cut_off(self, peer_id: str) -> None:
        """Nothing is under way here."""

    def answer(self, caller: str, method: str, path: str, body: bytes) -> str:
        if method == "POST":
            return self.receiving.offered(caller, body).value
        number = path.rpartition("/")[2]
        out = self.store.by_number(Direction.OUT, caller, number)
        if out is not None:
            return self.sending.told(out, read_news(body)).value
        found = self.store.by_number(Direction.IN, caller, number)
        if found is None:
            raise NotFoundError("There is no such offer between the two of you.")
        return self.receiving.told(found, read_news(body)).value


def two_ends(root: Path) -> tuple[End, End]:
    one, other = End(root, "one"), End(root, "other")
    one.other, other.other = other, one
    return one, other
