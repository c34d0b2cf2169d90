"""The peer API over real TLS: who is let in, what is answered, and that docs/protocol.md tells it."""

import contextlib
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from blake3 import blake3
from holders import HonestHolder, manifest_of
from trust import Authority

from peer_core.directory.peer_http import PeerHttp
from peer_core.errors import PeerMisbehavedError, PeerUnreachableError
from peer_core.identity.connection import PeerConnection, converted
from peer_core.identity.store import Identity
from peer_core.server.peer_api import MAX_QUESTION
from peer_core.server.relay_slots import BusyError, RelaySlots
from peer_core.transfer.types import Holder
from protos.agreed import encode_id

DOCS = Path(__file__).parents[2] / "docs"
DATA = os.urandom(3 * (1 << 20) + 5)
CONTENT = encode_id(manifest_of(DATA).content_id)


class Door:
    def __init__(self, root: Path) -> None:
        authority = Authority()
        path = root / "file"
        path.write_bytes(DATA)
        self.holder = HonestHolder(authority.identity(root / "holder", "holder"), path)
        self.authority = authority
        self.caller = authority.identity(root / "caller", "caller")
        self.http = PeerHttp(self.caller)

    def ask(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        holder = self.holder.holder
        sent = {k.replace("_", "-"): v for k, v in headers.items()}
        return self.http.request(holder.peer_id, holder.addresses, method, path, body, sent, max_bytes=len(DATA) + 1000)

    def close(self) -> None:
        self.http.close()
        self.holder.close()


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    made = Door(tmp_path)
    yield made
    made.close()


def test_a_content_has_one_address_with_ranges_and_a_strong_etag(door: Door) -> None:
    status, headers, body = door.ask("GET", f"/v1/contents/{CONTENT}")
    assert (status, body) == (200, DATA)
    assert headers["etag"] == f'"{CONTENT}"'
    status, headers, body = door.ask("GET", f"/v1/contents/{CONTENT}", Range="bytes=7-99")
    assert (status, body) == (206, DATA[7:100])
    assert headers["content-range"] == f"bytes 7-99/{len(DATA)}"
    status, headers, body = door.ask("GET", f"/v1/contents/{CONTENT}", Range=f"bytes={len(DATA)}-")
    assert status == 416
    assert headers["content-range"] == f"bytes */{len(DATA)}"
    status, headers, body = door.ask("HEAD", f"/v1/contents/{CONTENT}")
    assert (status, body, headers["content-length"]) == (200, b"", str(len(DATA)))
    assert door.holder.bytes_sent == len(DATA) + 93


def test_the_manifest_proves_itself_and_all_pieces_are_here(door: Door) -> None:
    status, _, raw = door.ask("GET", f"/v1/contents/{CONTENT}/manifest")
    assert status == 200
    assert encode_id(blake3(raw).digest()) == CONTENT
    status, _, bits = door.ask("GET", f"/v1/contents/{CONTENT}/pieces")
    assert (status, bits) == (200, b"\xf0")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"/v1/contents/{encode_id(bytes(32))}", 404),
        ("/v1/contents/x", 400),
        pytest.param(f"/v1/contents/{CONTENT.upper()}", 400, id="capitals"),
        ("/v1/contents/..%2f..%2fetc%2fpasswd", 404),
        ("/v1/contents/" + "a" * 5000, 400),
        ("/v1/nothing", 404),
        ("/", 404),
    ],
)
def test_what_is_not_shared_is_not_found(door: Door, path: str, status: int) -> None:
    answer, headers, body = door.ask("GET", path)
    assert answer == status
    assert headers["content-type"] == "application/problem+json"
    assert b"/tmp" not in body


def test_questions_are_bounded(door: Door) -> None:
    assert door.ask("POST", "/v1/relay", b"")[0] == 400
    assert door.ask("POST", "/v1/probe", b"")[0] == 204
    try:
        status = door.ask("POST", "/v1/relay", bytes(MAX_QUESTION + 1))[0]
    except PeerUnreachableError:
        status = 413
    assert status in (400, 413)


