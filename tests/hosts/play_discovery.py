"""Three hosts on one network and one behind a router: who finds the barrio. Run by test_discovery.py; prints JSON."""

import json
import os
import subprocess
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from processes import APART, command, wait_for
from several_hosts import apart
from several_hosts.members import CentralHost, PeerHost
from several_hosts.network import Network

SECONDS = 40.0


def discover(host: str, folder: Path) -> Any:
    argv = ["ip", "netns", "exec", host, *command("barrio-peer"), "--data-dir", str(folder), "discover", "--json"]
    env = {**os.environ, **APART}
    return json.loads(subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60, env=env).stdout)


def resident_megabytes(pid: int) -> float:
    line = next(x for x in Path(f"/proc/{pid}/status").read_text().splitlines() if x.startswith("VmRSS"))
    return int(line.split()[1]) / 1000


def main() -> None:
    root = apart.settle(200)
    network = Network(("central", "ana", "bruno"), ("carla",), root / "cable.log", 1.0, 0.1, 100)
    central = CentralHost("central", root, 5.0)
    ana = PeerHost("ana", root)
    invite = central.invite(network.ip("central"), 1)
    ana.join(invite)
    nothing = discover("bruno", root / "bruno")
    ana.start()
    assert ana.program is not None

    def found() -> Any:
        return discover("bruno", root / "bruno")

    first = wait_for(found, SECONDS, "the announcement")
    told = {
        "before": nothing,
        "found": first,
        "fingerprint": invite.rpartition(".")[2],
        "behind": discover("carla", root),
    }
    told["megabytes"] = resident_megabytes(ana.program.process.pid)
    ana.ask("PATCH", "/v1/settings", {"announce": False})
    wait_for(lambda: not found(), SECONDS, "the goodbye")
    ana.ask("PATCH", "/v1/settings", {"announce": True})
    wait_for(found, SECONDS, "the announcement, again")
    began = time.monotonic()
    told["status"] = ana.program.stop(20)
    told["stop_seconds"] = time.monotonic() - began
    told["after"] = found()
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    if not apart.is_apart():
        sys.exit(apart.go_apart([__file__]))
    status = 1
    try:
        main()
        status = 0
    except Exception:
        traceback.print_exc()
    apart.leave(status)
