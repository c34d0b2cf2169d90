"""Whatever happens on the disk: after a look, an observer of the journal knows exactly what is there."""

import os
import shutil
import signal
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from library_kit import in_this_process

from peer_core.content import Manifest, piece_hash, piece_size_for
from peer_core.library.keeper import Watch
from peer_core.library.library import Library
from peer_core.library.types import ShareState

SHARES = ("one", "two")
FIRST_FILES = ("a", "b", "d/a", "d/e/a", "d/e/b")
NAMES = st.sampled_from([*FIRST_FILES, "á", "h/a", "x.part"])
FOLDERS = st.sampled_from(["d", "d/e", "h"])
SHARE = st.sampled_from(SHARES)
# One of the files that are there, by its place in their order.
FILE = st.integers(0, 1000)
# Few, and many of one size, so that only times and ids tell them apart.
DATA = st.sampled_from([b"", b"1", b"2", b"three"])
EXCLUDE = st.sampled_from([[], ["a"], ["/d/"], ["a", "/d/"]])


def content_id_of(data: bytes) -> bytes:
    hashes = piece_hash(data) if data else b""
    return Manifest(len(data), piece_size_for(len(data)), hashes).content_id


class DiskAndJournal(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="barrio-model-"))
        self.library = self.new_library()
        self.told: dict[tuple[str, str], bytes] = {}
        self.acknowledged = 0
        self.highest = 0
        self.exclude: dict[str, list[str]] = {name: [] for name in SHARES}
        # Files written since all was compared: at most these are read.
        self.to_hash = 0
        self.hashed = 0
        # A file that moves while a look runs may be met nowhere, and then its entry be taken: it is read again.
        self.looked_meanwhile = True

    def new_library(self) -> Library:
        return Library(
            self.root / "data" / "library.sqlite", rescan_seconds=3600, watch=Watch.NO, worker=in_this_process
        )

    @initialize()
    def begin(self) -> None:
        for name in SHARES:
            (self.root / name).mkdir()
            for number, file in enumerate(FIRST_FILES):
                path = self.root / name / file
                path.parent.mkdir(parents=True, exist_ok=True)
                # As out of an archive: one size and one time for all.
                path.write_bytes(b"%d" % number)
                os.utime(path, ns=(10**18, 10**18))
                self.to_hash += 1
            self.library.add_share(self.root / name)
        self.library.start()

    def teardown(self) -> None:
        try:
            self.compare()
        finally:
            self.library.stop()
            shutil.rmtree(self.root)

    def path(self, share: str, name: str) -> Path | None:
        """Where a file of that name may be made, or None when something is in the way."""
        path = self.root / share / name
        if not (self.root / share).is_dir() or path.is_dir():
            return None
        for parent in path.relative_to(self.root / share).parents:
            if (self.root / share / parent).is_file():
                return None
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def file(self, number: int) -> Path | None:
        files = sorted(p for share in SHARES for p in (self.root / share).rglob("*") if p.is_file())
        return files[number % len(files)] if files else None

    # What people and programs do

    @rule(share=SHARE, name=NAMES, data=DATA)
    def write(self, share: str, name: str, data: bytes) -> None:
        if path := self.path(share, name):
            path.write_bytes(data)
            self.to_hash += path.stat().st_nlink

    @rule(share=SHARE, name=NAMES, data=DATA)
    def save_by_replacing(self, share: str, name: str, data: bytes) -> None:
        if path := self.path(share, name):
            spare = self.root / "spare"
            spare.write_bytes(data)
            spare.replace(path)
            self.to_hash += 1

    @rule(number=FILE)
    def touch(self, number: int) -> None:
        if path := self.file(number):
            os.utime(path)
            self.to_hash += path.stat().st_nlink

    @rule(number=FILE)
    def delete(self, number: int) -> None:
        if path := self.file(number):
            path.unlink()

    @rule(number=FILE, to_share=SHARE, to_name=NAMES)
    def rename(self, number: int, to_share: str, to_name: str) -> None:
        source = self.file(number)
        if source and (target := self.path(to_share, to_name)):
            self.to_hash += self.may_be_unknown(source)
            source.replace(target)

    @rule(first=FILE, second=FILE)
    def trade_places(self, first: int, second: int) -> None:
        one, other = self.file(first), self.file(second)
        if one and other and one != other:
            self.to_hash += self.may_be_unknown(one) + self.may_be_unknown(other)
            spare = self.root / "spare"
            one.rename(spare)
            other.rename(one)
            spare.rename(other)

    @rule(number=FILE, to_share=SHARE, to_name=NAMES)
    def link(self, number: int, to_share: str, to_name: str) -> None:
        source, target = self.file(number), self.path(to_share, to_name)
        if source and target and not target.exists():
            os.link(source, target)
            # A second name of a file that waits is read once more.
            self.to_hash += 1

    @rule(share=SHARE, folder=FOLDERS, to_share=SHARE, to_folder=FOLDERS)
    def rename_folder(self, share: str, folder: str, to_share: str, to_folder: str) -> None:
        source, target = self.root / share / folder, self.path(to_share, to_folder)
        if source.is_dir() and target and not target.exists() and source not in target.parents:
            self.to_hash += sum(self.may_be_unknown(path) for path in source.rglob("*") if path.is_file())
            source.rename(target)

    @rule(share=SHARE, folder=FOLDERS)
    def delete_folder(self, share: str, folder: str) -> None:
        shutil.rmtree(self.root / share / folder, ignore_errors=True)

    @rule(number=FILE)
    def put_a_folder_in_its_place(self, number: int) -> None:
        if path := self.file(number):
            path.unlink()
            path.mkdir()

    @rule(share=SHARE)
    def disk_goes_or_comes(self, share: str) -> None:
        here, away = self.root / share, self.root / f"{share} away"
        if here.exists():
            here.rename(away)
        else:
            away.rename(here)

    @rule(share=SHARE, name=NAMES, data=DATA)
    def download(self, share: str, name: str, data: bytes) -> None:
        if path := self.path(share, name):
            (self.root / "spare").write_bytes(data)
            (self.root / "spare").replace(path)
            hashes = piece_hash(data) if data else b""
            self.library.adopt([(path, Manifest(len(data), piece_size_for(len(data)), hashes))])
            # Not when the share was known to be away, or when it is linked elsewhere.
            self.to_hash += 1

    # What Barrio does

    @rule(share=SHARE)
    def look_at_one(self, share: str) -> None:
        self.library.rescan(share)
        self.looked_meanwhile = True

    @rule()
    def restart(self) -> None:
        self.library.stop()
        self.library = self.new_library()
        self.hashed = 0
        self.library.start()
        self.looked_meanwhile = True

    @rule(limit=st.integers(1, 5))
    def publish(self, limit: int) -> None:
        for change in self.library.changes_after(self.acknowledged, limit):
            assert change.sequence > self.acknowledged
            self.acknowledged = change.sequence
            self.apply(self.told, change.share, change.path, b"" if change.deleted else change.content_id)

    @rule()
    def forget(self) -> None:
        self.library.forget_tombstones(self.acknowledged)
        changes = self.library.changes_after(0, 1000)
        assert all(c.sequence > self.acknowledged for c in changes if c.deleted)

    @rule(share=SHARE, exclude=EXCLUDE)
    def change_rules(self, share: str, exclude: list[str]) -> None:
        self.library.change_share(share, exclude=exclude)
        self.exclude[share] = exclude
        self.looked_meanwhile = True

    @rule(paused=st.booleans())
    def pause(self, paused: bool) -> None:
        self.library.pause(paused)

    @rule()
    def compare(self) -> None:
        self.library.pause(False)
        self.library.rescan()
        settled = (ShareState.READY, ShareState.UNAVAILABLE)
        deadline = time.monotonic() + 20
        while not all(s.state in settled for s in self.library.shares()):
            assert time.monotonic() < deadline
            time.sleep(0.002)
        truth = {
            (share, path.relative_to(self.root / share).as_posix()): content_id_of(path.read_bytes())
            for share in SHARES
            for path in (self.root / share).rglob("*")
            if path.is_file() and path.suffix != ".part" and not self.is_excluded(share, path)
        }
        # As somebody who was told of each change, and as somebody who asks for everything.
        while self.library.changes_after(self.acknowledged, 1):
            self.publish(limit=3)
        assert self.told == truth
        fresh: dict[tuple[str, str], bytes] = {}
        for change in self.library.changes_after(0, 1000):
            self.apply(fresh, change.share, change.path, b"" if change.deleted else change.content_id)
        assert fresh == truth
        totals = self.library.totals()
        assert (totals.files, totals.pending) == (len(truth), 0)
        assert totals.bytes == sum((self.root / share / path).stat().st_size for share, path in truth)
        assert self.library.has(truth.values()) == set(truth.values())
        for content in truth.values():
            found = self.library.find(content)
            assert found is not None
            assert content_id_of(found.path.read_bytes()) == content
        self.compare_hashed()
        if all((self.root / share).exists() for share in SHARES):
            self.to_hash = 0

    def compare_hashed(self) -> None:
        """Nothing was hashed that was known."""
        hashed = self.library.work().files_hashed
        assert hashed - self.hashed <= self.to_hash or self.looked_meanwhile
        self.hashed, self.looked_meanwhile = hashed, False

    def may_be_unknown(self, path: Path) -> bool:
        """Whether rules keep the file out, so that it need not have been hashed where it is."""
        share = path.relative_to(self.root).parts[0]
        return path.suffix == ".part" or self.is_excluded(share, path)

    def is_excluded(self, share: str, path: Path) -> bool:
        """By the few patterns of EXCLUDE, and not with the library's own means."""
        parts = path.relative_to(self.root / share).parts
        return ("a" in self.exclude[share] and "a" in parts) or (
            "/d/" in self.exclude[share] and parts[0] == "d" and len(parts) > 1
        )

    @staticmethod
    def apply(entries: dict[tuple[str, str], bytes], share: str, path: str, content: bytes) -> None:
        if content:
            entries[share, path] = content
        else:
            entries.pop((share, path), None)

    @invariant()
    def numbers_only_grow(self) -> None:
        last = self.library.last_sequence()
        assert last >= self.highest
        self.highest = last


TestDiskAndJournal = DiskAndJournal.TestCase
TestDiskAndJournal.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None, suppress_health_check=list(HealthCheck)
)


class InAPeer(DiskAndJournal):
    """The same with the worker in its process, which is killed now and then, and with a watcher that asks for looks."""

    def new_library(self) -> Library:
        return Library(self.root / "data" / "library.sqlite", rescan_seconds=3600)

    @rule(which=st.sampled_from(["worker", "watcher"]))
    def kill(self, which: str) -> None:
        pid = self.library.processes().get(which)
        if pid is not None:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def compare_hashed(self) -> None:
        """Which process had hashed what when it was killed cannot be told."""


TestInAPeer = InAPeer.TestCase
TestInAPeer.settings = settings(
    max_examples=5, stateful_step_count=20, deadline=None, suppress_health_check=list(HealthCheck)
)
