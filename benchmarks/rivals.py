"""Bench `rivals`: one large file by Barrio, Syncthing, libtorrent and magic-wormhole, in interleaved rounds.

In a private network namespace and in memory. `python -m benchmarks.rivals [--mebibytes 2048] [--rounds 5]`, as root;
apt install syncthing, and once `python -m benchmarks.rivals --install` for those from PyPI. What is
missing is left out.
"""

import argparse
import json
import os
import shutil
import statistics
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.film import MIB, film
from benchmarks.isolated import isolated
from benchmarks.local import LocalApi
from benchmarks.rival_programs import RIVALS, Took, install, wait_until
from benchmarks.transfer import Barrio

PROMISED = "1.5 of Syncthing's fetch and 2 of its share to complete; ahead of libtorrent; 3 of magic-wormhole"


class Ours:
    """A holder and a receiver; each round shares the file anew, in a folder of its own."""

    def __init__(self, root: Path, file: Path, stack: ExitStack) -> None:
        root.mkdir()
        seed = root / "seed.bin"
        seed.write_bytes(os.urandom(MIB))
        barrio = Barrio(root, seed, stack, holders=1)
        self._root, self._file = root, file
        self._holder, self._receiver = LocalApi(barrio.holders[0]), LocalApi(barrio.receiver)
        self._number = 0

    def round(self) -> Took:
        self._number += 1
        share, out = self._root / f"films{self._number}", self._root / f"got{self._number}"
        share.mkdir()
        os.link(self._file, share / self._file.name)
        began = time.perf_counter()
        made = self._holder.ask("POST", "/v1/shares", {"path": str(share)})
        wait_until(self._found, "the file to be found")
        found = time.perf_counter()
        body = {"content_id": self._found()["content_id"], "output": str(out)}
        transfer = self._receiver.ask("POST", "/v1/transfers", body)
        path = f"/v1/transfers/{transfer['id']}"
        wait_until(lambda: self._receiver.ask("GET", path)["state"] == "done", "the file")
        done = time.perf_counter()
        if (out / self._file.name).stat().st_size != self._file.stat().st_size:
            raise RuntimeError("Barrio brought another file")
        self._receiver.ask("DELETE", path)
        shutil.rmtree(out)
        self._holder.ask("DELETE", f"/v1/shares?name={made['name']}")
        shutil.rmtree(share)
        wait_until(lambda: not self._found(), "the file to be forgotten")
        return Took(done - found, done - began)

    def _found(self) -> Any:
        rows = self._receiver.ask("GET", f"/v1/search?q={self._file.stem}")["rows"]
        return rows[0] if rows and rows[0]["holders"] else None


def measure(mebibytes: int, rounds: int) -> dict[str, Any]:
    with ExitStack() as stack:
        file = stack.enter_context(film(mebibytes))
        root = file.parent
        there = {name: kind for name, kind in RIVALS.items() if kind.available()}
        ends = {"barrio": Ours(root / "barrio", file, stack)}
        ends |= {name: kind(root / name, file, stack) for name, kind in there.items()}
        times: dict[str, list[Took]] = {name: [] for name in ends}
        for _ in range(rounds):
            for name, way in ends.items():
                times[name].append(way.round())
    found: dict[str, Any] = {name: _summary(some, mebibytes * MIB) for name, some in times.items()}
    for name in there:
        found[f"ahead of {name}"] = _ahead(times["barrio"], times[name])
    found["left out"] = sorted(RIVALS.keys() - there)
    found["promised"] = PROMISED
    return found


def _summary(some: list[Took], size: int) -> dict[str, Any]:
    found: dict[str, Any] = {"fetch_mb_s": round(size / 1e6 / statistics.median(took.fetch for took in some))}
    found["each_fetch_mb_s"] = [round(size / 1e6 / took.fetch) for took in some]
    whole = [took.from_share for took in some if took.from_share is not None]
    if whole:
        found["share_to_complete_s"] = round(statistics.median(whole), 2)
    return found


def _ahead(ours: list[Took], theirs: list[Took]) -> dict[str, float]:
    """How many times as fast: the median of the rounds' ratios."""
    pairs = list(zip(ours, theirs, strict=True))
    found = {"fetch": round(statistics.median(b.fetch / a.fetch for a, b in pairs), 2)}
    whole = [b.from_share / a.from_share for a, b in pairs if a.from_share and b.from_share]
    if whole:
        found["share to complete"] = round(statistics.median(whole), 2)
    return found


def run(options: argparse.Namespace) -> dict[str, Any]:
    """`options.mebibytes`, `options.rounds`: the file's size, and how often."""
    return isolated("benchmarks.rivals", measure, mebibytes=options.mebibytes, rounds=options.rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mebibytes", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--install", action="store_true", help="only install those that come from PyPI")
    given = parser.parse_args()
    if given.install:
        install()
    else:
        print(json.dumps(run(given), indent=1))


if __name__ == "__main__":
    main()
