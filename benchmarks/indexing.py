"""A peer's memory while it indexes many files, and an unpacked archive until all is indexed.

`python -m benchmarks.indexing [--files 1000000] [--storm 50000]`.
"""

import argparse
import json
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.report import percentiles
from benchmarks.scan import make_tree
from peer_core.library.types import ShareState
from peer_core.peer import Peer

TICK_SECONDS = 0.005


def resident_mb(pids: list[int]) -> float:
    """Of the processes together; what they share is counted in each. Linux only."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS"):
                total += int(line.split()[1])
    return total / 1000


@contextmanager
def lateness() -> Iterator[list[float]]:
    """How late a loop of this process comes that wants to run each 5 ms, as a window's would; milliseconds."""
    late: list[float] = []
    ended = threading.Event()

    def tick() -> None:
        due = time.perf_counter()
        while not ended.is_set():
            due += TICK_SECONDS
            time.sleep(max(0.0, due - time.perf_counter()))
            now = time.perf_counter()
            late.append((now - due) * 1000)
            due = max(due, now)

    ticker = threading.Thread(target=tick)
    ticker.start()
    try:
        yield late
    finally:
        ended.set()
        ticker.join()


def run(options: argparse.Namespace) -> dict[str, Any]:
    """`options.files` to index, then `options.storm` more at once."""
    root = Path(tempfile.mkdtemp(prefix="barrio-bench-index-"))
    try:
        tree = root / "tree"
        make_tree(tree, options.files)
        peer = Peer(root / "data", {"download_dir": str(root / "downloads"), "listen": "127.0.0.1:0"})
        peer.start()
        try:
            return _measured(peer, tree, options)
        finally:
            peer.stop()
    finally:
        shutil.rmtree(root)


def _measured(peer: Peer, tree: Path, options: argparse.Namespace) -> dict[str, Any]:
    library = peer.library
    highest = 0.0
    started = time.perf_counter()
    with lateness() as late:
        library.add_share(tree)
        while not _ready(peer, options.files):
            pids = [int(Path("/proc/self").readlink().name), *library.processes().values()]
            highest = max(highest, resident_mb(pids))
            time.sleep(0.2)
    indexed = time.perf_counter() - started
    while "watcher" not in library.processes() or library.work().looks < 2 or not _ready(peer, options.files):
        time.sleep(0.1)
    watching = resident_mb([int(Path("/proc/self").readlink().name), *library.processes().values()])
    with lateness() as late_in_storm:
        make_tree(tree / "unpacked", options.storm)
        written = time.perf_counter()
        while not _ready(peer, options.files + options.storm):
            time.sleep(0.02)
        storm = time.perf_counter() - written
    return {
        "files": options.files,
        "index_seconds": round(indexed, 1),
        "files_a_second": round(options.files / indexed),
        "memory_mb": round(highest),
        "memory_promised": "under 300",
        "memory_with_watcher_mb": round(watching),
        "loop_late_ms": percentiles(late),
        "storm_files": options.storm,
        "storm_seconds_after_the_last_write": round(storm, 1),
        "storm_promised": "under 60",
        "storm_loop_late_ms": percentiles(late_in_storm),
        "loop_promised": "at most 50",
    }


def _ready(peer: Peer, files: int) -> bool:
    (share,) = peer.shares()
    return share.files == files and share.state is ShareState.READY


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=1_000_000)
    parser.add_argument("--storm", type=int, default=50_000)
    print(json.dumps(run(parser.parse_args()), indent=1))


if __name__ == "__main__":
    main()
