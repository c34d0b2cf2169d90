"""kill -9 of the receiver at random moments: what it claims is there, and next to nothing is fetched twice.

Longer: BARRIO_CRASH_KILLS=100 BARRIO_CRASH_MIB=2048, another course with BARRIO_CRASH_SEED.
"""

import os
import random
import time
from pathlib import Path
from typing import Any

import pytest
from downloading import asked, claimed, started
from holders import manifest_of
from processes import HeadlessPeer, wait_for
from world import World

MIB = 1 << 20
KILLS = int(os.environ.get("BARRIO_CRASH_KILLS", "6"))
SIZE = int(os.environ.get("BARRIO_CRASH_MIB", "96")) * MIB + 12_345
SEED = int(os.environ.get("BARRIO_CRASH_SEED", "1"))
RATE = 12_000_000 if SIZE < 200 * MIB else 60_000_000


@pytest.mark.timeout(120 + 20 * KILLS + SIZE // MIB)
def test_a_receiver_killed_at_random_moments_loses_nothing(world: World) -> None:
    chance = random.Random(SEED)
    film = world.file("film.mkv", SIZE, "ana")
    manifest = manifest_of(film.read_bytes())
    ana = world.peer("ana")
    world.share("ana", 1)
    # The sender sets the pace, so that what it sent is what came in, but for what is on its way.
    ana.verb("limits", "--up", str(RATE))
    eva = world.peer("eva")
    (row,) = wait_for(lambda: eva.json("search", "film"), 20, "the film")
    folder = started(eva, row["content_id"])
    before = kills = 0
    while kills < KILLS:
        wait_for(lambda: asked(eva, "GET", "/v1/status")["bytes"]["received"], 30, "bytes")
        time.sleep(chance.uniform(0, SIZE / RATE / KILLS))
        assert eva.program is not None
        eva.program.kill()
        parts = list(folder.glob("*.part"))
        if parts:
            kills += 1
            now = claimed(eva.data, parts[0], manifest)
            assert now >= before, "a piece that was there is not claimed any more"
            before = now
        eva.start()
        if not parts:
            break
        wait_for(lambda least=before: _transfer(eva)["pieces_done"] >= least, 20, f"{before} pieces")
    assert before > 0 and kills >= KILLS // 2
    done = wait_for(lambda: _transfer(eva) if _transfer(eva)["state"] == "done" else None, 60 + 3 * SIZE / RATE, "it")
    assert Path(done["path"]).read_bytes() == film.read_bytes()
    sent = ana.status()["bytes"]["sent"]
    # A kill costs the piece under way, and what the system had taken in.
    assert sent <= SIZE + kills * 1.5 * MIB, f"{(sent - SIZE) / MIB:.1f} MiB too much"
    if 80 * kills * MIB < SIZE:
        assert sent <= 1.02 * SIZE


def _transfer(peer: HeadlessPeer) -> Any:
    (transfer,) = asked(peer, "GET", "/v1/transfers")["transfers"]
    return transfer


def test_a_receiver_killed_among_small_files_gets_each_once(world: World) -> None:
    chance = random.Random(SEED)
    data = {f"{n % 7}/note {n}.txt": chance.randbytes(chance.randrange(9000)) for n in range(1500)}
    for name, body in data.items():
        world.file(name, 0, "ana", body)
    ana = world.peer("ana")
    world.share("ana", len(data))
    ana.verb("limits", "--up", "1500K")
    eva = world.peer("eva")
    folder = eva.data.parent / "got"
    body = {"peer_id": ana.peer_id, "path": "ana-files", "output": str(folder)}
    wait_for(lambda: ana.peer_id in str(asked(eva, "GET", "/v1/members")), 20, "ana")
    asked(eva, "POST", "/v1/transfers", body)
    for _ in range(3):
        wait_for(lambda: asked(eva, "GET", "/v1/status")["bytes"]["received"], 30, "bytes")
        time.sleep(chance.uniform(0, 1))
        assert eva.program is not None
        eva.program.kill()
        here = [path for path in folder.rglob("*.txt") if path.is_file()]
        assert all(path.read_bytes() == data[_below(path, folder)] for path in here), "a name stands for a whole file"
        eva.start()
    ana.verb("limits", "--up", "none")

    def done() -> bool:
        return len([path for path in folder.rglob("*.txt") if path.is_file()]) >= len(data)

    wait_for(done, 60, "all files")
    got = {_below(path, folder): path for path in folder.rglob("*") if path.is_file()}
    assert got.keys() == data.keys(), "each once, and nothing is left over"
    assert all(path.read_bytes() == data[name] for name, path in got.items())
    states = {t["state"] for t in asked(eva, "GET", "/v1/transfers")["transfers"]}
    assert states <= {"done", "running"}


def _below(path: Path, folder: Path) -> str:
    return path.relative_to(folder / "ana-files").as_posix()
