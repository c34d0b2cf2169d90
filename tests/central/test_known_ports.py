"""Port 0 is chosen once: members and invites find a central that was started again, or its log says why not."""

import logging
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from central_kit import Central
from processes import Program, command, run_command, wait_for

from central.config import Address
from central.errors import StartError
from central.housekeeping import Housekeeper
from central.known_ports import KNOWN_PORTS
from protos.agreed import Invite


def serve(data: Path) -> Program:
    where = ("--listen", "127.0.0.1:0", "--http", "127.0.0.1:0")
    return Program([*command("barrio-central"), "--data-dir", str(data), "serve", *where], data.with_suffix(".log"))


def places(program: Program) -> tuple[str, str]:
    return program.ready["directory"], program.ready["enrol"]


def ports(central: Central) -> tuple[int, int]:
    at = central.server.addresses
    return Address.parse(at.directory).port, Address.parse(at.enrol).port


def test_port_0_is_the_same_after_a_restart(tmp_path: Path) -> None:
    data = tmp_path / "central"
    with serve(data) as program:
        first = places(program.wait_ready())
    # An invite that is made while it is down leads where it will be.
    done = run_command("barrio-central", "--data-dir", str(data), "invite", "--host", "h", env={"BARRIO_LISTEN": "a:0"})
    assert f"127.0.0.1:{Invite.parse(done.stdout.strip()).port}" == first[1]
    with serve(data) as program:
        assert places(program.wait_ready()) == first
    assert "WARNING" not in program.log_text()


def test_a_taken_port_is_named(central: Central) -> None:
    listen, _ = ports(central)
    central.stop()
    with (
        socket.create_server(("127.0.0.1", listen)),
        pytest.raises(StartError, match=rf"127\.0\.0\.1:{listen} .*it had before, where members") as refused,
    ):
        central.start()
    assert "--listen" in refused.value.message
    central.start()
    assert ports(central)[0] == listen


def test_other_ports_are_told_and_followed_once_members_come(
    central: Central, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    do = Housekeeper._do

    def noted(housekeeper: Housekeeper, name: str, job: Callable[[], bool | None]) -> bool:
        more = do(housekeeper, name, job)
        done.append(name)
        return more

    monkeypatch.setattr(Housekeeper, "_do", noted)
    known, options = ports(central), central.options
    member = central.member()
    device = member.device
    central.stop()
    other = free_port()
    central.options = replace(options, listen=Address("127.0.0.1", other))
    done.clear()
    with caplog.at_level(logging.WARNING, "central.known_ports"):
        central.start()
    (told,) = [record.getMessage() for record in caplog.records]
    assert f"ports {known[0]} and {known[1]}" in told
    assert f"listens at {other}" in told
    caplog.clear()
    # A start at the wrong ones changes nothing: nobody came, and whether somebody did was looked at.
    wait_for(lambda: "known ports" in done, 10, "the job to run")
    central.stop()
    central.options = options
    central.start()
    assert ports(central) == known
    # A member that comes, over a name or a forwarded port, knows the new ones.
    central.stop()
    central.options = replace(options, listen=Address("127.0.0.1", other))
    central.start()
    central.caller(device).register()
    read = central.server.database.read().execute
    asked = "SELECT value FROM setting WHERE key = ?"
    wait_for(lambda: str(other) in read(asked, (KNOWN_PORTS,)).fetchone()[0], 10, "the new ports to be known")
    caplog.clear()
    central.stop()
    central.options = options
    central.start()
    assert ports(central)[0] == other
    assert not caplog.records


def test_without_members_other_ports_are_nothing_to_tell(central: Central, caplog: pytest.LogCaptureFixture) -> None:
    central.stop()
    central.options = replace(central.options, listen=Address("127.0.0.1", free_port()))
    central.start()
    assert not caplog.records


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
