"""When a peer counts as alive for the service manager: only one that says nothing at all is dead."""

import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from trust import Authority

from peer_core.cli.answering import answers
from peer_core.identity.store import Identity
from peer_core.server.hosting import HostedServer

SECONDS = 2.0


def tell(environ: Any, start: Any) -> list[bytes]:
    start("200 OK", [("Content-Length", "0")])
    return []


class Running:
    """Both servers of a peer. `listens`: where the one for other members is said to be."""

    def __init__(self, identity: Identity, host: str, certificate: Identity | None = None) -> None:
        self.identity = identity
        shown = certificate or identity
        self.local = HostedServer(tell, ("127.0.0.1", 0), name="local-api", threads=1)
        self.others = HostedServer(tell, (host, 0), name="peer-api", threads=1, tls=shown.server_context)
        self.listens = self.others.address
        for server in (self.local, self.others):
            server.start()

    def answers(self, seconds: float = SECONDS) -> bool:
        online = SimpleNamespace(identity=self.identity, listens=self.listens)
        url = f"http://127.0.0.1:{self.local.address[1]}"
        return answers(cast(Any, SimpleNamespace(local_url=url, token="t", online=online)), seconds)

    def close(self) -> None:
        self.local.stop(1.0)
        self.others.stop(1.0)


@pytest.fixture
def authority() -> Authority:
    return Authority()


@pytest.fixture(params=["127.0.0.1", "0.0.0.0", "::"])
def running(request: pytest.FixtureRequest, authority: Authority, tmp_path: Path) -> Iterator[Running]:
    if request.param == "::" and not socket.has_dualstack_ipv6():
        pytest.skip("no IPv6 here")
    made = Running(authority.identity(tmp_path / "ana", "ana"), request.param)
    yield made
    made.close()


def test_a_peer_answers_wherever_it_listens(running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo

    def without_ipv6(host: str, *rest: Any, **named: Any) -> Any:
        assert ":" not in host, "IPv6 may be off"
        return real(host, *rest, **named)

    monkeypatch.setattr(socket, "getaddrinfo", without_ipv6)
    assert running.answers()


def test_another_certificate_is_an_answer(authority: Authority, tmp_path: Path) -> None:
    own, other = (authority.identity(tmp_path / name, name) for name in ("ana", "bruno"))
    made = Running(own, "127.0.0.1", certificate=other)
    try:
        assert made.answers()
    finally:
        made.close()


def test_a_server_that_has_no_room_lives_and_one_that_is_gone_or_silent_does_not(
    authority: Authority, tmp_path: Path
) -> None:
    made = Running(authority.identity(tmp_path / "ana", "ana"), "127.0.0.1")
    try:
        full = HostedServer(tell, ("127.0.0.1", 0), name="full", threads=1, per_address_limit=0)
        full.start()
        made.listens = full.address
        assert made.answers()
        full.stop(1.0)
        assert not made.answers()
        # The system takes connections for a program that hangs.
        with socket.create_server(("127.0.0.1", 0)) as silent:
            made.listens = silent.getsockname()
            assert not made.answers(0.4)
    finally:
        made.close()
