"""The local API of a real peer that is in no barrio yet: shapes, errors, and that the documents tell the truth."""

import json
import re
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from peer_core import nearby
from peer_core.cli import main as cli
from peer_core.data_folder import LOCAL_API_FILE
from peer_core.errors import BarrioError, DataVersionError, InUseError, StorageError
from peer_core.peer import Peer
from peer_core.settings import SETTINGS
from protos.agreed import encode_id

DOCS = Path(__file__).parents[2] / "docs"
CONTENT = encode_id(bytes(range(32)))
TO = b'"to": ["' + CONTENT.encode() + b'"]'


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[Peer]:
    made = Peer(tmp_path / "data", {"download_dir": str(tmp_path / "downloads"), "listen": "127.0.0.1:0"})
    made.start()
    yield made
    made.stop()


@pytest.fixture
def api(peer: Peer) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {peer.token}"}
    with httpx.Client(base_url=peer.local_url, headers=headers, timeout=10, trust_env=False) as client:
        yield client


def test_the_status_has_what_the_contract_names(api: httpx.Client) -> None:
    status = api.get("/v1/status").json()
    assert status["peer_id"] is None
    assert status["joined"] is False
    assert set(status["queries"]) == {"through_neighbour", "direct", "open"}
    assert set(status["central"]) >= {"reachable", "since"}
    assert set(status["bytes"]) == {"sent", "received"}
    assert set(status["shares"]) == {"files", "bytes", "pending"}
    assert status["indexing"] == {"paused": False, "pending": 0, "rate": 0}
    assert status["offers"] == {"undecided": 0, "revision": 0}
    assert {"name", "version", "addresses", "neighbours", "relayed"} <= set(status)


