"""The identity of this device on disk: certificate, authority, encrypted key. Immutable once loaded; any thread.

`identity/` is written whole (a folder renamed into place), so that a killed join leaves none or a complete one.
"""

import shutil
import ssl
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from peer_core.data_folder import read_json, write_json, write_private
from peer_core.errors import StorageError
from peer_core.identity import key_store
from peer_core.identity.contexts import client_context, server_context
from peer_core.identity.key_store import KeyStore
from peer_core.system_words import system_words
from protos.agreed import encode_id, peer_id_of

VERSION = 1


@dataclass(frozen=True)
class Membership:
    """What the barrio told at enrolment. `directory` and `enrolment` are (host, port) of the central."""

    network_name: str
    directory: tuple[str, int]
    enrolment: tuple[str, int]
    sealing_key: bytes


@dataclass
class _Contexts:
    """Guarded by `lock`; made anew when the certificate's file changes."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    stamp: int = 0
    client: ssl.SSLContext | None = None
    server: ssl.SSLContext | None = None


@dataclass(frozen=True)
class Identity:
    """Key, certificate and barrio of this device. `peer_id` has 52 characters."""

    peer_id: str
    name: str
    membership: Membership
    key_store: KeyStore
    folder: Path
    passphrase: bytes = field(repr=False)
    _contexts: _Contexts = field(default_factory=_Contexts, repr=False, compare=False)

    @property
    def certificate_file(self) -> Path:
        return self.folder / "certificate.pem"

    @property
    def key_file(self) -> Path:
        return self.folder / "key.pem"

    @property
    def authority_file(self) -> Path:
        return self.folder / "authority.pem"

    @classmethod
    def load(cls, data_dir: Path) -> "Identity | None":
        """The identity in a data folder, or None before joining. Raises StorageError."""
        folder = data_dir / "identity"
        about = read_json(folder / "member.json")
        if about is None:
            return None
        try:
            if about["version"] != VERSION:
                raise StorageError(
                    "{folder} was written by a newer Barrio; use that one.", "identity-newer", folder=folder
                )
            identity = cls(
                peer_id=str(about["peer_id"]),
                name=str(about["name"]),
                membership=Membership(
                    str(about["network_name"]),
                    (str(about["directory"][0]), int(about["directory"][1])),
                    (str(about["enrolment"][0]), int(about["enrolment"][1])),
                    bytes.fromhex(about["sealing_key"]),
                ),
                key_store=KeyStore(about["key_store"]),
                folder=folder,
                passphrase=b"",
            )
            passphrase = key_store.recall(folder, identity.peer_id, identity.key_store)
            identity = cls(**{**_fields(identity), "passphrase": passphrase.encode()})
            if peer_id_of(identity.public_key_der()) != identity.peer_id:
                raise ValueError("the key is another one")
        except (KeyError, ValueError, TypeError, IndexError, OSError) as error:
            raise StorageError(
                "The identity in {folder} is damaged ({reason}); restore it or join again.",
                "identity-damaged",
                folder=folder,
                reason=error,
            ) from error
        return identity

    def public_key_der(self) -> bytes:
        return (
            self.private_key()
            .public_key()
            .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        )

    def private_key(self) -> ec.EllipticCurvePrivateKey:
        key = serialization.load_pem_private_key(self.key_file.read_bytes(), self.passphrase)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError("the key is of another kind")
        return key

    def certificate(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.certificate_file.read_bytes())

    def authority(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.authority_file.read_bytes())

    def authority_fingerprint(self) -> str:
        """As in invites."""
        return encode_id(self.authority().fingerprint(hashes.SHA256()))

    def seconds_left(self) -> float:
        """Until the certificate ends; negative afterwards."""
        return (self.certificate().not_valid_after_utc - datetime.now(UTC)).total_seconds()

    def replace_certificate(self, pem: bytes) -> None:
        """Takes a renewed certificate; connections made from now on use it."""
        write_private(self.certificate_file, pem)

    def client_context(self) -> ssl.SSLContext:
        """TLS towards a peer; made anew when the certificate was renewed."""
        with self._contexts.lock:
            self._forget_older_contexts()
            contexts = self._contexts
            contexts.client = contexts.client or client_context(*self._tls_files)
            return contexts.client

    def server_context(self) -> ssl.SSLContext:
        """TLS of the peer API; made anew when the certificate was renewed."""
        with self._contexts.lock:
            self._forget_older_contexts()
            contexts = self._contexts
            contexts.server = contexts.server or server_context(*self._tls_files)
            return contexts.server

    @property
    def _tls_files(self) -> tuple[Path, Path, Path, bytes]:
        return self.certificate_file, self.key_file, self.authority_file, self.passphrase

    def _forget_older_contexts(self) -> None:
        stamp = self.certificate_file.stat().st_mtime_ns
        if self._contexts.stamp != stamp:
            self._contexts.client = self._contexts.server = None
            self._contexts.stamp = stamp


def _fields(identity: Identity) -> dict[str, Any]:
    return {
        name: getattr(identity, name) for name in ("peer_id", "name", "membership", "key_store", "folder", "passphrase")
    }


def save(
    data_dir: Path,
    key: ec.EllipticCurvePrivateKey,
    passphrase: str,
    name: str,
    membership: Membership,
    certificate: bytes,
    authority: bytes,
) -> None:
    """Writes a new identity, complete or not at all. Raises StorageError."""
    peer_id = peer_id_of(
        key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    fresh = data_dir / "identity.new"
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        fresh.mkdir(mode=0o700)
        store = key_store.keep(fresh, peer_id, passphrase)
        encryption = serialization.BestAvailableEncryption(passphrase.encode())
        pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
        write_private(fresh / "key.pem", pem)
        write_private(fresh / "certificate.pem", certificate)
        write_private(fresh / "authority.pem", authority)
        about = {
            "version": VERSION,
            "peer_id": peer_id,
            "name": name,
            "network_name": membership.network_name,
            "directory": list(membership.directory),
            "enrolment": list(membership.enrolment),
            "sealing_key": membership.sealing_key.hex(),
            "key_store": store.value,
        }
        write_json(fresh / "member.json", about)
        fresh.rename(data_dir / "identity")
    except OSError as error:
        raise StorageError(
            "The identity cannot be kept in {folder} ({reason}).",
            "identity-not-kept",
            folder=data_dir,
            reason=system_words(error),
        ) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
