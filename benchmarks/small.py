"""A folder of small files from one peer to another, beside rsync from its daemon (apt install rsync).

A real central and two peers, each in a process; mutual TLS on our side, none on the other. In turn, so that a busy
moment of the machine meets both. `python -m benchmarks.small [--files 10000]`.
"""

import argparse
import json
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.local import LocalApi

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "packaging"))

from processes import Central, HeadlessPeer  # noqa: E402

SIZE = 16 << 10
IN_A_FOLDER = 100
ROUNDS = 5
SECONDS = 600.0
MEMORY = Path("/dev/shm")


def make_files(root: Path, files: int) -> None:
    noise = random.Random(1)
    for number in range(files):
        path = root / f"{number // IN_A_FOLDER:04}" / f"{number:06}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(noise.randbytes(SIZE))


def _until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("the files did not come in time")
        time.sleep(0.02)


def _count(folder: Path) -> int:
    """Files that are whole."""
    return sum(1 for path in folder.rglob("*.bin") if path.is_file()) if folder.exists() else 0


def _ours(receiver: HeadlessPeer, sender: HeadlessPeer, output: Path, files: int) -> tuple[float, float]:
    """Seconds from asking for the folder until it is queued, and until all its files have their names."""
    before = LocalApi(receiver).ask("GET", "/v1/status")["bytes"]["received"]
    began = time.monotonic()
    LocalApi(receiver).ask("POST", "/v1/transfers", {"peer_id": sender.peer_id, "path": "files", "output": str(output)})
    queued = time.monotonic() - began
    _until(lambda: LocalApi(receiver).ask("GET", "/v1/status")["bytes"]["received"] - before >= files * SIZE)
    _until(lambda: _count(output) == files)
    return queued, time.monotonic() - began


def _theirs(port: int, output: Path) -> float:
    began = time.monotonic()
    subprocess.run(["rsync", "-a", f"rsync://127.0.0.1:{port}/files/", str(output)], check=True)
    return time.monotonic() - began


def _daemon(root: Path, stack: ExitStack) -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    config = root / "rsyncd.conf"
    config.write_text(f"use chroot = no\nuid = {os.getuid()}\ngid = {os.getgid()}\n[files]\npath = {root / 'files'}\n")
    daemon = subprocess.Popen(
        ["rsync", "--daemon", "--no-detach", f"--config={config}", f"--port={port}", "--address=127.0.0.1"],
        stdin=subprocess.DEVNULL,
    )
    stack.callback(daemon.wait)
    stack.callback(daemon.terminate)

    def answers() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    _until(answers)
    return port


def run(options: argparse.Namespace) -> dict[str, Any]:
    """`options.files`: how many, of 16 KiB each; they stay in memory for both."""
    rsync = shutil.which("rsync") is not None
    where = MEMORY if MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="barrio-bench-small-", dir=where) as folder, ExitStack() as stack:
        root = Path(folder)
        make_files(root / "files", options.files)
        central = Central(root / "central", 20.0)
        stack.callback(lambda: central.program.stop())
        sender = HeadlessPeer(root / "sender", "Sender", central.invite()).start()
        stack.callback(sender.stop)
        receiver = HeadlessPeer(root / "receiver", "Receiver", central.invite()).start()
        stack.callback(receiver.stop)
        sender.verb("share", "add", str(root / "files"), "--name", "files")
        sender.wait_indexed(options.files, SECONDS)
        port = _daemon(root, stack) if rsync else 0
        ours: list[float] = []
        queued: list[float] = []
        theirs: list[float] = []
        for number in range(ROUNDS):
            output = root / f"got{number}"
            asked, all_here = _ours(receiver, sender, output, options.files)
            queued.append(asked)
            ours.append(all_here)
            for path in (root / "files").rglob("*.bin"):
                got = output / "files" / path.relative_to(root / "files")
                if got.read_bytes() != path.read_bytes():
                    raise RuntimeError(f"{got} is not what was shared")
            shutil.rmtree(output)
            if rsync:
                theirs.append(_theirs(port, root / "theirs"))
                shutil.rmtree(root / "theirs")
        found = {
            "files": options.files,
            "barrio_files_s": round(options.files / statistics.median(ours)),
            "barrio_rounds_s": [round(seconds, 2) for seconds in ours],
            "of_that_until_queued_s": round(statistics.median(queued), 2),
            "promised": "1,000 files a second, and faster than rsync",
        }
        if rsync:
            found["rsync_files_s"] = round(options.files / statistics.median(theirs))
            found["ratio"] = round(statistics.median(theirs) / statistics.median(ours), 2)
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=10_000)
    print(json.dumps(run(parser.parse_args()), indent=1))


if __name__ == "__main__":
    main()
