"""Becoming a member with an invite, and renewing the certificate. Blocks; run it off the window's thread."""

import secrets
import socket
import ssl
from datetime import timedelta
from pathlib import Path

import grpc
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from peer_core.addresses import format_host_port
from peer_core.central_words import told_by_central
from peer_core.errors import (
    BadInputError,
    BarrioError,
    CentralUnreachableError,
    ConflictError,
    EnrolmentError,
    RevokedError,
    StorageError,
)
from peer_core.identity import store
from peer_core.identity.authority_probe import chain_of
from peer_core.identity.store import Identity, Membership
from protos.agreed import ENROLMENT_NAME, Invite, encode_id, peer_host_name, peer_id_of
from protos.barrio.v1 import enrolment_pb2, enrolment_pb2_grpc
from protos.sentences import say

DEADLINE_SECONDS = 15.0
MAX_NAME = 64


def join(data_dir: Path, invite_text: str, name: str) -> Identity:
    """Enrols this device and keeps its identity in `data_dir`.

    Raises BadInputError (the link), ConflictError (a member already), EnrolmentError (refused),
    CentralUnreachableError, StorageError.
    """
    present = Identity.load(data_dir)
    if present is not None:
        raise ConflictError(
            "This device is already in the barrio “{barrio}”; use another data folder (--data-dir) to "
            "be in a second one.",
            "joined-already",
            barrio=present.membership.network_name,
        )
    try:
        invite = Invite.parse(invite_text)
    except ValueError as error:
        raise BadInputError("The invite cannot be used: {reason}.", "invite-unusable", reason=error) from error
    authority = _authority(invite)
    key = ec.generate_private_key(ec.SECP256R1())
    request = enrolment_pb2.EnrolRequest(token=invite.token, signing_request=_signing_request(key), name=name)
    with _channel((invite.host, invite.port), authority) as channel:
        try:
            answer = enrolment_pb2_grpc.EnrolmentStub(channel).Enrol(request, timeout=DEADLINE_SECONDS)
        except grpc.RpcError as error:
            raise _refusal(error, invite.host) from error
    _check_certificate(answer.certificate, key.public_key(), authority)
    membership = Membership(
        network_name=answer.network_name[:200],
        directory=(invite.host, answer.directory_port),
        enrolment=(invite.host, invite.port),
        sealing_key=answer.sealing_key,
    )
    pem = authority.public_bytes(serialization.Encoding.PEM)
    store.save(data_dir, key, secrets.token_urlsafe(32), name, membership, answer.certificate, pem)
    identity = Identity.load(data_dir)
    if identity is None:
        raise StorageError("The identity in {folder} vanished; join again.", "identity-vanished", folder=data_dir)
    return identity


def renew(identity: Identity) -> None:
    """Gets the certificate signed anew and keeps it. Raises RevokedError, EnrolmentError, CentralUnreachableError."""
    key = identity.private_key()
    request = enrolment_pb2.RenewRequest(signing_request=_signing_request(key))
    with _channel(identity.membership.enrolment, identity.authority()) as channel:
        try:
            answer = enrolment_pb2_grpc.EnrolmentStub(channel).Renew(request, timeout=DEADLINE_SECONDS)
        except grpc.RpcError as error:
            raise _refusal(error, identity.membership.enrolment[0]) from error
    _check_certificate(answer.certificate, key.public_key(), identity.authority())
    identity.replace_certificate(answer.certificate)


def _authority(invite: Invite) -> x509.Certificate:
    """The certificate that the invite's fingerprint names, out of the chain that the central shows."""
    try:
        chain = chain_of(invite.host, invite.port, ENROLMENT_NAME)
    except (socket.gaierror, UnicodeError) as error:
        raise CentralUnreachableError(
            "The name {host} is not known; check the invite's address.", "host-unknown", host=invite.host
        ) from error
    except ssl.SSLError as error:
        raise EnrolmentError(
            "What answers at {host}:{port} is no central; check the invite's address.",
            "no-central-at",
            host=invite.host,
            port=invite.port,
        ) from error
    except OSError as error:
        where = format_host_port(invite.host, invite.port)
        raise CentralUnreachableError(
            "Nothing answers at {where}; ask whether the central runs there, and try again.", "nothing-at", where=where
        ) from error
    for der in chain:
        certificate = x509.load_der_x509_certificate(der)
        if encode_id(certificate.fingerprint(hashes.SHA256())) == invite.fingerprint:
            return certificate
    raise EnrolmentError(
        "The central there is not the one that the invite names; ask for a new invite.", "invite-other-central"
    )


def _signing_request(key: ec.EllipticCurvePrivateKey) -> bytes:
    public = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, peer_id_of(public))])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.DER)


def _check_certificate(pem: bytes, public_key: ec.EllipticCurvePublicKey, authority: x509.Certificate) -> None:
    """Raises EnrolmentError unless the authority signed just this key under its peer id."""
    der = public_key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    try:
        certificate = x509.load_pem_x509_certificate(pem)
        certificate.verify_directly_issued_by(authority)
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        own = names.get_values_for_type(x509.DNSName)
        if certificate.public_key() != public_key or own != [peer_host_name(peer_id_of(der))]:
            raise ValueError("another key")
        if certificate.not_valid_after_utc - certificate.not_valid_before_utc > timedelta(days=400):
            raise ValueError("valid for too long")
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound) as error:
        raise EnrolmentError(
            "The central answered with a certificate that is not this device's.", "certificate-foreign"
        ) from error


def _channel(address: tuple[str, int], authority: x509.Certificate) -> grpc.Channel:
    credentials = grpc.ssl_channel_credentials(authority.public_bytes(serialization.Encoding.PEM))
    options = [("grpc.ssl_target_name_override", ENROLMENT_NAME), ("grpc.enable_http_proxy", 0)]
    return grpc.secure_channel(format_host_port(*address), credentials, options)


def _refusal(error: grpc.RpcError, host: str) -> BarrioError:
    code, details = error.code(), told_by_central(error)
    if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED):
        return CentralUnreachableError(
            "The central at {host} does not answer; try again in a while.", "central-silent-at", host=host
        )
    if code is grpc.StatusCode.PERMISSION_DENIED:
        return RevokedError(
            details or say("The barrio has removed this device; ask its keeper for a new invite.", "device-removed")
        )
    if code is grpc.StatusCode.INVALID_ARGUMENT:
        return BadInputError(
            details or say("The central does not take this name; choose another one.", "name-not-taken")
        )
    return EnrolmentError(details or say("The invite was not taken; ask for a new one.", "invite-not-taken"))
