"""Members and what they share, with real processes: listed, found, browsed, and whole folders downloaded."""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from holders import Exchange, HostileHolder
from processes import HeadlessPeer, wait_for
from world import World

from peer_core.directory.central import CentralClient
from peer_core.identity.store import Identity
from protos.agreed import encode_id


def local(peer: HeadlessPeer) -> httpx.Client:
    access = json.loads((peer.data / "local-api.json").read_text("utf-8"))
    return httpx.Client(base_url=access["url"], headers={"Authorization": f"Bearer {access['token']}"}, timeout=30)


def test_a_member_is_found_browsed_and_a_folder_of_its_downloaded(world: World) -> None:
    for name in (
        "disco/uno.flac",
        "disco/dos.flac",
        "disco/arte/tapa.png",
        "disco/arte/copia de la tapa.png",
        "suelto.txt",
    ):
        world.file(name, 5000, "ana")
    same = (world.root / "ana-files" / "disco" / "arte" / "tapa.png").read_bytes()
    world.file("disco/arte/copia de la tapa.png", 0, "ana", same)
    ana = world.peer("ana")
    world.share("ana", 5)
    world.peer("b")
    d = world.peer("d")
    wait_for(lambda: len(d.json("members")) == 3, 15, "everybody")
    listed = d.json("members")
    assert [m["name"] for m in listed] == ["ana", "b", "d"]
    assert [m["me"] for m in listed] == [False, False, True]
    assert [m["name"] for m in d.json("members", "AN")] == ["ana"]

    assert d.json("browse", "ana")["shares"] == [{"name": "ana-files", "files": 5, "bytes": 25_000}]
    root = d.json("browse", ana.peer_id[:6], "ana-files")
    assert [(f["name"], f["files"], f["bytes"]) for f in root["folders"]] == [("disco", 4, 20_000)]
    assert [(f["name"], f["have"]) for f in root["files"]] == [("suelto.txt", False)]
    disco = d.json("browse", ana.peer_id, "ana-files/disco/")
    assert [f["name"] for f in disco["folders"] + disco["files"]] == ["arte", "dos.flac", "uno.flac"]
    assert "suelto.txt" in d.verb("browse", "ana", "ana-files")

    got = world.root / "got"
    assert [s["name"] for s in d.json("browse", "AN")["shares"]] == ["ana-files"]
    assert "dos.flac" in d.verb("browse", "Aná", "Ana-Files/disco")
    assert "did you mean “ana”" in d.try_verb("browse", "aan").stderr
    assert "get --from PERSON SHARE/FOLDER" in d.verb("search", "disco")
    single = d.try_verb("get", "--from", "ana", "ana-files/suelto.txt", "--output", str(got / "suelto.txt"))
    assert (single.returncode, got.exists()) == (2, False)
    assert "--output names a folder" in single.stderr
    done = d.json("get", "--from", "Ana", "ANA-files/disco", "--output", str(got))
    assert all(t["state"] == "done" for t in done)
    for path in (world.root / "ana-files" / "disco").rglob("*"):
        if path.is_file():
            assert (got / path.relative_to(world.root / "ana-files")).read_bytes() == path.read_bytes()
    assert sum(p.is_file() for p in got.rglob("*")) == 4
    # Asked for again, nothing is fetched twice.
    again = d.json("get", "--from", "ana", "ana-files/disco", "--output", str(got))
    assert {t["id"] for t in again} == {t["id"] for t in done}
    (row,) = d.transfers()
    assert (row["kind"], row["files"]["total"], row["files"]["done"], row["size"]) == ("folder", 4, 4, 20_000)
    files = d.json("transfers", "files", row["id"])
    assert [f["id"] for f in files] == [t["id"] for t in done]
    receipt = d.json("transfers", "receipt", files[0]["id"])
    assert [(h["name"], h["runs"], h["bytes"]) for h in receipt["holders"]] == [("ana", [[0, 0]], 5000)]
    assert receipt["verified"]
    whole = d.verb("transfers", "receipt", row["id"])
    assert "0 B wasted, 0 retries" in whole
    assert d.json("quarantine") == []
    one = d.json("get", "--from", "ana", "ana-files/suelto.txt", "--output", str(got))
    assert [t["path"] for t in one] == [str(got / "suelto.txt")]

    d.verb("share", "add", str(got), "--name", "got")
    d.wait_indexed(5)
    assert all(f["have"] for f in d.json("browse", "ana", "ana-files/disco")["files"])
    assert d.json("browse", "d")["shares"][0]["name"] == "got"
    with local(d) as client:
        first = client.get(f"/v1/peers/{ana.peer_id}/shares/ana-files/disco?limit=2").json()
        assert first["next_after"] == "dos.flac"
        rest = client.get(f"/v1/peers/{ana.peer_id}/shares/ana-files/disco?limit=2&after=dos.flac").json()
        assert [f["name"] for f in rest["files"]] == ["uno.flac"]
        assert rest["files"][0]["kind"] == "audio"
        for path, status in (
            ("nobody/shares", 400),
            (f"{encode_id(os.urandom(32))}/shares", 404),
            (f"{ana.peer_id}/shares/nothing", 404),
            (f"{ana.peer_id}/shares/ana-files/%2e%2e", 404),
            (f"{ana.peer_id}/shares/ana-files//disco", 404),
            (f"{ana.peer_id}/shares/ana-files?limit=0", 400),
        ):
            answer = client.get(f"/v1/peers/{path}")
            assert answer.status_code == status, path
        for body in ({"peer_id": ana.peer_id}, {"peer_id": ana.peer_id, "path": "x", "name": "y"}, {"path": "x"}, {}):
            assert client.post("/v1/transfers", json=body).status_code == 400, body
        own = {"peer_id": d.peer_id, "path": "got"}
        assert client.post("/v1/transfers", json=own).status_code == 400
    told = d.verb("get", "--from", "ana", "ana-files/disco", "--output", str(world.root / "more"), "--skip-have")
    assert "4 files; 4 are on this device already" in told
    assert not list((world.root / "more").rglob("*.flac"))
    paused = d.json("get", "--from", "ana", "ana-files", "--output", str(world.root / "less"), "--paused")[0]
    assert (paused["state"], paused["files"]["have"]) == ("paused", 5)
    d.verb("choose", paused["id"][:6], "--skip", "*")
    d.verb("choose", paused["id"], "--want", "disco/*.flac", "--skip", "dos*")
    assert d.json("choose", paused["id"], "--want", "suelto.*")["files"]["skipped"] == 3
    assert d.json("move", paused["id"], "top")["place"] == 1
    assert d.json("priority", paused["id"], "high")["priority"] == "high"
    d.verb("resume", "--all")
    wait_for(lambda: [t for t in d.transfers() if t["id"] == paused["id"] and t["state"] == "done"], 20, "them")
    fetched = sorted(p.name for p in (world.root / "less").rglob("*") if p.is_file())
    assert fetched == ["suelto.txt", "uno.flac"]
    d.verb("transfers", "clear")
    assert d.transfers() == []
    usage = [("choose", "x"), ("pause",), ("priority", "x", "high")]
    for wrong in (
        *usage,
        ("browse", "nadie"),
        ("browse", "ana", "ana-files/nothing"),
        ("get", "--from", "ana", "nothing"),
    ):
        failed = d.try_verb(*wrong)
        assert failed.returncode == (2 if wrong in usage else 1), wrong
        assert len(failed.stderr.strip().splitlines()) == 1
    assert ana.program is not None
    ana.program.kill()
    failed = d.try_verb("browse", ana.peer_id, "ana-files")
    assert failed.returncode == 1
    assert failed.stderr.strip()


