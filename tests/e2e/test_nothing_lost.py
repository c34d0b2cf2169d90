"""Whatever befalls downloads at random moments: what is claimed is there, and all of it comes in the end.

The receiver is killed, or ended and followed by a program on the same data; the sender is killed; the disk is full; the
folder for downloads is moved.

Longer: `./barrio fuzz [MOMENTS [SEED]]`.
"""

import os
import random
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from downloading import asked, claimed
from holders import manifest_of
from processes import HeadlessPeer, wait_for
from world import World

MIB = 1 << 20
MOMENTS = int(os.environ.get("BARRIO_FUZZ_MOMENTS", "6"))
SEED = int(os.environ.get("BARRIO_FUZZ_SEED", "1"))
RATE = 6_000_000
FILM = 40 * MIB + 12_345
ALBUM = 300


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


class Course:
    """One after the other: both downloads begin, something befalls them, and they go on, or begin again when done."""

    def __init__(self, world: World, disk: Path) -> None:
        self.chance = random.Random(SEED)
        self.disk, self.world = disk, world
        album = {f"{n % 5}/photo {n}.jpg": self.chance.randbytes(self.chance.randrange(12_000)) for n in range(ALBUM)}
        for name, body in album.items():
            world.file(f"album/{name}", 0, "ana", body)
        self.film = world.file("film.mkv", FILM, "ana")
        self.manifest = manifest_of(self.film.read_bytes())
        self.ana = world.peer("ana")
        world.share("ana", ALBUM + 1)
        self.ana.verb("limits", "--up", str(RATE))
        self.eva = world.peer("eva")
        self.content = wait_for(lambda: self.eva.json("search", "film"), 20, "the film")[0]["content_id"]
        self.moved = 0
        self.folder = disk / "downloads 0"
        self.folder.mkdir()
        self._set_folder()
        self.begin()

    def begin(self) -> None:
        self.least = 0
        asked(self.eva, "POST", "/v1/transfers", {"content_id": self.content})
        wait_for(lambda: self.ana.peer_id in str(asked(self.eva, "GET", "/v1/members")), 20, "ana")
        asked(self.eva, "POST", "/v1/transfers", {"peer_id": self.ana.peer_id, "path": "ana-files/album"})

    def look(self) -> dict[str, Any]:
        return {t["name"]: t for t in asked(self.eva, "GET", "/v1/transfers")["transfers"]}

    def check_claims(self) -> None:
        parts = list(self.disk.rglob("film.mkv.*.part"))
        if parts:
            now = claimed(self.eva.data, parts[0], self.manifest)
            assert now >= self.least, "a piece that was there is not claimed any more"
            self.least = now
        for path in self.disk.rglob("*.jpg"):
            # A name stands for a whole file, at every moment.
            number = path.stem.split()[-1]
            assert path.read_bytes() == (self._album / f"{int(number) % 5}" / path.name).read_bytes()

    def end(self) -> None:
        """All of it comes, and is right; nothing is left over."""
        both = ("film.mkv", "album")
        try:
            wait_for(lambda: all(self.look()[name]["state"] == "done" for name in both), 120, "both to be done")
        except TimeoutError as error:
            raise AssertionError(self.look()) from error
        found = self.look()
        assert Path(found["film.mkv"]["path"]).read_bytes() == self.film.read_bytes()
        got = [path for path in self.disk.rglob("*") if path.is_file()]
        assert sorted(p.name for p in got) == sorted(["film.mkv", *(p.name for p in self._album.rglob("*.jpg"))])
        self.check_claims()
        for path in got:
            path.unlink()
        asked(self.eva, "DELETE", "/v1/transfers?state=done")

    @property
    def _album(self) -> Path:
        return self.world.root / "ana-files" / "album"

    def _start(self, peer: HeadlessPeer) -> None:
        # At another address: somebody may use the port by now.
        peer.listen = "127.0.0.1:0"
        peer.start()

    # What befalls them

    def receiver_killed(self) -> None:
        assert self.eva.program is not None
        self.eva.program.kill()
        self.check_claims()
        self._start(self.eva)

    def receiver_replaced(self) -> None:
        """As an upgrade does: ended in order, and another program goes on with its data."""
        assert self.eva.program is not None
        assert self.eva.program.stop(60) == 0
        self.check_claims()
        self._start(self.eva)

    def sender_killed(self) -> None:
        assert self.ana.program is not None
        self.ana.program.kill()
        time.sleep(self.chance.uniform(0, 0.5))
        self._start(self.ana)

    def disk_full(self) -> None:
        filler = self.disk / "filler"
        with filler.open("wb", 0) as file:
            try:
                while file.write(bytes(64 << 10)):
                    pass
            except OSError:
                pass

        def stopped() -> bool:
            film = self.look()["film.mkv"]
            if film["state"] == "paused":
                assert film["error"]["code"] == "no-room" and "ake room" in film["error"]["detail"]
            return film["state"] in ("paused", "done")

        wait_for(stopped, 30, "the film to stop")
        filler.unlink()
        wait_for(lambda: self.look()["film.mkv"]["state"] != "paused", 30, "the film to go on by itself")

    def folder_moved(self) -> None:
        self.moved += 1
        old, self.folder = self.folder, self.disk / f"downloads {self.moved}"
        old.rename(self.folder)
        self._set_folder()

    def _set_folder(self) -> None:
        asked(self.eva, "PATCH", "/v1/settings", {"download_dir": str(self.folder)})


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="mounting a small disk needs root")
@pytest.mark.timeout(180 + 30 * MOMENTS)
def test_whatever_befalls_a_download_at_random_moments_nothing_is_lost(world: World, disk: Path) -> None:
    course = Course(world, disk)
    all_of_them: list[Callable[[], None]] = [
        course.receiver_killed,
        course.receiver_replaced,
        course.sender_killed,
        course.disk_full,
        course.folder_moved,
    ]
    course.chance.shuffle(all_of_them)
    coming = all_of_them + course.chance.choices(all_of_them, k=MOMENTS)
    for befalls in coming[:MOMENTS]:
        time.sleep(course.chance.uniform(0.1, 1.2))
        if all(t["state"] == "done" for t in course.look().values()):
            course.end()
            course.begin()
        befalls()
    course.end()
