"""How large the packages are, and how soon their programs answer, beside the same programs from the checkout."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "packaging"))

from packages.make import Made, make  # noqa: E402
from packages.places import BUNDLES  # noqa: E402
from processes import Program, command, wait_for  # noqa: E402

MB = 1_000_000
ROUNDS = 5
_OFFSCREEN = {"QT_QPA_PLATFORM": "offscreen", "LANG": "C.UTF-8", "BARRIO_LISTEN": "127.0.0.1:0"}


def run(output: Path, work: Path, *, compressed: bool) -> dict[str, Any]:
    """Builds them into `output`. Sizes in MB, of artefacts only when they are `compressed`, which takes minutes.

    Times in seconds, medians of `ROUNDS`."""
    began = time.monotonic()
    made = make(output, work, quick=not compressed)
    found: dict[str, Any] = {"build_s": round(time.monotonic() - began, 1)}
    found |= _sizes(made, compressed)
    for name in BUNDLES:
        frozen = [str(made.bundles[name] / name)]
        for key, argv in (("frozen", frozen), ("checkout", command(name))):
            found[f"{name}_version_{key}_s"] = _median(lambda argv=argv: _version(argv))
            found[f"{name}_ready_{key}_s"] = _median(lambda argv=argv, name=name: _ready(name, argv, frozen_of(made)))
    return found


def frozen_of(made: Made) -> list[str]:
    """The frozen central, to join."""
    return [str(made.bundles["barrio-central"] / "barrio-central")]


def _sizes(made: Made, compressed: bool) -> dict[str, float]:
    found = {}
    for name, bundle in made.bundles.items():
        files = [path for path in bundle.rglob("*") if path.is_file() and not path.is_symlink()]
        found[f"{name}_bundle_mb"] = round(sum(path.stat().st_size for path in files) / MB, 1)
    for path in made.artefacts:
        if compressed and path.suffix in (".deb", ".gz"):
            found[f"{path.name}_mb"] = round(path.stat().st_size / MB, 1)
    return found


def _median(measure: Callable[[], float]) -> float:
    # The first one brings the files into memory.
    measure()
    return round(statistics.median(measure() for _ in range(ROUNDS)), 3)


def _version(argv: Sequence[str]) -> float:
    began = time.monotonic()
    subprocess.run([*argv, "--version"], check=True, capture_output=True)
    return time.monotonic() - began


def _ready(name: str, argv: Sequence[str], central: Sequence[str]) -> float:
    """From its start until it answers: the central's and the peer's line, the window's local API."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        serve = ["serve", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"]
        if name == "barrio-central":
            return _until_ready([*argv, "--data-dir", str(data), *serve], Path(folder) / "log", {})
        if name == "barrio":
            return _until_ready([*argv, "--data-dir", str(data)], Path(folder) / "log", _OFFSCREEN, data)
        place = ["--data-dir", str(Path(folder) / "central")]
        with Program([*central, *place, *serve], Path(folder) / "central.log").wait_ready():
            invite = [*central, *place, "invite", "--host", "127.0.0.1"]
            link = subprocess.run(invite, check=True, capture_output=True, text=True).stdout.strip()
            env = {**os.environ, "BARRIO_KEYRING": "off"}
            subprocess.run([*argv, "--data-dir", str(data), "join", link], check=True, capture_output=True, env=env)
            running = [*argv, "--data-dir", str(data), "run", "--listen", "127.0.0.1:0"]
            return _until_ready(running, Path(folder) / "log", {})


def _until_ready(argv: list[str], log: Path, env: Mapping[str, str], window: Path | None = None) -> float:
    began = time.monotonic()
    with Program(argv, log, env) as program:
        if window is None:
            program.wait_ready()
        else:
            wait_for((window / "local-api.json").exists, 60, "the window's peer")
        return time.monotonic() - began
