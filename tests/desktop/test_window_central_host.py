"""The hosted central: other ports where the usual ones are taken, one that outlived its window is used again."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from desktop.central_host import CentralHost
from desktop.hosting import HostError
from protos.agreed import Invite


@pytest.fixture
def hosts() -> Iterator[list[CentralHost]]:
    """Whatever a test puts in is stopped at its end."""
    started: list[CentralHost] = []
    yield started
    for host in started:
        host.stop()


def test_an_orphan_is_adopted_and_left_alone(tmp_path: Path, hosts: list[CentralHost]) -> None:
    first = CentralHost(tmp_path, "127.0.0.1:0", "")
    hosts.append(first)
    first.start(move_ports=True, name="Lavapiés")
    second = CentralHost(tmp_path, first.listen, first.enrol)
    hosts.append(second)
    second.start(move_ports=False)
    invite = Invite.parse(second.invite("127.0.0.1", 1))
    assert invite.port == int(first.enrol.rpartition(":")[2])
    second.stop()
    socket.create_connection(("127.0.0.1", invite.port), timeout=2).close()


def test_a_new_barrio_moves_away_from_taken_ports(tmp_path: Path, hosts: list[CentralHost]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        moved = CentralHost(tmp_path / "new", address, "")
        hosts.append(moved)
        moved.start(move_ports=True)
        assert moved.listen != address and Invite.parse(moved.invite("127.0.0.1", 1)).port

        # Members know the ports of an old one: it must say what is wrong instead.
        old = CentralHost(tmp_path / "old", address, "")
        hosts.append(old)
        with pytest.raises(HostError) as refused:
            old.start(move_ports=False)
        assert refused.value.code == "central-start" and refused.value.detail


def test_a_stopped_one_does_not_start_again(tmp_path: Path) -> None:
    host = CentralHost(tmp_path, "127.0.0.1:0", "")
    host.stop()
    host.start(move_ports=True)
    assert not (tmp_path / "central").exists()