def test_barrios_of_this_network_are_found_before_joining(api: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    found = nearby.Barrio("La Plaza", CONTENT, 2)
    monkeypatch.setattr(nearby, "find", lambda stopped: [found])
    told = {"name": "La Plaza", "fingerprint": CONTENT, "announcers": 2}
    assert api.get("/v1/barrios").json() == {"barrios": [told]}


def test_before_joining_the_barrio_cannot_be_asked(api: httpx.Client) -> None:
    for answer in (
        api.get("/v1/search", params={"q": "x"}),
        api.post("/v1/transfers", json={"content_id": CONTENT}),
    ):
        assert answer.status_code == 409
        assert answer.json()["code"] == "not-joined"
        assert "Join first" in answer.json()["detail"]
    assert api.get("/v1/transfers").json() == {"transfers": [], "next_cursor": None}
    assert api.get("/v1/peers").json() == {"peers": []}


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/v1/shares", b"{", 400),
        ("POST", "/v1/shares", b"[]", 400),
        ("POST", "/v1/shares", b"[" * 50_000, 400),
        ("POST", "/v1/shares", b"{}", 400),
        ("POST", "/v1/shares", b'{"path": 5}', 400),
        ("POST", "/v1/shares", b'{"path": "/tmp", "colour": 1}', 400),
        ("POST", "/v1/shares", b'{"path": "' + b"x" * 5000 + b'"}', 400),
        ("POST", "/v1/shares", b'{"path": "relative"}', 400),
        ("POST", "/v1/shares", b'{"path": "/does/not/exist"}', 400),
        ("POST", "/v1/shares", b'{"path": "/tmp\\u0000x"}', 400),
        ("POST", "/v1/shares", b"x" * 400_000, 413),
        ("POST", "/v1/shares", b'{"path": "/tmp", "exclude": "*.bak"}', 400),
        ("POST", "/v1/shares", b'{"path": "/tmp", "exclude": ["a\\nb"]}', 400),
        ("POST", "/v1/shares", b'{"path": "/tmp", "hidden": 1}', 400),
        ("PATCH", "/v1/shares", b'{"hidden": true}', 400),
        ("PATCH", "/v1/shares?name=nothing", b'{"hidden": true}', 404),
        ("PATCH", "/v1/shares?name=nothing", b'{"name": "other"}', 400),
        ("PATCH", "/v1/indexing", b'{"paused": "yes"}', 400),
        ("PATCH", "/v1/indexing", b"{}", 400),
        ("POST", "/v1/patterns", b"{}", 400),
        ("POST", "/v1/patterns", b'{"exclude": ["a", 1]}', 400),
        ("DELETE", "/v1/shares", b"", 400),
        ("DELETE", "/v1/shares?name=nothing", b"", 404),
        ("POST", "/v1/rescan", b'{"name": "nothing"}', 404),
        ("POST", "/v1/transfers", b'{"content_id": "x"}', 400),
        ("POST", "/v1/transfers", b'{"content_id": null}', 400),
        ("GET", "/v1/transfers/nothing", b"", 404),
        ("PATCH", "/v1/transfers/nothing", b'{"state": "paused"}', 404),
        ("PATCH", "/v1/transfers/nothing", b'{"state": "dancing"}', 400),
        ("PATCH", "/v1/transfers/nothing", b"{}", 400),
        ("PATCH", "/v1/transfers/nothing", b'{"move": "sideways"}', 400),
        ("PATCH", "/v1/transfers/nothing", b'{"priority": ["high"]}', 400),
        ("PATCH", "/v1/transfers/nothing", b'{"priority": "high"}', 404),
        ("PATCH", "/v1/transfers", b'{"state": "done"}', 400),
        ("DELETE", "/v1/transfers", b"", 400),
        ("GET", "/v1/transfers?limit=0", b"", 400),
        ("POST", "/v1/transfers/find", b'{"content_ids": ["x"]}', 400),
        ("POST", "/v1/transfers/find", b"{}", 400),
        ("GET", "/v1/transfers?cursor=x", b"", 400),
        ("GET", "/v1/transfers/nothing/files", b"", 404),
        ("GET", "/v1/transfers/nothing/receipt", b"", 404),
        ("DELETE", "/v1/quarantine/nobody", b"", 404),
        ("GET", "/v1/transfers/nothing/files?after=-1", b"", 400),
        ("PATCH", "/v1/transfers/nothing/files", b"{}", 400),
        ("PATCH", "/v1/transfers/nothing/files", b'{"wanted": 1}', 400),
        ("PATCH", "/v1/transfers/nothing/files", b'{"wanted": false, "ids": [1]}', 400),
        ("PATCH", "/v1/transfers/nothing/files", b'{"wanted": false}', 404),
        ("POST", "/v1/transfers", b'{"content_id": "x", "paused": "yes"}', 400),
        ("DELETE", "/v1/transfers/nothing", b"", 404),
        ("DELETE", "/v1/transfers/nothing?keep=perhaps", b"", 400),
        ("POST", "/v1/offers", b"{}", 400),
        ("POST", "/v1/offers", b'{"paths": [], "to": []}', 400),
        ("POST", "/v1/offers", b'{"paths": ["/etc/hosts"], "to": ["me"]}', 400),
        ("POST", "/v1/offers", b'{"paths": ["hosts"], ' + TO + b"}", 400),
        ("POST", "/v1/offers", b'{"paths": ["/does/not/exist"], ' + TO + b"}", 400),
        ("POST", "/v1/offers", b'{"paths": ["/tmp\\u0000"], ' + TO + b"}", 400),
        ("POST", "/v1/offers", b'{"paths": ["/"], ' + TO + b"}", 400),
        (
            "POST",
            "/v1/offers",
            b'{"paths": ["/etc/hosts"], ' + TO + b', "expires_in": -1}',
            400,
        ),
        (
            "POST",
            "/v1/offers",
            b'{"paths": ["/etc/hosts"], ' + TO + b', "expires_in": 1e9}',
            400,
        ),
        ("GET", "/v1/offers/nothing", b"", 404),
        ("GET", "/v1/offers/nothing?after=-1", b"", 400),
        ("PATCH", "/v1/offers/nothing", b'{"state": "accepted"}', 404),
        ("PATCH", "/v1/offers/nothing", b'{"state": "done"}', 400),
        ("PATCH", "/v1/offers/nothing", b'{"state": "declined", "output": "/tmp"}', 400),
        ("DELETE", "/v1/offers/nothing", b"", 404),
        ("PUT", "/v1/offer-rules/me", b"{}", 400),
        ("PUT", "/v1/offer-rules/" + CONTENT, b'{"max_bytes": 0}', 400),
        ("PUT", "/v1/offer-rules/" + CONTENT, b'{"output": "here"}', 400),
        ("DELETE", "/v1/offer-rules/" + CONTENT, b"", 404),
        ("PATCH", "/v1/settings", b'{"listen": "nowhere"}', 400),
        ("PATCH", "/v1/settings", b'{"nothing": 1}', 400),
        ("PATCH", "/v1/settings", b'{"rescan_seconds": 1e999}', 400),
        ("POST", "/v1/join", b'{"invite": "hello"}', 400),
        ("GET", "/v1/search?limit=0", b"", 400),
        ("GET", "/v1/search?limit=99999999999999999999", b"", 400),
        ("GET", "/v1/search?min_size=-1", b"", 400),
        ("GET", "/v1/search?q=x&changed_since=yesterday", b"", 400),
        ("GET", "/v1/search?q=x&changed_since=99999-01-01", b"", 400),
        ("GET", "/v2/status", b"", 404),
        ("PUT", "/v1/status", b"", 405),
    ],
)
def test_bad_input_is_a_problem_that_says_what_to_do(
    api: httpx.Client, method: str, path: str, body: bytes, status: int
) -> None:
    answer = api.request(method, path, content=body)
    assert answer.status_code == status, answer.text
    if status != 413:
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert problem["detail"].endswith(".")
        assert problem["detail_code"]
        values = [v["detail"] if isinstance(v, dict) else str(v) for v in problem["params"].values()]
        assert all(value in problem["detail"] for value in values)
        assert problem["fault"] in ("me", "peer", "network", "central")
        assert problem["status"] == status


