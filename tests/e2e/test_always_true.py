"""Whatever happens to files, processes and databases: after quiet, disk, index, catalogue and search say the same.

Random, with real processes. `BARRIO_ALWAYS_SECONDS=600` goes on for longer, `BARRIO_ALWAYS_SEED=N` begins as a run did.
"""

import json
import os
import random
import shutil
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from holders import manifest_of
from processes import HeadlessPeer
from publishing import copy_database, held_rows, put_database
from world import World

from protos.agreed import decode_id

SECONDS = float(os.environ.get("BARRIO_ALWAYS_SECONDS", "14"))
SEED = int(os.environ.get("BARRIO_ALWAYS_SEED", "0")) or random.SystemRandom().randrange(1, 1 << 32)
QUIET_SECONDS = 25.0
SHARES = ("todo uno", "todo dos")
FOLDERS = ("", "", "música/", "música/más/", "x/y/z/")
NAMES = ("a", "b.txt", "canción.mp3", "Z z", "ñ.flac")
# Few, so that files often have what others have.
BLOBS = (b"", b"1", b"22", b"three", os.urandom(70_000), os.urandom(1_100_000))

Rows = dict[str, bytes]


class Member:
    """One peer with its folders on the disk, its backups, and what is asked of it."""

    def __init__(self, world: World, name: str) -> None:
        self.folders = {share: world.root / f"{name}-disk" / share for share in SHARES}
        for folder in self.folders.values():
            folder.mkdir(parents=True)
        self.peer: HeadlessPeer = world.peer(name)
        self.copies: list[Path] = []

    @property
    def database(self) -> Path:
        return self.peer.data / "library.sqlite"

    def share_all(self) -> None:
        for share, folder in self.folders.items():
            self.call("POST", "/v1/shares", {"path": str(folder), "name": share})

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        access = json.loads((self.peer.data / "local-api.json").read_text("utf-8"))
        headers = {"Authorization": f"Bearer {access['token']}"}
        answer = httpx.request(method, access["url"] + path, json=body, params=query, headers=headers, timeout=20)
        assert answer.is_success, f"{method} {path}: {answer.text}"
        return answer.json() if answer.content else None

    def on_disk(self) -> Rows:
        return {
            f"{share}/{path.relative_to(folder).as_posix()}": manifest_of(path.read_bytes()).content_id
            for share, folder in self.folders.items()
            for path in folder.rglob("*")
            if path.is_file()
        }

    def seen_by(self, other: "Member") -> Rows:
        """All that another member is shown of this one's shares."""
        rows: Rows = {}
        address = f"/v1/peers/{self.peer.peer_id}/shares"
        ahead = [share["name"] for share in other.call("GET", address)["shares"]]
        while ahead:
            place = ahead.pop()
            after: str | None = ""
            while after is not None:
                page = other.call("GET", f"{address}/{quote(place)}", after=after, limit=3)
                ahead += [f"{place}/{folder['name']}" for folder in page["folders"]]
                rows |= {f"{place}/{file['name']}": decode_id(file["content_id"]) for file in page["files"]}
                after = page["next_after"]
        return rows

    def found(self) -> dict[bytes, int]:
        """Live holders of every content that a search finds."""
        found: dict[bytes, int] = {}
        cursor = None
        while True:
            query = {"q": "todo ", "limit": 7} | ({"cursor": cursor} if cursor else {})
            page = self.call("GET", "/v1/search", **query)
            rows = [row for row in page["rows"] if row.get("content_id")]
            found |= {decode_id(row["content_id"]): row["holders"] for row in rows}
            cursor = page["next_cursor"]
            if cursor is None:
                return found

    def pending(self) -> int:
        busy = sum(not share["indexed"] for share in self.call("GET", "/v1/shares")["shares"])
        return busy + int(self.call("GET", "/v1/status")["shares"]["pending"])


