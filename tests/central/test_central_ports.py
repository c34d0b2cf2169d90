"""The gRPC ports by themselves: certificates that are renewed while they serve."""

import datetime
from collections.abc import Iterator
from pathlib import Path

import pytest
from central_kit import LOOPBACK, raw_tls
from cryptography import x509

from central.authority import Authority, ServerCertificate
from central.gate import Gate
from central.metrics import Metrics
from central.ports import Port, PortPlan


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.create(tmp_path / "authority")


class Renewing:
    """Makes certificates that are to be renewed at `renew_at`."""

    def __init__(self, authority: Authority) -> None:
        self.authority = authority
        self.renew_at = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1)
        self.made = 0

    def __call__(self) -> ServerCertificate:
        self.made += 1
        certificate = self.authority.make_server("x.central.barrio")
        return ServerCertificate(certificate.key, certificate.chain, self.renew_at)


@pytest.fixture
def renewing(authority: Authority) -> Renewing:
    return Renewing(authority)


@pytest.fixture
def open_port(renewing: Renewing) -> Iterator[Port]:
    port = Port(PortPlan("enrol", LOOPBACK, 2, renewing))
    port.serve("nothing", Gate(Metrics(), port.workers, 1).for_all("nothing", {}))
    yield port
    port.end_stop()


def serial(port: Port, folder: Path) -> int:
    with raw_tls(str(port.address), None, folder) as tls:
        shown = tls.getpeercert(binary_form=True)
    assert shown is not None
    return x509.load_der_x509_certificate(shown).serial_number


def test_a_certificate_is_kept_until_its_time_and_then_replaced(
    open_port: Port, renewing: Renewing, tmp_path: Path
) -> None:
    first = serial(open_port, tmp_path)
    assert serial(open_port, tmp_path) == first
    assert renewing.made == 1


def test_a_certificate_near_its_end_is_replaced_while_serving(authority: Authority, tmp_path: Path) -> None:
    renewing = Renewing(authority)
    renewing.renew_at = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=1)
    port = Port(PortPlan("enrol", LOOPBACK, 2, renewing))
    port.serve("nothing", Gate(Metrics(), port.workers, 1).for_all("nothing", {}))
    try:
        first = serial(port, tmp_path)
        renewing.renew_at += datetime.timedelta(days=1)
        second = serial(port, tmp_path)
        assert second != first
        assert serial(port, tmp_path) == second
    finally:
        port.end_stop()