@pytest.fixture
def liar(make_world: Callable[..., World]) -> Iterator[tuple[World, str]]:
    """A member whose listing names files so that they would land elsewhere. It does not beat: its lease is long."""
    world = make_world(heartbeat=20.0)
    HeadlessPeer(world.root / "liar", "liar", world.central.invite())
    identity = Identity.load(world.root / "liar")
    assert identity is not None
    content = encode_id(bytes(range(32)))
    files = [
        {"folder": folder, "name": name, "size": 1, "content_id": content, "modified": 1}
        for folder, name in sorted(
            [
                ("", "CON"),
                ("", "..."),
                ("", "a\\..\\..\\b"),
                ("C:", "x"),
                ("~", "y"),
                ("gpj.\u202eexe", "z\x07"),
                ("..", "n"),
            ]
        )
    ]

    def script(x: Exchange) -> None:
        body = json.dumps({"kind": "folder", "folders": [], "files": files, "next_after": None}).encode()
        x.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    holder = HostileHolder(identity, b"", script)
    central = CentralClient(identity)
    central.register(list(holder.holder.addresses), "test", os.urandom(16), 0)
    yield world, identity.peer_id
    central.close()
    holder.close()


def test_no_name_in_a_listing_leads_out_of_the_output_folder(liar: tuple[World, str]) -> None:
    world, peer_id = liar
    d = world.peer("d")
    out = world.root / "out"
    with local(d) as client:
        answer = client.post("/v1/transfers", json={"peer_id": peer_id, "path": "s/..x", "output": str(out)})
        assert answer.status_code == 201, answer.text
        (folder,) = answer.json()["transfers"]
        assert folder["files"]["total"] == 6
        made = client.get(f"/v1/transfers/{folder['id']}/files").json()["files"]
        assert len(made) == 6
        for transfer in made:
            path = Path(transfer["path"])
            assert path.is_relative_to(out / "..x".strip(" ."))
            assert ".." not in path.parts
            assert all(c.isprintable() and c not in '\\:*?"<>|' for c in str(path.relative_to(out)))
        (world.root / "elsewhere").mkdir()
        (out / "t").mkdir(parents=True)
        (out / "t" / "C_").symlink_to(world.root / "elsewhere")
        answer = client.post("/v1/transfers", json={"peer_id": peer_id, "path": "s/t", "output": str(out)})
        assert answer.status_code == 400
        assert "leave the folder" in answer.json()["detail"]
