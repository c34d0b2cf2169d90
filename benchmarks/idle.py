"""Memory and processor time of a central and a headless peer that have worked, and have nothing to do.

The programs as they are installed, from their bundles, with the settings that they come with, in a network of their own
where the peers announce their barrio. A peer's figure is for the whole program: its watcher counts.
"""

import argparse
import json
import mmap
import os
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "packaging"))

from packages.make import make  # noqa: E402
from processes import Central, HeadlessPeer, use_bundles  # noqa: E402

from benchmarks.isolated import isolated  # noqa: E402

FILES = 1000
# After it, the processes that end when there is nothing to do have ended.
SETTLE_SECONDS = 75.0
HEARTBEAT_SECONDS = 30.0
PLACE = "BARRIO_BENCH_BUNDLES"
PAGE_BYTES = mmap.PAGESIZE
FRAME = (1 << 55) - 1
# MB resident, and percent of a core.
MOST = {"central": (80.0, 0.5), "peer": (90.0, 0.5)}


def run(arguments: argparse.Namespace) -> dict[str, Any]:
    """`seconds`: how long they are looked at. Builds the bundles first. Linux only, as root."""
    with tempfile.TemporaryDirectory(prefix="barrio-bench-") as folder:
        make(Path(folder) / "dist", Path(folder) / "work", quick=True)
        os.environ[PLACE] = str(Path(folder) / "work" / "bundles")
        return isolated("benchmarks.idle", measure, seconds=arguments.seconds)


def measure(seconds: int) -> dict[str, Any]:
    use_bundles(Path(os.environ[PLACE]))
    _add_network()
    with tempfile.TemporaryDirectory(prefix="barrio-bench-") as folder, ExitStack() as stack:
        central = Central(Path(folder) / "central", heartbeat=HEARTBEAT_SECONDS)
        stack.callback(central.program.stop)
        peers = [_peer(Path(folder), name, central, stack) for name in ("ana", "luis")]
        found = peers[1].json("search", "ana 17")
        peers[1].verb("get", found[0]["content_id"], "--output", f"{folder}/got")
        time.sleep(SETTLE_SECONDS)
        assert peers[0].program is not None
        programs = {"central": central.program.process.pid, "peer": peers[0].program.process.pid}
        before = {name: _processor_seconds(pid) for name, pid in programs.items()}
        began = time.monotonic()
        time.sleep(seconds)
        took = time.monotonic() - began
        return {
            name: _figures(pid) | {"processor_percent": round(100 * (_processor_seconds(pid) - before[name]) / took, 3)}
            for name, pid in programs.items()
        }


def _add_network() -> None:
    """One on which to announce: a wire from this host to itself."""
    for words in (
        "link add eth0 type veth peer name eth1",
        "link set eth1 up",
        "link set eth0 up",
        "address add 10.77.0.2/24 dev eth0",
    ):
        subprocess.run(["ip", *words.split()], check=True)


def _peer(folder: Path, name: str, central: Central, stack: ExitStack) -> HeadlessPeer:
    share = folder / f"share of {name}"
    share.mkdir()
    for number in range(FILES):
        (share / f"{name} {number}.txt").write_text(f"{name} {number}\n" * 20)
    peer = HeadlessPeer(folder / name, name, central.invite())
    peer.listen = "0.0.0.0:0"
    peer.start()
    stack.callback(peer.stop)
    peer.verb("share", "add", str(share))
    peer.wait_indexed(FILES)
    return peer


def _figures(pid: int) -> dict[str, Any]:
    """MB of 1,000,000 bytes. `resident`: what its processes hold together (told to root only; otherwise `rss`).
    `rss` counts a page that two of them share twice, `pss` only the program's part of a page that any others share."""
    processes = list(tree(pid))
    rows = [_rollup(one) for one in processes]
    frames = set[int]().union(*map(_frames, processes))
    rss = sum(row["Rss"] for row in rows)
    return {
        "resident_mb": round(len(frames) * PAGE_BYTES / 1e6 if frames else rss, 1),
        "rss_mb": round(rss, 1),
        "pss_mb": round(sum(row["Pss"] for row in rows), 1),
        "processes": len(processes),
        "threads": sum(len(list(Path(f"/proc/{one}/task").iterdir())) for one in processes),
    }


def _frames(pid: int) -> set[int]:
    """Numbers of the page frames that a process has in memory (proc(5), pagemap); none where they are not told."""
    found: set[int] = set()
    try:
        with Path(f"/proc/{pid}/pagemap").open("rb") as pagemap:
            for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
                first, last = (int(address, 16) // PAGE_BYTES for address in line.split()[0].split("-"))
                if "[vsyscall]" not in line:
                    pagemap.seek(8 * first)
                    entries = struct.iter_unpack("<Q", pagemap.read(8 * (last - first)))
                    found.update(entry & FRAME for (entry,) in entries if entry >> 63)
    except OSError:
        return set()
    return found - {0}


def tree(pid: int) -> Iterator[int]:
    """The process and all below it."""
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from tree(int(child))


def _rollup(pid: int) -> dict[str, float]:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {line.split(":")[0]: int(line.split()[1]) * 1024 / 1e6 for line in lines}


def _processor_seconds(pid: int) -> float:
    """Of the whole program, with what ended children took; the threads' own figures are exact to the nanosecond."""
    ended = 0.0
    nanoseconds = 0
    for one in tree(pid):
        fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
        ended += (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")
        tasks = Path(f"/proc/{one}/task").iterdir()
        nanoseconds += sum(int((task / "schedstat").read_text().split()[0]) for task in tasks)
    return ended + nanoseconds / 1e9


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=int, default=60)
    print(json.dumps(measure(**vars(parser.parse_args()))))
