"""Sending in a real barrio: asked, accepted, fetched, declined, withdrawn, expired; and nobody else gets anything."""

import filecmp
import json
import os
from pathlib import Path
from typing import Any

import httpx
import pytest
from processes import HeadlessPeer, wait_for
from world import World

from peer_core.data_folder import LOCAL_API_FILE
from peer_core.directory.central import CentralClient
from peer_core.directory.peer_http import PeerHttp
from peer_core.identity.store import Identity
from peer_core.library.types import Change
from protos.agreed import decode_id

MIB = 1 << 20


def local(peer: HeadlessPeer) -> httpx.Client:
    access = json.loads((peer.data / LOCAL_API_FILE).read_text("utf-8"))
    headers = {"Authorization": f"Bearer {access['token']}"}
    return httpx.Client(base_url=access["url"], headers=headers, timeout=30, trust_env=False)


def offers(peer: HeadlessPeer) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = peer.offers()
    return found


def the_offer(peer: HeadlessPeer, state: str | tuple[str, ...], seconds: float = 40) -> dict[str, Any]:
    """The newest offer of a peer, as soon as it is in that state."""
    states = (state,) if isinstance(state, str) else state

    def found() -> dict[str, Any] | None:
        listed = offers(peer)
        return listed[0] if listed and listed[0]["state"] in states else None

    offer: dict[str, Any] = wait_for(found, seconds, f"an offer of {peer.name} to be {state}")
    return offer


def loose(world: World, name: str, size: int) -> Path:
    """A file that is in no share."""
    path = world.root / "loose" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(os.urandom(size))
    return path


def ask(world: World, asker: HeadlessPeer, holder: HeadlessPeer, path: str) -> int:
    """Status of a request to the peer API of `holder`, by `asker`'s certificate."""
    identity = Identity.load(asker.data)
    assert identity is not None
    http = PeerHttp(identity)
    try:
        return http.request(holder.peer_id, [f"https://{holder.listen}"], "GET", path, max_bytes=64 * MIB)[0]
    finally:
        http.close()


def test_a_folder_is_offered_accepted_and_lands_as_it_was_and_no_stranger_gets_it(world: World) -> None:
    ana, bruno, eva = (world.peer(name) for name in ("ana", "bruno", "eva"))
    top = world.root / "loose" / "Fotos"
    for name in ("playa/uno.jpg", "playa/dos.jpg", "leeme.txt", "sierra/norte/tres.jpg"):
        loose(world, f"Fotos/{name}", 300_000)
    (top / "sierra" / "enlace").symlink_to("/etc/passwd")
    single = loose(world, "carta.pdf", 3 * MIB)

    (sent,) = ana.json("send", str(top), str(single), "--to", "BRUNO", "--message", "Lo de ayer")
    assert sent["state"] in ("waiting", "delivered")
    assert (sent["files"], sent["names"]) == (5, ["Fotos/", "carta.pdf"])
    asked = the_offer(bruno, "delivered")
    assert asked["peer_id"] == ana.peer_id
    assert wait_for(lambda: offers(bruno)[0]["peer_name"], 20, "the sender's name") == "ana"
    assert asked["message"] == "Lo de ayer"
    assert asked["bytes"] == sum(
        f.stat().st_size for f in [single, *top.rglob("*")] if f.is_file() and not f.is_symlink()
    )
    assert the_offer(ana, "delivered")["peer_name"] == "bruno"

    told = bruno.verb("offers")
    assert f"from ana waits for you: barrio-peer --data-dir {bruno.data} accept {asked['id']}" in told
    assert "“Lo de ayer”" in told
    whole = bruno.json("offers", asked["id"][:4])
    content = whole["listed"][-1]["content_id"]
    for path in (f"/v1/contents/{content}", f"/v1/contents/{content}/manifest", f"/v1/contents/{content}/pieces"):
        assert ask(world, eva, ana, path) == 404
        assert ask(world, bruno, ana, path) == 200
    assert eva.json("search", "carta") == []

    got = world.root / "got"
    assert f"a new folder: {got}" in bruno.verb("accept", asked["id"][:6], "--output", str(got), "--wait")
    for file in [*top.rglob("*.*")]:
        assert (got / file.relative_to(top.parent)).read_bytes() == file.read_bytes()
    assert (got / "carta.pdf").read_bytes() == single.read_bytes()
    assert not list(got.rglob("enlace"))
    done = the_offer(ana, "done")
    assert (done["files_done"], done["bytes_done"]) == (5, asked["bytes"])
    assert the_offer(bruno, "done")["folder"] == str(got)
    # What is done is served no more.
    assert ask(world, bruno, ana, f"/v1/contents/{content}") == 404


