"""`POST /v1/bundle` over real TLS: what is asked wrongly, what is not here, what is too much, slots."""

import contextlib
import http.client
import json
import os
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from holders import HonestHolder, manifest_of, wait_until
from trust import Authority

from peer_core.content import SMALL_BYTES
from peer_core.directory.peer_http import PeerHttp
from peer_core.identity.connection import PeerConnection
from peer_core.library.types import HeldFile
from peer_core.limits.policy import Limits
from peer_core.server import bundles
from protos.agreed import encode_id

NOT_HERE = struct.pack(">Q", (1 << 64) - 1)


class Desk:
    """A holder of any files, and somebody who asks it."""

    def __init__(self, root: Path) -> None:
        authority = Authority()
        self.root = root
        (root / "file").write_bytes(b"one")
        self.holder = HonestHolder(authority.identity(root / "holder", "holder"), root / "file")
        self.caller = authority.identity(root / "caller", "caller")
        self.http = PeerHttp(self.caller)
        self.held: dict[bytes, HeldFile] = {}
        self.holder.held = lambda caller, content_id: self.held.get(content_id)  # type: ignore[method-assign]

    def put(self, data: bytes) -> str:
        """Its content id."""
        path = self.root / f"held {len(self.held)}"
        path.write_bytes(data)
        status, manifest = path.stat(), manifest_of(data)
        self.held[manifest.content_id] = HeldFile(
            manifest.content_id, self.root, path, status.st_ino, len(data), status.st_mtime_ns, manifest
        )
        return encode_id(manifest.content_id)

    def ask(self, body: object) -> tuple[int, bytes]:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        where, headers = self.holder.holder, {"Content-Type": "application/json"}
        status, _, answer = self.http.request(
            where.peer_id, where.addresses, "POST", "/v1/bundle", raw, headers, max_bytes=32 << 20
        )
        return status, answer


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.http.close()
    made.holder.close()


def test_contents_come_in_the_order_asked_for_each_after_its_size(desk: Desk) -> None:
    one, empty, most = desk.put(b"one"), desk.put(b""), desk.put(os.urandom(SMALL_BYTES))
    large, absent = desk.put(os.urandom(SMALL_BYTES + 1)), encode_id(bytes(32))
    status, body = desk.ask({"contents": [one, absent, empty, large, one, most]})
    assert status == 200
    size, three = struct.pack(">Q", 3), struct.pack(">Q", SMALL_BYTES)
    head = size + b"one" + NOT_HERE + bytes(8) + NOT_HERE + size + b"one" + three
    assert body[: len(head)] == head
    assert len(body) == len(head) + SMALL_BYTES
    wait_until(lambda: desk.holder.bytes_sent == len(body))


def test_a_file_that_changed_or_went_is_not_here(desk: Desk) -> None:
    changed, gone, kept = desk.put(b"first"), desk.put(b"second"), desk.put(b"third")
    by_name = {encode_id(content_id): held.path for content_id, held in desk.held.items()}
    by_name[changed].write_bytes(b"other")
    by_name[gone].unlink()
    assert desk.ask({"contents": [changed, gone, kept]}) == (200, NOT_HERE * 2 + struct.pack(">Q", 5) + b"third")


def test_an_answer_is_bounded(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundles, "MOST_BYTES", 10)
    first, second, third = desk.put(b"123456"), desk.put(b"789012"), desk.put(b"3456")
    size = [struct.pack(">Q", n) for n in (6, 4)]
    assert desk.ask({"contents": [first, second, third]}) == (200, size[0] + b"123456" + NOT_HERE + size[1] + b"3456")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{",
        b"\xff",
        {},
        {"contents": []},
        {"contents": "abc"},
        {"contents": ["abc"]},
        {"contents": [7]},
        {"contents": [None]},
        {"contents": [[]]},
        {"contents": ["a" * 52] * 257},
        {"contents": ["a" * 52], "more": 1},
    ],
)
def test_what_is_no_list_of_contents_is_refused_with_a_reason(desk: Desk, body: object) -> None:
    status, answer = desk.ask(body)
    assert 400 <= status < 500
    assert json.loads(answer)["detail"]


def test_whoever_does_not_read_its_bundles_fills_no_memory(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundles, "SLOTS_PER_CALLER", 2)
    wanted = json.dumps({"contents": [desk.put(os.urandom(SMALL_BYTES)) for _ in range(30)]}).encode()
    where = desk.holder.holder

    def unread() -> tuple[PeerConnection, http.client.HTTPResponse]:
        connection = PeerConnection(desk.caller, where.peer_id, where.name, where.addresses, 10)
        connection.open(5)
        connection.request("POST", "/v1/bundle", wanted, {"Content-Type": "application/json"})
        return connection, connection.getresponse()

    with contextlib.ExitStack() as stack:
        kept = []
        for _ in range(3):
            connection, response = unread()
            stack.callback(connection.close)
            stack.callback(response.close)
            kept.append(response)
        assert [response.status for response in kept] == [200, 200, 503]
        assert kept[2].getheader("Barrio-Line") == "1" and kept[2].getheader("Retry-After") == "1"
        assert len(kept[0].read()) > 7 << 20
        assert wait_until(lambda: desk.ask({"contents": [encode_id(bytes(32))]})[0] == 200)


def test_a_bundle_needs_a_slot_as_other_bytes_do(desk: Desk) -> None:
    one = desk.put(b"one")
    desk.holder.limits = Limits(upload_slots=1)
    assert desk.holder.line.enter("somebody else") is None
    status, answer = desk.ask({"contents": [one]})
    assert (status, json.loads(answer)["code"]) == (503, "in-line")
    desk.holder.line.leave("somebody else")
    desk.holder.limits = Limits()
    for _ in range(3):
        assert desk.ask({"contents": [one]})[0] == 200
    assert desk.ask({"contents": 1})[0] == 400
    # Each answer gave its slot back, or somebody else would have to wait for ever.
    wait_until(lambda: all(not served.answers for served in desk.holder.line._served.values()))
