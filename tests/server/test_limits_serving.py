"""The limits of serving, on real sockets with real TLS: rates, fairness, quick control requests, the line for slots."""

import http.client
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from holders import HonestHolder, wait_until
from trust import Authority

from peer_core.errors import BarrioError
from peer_core.identity.connection import PeerConnection
from peer_core.identity.store import Identity
from peer_core.limits.policy import NO_LIMITS, Limits
from peer_core.server.channels import Patience
from protos.agreed import encode_id

MIB = 1 << 20
SIZE = 16 * MIB


class Readers:
    """Threads that fetch the file again and again, and count what comes, by member."""

    def __init__(self, holder: HonestHolder) -> None:
        self.holder = holder
        self.path = f"/v1/contents/{encode_id(holder.manifest.content_id)}"
        self.got: Counter[str] = Counter()
        self._stopping = False
        self._lock = threading.Lock()
        self._open: list[PeerConnection] = []
        self._threads: list[threading.Thread] = []

    def add(self, member: Identity, connections: int = 1) -> None:
        for _ in range(connections):
            connection = self.connect(member)
            self._open.append(connection)
            thread = threading.Thread(target=self._read, args=(member.peer_id, connection))
            self._threads.append(thread)
            thread.start()

    def connect(self, member: Identity) -> PeerConnection:
        # A small window, so that what is counted is what was sent just now.
        there = self.holder.holder
        connection = PeerConnection(member, there.peer_id, there.name, there.addresses, 10, 1 << 16)
        connection.open(10)
        return connection

    def measured(self, seconds: float) -> Counter[str]:
        """Bytes that came in the next so many seconds, for one second each."""
        with self._lock:
            before, began = self.got.copy(), time.monotonic()
        time.sleep(seconds)
        with self._lock:
            after, took = self.got.copy(), time.monotonic() - began
        return Counter({peer: round((after[peer] - before[peer]) / took) for peer in after})

    def _read(self, peer_id: str, connection: PeerConnection) -> None:
        try:
            while not self._stopping:
                connection.request("GET", self.path, headers={"Range": f"bytes=0-{SIZE - 1}"})
                with connection.getresponse() as response:
                    assert response.status == 206
                    while part := response.read1(1 << 14):
                        with self._lock:
                            self.got[peer_id] += len(part)
        except (OSError, BarrioError, ValueError, AttributeError, http.client.HTTPException):
            assert self._stopping
        finally:
            connection.close()

    @property
    def alive(self) -> int:
        return sum(thread.is_alive() for thread in self._threads)

    def close(self) -> None:
        self._stopping = True
        for connection in self._open:
            connection.abort()
        for thread in self._threads:
            thread.join(20)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def member(authority: Authority, tmp_path: Path) -> Callable[[str], Identity]:
    return lambda name: authority.identity(tmp_path / name, name)


@pytest.fixture
def readers(member: Callable[[str], Identity], tmp_path: Path) -> Iterator[Readers]:
    path = tmp_path / "film.mkv"
    path.write_bytes(os.urandom(SIZE))
    holder = HonestHolder(member("holder"), path, connections=64)
    made = Readers(holder)
    yield made
    made.close()
    holder.close()


def test_the_total_and_the_limit_of_a_peer_hold(readers: Readers, member: Callable[[str], Identity]) -> None:
    readers.holder.limits = Limits(upload_rate=3_000_000)
    ana, eva = member("ana"), member("eva")
    readers.add(ana, 2)
    readers.add(eva, 2)
    wait_until(lambda: len(readers.got) == 2)
    assert readers.measured(3).total() == pytest.approx(3_000_000, rel=0.1)
    readers.holder.limits = Limits(upload_rate=3_000_000, upload_rate_per_peer=500_000)
    readers.measured(0.6)
    got = readers.measured(3)
    assert got[ana.peer_id] == pytest.approx(500_000, rel=0.1)
    assert got[eva.peer_id] == pytest.approx(500_000, rel=0.1)
    readers.holder.limits = NO_LIMITS
    assert readers.measured(1.5).total() > 6_000_000, "a limit that is lifted holds nobody back any more"


def test_fifty_connections_get_no_more_than_two(readers: Readers, member: Callable[[str], Identity]) -> None:
    readers.holder.limits = Limits(upload_rate=2_000_000)
    greedy, modest = member("greedy"), member("modest")
    readers.add(greedy, 50)
    readers.add(modest, 2)
    wait_until(lambda: len(readers.got) == 2)
    readers.measured(1)
    got = readers.measured(4)
    assert got[greedy.peer_id] == pytest.approx(got[modest.peer_id], rel=0.15)
    assert got.total() == pytest.approx(2_000_000, rel=0.1)


