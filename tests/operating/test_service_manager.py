"""Ready, alive and stopping, told over the service manager's own socket by programs that run."""

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import grpc
import pytest
from central_kit import Central as CentralHere
from grpc_health.v1 import health_pb2_grpc
from processes import Central, HeadlessPeer, Program, command, wait_for

from protos.operating.notify import Manager


class Listening:
    """What a service manager hears."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._wire = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._wire.bind("\0" + address[1:] if address.startswith("@") else address)
        self.heard: list[str] = []

    def until(self, line: str, times: int = 1, seconds: float = 20.0) -> None:
        deadline = time.monotonic() + seconds
        while self.heard.count(line) < times:
            self._wire.settimeout(max(0.01, deadline - time.monotonic()))
            self.heard += self._wire.recv(4096).decode().splitlines()

    def rest(self) -> list[str]:
        self._wire.setblocking(False)
        try:
            while True:
                self.heard += self._wire.recv(4096).decode().splitlines()
        except BlockingIOError:
            return self.heard

    def close(self) -> None:
        self._wire.close()


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Listening]:
    abstract = f"@barrio-test-{os.getpid()}-{time.monotonic_ns()}"
    listening = Listening(abstract if request.param == "abstract" else str(tmp_path / "notify"))
    yield listening
    listening.close()


def under(listening: Listening, microseconds: int = 600_000) -> dict[str, str]:
    return {"NOTIFY_SOCKET": listening.address, "WATCHDOG_USEC": str(microseconds)}


def test_a_central_is_ready_then_alive_then_stopping(tmp_path: Path, manager: Listening) -> None:
    argv = [*command("barrio-central"), "--data-dir", str(tmp_path / "c"), "serve"]
    argv += ["--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"]
    with Program(argv, tmp_path / "log", under(manager)) as program:
        manager.until("READY=1")
        assert "WATCHDOG=1" not in manager.heard[: manager.heard.index("READY=1")]
        manager.until("WATCHDOG=1", 3)
        assert "STOPPING=1" not in manager.heard
        program.signal(signal.SIGTERM)
        manager.until("STOPPING=1")
        assert program.wait(10) == 0
    assert manager.rest().count("READY=1") == 1
    assert "does not answer" not in program.log_text()


def test_a_peer_is_ready_then_alive_then_stopping(tmp_path: Path) -> None:
    central = Central(tmp_path / "central")
    manager = Listening(str(tmp_path / "notify"))
    peer = HeadlessPeer(tmp_path / "ana", "ana", central.invite())
    try:
        peer.start(env=under(manager))
        manager.until("READY=1")
        manager.until("WATCHDOG=1", 3)
        assert peer.stop() == 0
        manager.until("STOPPING=1")
        assert peer.program is not None
        assert "does not answer" not in peer.program.log_text()
    finally:
        if peer.program is not None:
            peer.program.stop()
        central.program.stop()
        manager.close()


def test_a_start_that_is_refused_is_never_ready(tmp_path: Path) -> None:
    manager = Listening(str(tmp_path / "notify"))
    for wrong, status in ((["--listen", "nonsense"], 2), (["--database", "postgresql://h/b"], 1)):
        argv = [*command("barrio-central"), "--data-dir", str(tmp_path / "c"), "serve", *wrong]
        with Program(argv, tmp_path / "log", under(manager)) as program:
            assert program.wait(20) == status
    assert "READY=1" not in manager.rest()
    manager.close()


def test_a_central_whose_threads_hang_is_not_said_to_be_alive(tmp_path: Path) -> None:
    central = CentralHere(tmp_path / "central")
    probe = central.server.probe
    try:
        assert probe.answers(10)
        release, stuck = threading.Event(), []
        for pool in probe._workers:
            stuck += [pool.submit(release.wait) for _ in range(pool._max_workers)]
        assert not probe.answers(0.3)
        release.set()
        for future in stuck:
            future.result(5)
        assert probe.answers(10)
    finally:
        central.stop()
    assert not probe.answers(1)


def test_a_central_that_has_much_to_do_is_alive(tmp_path: Path) -> None:
    """Every thread is taken whenever it is asked, and there is always more to do."""
    central = CentralHere(tmp_path / "central")
    probe = central.server.probe
    try:
        assert probe.answers(10)
        for pool in probe._workers:
            gate = threading.Event()
            stuck = [pool.submit(gate.wait) for _ in range(pool._max_workers)]
            assert not probe.answers(0.4)
            gate.set()
            for future in stuck:
                future.result(5)
            gate = threading.Event()
            stuck = [pool.submit(gate.wait) for _ in range(pool._max_workers)]
            assert probe.answers(0.4), "work was done since it was asked before"
            assert not probe.answers(0.4), "none was done since"
            gate.set()
            for future in stuck:
                future.result(5)
    finally:
        central.stop()


@pytest.mark.parametrize(
    ("status", "alive"), [("RESOURCE_EXHAUSTED", True), ("UNAVAILABLE", False), ("DEADLINE_EXCEEDED", False)]
)
def test_a_refusal_is_an_answer_of_a_central(
    status: str, alive: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refused(grpc.RpcError):
        def code(self) -> grpc.StatusCode:
            return grpc.StatusCode[status]

    class Stub:
        def __init__(self, channel: grpc.Channel) -> None:
            pass

        def Check(self, request: object, timeout: float) -> None:
            raise Refused

    central = CentralHere(tmp_path / "central")
    try:
        monkeypatch.setattr(health_pb2_grpc, "HealthStub", Stub)
        assert central.server.probe.answers(5) is alive
    finally:
        central.stop()


def test_only_answers_count_and_an_error_is_none(tmp_path: Path) -> None:
    listening = Listening(str(tmp_path / "notify"))
    environ = {**under(listening, 30_000), "WATCHDOG_PID": str(os.getpid()), "HOME": "/"}
    manager = Manager.take(environ)
    assert environ == {"HOME": "/"}, "what is started from here does not speak to the manager"
    now: list[object] = [False]
    asked: Future[None] = Future()

    def answers(seconds: float) -> bool:
        assert seconds == pytest.approx(0.01)
        if asked.done():
            return bool(now[0])
        asked.set_result(None)
        raise RuntimeError("a mistake")

    with manager.serving(answers):
        asked.result(5)
        listening.until("READY=1")
        assert listening.rest() == ["READY=1"]
        now[0] = True
        listening.until("WATCHDOG=1", 2)
    listening.until("STOPPING=1")
    listening.close()


def test_a_slow_start_asks_for_patience(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listening = Listening(str(tmp_path / "notify"))
    monkeypatch.setattr("protos.operating.notify.STARTING_SECONDS", 0.01)
    with Manager.take(under(listening)).starting():
        listening.until("EXTEND_TIMEOUT_USEC=30000", 3)
    listening.close()


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"WATCHDOG_USEC": "1000"},
        {"NOTIFY_SOCKET": "", "WATCHDOG_USEC": "1000"},
        {"NOTIFY_SOCKET": "@", "WATCHDOG_USEC": "1000"},
        {"NOTIFY_SOCKET": "vsock:2:1", "WATCHDOG_USEC": "1000"},
        {"NOTIFY_SOCKET": "/nowhere/notify", "WATCHDOG_USEC": "1000", "WATCHDOG_PID": "1"},
        {"NOTIFY_SOCKET": "/nowhere/notify", "WATCHDOG_USEC": "-5"},
        {"NOTIFY_SOCKET": "/nowhere/notify"},
    ],
)
def test_nobody_who_watches_gets_no_thread(environ: dict[str, str]) -> None:
    before = threading.active_count()
    with Manager.take(dict(environ)).serving(lambda _: True):
        assert threading.active_count() == before


def test_a_manager_that_is_gone_changes_nothing(tmp_path: Path) -> None:
    listening = Listening(str(tmp_path / "notify"))
    asked = []
    with Manager.take(under(listening, 30_000)).serving(lambda _: bool(asked.append(1)) or True):
        listening.until("WATCHDOG=1")
        listening.close()
        (tmp_path / "notify").unlink()
        so_far = len(asked)
        wait_for(lambda: len(asked) > so_far + 2, 10, "the program to go on")
