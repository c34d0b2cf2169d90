"""A neighbour connects back: to the asker and nobody else, now and then, and without telling what else it finds."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from holders import HonestHolder
from hypothesis import given
from hypothesis import strategies as st
from trust import Authority

from peer_core.directory import callback
from peer_core.directory.callback import CallBack, TooOftenError, Tried, Why, may_try, plain_ip
from peer_core.directory.reach import read_report
from peer_core.directory.types import PeerRecord
from peer_core.errors import CentralUnreachableError

HERE = "127.0.0.1"


class Street:
    """An asker that serves, somebody else that serves, and a neighbour. `told`: what the barrio knows of the asker."""

    def __init__(self, root: Path) -> None:
        authority = Authority()
        path = root / "file"
        path.write_bytes(b"x")
        self.asker = HonestHolder(authority.identity(root / "asker", "asker"), path)
        self.other = HonestHolder(authority.identity(root / "other", "other"), path)
        self.caller = self.asker.holder.peer_id
        (self.mine,), (self.others,) = self.asker.holder.addresses, self.other.holder.addresses
        self.told: tuple[str, ...] | None = ()
        self.found = 0
        self.neighbour = CallBack(authority.identity(root / "neighbour", "neighbour"), self._find)

    def _find(self, peer_id: str) -> PeerRecord | None:
        self.found += 1
        if self.told is None:
            raise CentralUnreachableError("x")
        return PeerRecord(peer_id, "asker", self.told)

    def call(self, *addresses: str, calls_from: str = HERE) -> list[Tried]:
        return self.neighbour.call(self.caller, calls_from, addresses)

    def close(self) -> None:
        self.neighbour.close()
        self.asker.close()
        self.other.close()


@pytest.fixture
def street(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Street]:
    monkeypatch.setattr(callback, "TRY_SECONDS", 1.0)
    made = Street(tmp_path)
    yield made
    made.close()


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """Takes connections, and never says anything."""
    with socket.create_server((HERE, 0)) as server:
        server.settimeout(0.1)
        yield server


def url(server: socket.socket) -> str:
    return f"https://{HERE}:{server.getsockname()[1]}"


def closed_port() -> str:
    with socket.create_server((HERE, 0)) as server:
        return url(server)


def test_the_asker_is_reached_and_a_closed_port_is_told(street: Street) -> None:
    closed = closed_port()
    street.told = (street.mine, closed)
    assert street.call(street.mine, closed) == [Tried(street.mine, True), Tried(closed, False, Why.REFUSED)]


def test_only_what_the_asker_told_the_barrio_is_tried(street: Street, silent: socket.socket) -> None:
    street.told = (street.mine,)
    assert street.call(url(silent), street.mine) == [Tried(street.mine, True)]
    with pytest.raises(TimeoutError):
        silent.accept()


def test_the_barrio_is_asked_once_for_all_addresses(street: Street) -> None:
    street.told = (street.mine,)
    street.call(street.mine, *(f"https://10.0.0.{number}:5" for number in range(1, 16)))
    assert street.found == 1


def test_no_name_is_looked_up_for_anybody(street: Street, monkeypatch: pytest.MonkeyPatch) -> None:
    port = street.mine.rpartition(":")[2]
    names = [f"https://{host}:{port}" for host in ("localhost", "ana.example", "127.1", "0x7f000001")]
    street.told = (*names, street.mine)
    real, looked_up = socket.getaddrinfo, []

    def getaddrinfo(host: str, *rest: Any, **named: Any) -> Any:
        looked_up.append(host)
        return real(host, *rest, **named)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    assert street.call(*names, street.mine) == [Tried(street.mine, True)]
    assert looked_up == [HERE]


def test_while_the_central_is_silent_only_the_address_of_the_call_itself_is_tried(
    street: Street, silent: socket.socket
) -> None:
    street.told = None
    assert street.call(street.mine) == [Tried(street.mine, True)]
    assert street.call(url(silent), calls_from="203.0.113.9") == []
    with pytest.raises(TimeoutError):
        silent.accept()


def test_somebody_else_at_the_address_does_not_count(street: Street) -> None:
    street.told = (street.others,)
    assert street.call(street.others) == [Tried(street.others, False, Why.OTHER)]


def test_this_computer_is_no_target_for_callers_from_elsewhere(street: Street, silent: socket.socket) -> None:
    street.told = (url(silent),)
    assert street.call(url(silent), calls_from="203.0.113.9") == [Tried(url(silent), False)]
    with pytest.raises(TimeoutError):
        silent.accept()


@pytest.mark.parametrize("is_silent", [False, True], ids=["closed", "silent"])
def test_what_another_address_answers_is_not_shown_by_the_time_it_takes(
    street: Street, silent: socket.socket, monkeypatch: pytest.MonkeyPatch, is_silent: bool
) -> None:
    """All tries have ended before the moment of the answer, which does not depend on them."""
    began, left = [], []
    wait = street.neighbour._wait

    def waiting(until: float) -> None:
        left.append(until - time.monotonic())
        began.append(until - callback.TRY_SECONDS - callback.ANSWER_LATER_SECONDS)
        wait(until)

    monkeypatch.setattr(callback, "may_try", lambda ip, source: True)
    monkeypatch.setattr(street.neighbour, "_wait", waiting)
    address = url(silent) if is_silent else closed_port()
    street.told = (address,)
    before = time.monotonic()
    assert street.call(address, calls_from="203.0.113.9") == [Tried(address, False)]
    took = time.monotonic() - began[0]
    assert left[0] > 0
    assert before <= began[0] and took >= callback.TRY_SECONDS + callback.ANSWER_LATER_SECONDS


class Clock:
    """Time that passes only in a try and in a wait."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.mark.parametrize("late", [-1.0, 0.0, 0.005, 0.1], ids=str)
