"""Limits with real processes: set by the command line while transfers run, kept over a restart, the line, slow mode."""

import json
import time
from pathlib import Path

import httpx
from holders import wait_until
from processes import HeadlessPeer, wait_for
from world import World

MIB = 1 << 20
SECONDS = 4.0


def content_of(peer: HeadlessPeer, words: str) -> str:
    rows = wait_for(lambda: peer.json("search", words), 20, f"a search for {words}")
    return str(rows[0]["content_id"])


def rate_of(peer: HeadlessPeer, seconds: float = SECONDS) -> float:
    """Bytes of content received, for one second each."""
    before, began = peer.status()["bytes"]["received"], time.monotonic()
    time.sleep(seconds)
    after, ended = peer.status()["bytes"]["received"], time.monotonic()
    return float((after - before) / (ended - began))


def started(peer: HeadlessPeer, content_id: str, name: str) -> None:
    """Begins a download, and leaves it to the peer."""
    access = json.loads((peer.data / "local-api.json").read_text("utf-8"))
    made = httpx.post(
        f"{access['url']}/v1/transfers",
        headers={"Authorization": f"Bearer {access['token']}"},
        json={"content_id": content_id, "output": str(peer.data.parent / name)},
        trust_env=False,
    )
    assert made.status_code == 201, made.text


def test_limits_hold_change_while_it_runs_and_are_kept(world: World) -> None:
    world.file("film.mkv", 60 * MIB, "ana")
    ana = world.peer("ana")
    world.share("ana", 1)
    eva = world.peer("eva")
    said = ana.json("limits", "--up", "2M", "--slow-up", "300K")
    assert said["in_force"]["upload_rate"] == said["settings"]["upload_rate"] == 2_000_000
    started(eva, content_of(eva, "film"), "eva-got")
    wait_until(lambda: eva.status()["bytes"]["received"] > MIB)
    assert 1_800_000 < rate_of(eva) < 2_200_000
    ana.verb("limits", "--slow", "on")
    time.sleep(1)
    assert 250_000 < rate_of(eva) < 350_000
    eva.verb("limits", "--down", "1M")
    ana.verb("limits", "--slow", "off", "--up", "none")
    time.sleep(1)
    assert 900_000 < rate_of(eva) < 1_100_000

    assert ana.program is not None
    ana.verb("limits", "--up", "700K", "--upload-slots", "2", "--schedule", "daily 00:00-24:00", "--slow", "on")
    ana.stop()
    ana.start()
    said = ana.json("limits")
    assert said["settings"]["upload_rate"] == 700_000 and said["settings"]["upload_slots"] == 2
    assert said["settings"]["slow_schedule"] == "daily 00:00-24:00"
    assert said["in_force"]["slow"] and said["in_force"]["upload_rate"] == 300_000
    assert "300 kB/s up" in ana.verb("limits")
    eva.verb("limits", "--down", "none")
    ana.verb("limits", "--slow", "off", "--schedule", "none", "--up", "none")
    (done,) = wait_for(lambda: [t for t in eva.transfers() if t["state"] == "done"], 60, "the film")
    assert Path(done["path"]).read_bytes() == (world.root / "ana-files" / "film.mkv").read_bytes()

    for wrong in (("--up", "fast"), ("--slow", "perhaps"), ("--schedule", "someday"), ("--upload-slots", "-1")):
        refused = ana.try_verb("limits", *wrong)
        assert refused.returncode == 2 and len(refused.stderr.splitlines()) == 1, refused.stderr
    assert ana.json("limits")["settings"]["upload_rate"] == 0


def test_whoever_waits_in_line_is_told_so_and_gets_its_turn(world: World) -> None:
    world.file("film.mkv", 3 * MIB, "ana")
    world.file("song.ogg", MIB, "ana")
    ana = world.peer("ana")
    world.share("ana", 2)
    eva, leo = world.peer("eva"), world.peer("leo")
    ana.verb("limits", "--upload-slots", "1", "--up", "200K")
    film, song = content_of(eva, "film"), content_of(leo, "song")
    started(eva, film, "eva-got")
    wait_until(lambda: eva.status()["bytes"]["received"] > 0)
    started(leo, song, "leo-got")

    def in_line() -> bool:
        (transfer,) = leo.transfers()
        return [(s["name"], s["state"]) for s in transfer["sources"]] == [("ana", "in-line")]

    wait_until(in_line)
    assert "in line at ana" in leo.verb("transfers")
    (waiting,) = leo.transfers()
    assert waiting["state"] == "running" and waiting["error"] is None
    assert "number 1 in line" in waiting["sources"][0]["reason"]
    # Not a byte is needed to search, browse and ask who is there, whoever has the slot.
    assert leo.json("browse", "ana", "ana-files")["files"]
    ana.verb("limits", "--up", "none")
    for peer in (eva, leo):
        (done,) = wait_for(lambda p=peer: [t for t in p.transfers() if t["state"] == "done"], 60, peer.name)
        assert [s["failures"] for s in done["sources"]] == [0]
