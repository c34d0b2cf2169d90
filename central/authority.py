"""The barrio's certificate authority: makes its key once, signs members, the two ports, and lists of revocations.

Owns the folder `authority/`. Everything here can be called from any thread.
"""

import datetime
import hashlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from central.data_folder import write_private
from central.errors import BadInputError, StorageError
from protos.agreed import encode_id, peer_host_name, peer_id_of

KEY_FILE = "key.pem"
CERTIFICATE_FILE = "certificate.pem"
AUTHORITY_DAYS = 365 * 30
MEMBER_DAYS = 30
SERVER_DAYS = 90
# Clocks of members may be wrong by a time zone.
BACKDATED = datetime.timedelta(days=1)
MAX_SIGNING_REQUEST = 4096


@dataclass(frozen=True)
class ServerCertificate:
    """Key and chain (leaf, then authority), PEM; to be replaced from `renew_at` on."""

    key: bytes
    chain: bytes
    renew_at: datetime.datetime


@dataclass(frozen=True)
class Applicant:
    """Who asks for a certificate: the key that signed the request, and its peer id."""

    public_key: ec.EllipticCurvePublicKey
    peer_id: str


def read_signing_request(data: bytes) -> Applicant:
    """Reads a PKCS#10 request, DER. Raises BadInputError unless it is signed by the P-256 key that it names."""
    if len(data) > MAX_SIGNING_REQUEST:
        raise BadInputError(f"the signing request is larger than {MAX_SIGNING_REQUEST} bytes")
    try:
        request = x509.load_der_x509_csr(data)
        key = request.public_key()
        signed = request.is_signature_valid
    except (ValueError, TypeError, InvalidSignature) as error:
        raise BadInputError("the signing request cannot be read") from error
    except Exception as error:  # unknown algorithms raise UnsupportedAlgorithm, which is no ValueError
        raise BadInputError("the signing request uses something that is not known here") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise BadInputError("the signing request must be for an ECDSA P-256 key")
    if not signed:
        raise BadInputError("the signing request is not signed by its own key")
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return Applicant(key, peer_id_of(der))


class Authority:
    """The key that makes members members."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
        self._key = key
        self._certificate = certificate
        self.certificate_pem = certificate.public_bytes(serialization.Encoding.PEM)
        self.fingerprint = encode_id(hashlib.sha256(certificate.public_bytes(serialization.Encoding.DER)).digest())

    @classmethod
    def load(cls, folder: Path) -> "Authority":
        """Raises StorageError when the authority is missing or cannot be read."""
        restore = "restore it from a backup"
        try:
            key = serialization.load_pem_private_key((folder / KEY_FILE).read_bytes(), None)
            certificate = x509.load_pem_x509_certificate((folder / CERTIFICATE_FILE).read_bytes())
        except OSError as error:
            raise StorageError(f"the authority in {folder} cannot be read ({error.strerror}); {restore}") from error
        except (ValueError, TypeError) as error:
            raise StorageError(f"the authority in {folder} is damaged; {restore}") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
            raise StorageError(f"the key and the certificate in {folder} do not belong together; {restore}")
        return cls(key, certificate)

    @classmethod
    def create(cls, folder: Path) -> "Authority":
        """Makes a new authority at `folder`, which must not exist; the whole folder appears at once."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"Barrio authority {os.urandom(4).hex()}")])
        certificate = (
            _builder(name, name, key.public_key(), AUTHORITY_DAYS)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(authority=True), critical=True)
            .sign(key, hashes.SHA256())
        )
        # mkdtemp makes the folder with mode 0700.
        temporary = Path(tempfile.mkdtemp(prefix=f"{folder.name}-", dir=folder.parent))
        try:
            write_private(temporary / KEY_FILE, _private_pem(key))
            write_private(temporary / CERTIFICATE_FILE, certificate.public_bytes(serialization.Encoding.PEM))
            temporary.rename(folder)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        return cls(key, certificate)

    def sign_member(self, applicant: Applicant) -> bytes:
        """A member's certificate, PEM: 30 days, to be used at both ends of a connection."""
        uses = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
        certificate = self._leaf(
            applicant.public_key, applicant.peer_id, peer_host_name(applicant.peer_id), uses, MEMBER_DAYS
        )
        return certificate.public_bytes(serialization.Encoding.PEM)

    def make_server(self, name: str) -> ServerCertificate:
        """A new key and certificate for one of the central's ports, known by the DNS name `name`."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._leaf(key.public_key(), name, name, [ExtendedKeyUsageOID.SERVER_AUTH], SERVER_DAYS)
        chain = certificate.public_bytes(serialization.Encoding.PEM) + self.certificate_pem
        renew_at = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=SERVER_DAYS * 2 / 3)
        return ServerCertificate(_private_pem(key), chain, renew_at)

    def make_client(self) -> ServerCertificate:
        """A new key and certificate to call the directory's port with; nobody is a member by it."""
        key = ec.generate_private_key(ec.SECP256R1())
        public = key.public_key()
        der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        chain = self.sign_member(Applicant(public, peer_id_of(der)))
        renew_at = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=MEMBER_DAYS / 2)
        return ServerCertificate(_private_pem(key), chain, renew_at)

    def sign(self, message: bytes) -> bytes:
        """ECDSA P-256 with SHA-256, DER."""
        return self._key.sign(message, ec.ECDSA(hashes.SHA256()))

    def _leaf(
        self,
        key: ec.EllipticCurvePublicKey,
        common_name: str,
        dns_name: str,
        uses: list[x509.ObjectIdentifier],
        days: int,
    ) -> x509.Certificate:
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
        issuer_key = self._certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        return (
            _builder(subject, self._certificate.subject, key, days)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(authority=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(dns_name)]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(issuer_key), critical=False)
            .sign(self._key, hashes.SHA256())
        )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _key_usage(authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
