"""A look at a share in which nothing changed, beside `find -printf` on the same tree. `python -m benchmarks.scan`."""

import argparse
import json
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from peer_core.library.keeper import Watch
from peer_core.library.library import Library
from peer_core.library.types import ShareState

FILES_IN_A_FOLDER = 20
ROUNDS = 7


def make_tree(root: Path, files: int) -> None:
    """Small files, 20 in a folder, folders three deep."""
    folders = max(1, files // FILES_IN_A_FOLDER)
    for number in range(folders):
        folder = root / f"artist {number % 100:03}" / f"year {number // 100 % 10}" / f"album {number:06}"
        folder.mkdir(parents=True)
        for track in range(FILES_IN_A_FOLDER):
            (folder / f"track {track:02} of {number}.ogg").write_bytes(b"%d %d" % (number, track))


def wait_until_ready(library: Library, seconds: float = 3600.0) -> float:
    """Seconds that it took."""
    started = time.monotonic()
    while not all(share.state is ShareState.READY for share in library.shares()):
        if time.monotonic() - started > seconds:
            raise TimeoutError("the library did not come to rest")
        time.sleep(0.002)
    return time.monotonic() - started


def timed(actions: Mapping[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, dict[str, float]]:
    """Seconds: the best and the middle of some rounds. In turn, so that a busy moment of the machine meets all."""
    times: dict[str, list[float]] = {name: [] for name in actions}
    for _ in range(rounds):
        for name, action in actions.items():
            started = time.perf_counter()
            action()
            times[name].append(time.perf_counter() - started)
    return {
        name: {"best": round(min(taken), 4), "median": round(statistics.median(taken), 4)}
        for name, taken in times.items()
    }


def run(options: argparse.Namespace) -> dict[str, Any]:
    """`options.files`: how many."""
    root = Path(tempfile.mkdtemp(prefix="barrio-bench-scan-"))
    try:
        tree = root / "tree"
        make_tree(tree, options.files)
        library = Library(root / "data" / "library.sqlite", rescan_seconds=86_400, watch=Watch.NO)
        library.start()
        try:
            library.add_share(tree)
            first = wait_until_ready(library)
            command = ["find", str(tree), "-type", "f", "-printf", "%p %s %T@ %i\n"]

            def find() -> None:
                subprocess.run(command, stdout=subprocess.DEVNULL, check=True)

            def look() -> None:
                library.rescan()
                wait_until_ready(library)

            find()
            rows: dict[str, Any] = {
                "files": options.files,
                "first_index_seconds": round(first, 2),
                # The one that compares each file and seals its folder; those after it are the rule.
                "first_look": timed({"look": look}, 1)["look"]["best"],
                **timed({"find": find, "look": look}),
            }
        finally:
            library.stop()
        rows["ratio"] = round(rows["look"]["median"] / rows["find"]["median"], 2)
        rows["promised"] = "ratio at most 2"
        return rows
    finally:
        shutil.rmtree(root)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=200_000)
    print(json.dumps(run(parser.parse_args()), indent=1))


if __name__ == "__main__":
    main()
