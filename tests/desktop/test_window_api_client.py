"""Every way in which the local API says no, or nothing, reaches the window as one kind of error."""

import json
import threading
from collections.abc import Coroutine, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from window_kit import RECORDING, Barrio

from desktop.api import ApiError
from desktop.api_client import ApiClient


def access(barrio: Barrio) -> tuple[str, str]:
    found = json.loads((barrio.ana.data / "local-api.json").read_text("utf-8"))
    return found["url"], found["token"]


async def refused(work: Coroutine[Any, Any, Any]) -> ApiError:
    with pytest.raises(ApiError) as caught:
        await work
    assert caught.value.title and caught.value.detail
    return caught.value


async def test_refusals_carry_title_detail_and_code(barrio: Barrio) -> None:
    client = ApiClient(*access(barrio))
    try:
        assert (await refused(client.search("x", kind="nonsense"))).code == "bad-input"
        assert (await refused(client.download("short", "x"))).code == "bad-input"
        assert (await refused(client.set_transfer_state("no-such", "paused"))).code == "not-found"
        assert (await refused(client.change_settings({"rescan_seconds": 1}))).code == "bad-input"
        assert (await refused(client.add_share("/no/such/folder"))).status in (400, 404)
        assert (await refused(client.remove_share("no such"))).status in (400, 404)
    finally:
        await client.close()


async def test_answers_become_values(barrio: Barrio) -> None:
    client = ApiClient(*access(barrio))
    try:
        status = await client.status()
        assert status.name == "Ana" and status.joined and status.central_reachable and status.files == 4
        answer = await client.search("plaza dawn", kind="audio", min_size=1000, max_size=10**9)
        assert [row.name for row in answer.rows] == [RECORDING] and answer.next_cursor is None
        assert answer.rows[0].have and answer.rows[0].modified is not None
        (share,) = (await client.library()).shares
        assert share.state == "ready" and share.files == 4 and share.problems == ()
        assert {s.key for s in await client.settings()} >= {"name", "listen", "advertise", "download_dir"}
        assert await client.transfers() == ()
        await client.rescan()
        await client.rescan(share.name)
    finally:
        await client.close()


async def test_people_and_their_folders(barrio: Barrio) -> None:
    client = ApiClient(*access(barrio))
    try:
        everybody = await client.members()
        me = next(member for member in everybody.members if member.me)
        assert me.name == "Ana" and (await client.members("an")).members == (me,)
        (share,) = (await client.shares_of(me.peer_id)).entries
        assert share.is_folder and share.files == 4
        listing = await client.listing(me.peer_id, [share.name])
        files = {entry.name: entry for entry in listing.entries}
        assert files[RECORDING].kind == "audio" and files[RECORDING].have and listing.next_after is None
        assert (await refused(client.listing(me.peer_id, ["no such", "a/b", "%2e"]))).code == "not-found"
        assert (await refused(client.download_tree(me.peer_id, [share.name]))).code == "bad-input"
    finally:
        await client.close()


async def test_a_wrong_token(barrio: Barrio) -> None:
    client = ApiClient(access(barrio)[0], "wrong")
    try:
        assert (await refused(client.status())).status == 401
    finally:
        await client.close()


async def test_nobody_there() -> None:
    client = ApiClient("http://127.0.0.1:9", "x")
    try:
        assert (await refused(client.status())).code == "unreachable"
    finally:
        await client.close()


class Stranger(BaseHTTPRequestHandler):
    """Another program at that address."""

    def do_GET(self) -> None:
        body = {"/v1/status": b"<html>hello</html>", "/v1/shares": b'{"other": 1}'}.get(self.path, b"")
        self.send_response(200 if body else 500)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        return


@pytest.fixture
def stranger() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Stranger)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


async def test_another_program_answers(stranger: str) -> None:
    client = ApiClient(stranger, "x")
    try:
        assert (await refused(client.status())).code == "bad-answer"
        assert (await refused(client.library())).code == "bad-answer"
        error = await refused(client.transfers())
        assert (error.code, error.status) == ("refused", 500)
    finally:
        await client.close()