def test_a_probe_tells_where_the_caller_comes_from_and_what_was_reached(door: Door) -> None:
    address = "https://127.0.0.1:5"
    status, _, body = door.ask("POST", "/v1/probe", json.dumps({"addresses": [address, address]}).encode())
    assert (status, door.holder.called_from) == (200, "127.0.0.1")
    assert json.loads(body) == {
        "seen": "127.0.0.1",
        "tried": [{"address": address, "reached": True, "why": None}],
    }


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"{}",
        b'{"addresses": "https://a:1"}',
        b'{"addresses": ["http://127.0.0.1:5"]}',
        b'{"addresses": [5]}',
        b'{"addresses": [], "port": 22}',
        json.dumps({"addresses": [f"https://10.0.0.{n}:5" for n in range(17)]}).encode(),
    ],
)
def test_a_probe_of_anything_but_addresses_is_refused(door: Door, body: bytes) -> None:
    status, _, answer = door.ask("POST", "/v1/probe", body)
    assert (status, json.loads(answer)["code"]) == (400, "bad-input")
    assert door.holder.called_from == ""


def test_an_answer_beyond_what_was_asked_for_is_not_read(door: Door) -> None:
    holder = door.holder.holder
    with pytest.raises(PeerMisbehavedError):
        door.http.request(holder.peer_id, holder.addresses, "GET", f"/v1/contents/{CONTENT}", max_bytes=1000)


def test_kept_connections_are_used_again_and_a_closed_one_is_noticed(door: Door) -> None:
    for _ in range(3):
        status, _, body = door.ask("GET", "/v1/peer")
        assert status == 200
    assert json.loads(body)["peer_id"] == door.holder.identity.peer_id
    door.holder.close()
    with pytest.raises(PeerUnreachableError):
        door.ask("GET", "/v1/peer")


def opened(identity: Identity, holder: Holder) -> PeerConnection | None:
    """A connection that got an answer, kept open."""
    connection = PeerConnection(identity, holder.peer_id, holder.name, holder.addresses, 3)
    try:
        with converted("the holder"):
            connection.open(3)
            connection.request("GET", "/v1/peer")
            with connection.getresponse() as response:
                response.read()
    except PeerUnreachableError:
        connection.close()
        return None
    return connection


def test_one_member_cannot_take_all_connections(door: Door, tmp_path: Path) -> None:
    holder = door.holder.holder
    kept = [opened(door.caller, holder) for _ in range(12)]
    assert sum(c is not None for c in kept) == 8
    other = opened(door.authority.identity(tmp_path / "other", "other"), holder)
    assert other is not None
    for connection in [*kept, other]:
        if connection is not None:
            connection.close()


def test_a_kept_connection_ends_with_its_certificate(door: Door, tmp_path: Path) -> None:
    brief = door.authority.identity(tmp_path / "brief", "brief")
    brief.replace_certificate(door.authority.sign(brief.private_key(), 3 / 86_400))
    connection = opened(brief, door.holder.holder)
    assert connection is not None
    connection.sock.settimeout(20)
    assert connection.sock.recv(1) == b""
    connection.close()


def test_questions_of_one_member_leave_room_for_others() -> None:
    slots = RelaySlots()
    with slots.slot("a"), slots.slot("a"):
        with pytest.raises(BusyError), slots.slot("a"):
            pass
        with contextlib.ExitStack() as stack:
            for peer in "bcd":
                stack.enter_context(slots.slot(peer))
                stack.enter_context(slots.slot(peer))
            with pytest.raises(BusyError), slots.slot("e"):
                pass
        with slots.slot("e"):
            pass


def test_the_protocol_document_names_every_route(door: Door) -> None:
    document = json.loads(door.ask("GET", "/v1/openapi.json")[2])
    text = (DOCS / "protocol.md").read_text("utf-8")
    routes = {
        f"{m.upper()} {p}".replace("{content_id}", "{id}") for p, methods in document["paths"].items() for m in methods
    }
    assert set(re.findall(r"\| `((?:GET|POST|PATCH) /v1/[^`]+)` \|", text)) == routes
