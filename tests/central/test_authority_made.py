"""The authority: what it signs, how its key lies on the disk, and what happens when it is damaged."""

import os
import stat
from pathlib import Path

import pytest
from central_kit import Device
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from central.authority import Authority, read_signing_request
from central.errors import BadInputError, StorageError
from protos.agreed import peer_host_name


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "authority"


def test_the_key_is_private_from_the_start(folder: Path) -> None:
    before = os.umask(0)
    try:
        Authority.create(folder)
    finally:
        os.umask(before)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()] == [0o600, 0o600]
    assert [entry.name for entry in folder.parent.iterdir()] == ["authority"]


def test_the_same_authority_comes_back(folder: Path) -> None:
    made = Authority.create(folder)
    loaded = Authority.load(folder)
    assert (loaded.fingerprint, loaded.certificate_pem) == (made.fingerprint, made.certificate_pem)
    with pytest.raises(OSError):
        Authority.create(folder)
    assert Authority.load(folder).fingerprint == made.fingerprint


def test_a_members_certificate_names_the_peer_for_a_month(folder: Path) -> None:
    authority = Authority.create(folder)
    device = Device()
    pem = authority.sign_member(read_signing_request(device.signing_request()))
    certificate = x509.load_pem_x509_certificate(pem)
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.certificate_pem))
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [peer_host_name(device.peer_id)]
    assert certificate.public_key() == device.key.public_key()
    uses = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert {*uses} == {ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH}
    assert not certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    life = certificate.not_valid_after_utc - certificate.not_valid_before_utc
    assert life.days == 31  # thirty from now on, and one back for clocks that are wrong


def test_a_servers_certificate_serves_only(folder: Path) -> None:
    made = Authority.create(folder).make_server("x.central.barrio")
    leaf, root = x509.load_pem_x509_certificates(made.chain)
    assert root.subject == root.issuer == leaf.issuer
    uses = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert [*uses] == [ExtendedKeyUsageOID.SERVER_AUTH]
    assert made.renew_at < leaf.not_valid_after_utc


def test_what_is_signed_can_be_checked(folder: Path) -> None:
    authority = Authority.create(folder)
    key = x509.load_pem_x509_certificate(authority.certificate_pem).public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    signature = authority.sign(b"list")
    key.verify(signature, b"list", ec.ECDSA(hashes.SHA256()))
    with pytest.raises(InvalidSignature):
        key.verify(signature, b"lost", ec.ECDSA(hashes.SHA256()))


def test_only_p256_requests_signed_by_their_own_key_are_taken() -> None:
    device = Device()
    good = device.signing_request()
    assert read_signing_request(good).peer_id == device.peer_id
    flipped = bytearray(good)
    flipped[-1] ^= 1
    other_curve = Device(ec.generate_private_key(ec.SECP384R1())).signing_request()
    other_kind = Device(rsa.generate_private_key(65537, 2048)).signing_request()
    for bad in (b"", b"x", good[:-4], good + b"x", bytes(flipped), other_curve, other_kind, bytes(5000)):
        with pytest.raises(BadInputError, match="signing request"):
            read_signing_request(bad)


@pytest.mark.parametrize("damage", ["no key", "no certificate", "garbage", "other key", "empty"])
def test_a_damaged_authority_is_left_as_it_is(folder: Path, tmp_path: Path, damage: str) -> None:
    Authority.create(folder)
    other = tmp_path / "other"
    Authority.create(other)
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    match damage:
        case "no key":
            key.unlink()
        case "no certificate":
            certificate.unlink()
        case "garbage":
            key.write_bytes(b"-----BEGIN NOTHING-----\n")
        case "other key":
            key.write_bytes((other / "key.pem").read_bytes())
        case "empty":
            certificate.write_bytes(b"")
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    with pytest.raises(StorageError, match="restore it from a backup"):
        Authority.load(folder)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
