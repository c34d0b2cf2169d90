"""Connections that lead nowhere any more, as after a move or a cut, are given up for new ones."""

import contextlib
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from holders import HonestHolder
from processes import HeadlessPeer
from trust import Authority
from world import World

from peer_core.addresses import parse_listen
from peer_core.directory.central import CentralClient
from peer_core.directory.peer_http import PeerHttp
from peer_core.errors import CentralUnreachableError, PeerUnreachableError
from peer_core.identity.connection import PeerConnection
from peer_core.identity.store import Identity


class Way:
    """Passes bytes between whoever connects and `there`. After `lose`, nothing comes through on what was open then."""

    def __init__(self, there: tuple[str, int]) -> None:
        self._there = there
        self._server = socket.create_server(("127.0.0.1", 0))
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._lost: list[tuple[socket.socket, socket.socket]] = []
        self._lock = threading.Lock()
        self._stopping = False
        self.here = self._server.getsockname()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def lose(self) -> None:
        with self._lock:
            self._lost += self._pairs
            self._pairs = []

    def close(self) -> None:
        self._stopping = True
        self._thread.join()
        for sock in [self._server, *(s for pair in [*self._pairs, *self._lost] for s in pair)]:
            sock.close()

    def _run(self) -> None:
        while not self._stopping:
            with self._lock:
                other = {a: b for pair in self._pairs for a, b in (pair, pair[::-1])}
            ready, _, _ = select.select([self._server, *other], [], [], 0.05)
            for sock in ready:
                if sock is self._server:
                    pair = (sock.accept()[0], socket.create_connection(self._there))
                    with self._lock:
                        self._pairs.append(pair)
                else:
                    self._pass(sock, other[sock])

    def _pass(self, sock: socket.socket, other: socket.socket) -> None:
        data = b""
        with contextlib.suppress(OSError):
            data = sock.recv(1 << 16)
            other.sendall(data)
        if not data:
            with self._lock:
                self._pairs = [pair for pair in self._pairs if sock not in pair]
            sock.close()
            other.close()


def test_a_call_to_the_central_after_a_lost_connection_goes_over_a_new_one(make_world: Callable[..., World]) -> None:
    world = make_world(heartbeat=20.0)
    HeadlessPeer(world.root / "a", "a", world.central.invite())
    identity = Identity.load(world.root / "a")
    assert identity is not None
    way = Way(parse_listen(world.central.listen))
    central = CentralClient(replace(identity, membership=replace(identity.membership, directory=way.here)))
    try:
        central.register(["https://127.0.0.1:9"], "test", bytes(16), 0)
        way.lose()
        with pytest.raises(CentralUnreachableError):
            central.heartbeat(0, [], 1.0)
        began = time.monotonic()
        central.heartbeat(0, [], 60.0)
        assert time.monotonic() - began < 10
    finally:
        central.close()
        way.close()


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[tuple[HonestHolder, PeerHttp, list[PeerConnection]]]:
    """A holder, and a caller that keeps a connection to it."""
    authority = Authority()
    (tmp_path / "file").write_bytes(b"x")
    holder = HonestHolder(authority.identity(tmp_path / "holder", "holder"), tmp_path / "file")
    http = PeerHttp(authority.identity(tmp_path / "caller", "caller"))
    used: list[PeerConnection] = []
    ask(holder, http, used)
    yield holder, http, used
    http.close()
    holder.close()


def ask(holder: HonestHolder, http: PeerHttp, used: list[PeerConnection], *addresses: str, fresh: bool = False) -> int:
    known = addresses or holder.holder.addresses
    peer = holder.holder.peer_id
    return http.request(peer, known, "GET", "/v1/peer", started=used.append, fresh_only=fresh)[0]


def test_a_peer_that_moved_is_called_at_its_new_address(
    kept: tuple[HonestHolder, PeerHttp, list[PeerConnection]],
) -> None:
    holder, http, used = kept
    assert ask(holder, http, used) == 200
    assert used[1] is used[0]
    with pytest.raises(PeerUnreachableError):
        ask(holder, http, used, "https://127.0.0.1:9")


def test_after_a_move_of_its_own_and_when_asked_to_a_caller_connects_anew(
    kept: tuple[HonestHolder, PeerHttp, list[PeerConnection]],
) -> None:
    holder, http, used = kept
    http.forget()
    assert ask(holder, http, used) == 200
    assert used[1] is not used[0]
    assert ask(holder, http, used, fresh=True) == 200
    assert used[2] not in used[:2]
