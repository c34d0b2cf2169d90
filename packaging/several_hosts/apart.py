"""Runs a program apart from the machine: own processes, mounts and network, all of which end with it, however it ends.

The first process of a set of processes is this program: when it dies, killed or not, the kernel ends all that it
started; namespaces and files in memory go with the last of them.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import NoReturn

TOOLS = ("unshare", "setpriv", "ip", "tc", "nft", "mount")
NAMES = Path("/run/netns")
MEMORY = Path("/dev/shm")
_MARK = "BARRIO_HOSTS_APART"


def why_not() -> str:
    """What is missing here to make hosts, in a sentence; "" when nothing is."""
    if sys.platform != "linux":
        return "network namespaces are a thing of Linux"
    if os.geteuid() != 0:
        return "making network namespaces needs root"
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        return f"these programs are missing: {', '.join(missing)} (apt-get install util-linux iproute2 nftables mount)"
    if not Path("/dev/net/tun").exists():
        return "/dev/net/tun is missing, which links are made of"
    tried = subprocess.run([*_unshare(), "true"], capture_output=True, text=True, check=False)
    return f"this system does not let root make namespaces ({tried.stderr.strip()})" if tried.returncode else ""


def is_apart() -> bool:
    return os.environ.get(_MARK) == "yes" and os.getpid() == 1


def go_apart(argv: Sequence[str]) -> int:
    """Runs the same program apart, and returns its exit status; it ends with this one, and at its signals."""
    NAMES.mkdir(exist_ok=True)
    # `unshare` itself ignores the signals that people send.
    command = ["setpriv", "--pdeathsig", "KILL", *_unshare(), sys.executable, *argv]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, env={**os.environ, _MARK: "yes"})

    def end(number: int, frame: FrameType | None) -> None:
        process.kill()

    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
        signal.signal(number, end)
    status = process.wait()
    return status if status >= 0 else 1


def leave(status: int) -> NoReturn:
    """Ends this process without waiting for what it started: that ends with it."""
    sys.stdout.flush()
    os._exit(status)


def settle(megabytes: int) -> Path:
    """A folder in memory and a place for names of networks, which nobody else sees; called once, when apart."""
    for place, size in ((NAMES, 1), (MEMORY, megabytes)):
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}m", "hosts", str(place)], check=True)
    return MEMORY


def _unshare() -> list[str]:
    return ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
