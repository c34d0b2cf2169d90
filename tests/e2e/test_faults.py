"""Faults with real processes: lying holders, frozen neighbours, a central that restarts under load, a full disk."""

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from holders import Exchange, HostileHolder, manifest_of
from processes import HeadlessPeer, wait_for
from world import World

from peer_core.directory.central import CentralClient
from peer_core.identity.store import Identity
from peer_core.library.types import Change
from protos.agreed import encode_id

MIB = 1 << 20


def lies_in_the_second_half(x: Exchange) -> None:
    body = bytearray(x.honest_bytes)
    if x.end > len(x.data) // 2:
        body[-1] ^= 1
    x.head(len(body))
    x.send(bytes(body))


@pytest.fixture
def liar(make_world: Callable[..., World]) -> Iterator[tuple[World, bytes, HostileHolder]]:
    """A world in which a member that lies has published a file of 20 MiB."""
    world = make_world(heartbeat=20.0)
    data = os.urandom(20 * MIB)
    HeadlessPeer(world.root / "liar", "liar", world.central.invite())
    identity = Identity.load(world.root / "liar")
    assert identity is not None
    holder = HostileHolder(identity, data, lies_in_the_second_half)
    central = CentralClient(identity)
    index_id = os.urandom(16)
    central.register(list(holder.holder.addresses), "test", index_id, 1)
    change = Change(1, "share", "mentira.bin", False, manifest_of(data).content_id, len(data), 1_700_000_000)
    assert not central.publish(index_id, 0, 1, [change]).resync
    yield world, data, holder
    central.close()
    holder.close()


def test_wrong_bytes_never_reach_a_file_and_an_honest_holder_completes_it(
    liar: tuple[World, bytes, HostileHolder],
) -> None:
    world, data, _ = liar
    d = world.peer("d")
    content = encode_id(manifest_of(data).content_id)
    out = world.root / "out"
    failed = d.try_verb("get", content, "--output", str(out))
    assert failed.returncode == 1
    assert "wrong bytes" in failed.stderr
    assert len([line for line in failed.stderr.splitlines() if line.startswith("barrio-peer:")]) == 1
    (transfer,) = d.transfers()
    assert transfer["state"] == "failed"
    assert transfer["pieces_done"] > 0
    assert not (out / "mentira.bin").exists()

    world.file("verdad.bin", 0, "a", data)
    world.peer("a")
    world.share("a", 1)
    done = d.json("get", content, "--output", str(out))
    assert done["id"] == transfer["id"]
    assert Path(done["path"]).read_bytes() == data
    pieces = {s["name"]: s["pieces"] for s in done["sources"]}
    assert pieces["a"] == done["pieces"] - pieces["liar"]
    assert pieces["liar"] >= transfer["pieces_done"] > 0


def test_a_frozen_neighbour_costs_less_than_two_seconds(make_world: Callable[..., World]) -> None:
    world = make_world(heartbeat=20.0)
    world.file("mapa.png", 1000, "a")
    world.peer("a")
    world.share("a", 1)
    for name in ("b", "c"):
        world.peer(name)
    d = world.peer("d")
    wait_for(lambda: len(d.json("neighbours")) == 3, 20, "three neighbours")
    assert d.json("search", "mapa")
    primary = next(n for n in d.json("neighbours") if n["role"] == "primary")
    frozen = next(p for p in world.peers.values() if p.peer_id == primary["peer_id"])
    assert frozen.program is not None
    frozen.program.signal(signal.SIGSTOP)
    try:
        access = json.loads((d.data / "local-api.json").read_text("utf-8"))
        started = time.monotonic()
        with httpx.Client(base_url=access["url"], headers={"Authorization": f"Bearer {access['token']}"}) as client:
            answer = client.get("/v1/search", params={"q": "mapa"}).json()
        assert time.monotonic() - started < 2
        assert answer["rows"][0]["name"] == "mapa.png"
        assert answer["via"]["kind"] == "neighbour"
        assert d.json("neighbours")[0]["peer_id"] != primary["peer_id"]
        assert d.status()["queries"]["direct"] == 0
    finally:
        frozen.program.signal(signal.SIGCONT)


