"""A barrio is found by its neighbours on the network, with its name and fingerprint and nothing of who announces it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from several_hosts import apart

PACKAGING = Path(__file__).parents[2] / "packaging"
REASON = apart.why_not()


@pytest.mark.skipif(bool(REASON), reason=f"hosts cannot be made here: {REASON}")
@pytest.mark.timeout(200)
def test_it_is_found_on_its_own_network_only_and_only_while_it_is_announced() -> None:
    done = subprocess.run(
        [sys.executable, str(Path(__file__).with_name("play_discovery.py"))],
        capture_output=True,
        text=True,
        timeout=190,
        check=False,
        env={**os.environ, "PYTHONPATH": str(PACKAGING)},
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["found"] == [{"name": "Two streets", "fingerprint": told["fingerprint"], "announcers": 1}]
    assert told["before"] == told["behind"] == told["after"] == []
    assert told["megabytes"] < 90, "a headless peer that announces its barrio"
    assert told["status"] == 0
    assert told["stop_seconds"] < 6