def test_a_folder_is_shared_looked_at_again_and_unshared(api: httpx.Client, tmp_path: Path) -> None:
    folder = tmp_path / "Música"
    folder.mkdir()
    (folder / "a.txt").write_text("hello")
    made = api.post("/v1/shares", json={"path": str(folder)})
    assert made.status_code == 201
    assert made.json()["name"] == "Música"
    assert api.post("/v1/shares", json={"path": str(folder)}).status_code == 409
    assert api.post("/v1/rescan", json={}).status_code == 202
    listed = api.get("/v1/shares").json()["shares"]
    assert [s["path"] for s in listed] == [str(folder)]
    assert api.delete("/v1/shares", params={"name": "Música"}).status_code == 204
    assert api.get("/v1/shares").json()["shares"] == []
    assert (folder / "a.txt").read_text() == "hello"


def test_what_a_share_leaves_out_can_be_changed(api: httpx.Client, peer: Peer, tmp_path: Path) -> None:
    folder = tmp_path / "music"
    folder.mkdir()
    for name in ("a.ogg", "b.ogg", "b.bak", ".hidden.ogg"):
        (folder / name).write_text(name[0])

    def shared(files: int) -> dict[str, Any]:
        deadline = time.monotonic() + 20
        while True:
            (share,) = api.get("/v1/shares").json()["shares"]
            if share["files"] == files and share["state"] == "ready":
                return dict(share)
            assert time.monotonic() < deadline, share
            time.sleep(0.02)

    body = {"path": str(folder), "exclude": ["*.bak"]}
    assert api.post("/v1/shares", json=body).json()["exclude"] == ["*.bak"]
    assert shared(2)["hidden"] is False
    assert api.get("/v1/shares").json()["duplicates"] == {"files": 0, "bytes": 0}
    changed = api.patch("/v1/shares", params={"name": "music"}, json={"exclude": [], "hidden": True})
    assert changed.json()["exclude"] == []
    share = shared(4)
    assert (share["unavailable"], share["problems"], share["progress"]) == (0, [], None)
    asked = api.post("/v1/patterns", json={"exclude": ["*.bak", "[z-a]", "[a"]}).json()["patterns"]
    assert [(p["pattern"], p["fault"] and (p["fault"]["code"], p["fault"]["refused"])) for p in asked] == [
        ("*.bak", None),
        ("[z-a]", ("range", True)),
        ("[a", ("nothing", False)),
    ]
    refused = api.patch("/v1/shares", params={"name": "music"}, json={"exclude": ["[z-a]"]})
    assert refused.status_code == 400 and "[z-a]" in refused.json()["detail"]
    assert api.patch("/v1/indexing", json={"paused": True}).json()["paused"] is True
    assert api.get("/v1/status").json()["indexing"]["paused"] is True
    assert api.patch("/v1/indexing", json={"paused": False}).json()["paused"] is False

    def run(*arguments: str) -> Any:
        assert cli.main(["--data-dir", str(peer.data_dir), *arguments]) == 0

    run("share", "set", "music", "--exclude", "*.bak", "--exclude", "a*", "--no-hidden")
    assert shared(1)["exclude"] == ["*.bak", "a*"]
    run("share", "pause")
    assert api.get("/v1/status").json()["indexing"]["paused"] is True
    run("share", "resume", "--json")
    run("share", "set", "music", "--exclude-nothing")
    assert shared(3)["exclude"] == []
    run("share", "list")