def test_a_central_restarted_under_load_gets_everybody_back(world: World) -> None:
    for owner in ("a", "b"):
        for number in range(20):
            world.file(f"{owner} foto {number}.jpg", 3000, owner)
        world.peer(owner)
        world.share(owner, 20)
    d = world.peer("d")
    wait_for(lambda: len(d.json("search", "foto", "--limit", "100")) == 40, 20, "all files")
    stopping = threading.Event()

    def load() -> None:
        while not stopping.is_set():
            d.try_verb("search", "foto")

    threads = [threading.Thread(target=load) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        for number in range(20, 25):
            world.file(f"a foto {number}.jpg", 3000, "a")
        world.peers["a"].verb("share", "rescan")
        world.central.program.kill()
        world.central.start()
    finally:
        stopping.set()
        for thread in threads:
            thread.join()
    wait_for(lambda: len(d.json("search", "foto", "--limit", "100")) == 45, 20, "everybody back")
    listed = world.central.verb("peers")
    assert all(name in listed for name in ("a", "b", "d"))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="mounting a small disk needs root")
def test_the_scribe_dies_alone_and_with_its_central(world: World) -> None:
    """Who publishes tries again; a killed central leaves nobody behind that writes, and its next start goes on."""
    a, b = world.peer("a"), world.peer("b")
    world.file("primero.txt", 100, "a")
    world.share("a", 1)
    wait_for(lambda: _finds(b, "primero"), 10, "the first file")
    (scribe,) = _children(world.central.program.process.pid)
    os.kill(scribe, signal.SIGKILL)
    world.file("segundo.txt", 100, "a")
    a.verb("share", "rescan")
    wait_for(lambda: _finds(b, "segundo"), 15, "the second file")
    (scribe,) = _children(world.central.program.process.pid)
    world.central.program.kill()
    wait_for(lambda: not Path(f"/proc/{scribe}").exists(), 10, "the scribe's end")
    world.central.start()
    world.file("tercero.txt", 100, "a")
    a.verb("share", "rescan")
    wait_for(lambda: _finds(b, "tercero"), 20, "the third file")


def _finds(peer: HeadlessPeer, word: str) -> bool:
    done = peer.try_verb("search", word, "--json")
    return done.returncode == 0 and len(json.loads(done.stdout)) == 1


def _children(pid: int) -> list[int]:
    return [
        int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()
    ]


def test_a_disk_that_is_too_small_is_told_before_and_nothing_is_lost(world: World) -> None:
    small = world.root / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(small)], check=True)
    try:
        path = world.file("grande.bin", 16 * MIB, "a")
        world.peer("a")
        world.share("a", 1)
        d = world.peer("d")
        row = wait_for(lambda: d.json("search", "grande"), 15, "the file")[0]
        refused = d.try_verb("get", row["content_id"], "--output", str(small))
        assert refused.returncode == 1
        assert "not enough room" in refused.stderr
        (transfer,) = d.transfers()
        assert transfer["state"] == "paused"
        subprocess.run(["mount", "-o", "remount,size=64m", str(small)], check=True)
        done = d.json("get", row["content_id"], "--output", str(small))
        assert Path(done["path"]).read_bytes() == path.read_bytes()
    finally:
        subprocess.run(["umount", "-l", str(small)], check=True)


def test_an_unreadable_file_and_a_vanished_folder_are_told(world: World) -> None:
    world.file("bueno.txt", 100, "a")
    (world.root / "a-files" / "raro \udcff.txt").write_text("x")
    os.mkfifo(world.root / "a-files" / "pipe")
    a = world.peer("a")
    world.share("a", 1)
    wait_for(lambda: a.json("share", "list")[0]["problems"], 10, "the problem")
    (problem,) = a.json("share", "list")[0]["problems"]
    assert "raro" in problem["path"]
    d = world.peer("d")
    wait_for(lambda: d.json("search", "bueno"), 15, "the file")
    (world.root / "a-files").rename(world.root / "elsewhere")
    a.verb("share", "rescan")
    wait_for(lambda: not d.json("search", "bueno"), 15, "the file to be withdrawn")
    assert a.json("share", "list")[0]["state"] == "unavailable"
    (world.root / "elsewhere").rename(world.root / "a-files")
    a.verb("share", "rescan")
    wait_for(lambda: d.json("search", "bueno"), 15, "the file to be back")


def test_the_status_says_what_the_last_search_found(make_world: Callable[..., World]) -> None:
    # Long heartbeats: none notices by itself that the central is gone.
    world = make_world(heartbeat=60.0)
    peer = world.peer("alone")
    wait_for(lambda: peer.status()["central"]["reachable"], 20, "the first registration")
    world.central.program.kill()
    refused = peer.try_verb("search", "anything")
    assert refused.returncode == 1 and "central does not answer" in refused.stderr
    assert not peer.status()["central"]["reachable"]
    assert "out of reach" in peer.verb("status")
    world.central.start()
    wait_for(lambda: peer.status()["central"]["reachable"], 20, "the central to be found again")
