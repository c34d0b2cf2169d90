"""What is in the bundles: nothing of Qt that is not used, nothing that the lock file does not name, licences of all."""

import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from bundles.contents import QT_LIBRARIES, unused
from packages.debian import DESKTOP_NEEDS
from packages.make import SUMS, Made
from packages.places import BUNDLES, ROOT

pytestmark = [pytest.mark.package, pytest.mark.timeout(600)]

# Bytes, with room for a small library more. A large one has to be wanted here.
LARGEST = {"barrio": 182_000_000, "barrio-peer": 68_000_000, "barrio-central": 58_000_000}
# By which package of Debian a library is there that is not in the bundle.
OUTSIDE = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libxcb.so.1": "libxcb1",
    "libwayland-client.so.0": "libwayland-client0",
    "libwayland-cursor.so.0": "libwayland-cursor0",
}
LIBC = re.compile(r"lib(c|m|dl|pthread|rt|resolv)\.so\.\d|ld-linux-.*")


def files_of(bundle: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(bundle.rglob("*")):
        if path.is_file() and not path.is_symlink():
            yield path.relative_to(bundle).as_posix(), path


@pytest.mark.parametrize("name", BUNDLES)
def test_nothing_is_in_it_that_is_not_used(made: Made, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    sizes = {inside: path.stat().st_size for inside, path in files_of(made.bundles[name])}
    lines = [f"{name}: {sum(sizes.values()) / 1e6:.1f} MB; its ten largest files:"]
    for inside, size in sorted(sizes.items(), key=lambda item: -item[1])[:10]:
        lines.append(f"{size / 1e6:8.1f} MB  {inside}")
    # Seen whether or not it passes.
    with capfd.disabled():
        sys.stderr.write("\n" + "\n".join(lines) + "\n")
    assert unused(sizes) == []
    libraries = {found[1] for inside in sizes if (found := re.search(r"libQt6(\w+)\.so", inside))}
    assert libraries == (set(QT_LIBRARIES) if name == "barrio" else set())
    assert not [inside for inside in sizes if re.search(r"readline|tkinter|/test/|numpy|pytest", inside)]
    assert sum(sizes.values()) < LARGEST[name]


@pytest.mark.parametrize("name", BUNDLES)
def test_what_its_libraries_need_is_there(made: Made, name: str) -> None:
    there, needed = set(), set()
    for _, path in files_of(made.bundles[name]):
        there.add(path.name)
        if path.read_bytes()[:4] == b"\x7fELF":
            shown = subprocess.run(["readelf", "--dynamic", path], capture_output=True, text=True, check=True).stdout
            needed |= set(re.findall(r"\(NEEDED\).*\[(.*)\]", shown))
    there |= {path.name for path in made.bundles[name].rglob("*") if path.is_symlink() and path.exists()}
    missing = {library for library in needed - there if not LIBC.fullmatch(library)}
    assert missing == (set(OUTSIDE) if name == "barrio" else set())
    assert set(OUTSIDE.values()) <= set(DESKTOP_NEEDS)


@pytest.mark.parametrize("name", BUNDLES)
def test_links_lead_to_files_of_the_bundle(made: Made, name: str) -> None:
    bundle = made.bundles[name]
    for path in bundle.rglob("*"):
        if path.is_symlink():
            assert not path.readlink().is_absolute() and path.resolve().is_relative_to(bundle.resolve()), path
            assert path.exists(), path


@pytest.mark.parametrize("name", BUNDLES)
def test_the_bill_of_materials_says_what_is_locked(made: Made, name: str) -> None:
    bill = json.loads((made.bundles[name] / "sbom.cdx.json").read_text("utf-8"))
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    locked = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", (ROOT / "requirements.lock").read_text("utf-8"), re.MULTILINE))
    parts = {part["name"]: part for part in bill["components"]}
    assert {"python", "cryptography", "grpcio"} <= parts.keys()
    for part in parts.values():
        if part["purl"].startswith("pkg:pypi/") and part["name"] != "pyinstaller":
            assert part["version"] == locked[part["name"]], part
        papers = list((made.bundles[name] / "licences" / part["name"]).iterdir())
        assert papers and all(paper.stat().st_size for paper in papers), part
    assert ("qt" in parts) == (name == "barrio")
    assert not {"readline", "libreadline8"} & parts.keys(), "the GPL would be for all of it"


def test_the_sums_are_right(made: Made) -> None:
    folder = made.artefacts[0].parent
    lines = (folder / SUMS).read_text("utf-8").splitlines()
    sums = {name: digest for digest, name in (line.split("  ") for line in lines)}
    assert {path.name for path in folder.iterdir()} == {*sums, SUMS}
    for name, digest in sums.items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest


@pytest.mark.parametrize("program", ["barrio", "barrio-peer", "barrio-central"])
def test_each_program_starts_with_no_environment(made: Made, program: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [made.bundles["barrio"] / program, "--version"], cwd=tmp_path, capture_output=True, text=True, env={}
    )
    assert done.returncode == 0 and done.stdout.startswith(f"{program} "), done.stderr


def test_programs_that_ours_start_have_the_users_environment() -> None:
    hook = (ROOT / "packaging/bundles/start_hook.py").read_text("utf-8")
    shown = "import subprocess; print(subprocess.run(['env'], capture_output=True, text=True).stdout)"
    for before, after in (({}, None), ({"LD_LIBRARY_PATH_ORIG": "/opt/lib"}, "/opt/lib")):
        env = {**os.environ, "LD_LIBRARY_PATH": "/bundle/_internal", "_PYI_ARCHIVE_FILE": "/bundle/barrio", **before}
        argv = [sys.executable, "-c", f"{hook}\n{shown}"]
        found = subprocess.run(argv, capture_output=True, text=True, check=True, env=env).stdout
        lines = dict(line.split("=", 1) for line in found.splitlines() if "=" in line)
        assert (
            lines.get("LD_LIBRARY_PATH") == after and not {"LD_LIBRARY_PATH_ORIG", "_PYI_ARCHIVE_FILE"} & lines.keys()
        )
