"""Announcing and finding barrios: what is said, when, and that nothing hostile gets through."""

import threading
from types import SimpleNamespace
from typing import Any

import pytest
import zeroconf
from hypothesis import given
from hypothesis import strategies as st

from peer_core import nearby
from peer_core.nearby import MAX_FOUND, Announcer, Barrio, collected, network_addresses
from protos.agreed import encode_id

FINGERPRINT = encode_id(bytes(range(32)))
PLAZA = Barrio("La Plaza", FINGERPRINT)


class Network:
    """Stands for zeroconf: what is announced now, and at which addresses."""

    def __init__(self) -> None:
        self.announced: list[tuple[Any, tuple[str, ...]]] = []
        self.opened = 0
        self.refuses = False
        # What every one that is open has heard of; a new one has heard of nothing yet.
        self.heard = 0

    def open(self, here: tuple[str, ...]) -> Any:
        if self.refuses:
            raise OSError(19, "No such device")
        self.opened += 1
        self.heard = 0
        return SimpleNamespace(
            cache=SimpleNamespace(names=lambda: [f"junk-{number}" for number in range(self.heard)]),
            register_service=lambda service, allow_name_change: self.announced.append((service, here)),
            close=self.announced.clear,
        )


class Device:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.network = Network()
        self.addresses = ["https://10.0.0.7:51020", "https://[fd00::7]:51020"]
        self.wanted = True
        monkeypatch.setattr(nearby, "_zeroconf", self.network.open)
        self.announcer = Announcer(PLAZA, lambda: 51020, lambda: self.addresses, lambda: self.wanted)
        # What the thread does at first: nothing.
        assert self.announcer._step() == nearby.FIRST_SECONDS


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Device:
    return Device(monkeypatch)


def test_what_is_announced_is_the_barrio_and_nothing_of_the_person(device: Device) -> None:
    assert device.announcer._step() == nearby.LOOK_SECONDS
    ((service, here),) = device.network.announced
    assert here == ("10.0.0.7", "fd00::7")
    assert service.properties == {b"name": b"La Plaza", b"fingerprint": FINGERPRINT.encode()}
    assert service.name.startswith("barrio-") and service.server == service.name
    device.announcer.stop()
    assert device.network.announced == []


def test_a_move_is_followed_and_the_setting_is_obeyed_at_once(device: Device) -> None:
    step, network = device.announcer._step, device.network
    step()
    step()
    assert network.opened == 1
    device.addresses = ["https://10.0.0.9:51020"]
    step()
    assert [here for _, here in network.announced] == [("10.0.0.9",)]
    device.wanted = False
    assert step() is None
    assert network.announced == []
    device.wanted = True
    step()
    assert len(network.announced) == 1
    device.announcer.stop()


def test_on_no_network_nothing_is_opened_and_a_refusal_is_tried_again_later(device: Device) -> None:
    step, network = device.announcer._step, device.network
    device.addresses = ["https://127.0.0.1:51020", "https://ana.example:51020"]
    assert step() == nearby.LOOK_SECONDS
    assert network.opened == 0
    device.addresses = ["https://10.0.0.7:51020"]
    network.refuses = True
    assert step() == nearby.RETRY_SECONDS
    network.refuses = False
    assert step() == nearby.LOOK_SECONDS
    assert len(network.announced) == 1
    device.announcer.stop()


def test_what_a_flood_leaves_behind_is_let_go_of_now_and_then(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(nearby, "time", SimpleNamespace(monotonic=lambda: now[0]))
    step, network = device.announcer._step, device.network
    step()
    network.heard = nearby.MAX_HEARD
    step()
    assert network.opened == 1
    for opened, seconds in ((2, 0.0), (2, nearby.RENEW_SECONDS - 1), (3, 1.0)):
        network.heard = nearby.MAX_HEARD + 1
        now[0] += seconds
        assert step() == nearby.LOOK_SECONDS
        assert network.opened == opened
        assert len(network.announced) == 1
    device.announcer.stop()


def test_what_is_remembered_of_a_network_is_counted_by_its_names() -> None:
    cache = zeroconf.DNSCache()
    cache.async_add_records(
        zeroconf.DNSPointer(f"junk-{number}.{nearby.SERVICE}", 12, 1, 120, "x") for number in range(5)
    )
    assert len(cache.names()) == 5


def test_an_announcer_that_never_came_to_announce_ends_at_once(device: Device) -> None:
    before = threading.active_count()
    device.announcer.start()
    device.announcer.stop()
    assert threading.active_count() == before
    assert device.network.opened <= 1


def test_members_that_announce_the_same_barrio_are_counted() -> None:
    plaza = {b"name": b"La Plaza", b"fingerprint": FINGERPRINT.encode()}
    other = {**plaza, b"name": b"Elsewhere"}
    assert collected([plaza, other, plaza]) == [Barrio("Elsewhere", FINGERPRINT, 1), Barrio("La Plaza", FINGERPRINT, 2)]


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {b"name": None, b"fingerprint": None},
        {b"name": b"x"},
        {b"name": b"x", b"fingerprint": b"short"},
        {b"name": b"x", b"fingerprint": b"\xff" * 52},
        {b"name": b"\xff", b"fingerprint": FINGERPRINT.encode()},
        {b"name": b"\x1b[2Jx", b"fingerprint": FINGERPRINT.encode()},
        {b"name": "a\u202eb".encode(), b"fingerprint": FINGERPRINT.encode()},
        {b"name": b"x" * 65, b"fingerprint": FINGERPRINT.encode()},
        {b"name": b"  ", b"fingerprint": FINGERPRINT.encode()},
    ],
)
def test_what_is_no_barrio_is_left_out(answer: dict[bytes, bytes | None]) -> None:
    assert collected([answer]) == []


