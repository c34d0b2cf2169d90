"""A network of its own for a bench: loopback only, reno; so that nothing outside meets it, and BBR paces nothing."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

INSIDE = "BARRIO_BENCH_INSIDE"


def isolated(module: str, measure: Callable[..., dict[str, Any]], **options: int) -> dict[str, Any]:
    """What `measure(**options)` finds in a network namespace, with mounts of its own.

    `module` runs it when called with `--NAME VALUE` of each option.

    As root. Raises CalledProcessError.
    """
    if os.environ.get(INSIDE) is None:
        command = ["unshare", "-n", "-m", sys.executable, "-m", module]
        for name, value in options.items():
            command += [f"--{name.replace('_', '-')}", str(value)]
        done = subprocess.run(command, env={**os.environ, INSIDE: "1"}, check=True, stdout=subprocess.PIPE)
        return dict(json.loads(done.stdout))
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    Path("/proc/sys/net/ipv4/tcp_congestion_control").write_text("reno")
    return measure(**options)