@pytest.mark.parametrize("why", Why)
def test_an_answer_comes_at_one_moment_however_long_a_try_took(
    street: Street, monkeypatch: pytest.MonkeyPatch, late: float, why: Why
) -> None:
    clock = Clock()

    def reach(caller: str, address: str) -> Why:
        clock.now += callback.TRY_SECONDS + late
        return why

    monkeypatch.setattr(callback, "may_try", lambda ip, source: True)
    monkeypatch.setattr(callback, "time", clock)
    monkeypatch.setattr(street.neighbour, "_reach", reach)
    street.told = ("https://192.0.2.1:5",)
    street.call(*street.told, calls_from="203.0.113.9")
    assert clock.now == pytest.approx(1000.0 + callback.TRY_SECONDS + 0.5)


def test_one_member_asks_only_now_and_then(street: Street) -> None:
    street.told = (street.mine,)
    for _ in range(callback.PER_CALLER):
        street.call(street.mine)
    with pytest.raises(TooOftenError):
        street.call(street.mine)
    street.neighbour.call(street.other.holder.peer_id, HERE, [])


def test_few_are_tried_at_a_time_and_closing_ends_them(street: Street, silent: socket.socket) -> None:
    street.told = (url(silent),)
    callback.TRY_SECONDS = 30.0
    results: list[list[Tried]] = []
    threads = [threading.Thread(target=lambda: results.append(street.call(url(silent)))) for _ in range(2)]
    for thread in threads:
        thread.start()
    silent.settimeout(10)
    connections = [silent.accept()[0] for _ in threads]
    with pytest.raises(TooOftenError):
        street.call(street.mine)
    street.neighbour.close()
    for thread in threads:
        thread.join(10)
    assert [t.reached for result in results for t in result] == [False, False]
    for connection in connections:
        connection.close()


@given(st.ip_addresses(), st.ip_addresses())
def test_nothing_that_means_this_computer_is_tried_for_others(ip: object, source: object) -> None:
    for bad in ("127.0.0.1", "127.9.9.9", "::1", "0.0.0.0", "::", "224.0.0.1", "169.254.1.1", "fe80::1", "x"):
        assert not may_try(bad, str(source)) or bad == str(source)
    assert may_try(str(ip), str(ip))


def test_addresses_are_compared_as_such() -> None:
    assert plain_ip("::ffff:10.0.0.7") == "10.0.0.7"
    assert plain_ip("fe80::1%eth0") == "fe80::1"
    assert plain_ip("ana.example") == "ana.example"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"[" * 50_000,
        b'{"seen": "x"}',
        b'{"seen": "x", "tried": 5}',
        b'{"seen": "x", "tried": [5]}',
        b'{"seen": "x", "tried": [{"address": "a", "reached": true, "why": "magic"}]}',
        b'{"seen": "x", "tried": [{"address": ["a"], "reached": true}]}',
    ],
)
def test_a_neighbour_that_answers_nonsense_has_tried_nothing(body: bytes) -> None:
    report = read_report(PeerRecord("p", "Pia", ()), body, ["a"])
    assert report.answers
    assert report.tried == ()


def test_what_a_neighbour_says_of_other_addresses_is_left_out() -> None:
    tried = [{"address": address, "reached": True, "why": None} for address in ("b", "a")]
    report = read_report(
        PeerRecord("p", "Pia", ()), json.dumps({"seen": "1.2.3.4", "tried": tried}).encode(), ["a", "c"]
    )
    assert (report.seen, report.tried) == ("1.2.3.4", (Tried("a", True),))
