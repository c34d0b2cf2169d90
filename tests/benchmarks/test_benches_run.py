"""Each bench of transfers still runs, at a toy scale; what it measures then means nothing and is not looked at.

In processes of their own, as `./barrio bench` runs them. Left out where this machine has not the tools, or is not ours
to make namespaces on.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import namespaces
import pytest

ROOT = Path(__file__).parents[2]


def bench(name: str, *options: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name}", *options],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
        env={**os.environ, "BARRIO_KEYRING": "off"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


def needs(*tools: str) -> None:
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"not here: {', '.join(missing)}")
    if not Path("/dev/shm").is_dir() or not namespaces.available():
        pytest.skip("no namespaces for us here")


def test_transfer() -> None:
    needs("nginx", "curl", "openssl")
    found = bench("transfer", "--mebibytes", "8", "--rounds", "1", "--holders", "2")
    assert {"nginx and curl", "one holder", "2 holders"} <= found.keys()


def test_serving() -> None:
    needs("nginx", "curl", "openssl")
    found = bench("serving", "--mebibytes", "8", "--rounds", "1")
    assert found["ratio"] > 0


def test_rivals() -> None:
    """Those that are here: ours at least."""
    needs()
    found = bench("rivals", "--mebibytes", "4", "--rounds", "1")
    assert found["barrio"]["fetch_mb_s"] > 0


def test_limited_links() -> None:
    needs("tc")
    found = bench(
        "links", "--mebibytes", "16", "--lossy-mebibytes", "0", "--rounds", "1", "--no-dents", "--mtu", "9000"
    )
    assert found["four holders of 25 MB/s, MTU 9000"]["together_mb_s"] <= 115


def test_lossy_link() -> None:
    needs("nginx", "curl", "openssl")
    if not Path("/dev/net/tun").exists():
        pytest.skip("no TAP devices here")
    found = bench("links", "--mebibytes", "0", "--lossy-mebibytes", "1", "--rounds", "1")
    assert all(each["ratio"] > 0 for each in found.values())


def test_memory() -> None:
    needs("mount")
    found = bench("memory", "--gigabytes", "1", "--received", "1", "--readers", "3", "--seconds", "1")
    assert found["sending"]["read_mb"] > 0


def test_kills() -> None:
    needs()
    assert bench("kills", "--mebibytes", "64")["sent_by_the_holder"] >= 1


def test_small() -> None:
    assert bench("small", "--files", "50")["barrio_files_s"] > 0
