"""The first hash of a share, beside `b3sum` on the same files. `python -m benchmarks.hashing` (apt install b3sum)."""

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.scan import wait_until_ready
from peer_core.library.child import NICENESS
from peer_core.library.keeper import Watch
from peer_core.library.library import Library

MIB = 1 << 20
# As in a collection of films, music, pictures and texts: size of a file, and its part of all bytes.
MIX = ((256 * MIB, 0.5), (6 * MIB, 0.35), (MIB // 2, 0.14), (8 << 10, 0.01))
ROUNDS = 3
COLD_ROUNDS = 3


def make_files(root: Path, size: int) -> int:
    """Files of random bytes, about `size` bytes in all; how many."""
    noise = random.Random(1).randbytes(64 * MIB)
    made = 0
    for each, part in MIX:
        for number in range(max(1, int(size * part) // each)):
            path = root / f"{each}" / f"{number % 50}" / f"{number}.bin"
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                # Another beginning for each, so that no two are the same.
                file.write(b"%16d" % made)
                left = each - 16
                while left > 0:
                    left -= file.write(noise[: min(left, len(noise))])
            os.utime(path, ns=(10**18 + made, 10**18 + made))
            made += 1
    return made


def run(options: argparse.Namespace) -> dict[str, Any]:
    """`options.mebibytes`: how much in all. Once from the system's cache, once from the disk, for both in turn."""
    root = Path(tempfile.mkdtemp(prefix="barrio-bench-hash-"))
    try:
        tree = root / "tree"
        (root / "warm").mkdir()
        files = make_files(tree, options.mebibytes * MIB)
        paths = [path for path in tree.rglob("*") if path.is_file()]
        size = sum(path.stat().st_size for path in paths)
        found: dict[str, Any] = {"files": files, "bytes": size}
        for place, prepare, rounds in (("memory", _read, ROUNDS), ("disk", _forget, COLD_ROUNDS)):
            theirs, ours = _rounds(root, paths, prepare, rounds)
            their_rate, our_rate = size / theirs / 1e6, size / ours / 1e6
            found[f"{place}_b3sum_mb_s"], found[f"{place}_barrio_mb_s"] = round(their_rate), round(our_rate)
            found[f"{place}_ratio"] = round(our_rate / their_rate, 2)
        found["promised"] = "ratio at least 0.8, or the disk's limit"
        return found
    finally:
        shutil.rmtree(root)


def _rounds(root: Path, paths: list[Path], prepare: Callable[[list[Path]], None], rounds: int) -> tuple[float, float]:
    """Median seconds of `b3sum` and of ours."""
    names = b"\0".join(map(os.fsencode, paths))
    # As polite as our worker is, or a busy machine would compare priorities.
    their_command = ["nice", "-n", str(NICENESS), "xargs", "-0", "b3sum"]
    theirs: list[float] = []
    ours: list[float] = []
    # In turn, so that a busy moment of the machine meets both.
    for _ in range(rounds):
        prepare(paths)
        started = time.perf_counter()
        subprocess.run(their_command, input=names, stdout=subprocess.DEVNULL, check=True)
        theirs.append(time.perf_counter() - started)
        data = Path(tempfile.mkdtemp(dir=root))
        library = Library(data / "library.sqlite", rescan_seconds=86_400, watch=Watch.NO)
        library.start()
        try:
            # The worker runs when hashing begins, as it does in a peer.
            library.add_share(root / "warm")
            wait_until_ready(library)
            prepare(paths)
            started = time.perf_counter()
            library.add_share(root / "tree")
            wait_until_ready(library)
            ours.append(time.perf_counter() - started)
        finally:
            library.stop()
    return statistics.median(theirs), statistics.median(ours)


def _read(paths: list[Path]) -> None:
    """Puts the files into the system's cache."""
    for path in paths:
        with path.open("rb", buffering=0) as file:
            while file.read(16 * MIB):
                pass


def _forget(paths: list[Path]) -> None:
    """Takes the files out of the system's cache."""
    for path in paths:
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mebibytes", type=int, default=2048)
    print(json.dumps(run(parser.parse_args()), indent=1))


if __name__ == "__main__":
    main()
