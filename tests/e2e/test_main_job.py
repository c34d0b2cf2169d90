"""The main job with real processes: share, search through the neighbour, download verified, survive."""

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import httpx
from processes import HeadlessPeer, Program, command, wait_for
from world import World

from peer_core.content import piece_size_for

MIB = 1 << 20


def local(peer: HeadlessPeer) -> httpx.Client:
    """A client of a peer's local API."""
    access = json.loads((peer.data / "local-api.json").read_text("utf-8"))
    return httpx.Client(base_url=access["url"], headers={"Authorization": f"Bearer {access['token']}"}, timeout=20)


def search(peer: HeadlessPeer, words: str) -> list[dict[str, object]]:
    return list(peer.json("search", words))


def found(peer: HeadlessPeer, words: str, holders: int = 1) -> dict[str, object]:
    """Waits until a search finds one row with that many holders; a central that just began may not answer yet."""

    def look() -> dict[str, object] | None:
        done = peer.try_verb("search", words, "--json")
        rows = json.loads(done.stdout) if done.returncode == 0 else []
        return rows[0] if rows and rows[0]["holders"] == holders else None

    return dict(wait_for(look, 15, f"“{words}” with {holders} holders"))


def wait_neighbours(peer: HeadlessPeer, count: int) -> list[dict[str, str]]:
    def look() -> list[dict[str, str]] | None:
        known = peer.json("neighbours")
        return known if len(known) >= count else None

    return list(wait_for(look, 20, f"{count} neighbours"))


def start_get(peer: HeadlessPeer, content_id: object, folder: Path) -> Program:
    argv = [*command("barrio-peer"), "--data-dir", str(peer.data), "get", str(content_id), "--output", str(folder)]
    return Program([*argv, "--json"], folder.parent / f"get-{folder.name}.log")


def transfer_of(peer: HeadlessPeer, content_id: object) -> dict[str, object] | None:
    return next((t for t in peer.transfers() if t["content_id"] == content_id), None)


def test_search_goes_through_the_neighbour_and_the_download_comes_straight_from_the_holder(world: World) -> None:
    path = world.file("canción de la plaza.flac", 3 * MIB + 17, "a")
    a = world.peer("a")
    world.share("a", 1)
    others = [world.peer(name) for name in ("b", "c")]
    d = world.peer("d")
    wait_neighbours(d, 3)
    primary = next(n for n in d.json("neighbours") if n["role"] == "primary")
    neighbour = next(p for p in (a, *others) if p.peer_id == primary["peer_id"])
    before = neighbour.json("status")["relayed"]

    row = found(d, "cancion plaza")

    assert row["name"] == path.name
    assert row["holders"] == 1
    assert neighbour.json("status")["relayed"] > before
    asked = re.findall(r"query from=(\S+)", world.central.program.log_text())
    assert neighbour.peer_id in asked
    assert d.peer_id not in asked
    queries = d.json("status")["queries"]
    assert queries["through_neighbour"] >= 1
    assert queries["direct"] == 0

    sent = a.json("status")["bytes"]["sent"]
    receipt = d.json("get", str(row["content_id"]), "--output", str(world.root / "got"))
    assert Path(receipt["path"]).read_bytes() == path.read_bytes()
    assert a.json("status")["bytes"]["sent"] - sent >= path.stat().st_size
    assert [s["peer_id"] for s in receipt["sources"] if s["pieces"]] == [a.peer_id]
    assert all(p.json("status")["bytes"]["sent"] < MIB for p in others)


def test_pieces_come_from_both_holders_and_the_download_outlives_one(world: World) -> None:
    data = os.urandom(96 * MIB)
    for owner in ("a", "b"):
        path = world.file(f"film from {owner}.mkv", 0, owner, data)
        world.peer(owner)
        world.share(owner, 1)
    d = world.peer("d")
    row = found(d, "film", holders=2)
    whole = d.json("get", str(row["content_id"]), "--output", str(world.root / "whole"))
    assert Path(whole["path"]).read_bytes() == data
    assert all(s["pieces"] > 0 for s in whole["sources"])
    assert len(whole["sources"]) == 2

    e = world.peer("e")
    content = str(row["content_id"])
    a = world.peers["a"]
    got = start_get(e, content, world.root / "cut")
    half_way(e, content, 8)
    assert a.program is not None
    a.program.kill()
    assert got.wait(60) == 0, got.log_text()
    transfer = transfer_of(e, content)
    assert transfer is not None
    assert Path(str(transfer["path"])).read_bytes() == path.read_bytes()
    # No verified piece twice: what came in is the file, plus at most what was in flight when `a` died.
    received = e.json("status")["bytes"]["received"]
    assert received <= len(data) + 2 * 8 * MIB
    assert sum(s["pieces"] for s in transfer["sources"]) == transfer["pieces"]  # type: ignore[attr-defined]


