"""Joining over real TLS: invites good, used up, expired, mangled, raced for; renewal; who is not let in."""

import threading
import time
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from central_kit import ENROLMENT_NAME, Central, Device, raw_tls, refused
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from grpc_health.v1 import health_pb2, health_pb2_grpc

from central.authority import Authority
from peer_core.central_words import told_by_central
from protos.agreed import encode_id
from protos.barrio.v1 import enrolment_pb2

REFUSED = grpc.StatusCode.UNAUTHENTICATED
DENIED = grpc.StatusCode.PERMISSION_DENIED
BAD = grpc.StatusCode.INVALID_ARGUMENT


def test_why_an_invite_is_refused_has_a_code_and_values(central: Central) -> None:
    ended = central.invite(seconds=10, now=1_000_000)
    for token, code, params in (
        ("nonsense", "invite-unknown", {}),
        (ended, "invite-expired", {"ended": "1970-01-12 13:46 UTC"}),
    ):
        with pytest.raises(grpc.RpcError) as refusal:
            central.enrol(token, Device())
        told = told_by_central(refusal.value)
        assert (told.code, told.params) == (code, params)
        assert told == refusal.value.details()


def test_a_barrio_is_renamed_by_a_name_that_is_given_and_by_nothing_else(tmp_path: Path) -> None:
    central = Central(tmp_path / "renamed")
    try:
        ana = central.member("Ana").device
        for given, expected in (("", "La Plaza"), ("Calle Mayor", "Calle Mayor"), ("", "Calle Mayor")):
            central.options = replace(central.options, name=given)
            central.restart()
            assert central.caller(ana).register().network_name == expected
    finally:
        central.stop()


def test_an_invited_device_becomes_a_member(central: Central) -> None:
    device = Device()
    answer = central.enrol(central.invite(), device, "  Ana  ")
    assert answer.network_name == "La Plaza"
    assert answer.authority == central.roots
    assert central.server.addresses.directory.endswith(f":{answer.directory_port}")
    assert answer.sealing_key == b""
    certificate = x509.load_pem_x509_certificate(answer.certificate)
    certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(central.roots))
    assert central.caller(device).register().name == "Ana"


def test_the_chain_shows_the_authority_that_the_invite_names(central: Central, tmp_path: Path) -> None:
    with raw_tls(central.server.addresses.enrol, None, tmp_path) as tls:
        # Public only from Python 3.13 on.
        chain = [entry.public_bytes() for entry in tls._sslobj.get_unverified_chain()]
    shown = [x509.load_pem_x509_certificate(pem.encode()) for pem in chain]
    fingerprints = [encode_id(certificate.fingerprint(hashes.SHA256())) for certificate in shown]
    assert Authority.load(tmp_path / "central" / "authority").fingerprint in fingerprints
    names = shown[0].extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [ENROLMENT_NAME]


def test_used_up_expired_and_unknown_invites_say_which(central: Central) -> None:
    token = central.invite(uses=2)
    central.enrol(token, Device())
    central.enrol(token, Device())
    with refused(REFUSED, "used up", "new one"):
        central.enrol(token, Device())
    with refused(REFUSED, "expired on", "new one"):
        central.enrol(central.invite(seconds=10, now=int(time.time()) - 60), Device())
    for mangled in (token[:-1], token.upper(), "nonsense"):
        with refused(REFUSED, "not known"):
            central.enrol(mangled, Device())
    with refused(BAD, "token"):
        central.enrol("", Device())
    with refused(BAD, "token"):
        central.enrol("x" * 129, Device())


def test_of_two_that_race_for_the_last_use_one_wins(central: Central) -> None:
    token = central.invite()
    outcomes: list[str] = []
    together = threading.Barrier(6)
    stub = central.enrolment()

    def join(number: int) -> None:
        request = enrolment_pb2.EnrolRequest(
            token=token, signing_request=Device().signing_request(), name=f"peer {number}"
        )
        together.wait()
        try:
            stub.Enrol(request, timeout=10)
            outcomes.append("in")
        except grpc.RpcError as error:
            outcomes.append(error.code().name)

    threads = [threading.Thread(target=join, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == sorted(["in"] + ["UNAUTHENTICATED"] * 5)


def test_a_bad_request_does_not_use_the_invite(central: Central) -> None:
    token = central.invite()
    stub = central.enrolment()
    device = Device()
    forged = Device().signing_request(device.key)[:-1] + b"\0"
    for signing_request, name in (
        (b"", "Ana"),
        (b"x" * 5000, "Ana"),
        (forged, "Ana"),
        (device.signing_request(), ""),
        (device.signing_request(), "x" * 65),
        (device.signing_request(), "gpj.\u202eexe"),
        (device.signing_request(), "a\nb"),
    ):
        with refused(BAD):
            request = enrolment_pb2.EnrolRequest(token=token, signing_request=signing_request, name=name)
            stub.Enrol(request, timeout=10)
    central.enrol(token, device)


def test_a_member_that_joins_again_is_the_same_member(central: Central) -> None:
    device = Device()
    central.enrol(central.invite(), device, "Ana")
    first = device.certificate
    token = central.invite()
    central.enrol(token, device, "Ana's new name")
    assert device.certificate != first
    assert central.caller(device).register().name == "Ana's new name"
    # Its answer may have been lost; for others the invite is used up.
    central.enrol(token, device, "Ana's new name")
    with refused(REFUSED, "used up"):
        central.enrol(token, Device())


def test_renewal_needs_the_key_and_nothing_else(central: Central) -> None:
    caller = central.member()
    before = caller.device.certificate
    renewed = central.renew(caller.device)
    assert renewed.certificate != before
    fresh = Device(caller.device.key)
    fresh.certificate = renewed.certificate
    central.caller(fresh).register()
    with refused(grpc.StatusCode.NOT_FOUND, "no member"):
        central.renew(Device())
    with refused(BAD, "signing request"):
        central.enrolment().Renew(enrolment_pb2.RenewRequest(signing_request=b"\x30\x00"), timeout=10)


def test_the_revoked_neither_join_nor_renew(central: Central) -> None:
    caller = central.member()
    central.revoke(caller.peer_id)
    token = central.invite()
    with refused(DENIED, "removed"):
        central.enrol(token, caller.device)
    with refused(DENIED, "removed"):
        central.renew(caller.device)
    central.enrol(token, Device())


@pytest.mark.parametrize("service", ["", "barrio.v1.Enrolment"])
def test_the_enrolment_port_says_that_it_serves(central: Central, service: str) -> None:
    channel = central.channels.open(central.server.addresses.enrol, ENROLMENT_NAME, central.roots)
    health = health_pb2_grpc.HealthStub(channel)
    answer = health.Check(health_pb2.HealthCheckRequest(service=service), timeout=10)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING
    with refused(grpc.StatusCode.UNIMPLEMENTED):
        list(health.Watch(health_pb2.HealthCheckRequest(service=service), timeout=10))
