"""The signed list of removed members: kept on disk, asked at each request of the peer API. Any thread."""

import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from peer_core.data_folder import read_json, write_json
from peer_core.errors import PeerMisbehavedError
from peer_core.identity.store import Identity
from protos.agreed import revocations_message


class Revocations:
    """The newest list known. `on_change` is called with the ids that are new in it."""

    def __init__(self, identity: Identity, on_change: Callable[[set[str]], None] = lambda ids: None) -> None:
        key = identity.authority().public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)
        self._key = key
        self._file: Path = identity.folder / "revocations.json"
        self._on_change = on_change
        self._lock = threading.Lock()
        self._number = 0
        self._ids: frozenset[str] = frozenset()
        kept = read_json(self._file)
        if kept is not None:
            self.take(int(kept["number"]), [str(i) for i in kept["peer_ids"]], bytes.fromhex(kept["signature"]))

    @property
    def number(self) -> int:
        return self._number

    def is_revoked(self, peer_id: str) -> bool:
        return peer_id in self._ids

    def take(self, number: int, peer_ids: Iterable[str], signature: bytes) -> None:
        """Keeps a newer list. Raises PeerMisbehavedError when the authority did not sign it."""
        ids = sorted(peer_ids)
        try:
            self._key.verify(signature, revocations_message(number, ids), ec.ECDSA(hashes.SHA256()))
        except InvalidSignature as error:
            raise PeerMisbehavedError(
                "A list of removed members came with a wrong signature; it is ignored."
            ) from error
        with self._lock:
            if number <= self._number:
                return
            new = set(ids) - self._ids
            self._number, self._ids = number, frozenset(ids)
            write_json(self._file, {"number": number, "peer_ids": ids, "signature": signature.hex()})
        if new:
            self._on_change(new)