def half_way(peer: HeadlessPeer, content_id: str, pieces: int) -> None:
    """Waits until a running download holds at least `pieces` pieces."""

    with local(peer) as client:

        def look() -> bool:
            transfers = client.get("/v1/transfers").json()["transfers"]
            return any(t["content_id"] == content_id and t["pieces_done"] >= pieces for t in transfers)

        deadline = time.monotonic() + 30
        while not look():
            assert time.monotonic() < deadline, "the download did not start"
            time.sleep(0.002)


def test_a_killed_downloader_goes_on_where_it_was(world: World) -> None:
    data = os.urandom(192 * MIB)
    path = world.file("archivo.iso", 0, "a", data)
    world.peer("a")
    world.share("a", 1)
    d = world.peer("d")
    content = str(found(d, "archivo")["content_id"])
    with local(d) as client:
        client.post("/v1/transfers", json={"content_id": content, "output": str(world.root / "out")}).raise_for_status()
    half_way(d, content, 40)
    assert d.program is not None
    d.program.kill()
    assert not (world.root / "out" / "archivo.iso").exists()
    d.start()
    wait_for(lambda: (transfer_of(d, content) or {}).get("state") == "done", 60, "the resumed download")
    assert (world.root / "out" / "archivo.iso").read_bytes() == path.read_bytes()
    # The new process fetched only the rest.
    assert d.json("status")["bytes"]["received"] < len(data)


def test_a_substitute_answers_when_the_primary_dies_and_the_central_when_all_do(
    make_world: Callable[..., World],
) -> None:
    world = make_world(heartbeat=20.0)
    world.file("mapa.png", 1000, "a")
    world.peer("a")
    world.share("a", 1)
    for name in ("b", "c"):
        world.peer(name)
    d = world.peer("d")
    wait_neighbours(d, 3)
    found(d, "mapa")
    by_id = {p.peer_id: p for p in world.peers.values()}
    primary = next(n for n in d.json("neighbours") if n["role"] == "primary")
    killed = by_id[primary["peer_id"]]
    assert killed.program is not None
    killed.program.kill()
    with local(d) as client:
        started = time.monotonic()
        answer = client.get("/v1/search", params={"q": "mapa"})
        took = time.monotonic() - started
    assert answer.status_code == 200
    assert answer.json()["rows"]
    assert answer.json()["via"]["kind"] == "neighbour"
    assert answer.json()["via"]["peer_id"] != killed.peer_id
    assert took < 2
    for peer in world.peers.values():
        if peer is not d and peer.program is not None:
            peer.program.kill()
    with local(d) as client:
        answer = client.get("/v1/search", params={"q": "mapa"})
    assert answer.status_code == 200
    assert answer.json()["via"]["kind"] == "direct"
    assert d.json("status")["queries"]["direct"] >= 1


def test_a_preferred_neighbour_becomes_the_primary_and_is_replaced_when_it_dies(world: World) -> None:
    others = [world.peer(name) for name in ("a", "b", "c", "e")]
    wanted = others[3]
    d = world.peer("d", "--neighbour", wanted.peer_id)
    primary = wait_neighbours(d, 3)[0]
    assert (primary["peer_id"], primary["role"]) == (wanted.peer_id, "primary")
    assert d.json("search", "nothing") == []
    assert wanted.json("status")["relayed"] == 1
    assert wanted.program is not None
    wanted.program.kill()
    wait_for(lambda: all(n["peer_id"] != wanted.peer_id for n in d.status()["neighbours"]), 15, "another primary")
    assert d.json("search", "nothing") == []
    assert d.json("status")["queries"]["direct"] == 0