def test_settings_are_kept_and_those_of_the_command_line_are_locked(api: httpx.Client, peer: Peer) -> None:
    changed = api.patch("/v1/settings", json={"name": "Ana", "rescan_seconds": 60}).json()["settings"]
    by_key: dict[str, Any] = {s["key"]: s for s in changed}
    assert by_key["name"]["value"] == "Ana"
    assert by_key["listen"]["locked"]
    assert api.patch("/v1/settings", json={"listen": "0.0.0.0:0"}).status_code == 400
    assert json.loads((peer.data_dir / "settings.json").read_text()) == {"name": "Ana", "rescan_seconds": 60}
    assert api.get("/v1/status").json()["name"] == "Ana"


def test_transfers_go_with_the_folder_for_downloads(tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    peer = Peer(tmp_path / "data", {"listen": "127.0.0.1:0"})
    peer.start()
    try:
        peer.change_settings({"download_dir": str(old)})
        made = peer.queue.add(bytes(32), "film", paused=True)
        old.rename(new)
        peer.change_settings({"download_dir": str(new)})
        assert peer.queue.get(made.id).path == new / "film"
    finally:
        peer.stop()


def test_the_local_api_is_not_on_other_addresses(peer: Peer) -> None:
    port = int(peer.local_url.rpartition(":")[2])
    for address in ("127.0.0.2", "::1"):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        with socket.socket(family) as probe:
            probe.settimeout(2)
            assert probe.connect_ex((address, port)) != 0


def test_the_access_file_is_private_and_goes_with_the_peer(tmp_path: Path) -> None:
    peer = Peer(tmp_path)
    peer.start()
    file = tmp_path / LOCAL_API_FILE
    assert file.stat().st_mode & 0o077 == 0
    assert json.loads(file.read_text())["url"] == peer.local_url
    with pytest.raises(InUseError, match="already runs"):
        Peer(tmp_path).start()
    assert file.exists()
    peer.stop()
    peer.stop()
    assert not file.exists()
    again = Peer(tmp_path)
    again.start()
    assert again.token != peer.token
    again.stop()


def test_data_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    peer = Peer(tmp_path)
    peer.start()
    peer.stop()
    import sqlite3
    from contextlib import closing

    for name in ("library.sqlite", "transfers.sqlite", "offers.sqlite"):
        with closing(sqlite3.connect(tmp_path / name)) as database:
            (version,) = database.execute("PRAGMA user_version").fetchone()
            database.execute("PRAGMA user_version = 999")
        with pytest.raises(DataVersionError, match="newer Barrio"):
            Peer(tmp_path).start()
        with closing(sqlite3.connect(tmp_path / name)) as database:
            assert database.execute("PRAGMA user_version").fetchone() == (999,)
            database.execute(f"PRAGMA user_version = {version}")
    (tmp_path / "library.sqlite").write_bytes(b"not a database" * 1000)
    with pytest.raises(StorageError, match="damaged"):
        Peer(tmp_path).start()


def test_a_data_folder_that_cannot_be_one_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for bad in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/nothing")):
        with pytest.raises(BarrioError) as caught:
            Peer(bad).start()
        assert str(bad) in caught.value.message


def test_the_documents_name_every_route_setting_and_option(api: httpx.Client) -> None:
    document = api.get("/v1/openapi.json").json()
    text = (DOCS / "local-api.md").read_text("utf-8")
    for path, operations in document["paths"].items():
        for method in operations:
            told = path.replace("{transfer_id}", "{id}")
            assert f"`{method.upper()} {told}" in text, f"{method.upper()} {told} is not in docs/local-api.md"
    for setting in SETTINGS:
        assert f"`{setting.key}`" in text, setting.key
    told_routes = set(re.findall(r"\| `(?:GET|POST|PATCH|DELETE) (/v1/[a-z.]+)", text))
    assert told_routes == {re.match(r"/v1/[a-z.]+", p)[0] for p in document["paths"]}  # type: ignore[index]


def test_the_command_line_is_in_the_documents(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["--help"])
    verbs = set(re.findall(r"^    ([a-z]+) ", capsys.readouterr().out, re.MULTILINE))
    assert verbs >= {"join", "run", "share", "search", "get", "transfers", "status"}
    text = (DOCS / "command-line.md").read_text("utf-8")
    for verb in verbs:
        assert f"`{verb}" in text or f" {verb}" in text, f"{verb} is not in docs/command-line.md"