@given(
    st.lists(
        st.dictionaries(st.sampled_from([b"name", b"fingerprint", b"x"]), st.one_of(st.none(), st.binary(max_size=80))),
        max_size=50,
    )
)
def test_whatever_is_announced_gives_few_and_printable_barrios(answers: list[dict[bytes, bytes | None]]) -> None:
    found = collected(answers)
    assert len(found) <= MAX_FOUND
    assert all(b.name.isprintable() and len(b.fingerprint) == 52 for b in found)


def test_names_and_loopback_are_no_addresses_on_a_network() -> None:
    urls = [
        "https://127.0.0.1:5",
        "https://[::1]:5",
        "https://ana.example:5",
        "https://10.0.0.7:5",
        "https://[fd00::1]:5",
    ]
    assert network_addresses(urls) == ["10.0.0.7", "fd00::1"]


@pytest.mark.parametrize(
    "name", ["x" * 64, "ñ" * 64, "\N{PARTY POPPER}" * 64, "a" + "\N{PARTY POPPER}" * 63, "\ud800" * 64]
)
def test_a_name_of_any_characters_can_be_announced(name: str) -> None:
    service = nearby._service(Barrio(name, FINGERPRINT), 51020, ["10.0.0.7"])
    told = service.properties[b"name"]
    assert told is not None and 0 < len(told) <= nearby.MAX_NAME_BYTES
    assert collected([dict(service.properties)])[0].name == told.decode("utf-8")


class Searching:
    """A network where many announce, and say nothing more when they are asked. `asked`: seconds that each was given."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.asked: list[float] = []
        self.stopped = threading.Event()
        self.stop_after = 1000
        monkeypatch.setattr(nearby, "interface_addresses", lambda: ["10.0.0.7"])
        monkeypatch.setattr(nearby, "_zeroconf", lambda here: SimpleNamespace(close=lambda: None))
        monkeypatch.setattr(nearby, "time", SimpleNamespace(monotonic=lambda: self.now))
        monkeypatch.setattr(nearby, "_heard", self._heard)
        monkeypatch.setattr(nearby, "_ask", self._ask)
        monkeypatch.setattr(zeroconf, "ServiceBrowser", self._browse)

    def _browse(self, opened: Any, service: str, listener: Any) -> None:
        for number in range(40):
            listener.add_service(opened, service, f"barrio-{number}.{service}")

    def _heard(self, opened: Any, name: str) -> dict[bytes, bytes | None]:
        return {b"name": b"La Plaza", b"fingerprint": FINGERPRINT.encode()} if name.startswith("barrio-31.") else {}

    def _ask(self, opened: Any, name: str, seconds: float) -> dict[bytes, bytes | None]:
        self.now += seconds
        self.asked.append(seconds)
        if len(self.asked) == self.stop_after:
            self.stopped.set()
        return {}


def test_those_who_announce_and_are_silent_cost_little_time(monkeypatch: pytest.MonkeyPatch) -> None:
    searching = Searching(monkeypatch)
    assert nearby.find(searching.stopped, 0.0) == [PLAZA]
    assert searching.now == pytest.approx(nearby.ASK_SECONDS_IN_ALL)
    assert nearby.FIND_SECONDS + nearby.ASK_SECONDS_IN_ALL <= 4


def test_a_search_ends_between_two_names_when_the_program_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    searching = Searching(monkeypatch)
    searching.stop_after = 1
    assert nearby.find(searching.stopped, 0.0) == [PLAZA]
    assert len(searching.asked) == 1