def test_the_recipient_is_away_and_both_are_killed_and_it_arrives_all_the_same(world: World) -> None:
    ana, bruno = world.peer("ana"), world.peer("bruno")
    file = loose(world, "largo.bin", MIB)
    with file.open("r+b") as hole:
        hole.truncate(512 * MIB)
    assert bruno.program is not None and ana.program is not None
    bruno_id = bruno.peer_id
    bruno.program.kill()
    (sent,) = ana.json("send", str(file), "--to", bruno_id)
    assert sent["state"] == "waiting"
    ana.program.kill()
    ana.start()
    assert offers(ana)[0]["state"] == "waiting"
    bruno.start()
    asked = the_offer(bruno, "delivered", 60)

    got = world.root / "got"
    bruno.verb("accept", asked["id"], "--output", str(got))
    with local(bruno) as client:
        middle = wait_for(
            lambda: client.get("/v1/transfers").json()["transfers"][0]["bytes_done"], 30, "the first bytes"
        )
        assert middle < 512 * MIB
    assert ana.program is not None
    ana.program.kill()
    bruno.program.kill()
    bruno.start()
    ana.start()
    assert the_offer(bruno, "done", 90)["files_done"] == 1
    assert filecmp.cmp(got / "largo.bin", file, shallow=False)
    assert the_offer(ana, "done", 60)["bytes_done"] == 512 * MIB


def test_what_is_withdrawn_declined_or_expired_is_so_at_both_ends(world: World) -> None:
    ana, bruno = world.peer("ana"), world.peer("bruno")
    file = loose(world, "nota.txt", 1000)
    ana.verb("send", str(file), "--to", "bruno")
    asked = the_offer(bruno, "delivered")
    content = bruno.json("offers", asked["id"])["listed"][0]["content_id"]
    ana.verb("withdraw", offers(ana)[0]["id"])
    assert ask(world, bruno, ana, f"/v1/contents/{content}") == 404
    the_offer(bruno, "withdrawn")
    refused = bruno.try_verb("accept", asked["id"])
    assert (refused.returncode, refused.stderr) == (1, "barrio-peer: The sender has withdrawn this offer.\n")

    ana.verb("send", str(file), "--to", "bruno")
    bruno.verb("decline", the_offer(bruno, "delivered")["id"])
    the_offer(ana, "declined")
    assert ask(world, bruno, ana, f"/v1/contents/{content}") == 404

    ana.verb("send", str(file), "--to", "bruno", "--expires", "3s")
    the_offer(bruno, ("delivered", "expired"))
    the_offer(bruno, "expired")
    the_offer(ana, "expired")
    assert ask(world, bruno, ana, f"/v1/contents/{content}") == 404
    for peer in (ana, bruno):
        with local(peer) as client:
            for offer in offers(peer):
                assert client.delete(f"/v1/offers/{offer['id']}").status_code == 204
        assert offers(peer) == []


def test_what_is_being_fetched_of_a_withdrawn_offer_ends_there(world: World) -> None:
    ana, bruno = world.peer("ana"), world.peer("bruno")
    ana.verb("limits", "--up", "1M")
    file = loose(world, "largo.bin", 20_000_000)
    ana.verb("send", str(file), "--to", "bruno")
    bruno.verb("accept", the_offer(bruno, "delivered")["id"])
    wait_for(lambda: bruno.status()["bytes"]["received"] > 1_000_000, 30, "some of the file")
    ana.verb("withdraw", offers(ana)[0]["id"])
    received = bruno.status()["bytes"]["received"]
    (ended,) = wait_for(lambda: [t for t in bruno.transfers() if t["state"] == "failed"], 30, "its end")
    assert ended["error"]["code"] == "withdrawn"
    # The answer under way had some seven megabytes to go.
    assert bruno.status()["bytes"]["received"] - received < 3_000_000


