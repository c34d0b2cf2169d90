"""Two builds give the same contents."""

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from packages.frozen import BILL
from packages.make import SUMS, Made
from packages.places import ROOT
from packages.trees import contents, pack, put, settle

LONG = os.environ.get("BARRIO_PACKAGE_LONG") == "1"


def _tree(folder: Path, names: list[str], when: int, umask: int) -> Path:
    before = os.umask(umask)
    try:
        for name in names:
            put(folder / "tree" / name, f"contents of {name}\n" * 50, executable=name.endswith("run"))
            os.utime(folder / "tree" / name, (when, when))
        (folder / "tree" / "a link").symlink_to(names[0])
        os.link(folder / "tree" / "b/run", folder / "tree" / "z shared")
    finally:
        os.umask(before)
    return folder / "tree"


def test_an_archive_does_not_tell_when_and_in_which_order_it_was_made(tmp_path: Path) -> None:
    names = ["b/run", "b/a.txt", "ä", "a/deep/er/x", "B", "b.txt"]
    packed = []
    for number in range(2):
        folder = tmp_path / str(number)
        ordered = [names[0], *random.Random(number).sample(names[1:], len(names) - 1)]
        tree = _tree(folder, ordered, 1_000_000_000 + number, 0o022 if number else 0o077)
        settle(tree, 1_700_000_000)
        pack(tree, folder / "out.tar.gz", 1_700_000_000, 6)
        deb = ["dpkg-deb", "--root-owner-group", "-Zgzip", "--build", str(tree), str(folder / "out.deb")]
        control = "Package: x\nVersion: 1\nArchitecture: all\nMaintainer: nobody <x@localhost>\nDescription: x\n"
        put(tree / "DEBIAN/control", control)
        settle(tree, 1_700_000_000)
        subprocess.run(deb, check=True, capture_output=True, env={**os.environ, "SOURCE_DATE_EPOCH": "1700000000"})
        packed.append(((folder / "out.tar.gz").read_bytes(), (folder / "out.deb").read_bytes(), contents(tree)))
    assert packed[0] == packed[1]


@pytest.mark.package
@pytest.mark.timeout(1800)
@pytest.mark.skipif(not LONG, reason="a second build takes minutes: ./barrio package --check")
def test_two_builds_in_different_places_give_the_same(made: Made, tmp_path: Path) -> None:
    elsewhere = tmp_path / "another place"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout
    for name in filter(None, listed.decode().split("\0")):
        if (ROOT / name).is_file():
            (elsewhere / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, elsewhere / name)
    epoch = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True, check=True)
    environment = {"SOURCE_DATE_EPOCH": epoch.stdout.strip(), "PYTHONHASHSEED": "77", "TZ": "Asia/Kolkata"}
    subprocess.run(
        [sys.executable, "packaging/make_packages.py", "--quick"],
        cwd=elsewhere,
        env={**os.environ, **environment, "LC_ALL": "C"},
        check=True,
        umask=0o077,
    )
    for name, bundle in made.bundles.items():
        again = contents(elsewhere / "build/packages/bundles" / name)
        first = contents(bundle)
        assert {path for path in first.keys() | again.keys() if first.get(path) != again.get(path)} == set()
        assert BILL in first
    first_sums = (made.artefacts[0].parent / SUMS).read_text("utf-8")
    assert (elsewhere / "dist" / SUMS).read_text("utf-8") == first_sums
