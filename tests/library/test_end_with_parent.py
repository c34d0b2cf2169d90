"""A helper ends with its parent, whatever its interpreter is at."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from holders import wait_until

HELPER = """
import re
from peer_core.library import child
def work(parent, config):
    parent.say({})
    re.match(r"(a+)+$", "a" * 60 + "b")
child._pack = work
child.main(["packer", "{}"])
"""
PARENT = """
import subprocess, sys
helper = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
helper.stdout.readline()
print(helper.pid, flush=True)
helper.wait()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere it ends when the interpreter gets a turn")
def test_a_helper_that_hears_nothing_ends_with_a_killed_parent() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, HELPER], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2]
    ) as parent:
        assert parent.stdout is not None
        helper = int(parent.stdout.readline())
        os.kill(helper, 0)
        parent.kill()
    wait_until(lambda: _gone(helper), 10)


def _gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True
