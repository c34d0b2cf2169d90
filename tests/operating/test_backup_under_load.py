"""A backup while members publish and search, a central that is lost, and the same barrio again, in real processes."""

import itertools
import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest
from asking import Asker
from processes import wait_for
from world import World


@contextmanager
def load(folder: Path, asker: Asker) -> Iterator[dict[str, int]]:
    """Files come and go in a shared folder, and somebody searches, as fast as they can."""
    done = {"files": 0, "searches": 0}
    ended = threading.Event()
    failures: list[Exception] = []

    def publish() -> None:
        for number in itertools.count():
            if ended.wait(0.005):
                return
            (folder / f"carga {number % 400}.txt").write_text(str(number))
            done["files"] += 1

    def search() -> None:
        while not ended.is_set():
            try:
                asker.found("carga")
            except Exception as error:
                failures.append(error)
                return
            done["searches"] += 1

    threads = [threading.Thread(target=work) for work in (publish, search)]
    for thread in threads:
        thread.start()
    try:
        yield done
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    assert failures == []


def stats_of(world: World) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(world.central.verb("stats", "--json"))
    return told


def test_a_lost_central_is_back_from_a_backup_that_was_made_under_load(tmp_path: Path) -> None:
    world = World(tmp_path / "w", 0.5)
    askers: list[Asker] = []
    try:
        for number in range(300):
            world.file(f"pieza {number}.txt", 20, "ana")
        ana, bruno = world.peer("ana"), world.peer("bruno")
        world.share("ana", 300)
        askers = [Asker(peer) for peer in (ana, bruno)]
        wait_for(lambda: askers[1].status()["neighbours"], 20, "a neighbour")
        folder = world.root / "ana-files"
        target = world.root / "barrio.backup"
        with load(folder, askers[1]) as done:
            wait_for(lambda: askers[0].status()["shares"]["files"] > 350, 30, "publishing under way")
            before = dict(done)
            made = json.loads(world.central.verb("backup", str(target), "--json"))
            assert done["files"] > before["files"]
            assert done["searches"] > before["searches"]
        assert made["members"] == 2
        assert 300 <= made["entries"] <= 701
        assert made["bytes"] == target.stat().st_size
        (folder / "después del respaldo.txt").write_text("new")
        (folder / "pieza 7.txt").unlink()
        wait_for(lambda: askers[1].found("después"), 30, "what came after the backup")
        wait_for(lambda: not askers[1].found('"pieza 7"'), 30, "what went after the backup")

        world.central.program.kill()
        shutil.rmtree(world.central.data)
        world.central.verb("restore", str(target))
        world.central.start()

        for asker in askers:
            wait_for(lambda asker=asker: asker.status()["central"]["reachable"], 20, "the central")
        wait_for(lambda: askers[1].found("después"), 30, "what the backup did not have")
        wait_for(lambda: not askers[1].found('"pieza 7"'), 30, "what the backup still had")
        files = len(list(folder.iterdir()))
        wait_for(lambda: askers[0].status()["shares"] == {"files": files, "bytes": ANY, "pending": 0}, 30, "all of it")
        stats = wait_for(lambda: told if (told := stats_of(world))["online"] == 2 else None, 30, "both online on disk")
        assert (stats["members"], stats["network_name"]) == (2, "Plaza Mayor")
        assert stats["entries"] == files
    finally:
        for asker in askers:
            asker.close()
        world.close()


@pytest.mark.parametrize("verb", ["backup", "restore"])
def test_verbs_that_cannot_do_it_say_one_sentence(tmp_path: Path, verb: str) -> None:
    from processes import run_command

    file = tmp_path / "file"
    if verb == "restore":
        file.write_bytes(b"no backup")
    done = run_command("barrio-central", "--data-dir", str(tmp_path / "none"), verb, str(file))
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "none").exists()