class Barrio:
    def __init__(self, world: World, rng: random.Random, asks: bool) -> None:
        """`asks`: whether the peers are told to look again, or have to notice by themselves."""
        self.world, self.rng, self.asks = world, rng, asks
        self.members = [Member(world, name) for name in ("a", "b")]
        for member in self.members:
            member.share_all()
        self.told: list[str] = []
        self.central_copies: list[Path] = []
        # Everybody has joined, and next to nothing is published: what is lost with this one is all but the members.
        self.copy_central()

    # Files

    def path(self) -> Path:
        return self.rng.choice(self.members).folders[self.rng.choice(SHARES)] / (
            self.rng.choice(FOLDERS) + self.rng.choice(NAMES)
        )

    def write(self) -> None:
        path = self.path()
        if make_room(path):
            path.write_bytes(self.rng.choice(BLOBS) or str(self.rng.random()).encode() * self.rng.randrange(2))

    def some(self, files: bool) -> Path | None:
        roots = [folder for member in self.members for folder in member.folders.values()]
        found = sorted(p for root in roots for p in root.rglob("*") if p.is_file() == files)
        return self.rng.choice(found) if found else None

    def rename(self) -> None:
        old, new = self.some(files=self.rng.random() < 0.8), self.path()
        if old is not None and not new.is_relative_to(old) and make_room(new) and old.exists():
            if new.exists() and old.is_dir():
                new.unlink()
            # Between members it is a move, too, on one disk.
            old.rename(new)

    def delete(self) -> None:
        path = self.some(files=self.rng.random() < 0.8)
        if path is not None:
            path.unlink() if path.is_file() else shutil.rmtree(path)

    def copy(self) -> None:
        old, new = self.some(files=True), self.path()
        if old is not None and old != new and make_room(new):
            shutil.copy2(old, new)

    def replace_by_folder(self) -> None:
        path = self.some(files=True)
        if path is not None:
            path.unlink()
            path.mkdir()
            (path / "dentro.txt").write_bytes(self.rng.choice(BLOBS))

    def touch(self) -> None:
        path = self.some(files=True)
        if path is not None:
            os.utime(path)

    def look(self) -> None:
        self.rng.choice(self.members).call("POST", "/v1/rescan", {})

    # Processes and databases

    def copy_central(self) -> None:
        self.central_copies.append(self.world.root / f"central-copy-{len(self.central_copies)}")
        copy_database(self.world.central.data / "central.sqlite", self.central_copies[-1])

    def copy_library(self) -> None:
        member = self.rng.choice(self.members)
        member.copies.append(self.world.root / f"{member.peer.name}-copy-{len(member.copies)}")
        copy_database(member.database, member.copies[-1])

    def kill_peer(self, between: Callable[[Member], None] = lambda _: None) -> None:
        member = self.rng.choice(self.members)
        assert member.peer.program is not None
        member.peer.program.kill()
        between(member)
        member.peer.start()
        have = {share["name"] for share in member.call("GET", "/v1/shares")["shares"]}
        for share in set(SHARES) - have:
            member.call("POST", "/v1/shares", {"path": str(member.folders[share]), "name": share})

    def lose_library(self) -> None:
        self.kill_peer(lambda member: put_database(None, member.database))

    def restore_library(self) -> None:
        def restore(member: Member) -> None:
            put_database(self.rng.choice(member.copies[-4:]) if member.copies else None, member.database)

        self.kill_peer(restore)

    def restart_central(self, copy: Path | None = None) -> None:
        self.world.central.program.kill()
        if copy is not None:
            put_database(copy, self.world.central.data / "central.sqlite")
        self.world.central.start()

    def restore_central(self) -> None:
        self.restart_central(self.rng.choice(self.central_copies[-4:]))

    def lose_central(self) -> None:
        self.restart_central(self.central_copies[0])

    # What must hold

    def in_central(self, member: Member) -> Rows:
        path = self.world.central.data / "central.sqlite"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            db.execute("BEGIN")
            (number,) = db.execute("SELECT number FROM member WHERE peer_id = ?", (member.peer.peer_id,)).fetchone()
            return held_rows(db, number)

    def difference(self) -> str:
        """The first thing that is not as it must be; "" when all is."""
        holders: Counter[bytes] = Counter()
        for member, other in zip(self.members, reversed(self.members), strict=True):
            disk = member.on_disk()
            holders.update(set(disk.values()))
            for what, rows in (("index", member.seen_by(other)), ("central", self.in_central(member))):
                if rows != disk:
                    wrong = sorted(p for p in rows.keys() | disk.keys() if rows.get(p) != disk.get(p))
                    return f"{member.peer.name}: {what} and disk differ in {wrong[:5]} of {len(wrong)}"
        for member in self.members:
            if member.found() != holders:
                return f"{member.peer.name} finds something else than there is"
            if member.pending():
                return f"{member.peer.name} is not at rest"
        return ""

    def agree(self) -> None:
        if self.asks:
            for member in self.members:
                member.call("POST", "/v1/rescan", {})
        deadline = time.monotonic() + QUIET_SECONDS
        problem = "never looked at"
        while problem:
            if time.monotonic() > deadline:
                raise AssertionError(f"seed {SEED}, after {' '.join(self.told[-12:])}: {problem}")
            time.sleep(0.1)
            try:
                problem = self.difference()
            except AssertionError as error:  # a peer or the central is just coming back
                problem = str(error)

    def step(self, actions: dict[str, float]) -> None:
        actions = {name: weight for name, weight in actions.items() if self.asks or name != "look"}
        name = self.rng.choices(list(actions), list(actions.values()))[0]
        self.told.append(name)
        getattr(self, name)()


def make_room(path: Path) -> bool:
    """Whether a file may be put there; its folders are made."""
    if path.is_dir() or any(parent.is_file() for parent in path.parents):
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    return True


FILES = {"write": 6.0, "rename": 4, "delete": 4, "copy": 2, "replace_by_folder": 0.5, "touch": 1, "look": 1}
FAULTS = {
    "kill_peer": 1.0,
    "restart_central": 1,
    "lose_library": 1,
    "restore_library": 2,
    "restore_central": 3,
    "lose_central": 1,
}
COPIES = {"copy_central": 1.0, "copy_library": 1}


@pytest.mark.timeout(SECONDS + 100)
@pytest.mark.parametrize("asks", [True, False], ids=["rescans", "watched"])
def test_disk_index_catalogue_and_search_agree_after_quiet(make_world: Callable[..., World], asks: bool) -> None:
    rng = random.Random(SEED)
    print(f"seed {SEED}")
    barrio = Barrio(make_world(heartbeat=0.5), rng, asks)
    ends = time.monotonic() + SECONDS
    rounds = 0
    while time.monotonic() < ends:
        # Backups while all is at rest and while it is not; what is deleted after one may come back with it.
        barrio.copy_central()
        barrio.copy_library()
        for _ in range(rng.randrange(2, 16)):
            barrio.step(FILES)
        if rng.random() < 0.7:
            barrio.agree()
        barrio.step(COPIES)
        for _ in range(rng.randrange(1, 3)):
            barrio.step(FAULTS)
            for _ in range(rng.randrange(6)):
                barrio.step(FILES)
        barrio.agree()
        rounds += 1
    print(f"{rounds} rounds, {Counter(barrio.told)}")
    assert rounds
    for member in barrio.members:
        assert member.peer.program is not None
        assert "Traceback" not in member.peer.program.log_text()
    assert "Traceback" not in barrio.world.central.program.log_text()
