"""The signed list of removed members: kept on disk, asked at each request of the peer API. Any thread."""

import logging
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from peer_core.data_folder import read_json, write_json
from peer_core.errors import BarrioError, PeerMisbehavedError, StorageError
from peer_core.identity.store import Identity
from protos.agreed import revocations_message

log = logging.getLogger("barrio.identity")


class Revocations:
    """The newest list known. `on_change` is called with the ids that are new in it, in the thread that brought them."""

    def __init__(self, identity: Identity, on_change: Callable[[set[str]], None] = lambda ids: None) -> None:
        key = identity.authority().public_key()
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise StorageError(
                "The authority in {folder} is damaged; restore it or join again.",
                "authority-damaged",
                folder=identity.folder,
            )
        self._key = key
        self._file: Path = identity.folder / "revocations.json"
        self._on_change = on_change
        self._lock = threading.Lock()
        # Guarded by _lock; the two below are replaced as a whole and read without it.
        self._unsaved: dict[str, object] | None = None
        self._number = 0
        self._ids: frozenset[str] = frozenset()
        self.trouble: BarrioError | None = None
        self._recall()

    @property
    def number(self) -> int:
        return self._number

    def is_revoked(self, peer_id: str) -> bool:
        return peer_id in self._ids

    def take(self, number: int, peer_ids: Iterable[str], signature: bytes) -> None:
        """Takes a newer list. Raises PeerMisbehavedError when the authority did not sign it.

        It is in force at once; should the disk refuse it, that is `trouble` until a later call can write it.
        """
        ids = sorted(peer_ids)
        self._check(number, ids, signature)
        new: set[str] = set()
        with self._lock:
            if number > self._number:
                new = set(ids) - self._ids
                self._number, self._ids = number, frozenset(ids)
                self._unsaved = {"number": number, "peer_ids": ids, "signature": signature.hex()}
            self._save()
        if new:
            self._on_change(new)

    def _check(self, number: int, ids: list[str], signature: bytes) -> None:
        try:
            self._key.verify(signature, revocations_message(number, ids), ec.ECDSA(hashes.SHA256()))
        except InvalidSignature as error:
            raise PeerMisbehavedError(
                "A list of removed members came with a wrong signature; it is ignored.", "revocations-signature"
            ) from error

    def _save(self) -> None:
        if self._unsaved is None:
            return
        try:
            write_json(self._file, self._unsaved)
        except StorageError as error:
            self.trouble = error
            return
        self._unsaved = self.trouble = None

    def _recall(self) -> None:
        """A file that cannot be used counts as none: the central sends the list again at the next registration."""
        try:
            kept = read_json(self._file)
            if kept is None:
                return
            number, ids = int(kept["number"]), sorted(str(i) for i in kept["peer_ids"])
            self._check(number, ids, bytes.fromhex(kept["signature"]))
        except (BarrioError, KeyError, TypeError, ValueError) as error:
            log.warning("the list of removed members cannot be used (%s); it is asked for again", type(error).__name__)
            return
        self._number, self._ids = number, frozenset(ids)