def test_control_requests_are_answered_at_once_whatever_the_bytes_do(
    readers: Readers, member: Callable[[str], Identity]
) -> None:
    readers.holder.limits = Limits(upload_rate=100_000)
    ana, eva = member("ana"), member("eva")
    readers.add(ana, 20)
    wait_until(lambda: readers.got)
    took: list[float] = []
    # Also for the peer that has used up all that it may have.
    for asking in (ana, eva):
        connection = readers.connect(asking)
        for path in ("/v1/peer", f"{readers.path}/manifest", "/v1/openapi.json") * 10:
            began = time.monotonic()
            connection.request("GET", path)
            with connection.getresponse() as response:
                assert response.status == 200 and response.read()
            took.append(time.monotonic() - began)
        connection.close()
    took.sort()
    assert took[len(took) // 2] < 0.1 and took[-1] < 1, took


def test_a_small_limit_goes_round_among_many(readers: Readers, member: Callable[[str], Identity]) -> None:
    readers.holder.limits = Limits(upload_rate=8_000)
    members = [member(f"member{n}") for n in range(10)]
    for each in members:
        readers.add(each)
    wait_until(lambda: len(readers.got) == 10, 8)
    got = readers.measured(5)
    assert got.total() == pytest.approx(8_000, rel=0.2)
    assert min(got.values()) > 200


def test_who_waits_for_its_turn_is_not_taken_for_dead(member: Callable[[str], Identity], tmp_path: Path) -> None:
    path = tmp_path / "film.mkv"
    path.write_bytes(os.urandom(SIZE))
    holder = HonestHolder(member("holder"), path, connections=64, patience=Patience(idle=1.0))
    readers = Readers(holder)
    try:
        holder.limits = Limits(upload_rate=8_000)
        readers.add(member("ana"), 40)
        # Each of them gets its next bytes after four seconds, and none is cut meanwhile: `Readers` would tell.
        assert readers.measured(6).total() == pytest.approx(8_000, rel=0.2)
        assert readers.alive == 40
    finally:
        readers.close()
        holder.close()


def test_a_limit_that_comes_while_a_write_waits_cuts_nothing(
    readers: Readers, member: Callable[[str], Identity]
) -> None:
    connection = readers.connect(member("ana"))
    connection.request("GET", readers.path)
    with connection.getresponse() as response:
        got = response.read(1)
        # Nobody reads, so the server's last record waits for room; what it may send then is less than that record.
        wait_until(lambda: not stirs(readers.holder))
        readers.holder.limits = Limits(upload_rate=1000)
        enough = readers.holder.bytes_sent + 1000
        while len(got) < enough:
            part = response.read1(1 << 16)
            assert part, "the answer was cut"
            got += part
        readers.holder.limits = NO_LIMITS
        got += response.read()
    assert got == readers.holder.path.read_bytes()
    connection.close()


def stirs(holder: HonestHolder) -> bool:
    before = holder.bytes_sent
    time.sleep(0.3)
    return holder.bytes_sent != before


def ask(connection: PeerConnection, path: str) -> tuple[int, dict[str, str]]:
    connection.request("GET", path, headers={"Range": "bytes=0-99"})
    with connection.getresponse() as response:
        response.read()
        return response.status, dict(response.getheaders())


def test_slots_are_a_line_that_says_when_to_ask_again(readers: Readers, member: Callable[[str], Identity]) -> None:
    readers.holder.limits = Limits(upload_slots=1, upload_rate=1_000_000)
    readers.add(member("ana"))
    wait_until(lambda: readers.got)
    eva, leo = readers.connect(member("eva")), readers.connect(member("leo"))
    status, headers = ask(eva, readers.path)
    assert (status, headers["Retry-After"], headers["Barrio-Line"]) == (503, "1", "1")
    assert headers["Content-Type"] == "application/problem+json"
    status, headers = ask(leo, readers.path)
    assert (status, headers["Barrio-Line"]) == (503, "2")
    assert ask(eva, f"{readers.path}/manifest")[0] == 200, "a manifest needs no slot"
    leo.request("HEAD", readers.path)
    with leo.getresponse() as response:
        assert response.status == 200
    readers.holder.limits = Limits(upload_slots=2)
    assert ask(leo, readers.path)[0] == 503, "the new slot is for the first in line"
    assert ask(eva, readers.path)[0] == 206
    eva.close()
    # The slot of whoever hung up is free again, and so is one whose answer was cut.
    wait_until(lambda: ask(leo, readers.path)[0] == 206, 10)
    leo.close()
    readers.holder.limits = Limits(upload_slots=1, upload_rate=100_000)
    mia = readers.connect(member("mia"))
    assert ask(mia, readers.path)[0] == 503
    readers.close()
    wait_until(lambda: ask(mia, readers.path)[0] == 206, 10)
    mia.close()