def test_a_false_claim_to_share_it_makes_no_offer_public(world: World) -> None:
    """Who downloads what is shared passes on its pieces; what was offered stays between the two."""
    ana, bruno, eva = (world.peer(name) for name in ("ana", "bruno", "eva"))
    ana.verb("limits", "--up", "500K")
    file = loose(world, "secreto.bin", 8_000_000)
    ana.verb("send", str(file), "--to", "bruno")
    offer = the_offer(bruno, "delivered")
    content = bruno.json("offers", offer["id"])["listed"][0]["content_id"]

    HeadlessPeer(world.root / "liar", "liar", world.central.invite())
    liar = Identity.load(world.root / "liar")
    assert liar is not None
    central, index = CentralClient(liar), os.urandom(16)
    try:
        central.register(["https://127.0.0.1:9"], "test", index, 1)
        claim = Change(1, "share", "secreto.bin", False, decode_id(content), file.stat().st_size, 1_700_000_000)
        assert not central.publish(index, 0, 1, [claim]).resync
        wait_for(lambda: bruno.json("search", "secreto"), 20, "the claim to be believed")
        bruno.verb("accept", offer["id"])
        wait_for(lambda: bruno.status()["bytes"]["received"] > 3 << 20, 30, "some pieces")
        assert ask(world, eva, bruno, f"/v1/contents/{content}/pieces") == 404
        assert [t["state"] for t in bruno.transfers()] == ["running"]
    finally:
        central.close()


def test_a_rule_takes_what_is_small_enough_and_asks_about_the_rest(world: World) -> None:
    ana, bruno, eva = (world.peer(name) for name in ("ana", "bruno", "eva"))
    got = world.root / "de-ana"
    bruno.verb("rule", "set", "ana", "--output", str(got), "--up-to", "200000")
    assert [r["max_bytes"] for r in bruno.json("rule", "list")] == [200_000]
    small, large = loose(world, "poco.bin", 100_000), loose(world, "mucho.bin", 300_000)

    (sent,) = ana.json("send", str(small), "--to", "bruno", "--wait")
    assert sent["state"] == "done"
    assert (got / "poco.bin").read_bytes() == small.read_bytes()
    ana.verb("send", str(large), "--to", "bruno")
    assert the_offer(bruno, "delivered")["bytes"] == 300_000
    eva.verb("send", str(small), "--to", "bruno")
    wait_for(lambda: [o for o in offers(bruno) if o["peer_name"] == "eva"], 30, "the offer of eva")
    assert the_offer(bruno, "delivered")["peer_name"] == "eva"
    bruno.verb("rule", "remove", "ana")
    assert bruno.json("rule", "list") == []


def test_several_are_sent_the_same_and_a_changed_file_is_not_sent_as_the_old_one(world: World) -> None:
    ana, bruno, eva = (world.peer(name) for name in ("ana", "bruno", "eva"))
    file, other = loose(world, "acta.md", 2 * MIB), loose(world, "otra.md", 1000)
    data = file.read_bytes()
    made = ana.json("send", str(file), str(other), "--to", "bruno", "--to", "eva")
    assert {offer["peer_name"] or offer["peer_id"] for offer in made} <= {"bruno", "eva", bruno.peer_id, eva.peer_id}
    got = world.root / "got-bruno"
    bruno.verb("accept", the_offer(bruno, "delivered")["id"], "--output", str(got), "--wait")
    assert (got / "acta.md").read_bytes() == data

    asked = the_offer(eva, "delivered")
    file.write_bytes(os.urandom(2 * MIB))
    eva.verb("accept", asked["id"], "--output", str(world.root / "got-eva"))
    wait_for(lambda: [o for o in offers(ana) if o["changed"] == 1], 30, "ana to see that a file has changed")
    wait_for(lambda: offers(eva)[0]["files_done"] == 1, 30, "the file that did not change")
    assert not (world.root / "got-eva" / "acta.md").exists()
    # Bruno shares what he got: eva gets the old content from him.
    bruno.verb("share", "add", str(got), "--name", "got")
    bruno.wait_indexed(2)
    the_offer(eva, "done", 90)
    assert (world.root / "got-eva" / "acta.md").read_bytes() == data