def test_a_silent_peer_vanishes_with_its_lease_and_returns_without_publishing(world: World) -> None:
    world.file("receta.txt", 500, "a")
    a = world.peer("a")
    world.share("a", 1)
    world.peer("b")
    d = world.peer("d")
    content = str(found(d, "receta")["content_id"])
    assert a.program is not None
    a.program.kill()
    wait_for(lambda: not search(d, "receta"), 10, "the lease to lapse")
    missing = d.try_verb("get", content, "--output", str(world.root / "none"), seconds=60)
    assert missing.returncode == 1
    assert missing.stderr.strip()
    published = world.central.program.log_text().count(f"publish from={a.peer_id}")
    a.start()
    found(d, "receta")
    assert world.central.program.log_text().count(f"publish from={a.peer_id}") == published


def test_a_restarted_central_gets_its_peers_back_and_a_running_download_does_not_notice(world: World) -> None:
    data = os.urandom(128 * MIB)
    world.file("disco.iso", 0, "a", data)
    world.peer("a")
    world.share("a", 1)
    world.peer("b")
    d = world.peer("d")
    content = str(found(d, "disco")["content_id"])
    got = start_get(d, content, world.root / "out")
    half_way(d, content, 4)
    world.central.program.kill()
    assert got.wait(60) == 0, got.log_text()
    assert (world.root / "out" / "disco.iso").read_bytes() == data
    world.central.start()
    found(d, "disco")


def test_the_barrio_sees_what_the_disk_holds(world: World) -> None:
    kept = world.file("quieto.txt", 2000, "a")
    changed = world.file("cambia.txt", 2000, "a")
    renamed = world.file("nombre viejo.txt", 2000, "a")
    deleted = world.file("borrado.txt", 2000, "a")
    a = world.peer("a")
    world.share("a", 4)
    world.peer("b")
    d = world.peer("d")
    old = found(d, "cambia")["content_id"]
    moved = found(d, "nombre viejo")["content_id"]
    # An access time older than the change makes the file system note the next read.
    os.utime(kept, ns=(0, kept.stat().st_mtime_ns))
    changed.write_bytes(os.urandom(2500))
    renamed.rename(renamed.with_name("nombre nuevo.txt"))
    deleted.unlink()
    world.file("recién llegado.txt", 100, "a")
    with local(a) as client:
        client.post("/v1/rescan").raise_for_status()
    found(d, "recien llegado")
    assert found(d, "cambia")["content_id"] != old
    assert found(d, "nombre nuevo")["content_id"] == moved
    assert not search(d, "nombre viejo")
    assert not search(d, "borrado")
    assert kept.stat().st_atime_ns == 0


def test_sigterm_ends_every_program_within_five_seconds(world: World) -> None:
    world.file("a.bin", 64 * MIB, "a")
    a = world.peer("a")
    world.share("a", 1)
    d = world.peer("d")
    content = found(d, "a.bin")["content_id"]
    with local(d) as client:
        client.post("/v1/transfers", json={"content_id": content, "output": str(world.root / "o")}).raise_for_status()
    for program in (a.program, d.program, world.central.program):
        assert program is not None
        started = time.monotonic()
        program.signal(signal.SIGTERM)
        assert program.wait(10) == 0, program.log_text()
        assert time.monotonic() - started < 5
        assert "Traceback" not in program.log_text()


def test_get_prints_lines_when_piped_and_one_document_with_json(world: World) -> None:
    world.file("nota.md", 5000, "a")
    world.peer("a")
    world.share("a", 1)
    d = world.peer("d")
    content = str(found(d, "nota")["content_id"])
    piped = d.try_verb("get", content, "--output", str(world.root / "one"))
    assert piped.returncode == 0
    assert "\r" not in piped.stdout
    assert "nota.md" in piped.stdout
    assert json.loads(d.verb("get", content, "--output", str(world.root / "two"), "--json"))["state"] == "done"
    to = str(world.root / "three")
    line = " ".join([*command("barrio-peer"), "--data-dir", str(d.data), "get", content, "--output", to])
    on_tty = subprocess.run(
        ["script", "-qec", line, "/dev/null"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
        env={**os.environ, "BARRIO_KEYRING": "off", "TERM": "xterm"},
    )
    assert on_tty.returncode == 0, on_tty.stdout
    assert b"\r" in on_tty.stdout.replace(b"\r\n", b"\n")
    assert "100%" in on_tty.stdout.decode()


def test_piece_sizes_used_here() -> None:
    """The tests above count pieces of 1 MiB."""
    assert piece_size_for(192 * MIB) == MIB
