"""An archive is unpacked into a shared folder: how soon another member finds its files, and how late the window comes.

A real central, a second peer that searches, and the window with its own peer, each in a process.
`python -m benchmarks.storm [--files 200000] [--storm 50000]`.
"""

import argparse
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
import urllib.parse
from contextlib import ExitStack
from io import BytesIO
from pathlib import Path
from typing import Any

from benchmarks.local import LocalApi
from benchmarks.report import percentiles
from benchmarks.scan import make_tree

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "packaging"))

from processes import Central, HeadlessPeer  # noqa: E402

FILES_IN_A_FOLDER = 25
SAMPLES = 100
SECONDS = 600.0
SETTLE_SECONDS = 8.0


def make_archive(path: Path, files: int) -> None:
    """Small files of 25 in a folder, each with a number that no other name has."""
    with tarfile.open(path, "w") as archive:
        for number in range(files):
            folder = f"unpacked/part {number // 1000:03}/chapter {number // FILES_IN_A_FOLDER:05}"
            member = tarfile.TarInfo(f"{folder}/page {_word(number)}.txt")
            data = b"This is page %d of a book without an end.\n" % number * (1 + number % 50)
            member.size = len(data)
            member.mtime = 1_700_000_000 + number
            archive.addfile(member, BytesIO(data))


def _word(number: int) -> str:
    return f"n{number:07}"


class Searcher:
    """Another member."""

    def __init__(self, peer: HeadlessPeer) -> None:
        self._api = LocalApi(peer)

    def finds(self, word: str) -> bool:
        return word in json.dumps(self._api.ask("GET", f"/v1/search?{urllib.parse.urlencode({'q': word, 'limit': 1})}"))


def run(options: argparse.Namespace) -> dict[str, Any]:
    """`options.files`: shared before; `options.storm`: files in the archive."""
    with tempfile.TemporaryDirectory(prefix="barrio-bench-storm-") as folder, ExitStack() as stack:
        root = Path(folder)
        central = Central(root / "central")
        stack.callback(central.program.stop)
        other = HeadlessPeer(root / "other", "Other", central.invite()).start()
        stack.callback(other.stop)
        owner = HeadlessPeer(root / "owner", "Owner", central.invite())
        shared = root / "shared"
        shared.mkdir()
        before = 1 + options.files
        (shared / f"{_word(10**6)}.txt").write_text("before")
        make_tree(shared / "before", options.files)
        make_archive(root / "archive.tar", options.storm)
        window = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.window", str(owner.data)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "BARRIO_KEYRING": "off", "BARRIO_LISTEN": "127.0.0.1:0", "QT_QPA_PLATFORM": "offscreen"},
        )
        stack.callback(window.wait)
        stack.callback(window.kill)
        assert window.stdin is not None and window.stdout is not None
        if window.stdout.readline() != "ready\n":
            raise RuntimeError("the window did not open")
        owner.verb("share", "add", str(shared))
        searcher = Searcher(other)
        owner.wait_indexed(before, SECONDS)
        _until_found(searcher, [_word(10**6)])
        # Until the window is at rest, and has looked at all once more after it began to watch.
        time.sleep(SETTLE_SECONDS)
        print("mark", file=window.stdin, flush=True)
        began = time.monotonic()
        subprocess.run(["tar", "-xf", str(root / "archive.tar"), "-C", str(shared)], check=True)
        written = time.monotonic()
        step = max(1, options.storm // SAMPLES)
        _until_found(searcher, [_word(number) for number in [*range(0, options.storm, step), options.storm - 1]])
        found = time.monotonic()
        owner.wait_indexed(before + options.storm)
        everything = time.monotonic()
        time.sleep(2)
        print("end", file=window.stdin, flush=True)
        late = json.loads(window.stdout.readline())
        if window.wait(30) != 0:
            raise RuntimeError("the window did not close in order")
    return {
        "files_before": before,
        "storm_files": options.storm,
        "storm_unpacked_seconds": round(written - began, 1),
        "storm_found_by_another_seconds_after_the_last_write": round(found - written, 1),
        "storm_published_seconds_after_the_last_write": round(everything - written, 1),
        "storm_promised": "under 60",
        "storm_window_late_ms": percentiles(late),
        "storm_window_late_over_50_ms": sum(ms > 50 for ms in late),
        "window_promised": "at most 50",
    }


def _until_found(searcher: Searcher, words: list[str]) -> None:
    """Each of them. Raises TimeoutError."""
    deadline = time.monotonic() + SECONDS
    while words:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{words[0]} is not found")
        if searcher.finds(words[-1]):
            words.pop()
        else:
            time.sleep(0.2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=200_000)
    parser.add_argument("--storm", type=int, default=50_000)
    print(json.dumps(run(parser.parse_args()), indent=1))


if __name__ == "__main__":
    main()