@pytest.mark.parametrize("wrong", ["missing", "data", "nobody", "self", "empty"])
def test_what_cannot_be_sent_is_refused_with_a_sentence(world: World, wrong: str) -> None:
    ana = world.peer("ana")
    file = loose(world, "nota.txt", 10)
    (world.root / "vacia").mkdir()
    arguments = {
        "missing": [str(world.root / "nothing"), "--to", ana.peer_id],
        "data": [str(ana.data / "identity"), "--to", "a" * 52],
        "nobody": [str(file), "--to", "nadie"],
        "self": [str(file), "--to", "ana"],
        "empty": [str(world.root / "vacia"), "--to", "a" * 52],
    }[wrong]
    failed = ana.try_verb("send", *arguments)
    assert failed.returncode == 1
    assert len(failed.stderr.strip().splitlines()) == 1
    assert not [offer for offer in offers(ana) if offer["state"] != "failed"]


def test_a_hostile_member_gets_sentences_and_changes_nothing(world: World) -> None:
    ana, bruno, eva = (world.peer(name) for name in ("ana", "bruno", "eva"))
    ana.verb("send", str(loose(world, "nota.txt", 1000)), "--to", "bruno")
    asked = the_offer(bruno, "delivered")
    content = bruno.json("offers", asked["id"])["listed"][0]["content_id"]
    good = {"folder": "", "name": "a", "size": 1, "content_id": content}
    identity = Identity.load(eva.data)
    assert identity is not None
    http = PeerHttp(identity)

    def post(peer: HeadlessPeer, method: str, path: str, body: bytes) -> tuple[int, str]:
        status, _, data = http.request(peer.peer_id, [f"https://{peer.listen}"], method, path, body, timeout=30)
        return status, json.loads(data).get("detail", "")

    def offer(**changes: Any) -> bytes:
        number = os.urandom(16).hex()
        return json.dumps({"id": number, "message": "", "expires_in": 60, "files": [good], **changes}).encode()

    try:
        for body in (
            b"",
            b"[" * 1_000_000,
            b'{"files": [' + b"{}," * 1_000_000 + b"0]}",
            offer(files=[good | {"name": "../../etc/passwd"}]),
            offer(files=[good | {"folder": "a/../.."}]),
            offer(files=[good | {"size": -1}]),
            offer(files=[good | {"name": "x" * 100_000}]),
            offer(files=[good] * 10_001),
        ):
            status, detail = post(bruno, "POST", "/v1/offers", body)
            assert status == 400 and detail.endswith("."), body[:80]
        # What is between Ana and Bruno, Eva cannot speak of, even when she knows how Ana calls it.
        with local(ana) as client:
            assert client.get("/v1/offers").json()["offers"][0]["state"] == "delivered"
        for peer in (ana, bruno):
            for state in ("accepted", "declined", "done", "withdrawn"):
                body = json.dumps({"state": state}).encode()
                assert post(peer, "PATCH", f"/v1/offers/{'0' * 32}", body)[0] == 404
        answers = [post(bruno, "POST", "/v1/offers", offer())[0] for _ in range(40)]
        assert answers.count(200) == 16 and answers.count(429) == 24
        # That she offers what Ana offered gives her nothing, and does not make Ana give it.
        assert ask(world, eva, ana, f"/v1/contents/{content}") == 404
    finally:
        http.close()
    assert the_offer(bruno, "delivered")["peer_id"] == eva.peer_id
    got = world.root / "got"
    bruno.verb("accept", asked["id"], "--output", str(got), "--wait")
    assert (got / "nota.txt").stat().st_size == 1000


def test_many_small_files_keep_their_places(world: World) -> None:
    ana, bruno = world.peer("ana"), world.peer("bruno")
    top = world.root / "loose" / "muchos"
    for folder in range(20):
        (top / f"{folder}").mkdir(parents=True)
        for number in range(25):
            (top / f"{folder}" / f"{number}.txt").write_bytes(f"{folder}/{number}".encode())
    (sent,) = ana.json("send", str(top), "--to", "bruno")
    assert sent["files"] == 500
    asked = the_offer(bruno, "delivered")
    got = world.root / "got"
    bruno.verb("accept", asked["id"], "--output", str(got), "--wait", seconds=110)
    assert all((got / "muchos" / f"{f}" / f"{n}.txt").read_text() == f"{f}/{n}" for f in range(20) for n in range(25))
    assert the_offer(ana, "done")["files_done"] == 500
