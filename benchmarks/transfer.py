"""Bench `transfer`: one large file from real peers to a real peer, beside nginx and curl on the same machine.

In a private network namespace (loopback, reno) and in memory (tmpfs), in interleaved rounds; both ends with mutual TLS
1.3. `python -m benchmarks.transfer [--mebibytes 2048] [--rounds 5]`, as root; apt install nginx curl openssl.
"""

import argparse
import hashlib
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.anchors import Nginx
from benchmarks.film import MIB, film
from benchmarks.isolated import isolated
from benchmarks.local import LocalApi

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "packaging"))

from processes import Central, HeadlessPeer, wait_for  # noqa: E402

HOLDERS = 4
SECONDS = 300.0


def processor_seconds(pid: int) -> float:
    """Of the process and of its children that have ended."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


class Barrio:
    """A central, holders that all share one file, and a peer that fetches it."""

    def __init__(self, root: Path, file: Path, stack: ExitStack, holders: int = HOLDERS) -> None:
        self._file = file
        self._out = root / "out"
        self._out.mkdir()
        central = Central(root / "central", 20.0)
        stack.callback(central.program.stop)
        self.holders = []
        for number in range(holders):
            share = root / f"share{number}"
            share.mkdir()
            os.link(file, share / file.name)
            holder = HeadlessPeer(root / f"holder{number}", f"Holder {number}", central.invite()).start()
            stack.callback(holder.stop)
            holder.verb("share", "add", str(share))
            holder.wait_indexed(1)
            self.holders.append(holder)
        self.receiver = HeadlessPeer(root / "receiver", "Receiver", central.invite()).start()
        stack.callback(self.receiver.stop)
        self._api = LocalApi(self.receiver)
        rows = wait_for(lambda: self.receiver.json("search", file.stem), 20, "the file to be found")
        self.content_id = rows[0]["content_id"]

    def use(self, holders: int) -> None:
        """So many of them run from now on."""
        for number, holder in enumerate(self.holders):
            running = holder.program is not None and holder.program.process.poll() is None
            if running and number >= holders:
                holder.stop()
            elif not running and number < holders:
                holder.start()
        wait_for(lambda: self.receiver.json("search", self._file.stem)[0]["holders"] == holders, 60, "the holders")

    def fetch(self) -> dict[str, float]:
        pids = [
            h.program.process.pid for h in self.holders if h.program is not None and h.program.process.poll() is None
        ]
        assert self.receiver.program is not None
        receiver = self.receiver.program.process.pid
        sent, received = sum(map(processor_seconds, pids)), processor_seconds(receiver)
        began = time.perf_counter()
        made = self._api.ask("POST", "/v1/transfers", {"content_id": self.content_id, "output": str(self._out)})
        # A question to the peer costs it processor time, so the folder is watched instead.
        target = self._out / self._file.name
        deadline = began + SECONDS
        while not target.exists():
            if time.perf_counter() > deadline:
                raise TimeoutError(self._api.ask("GET", f"/v1/transfers/{made['id']}"))
            time.sleep(0.01)
        while (now := self._api.ask("GET", f"/v1/transfers/{made['id']}"))["state"] != "done":
            assert now["state"] not in ("failed", "paused"), now
            time.sleep(0.01)
        took = time.perf_counter() - began
        found = {
            "seconds": took,
            "sender": sum(map(processor_seconds, pids)) - sent,
            "receiver": processor_seconds(receiver) - received,
        }
        assert digest(target) == digest(self._file)
        self._api.ask("DELETE", f"/v1/transfers/{made['id']}")
        target.unlink(missing_ok=True)
        return found


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "blake2b").hexdigest()


def curl(nginx: Nginx, root: Path, file: Path) -> dict[str, float]:
    target = root / "curl.out"
    sent = nginx.processor_seconds()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    subprocess.run(nginx.curl(file.name, target), check=True)
    took = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert target.stat().st_size == file.stat().st_size
    target.unlink()
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": took, "sender": nginx.processor_seconds() - sent, "receiver": used}


def measure(mebibytes: int, rounds: int, holders: int) -> dict[str, Any]:
    with ExitStack() as stack:
        file = stack.enter_context(film(mebibytes))
        root = file.parent
        nginx = Nginx(root / "nginx", root)
        stack.callback(nginx.stop)
        barrio = Barrio(root, file, stack, holders)
        ways: dict[str, Callable[[], dict[str, float]]] = {
            "nginx and curl": lambda: curl(nginx, root, file),
            "one holder": barrio.fetch,
        }
        found = _rounds(ways, lambda: barrio.use(1), rounds, mebibytes)
        found["ratio, one holder"] = _ratio(found, "one holder")
        if holders > 1:
            name = f"{'four' if holders == HOLDERS else holders} holders"
            found |= _rounds({name: barrio.fetch}, lambda: barrio.use(holders), rounds, mebibytes)
            found[f"ratio, {name}"] = _ratio(found, name)
        found["promised"] = "0.8 of nginx and curl; sender 1.5 and receiver 1.35 of their processor time"
        return found


def _rounds(
    ways: dict[str, Callable[[], dict[str, float]]], prepare: Callable[[], None], rounds: int, mebibytes: int
) -> dict[str, Any]:
    prepare()
    times: dict[str, list[dict[str, float]]] = {name: [] for name in ways}
    for number in range(rounds + 1):
        for name, way in ways.items():
            took = way()
            if number:
                times[name].append(took)
    gigabytes = mebibytes * MIB / 1e9
    return {
        name: {
            "mb_s": round(gigabytes * 1000 / statistics.median(one["seconds"] for one in some)),
            "sender_s_gb": round(statistics.median(one["sender"] for one in some) / gigabytes, 2),
            "receiver_s_gb": round(statistics.median(one["receiver"] for one in some) / gigabytes, 2),
            "each_mb_s": [round(gigabytes * 1000 / one["seconds"]) for one in some],
        }
        for name, some in times.items()
    }


def _ratio(found: dict[str, Any], name: str) -> dict[str, float | None]:
    """None: too little processor time to be seen."""
    anchor, ours = found["nginx and curl"], found[name]
    fields = {"speed": "mb_s", "sender": "sender_s_gb", "receiver": "receiver_s_gb"}
    return {key: round(ours[of] / anchor[of], 2) if anchor[of] else None for key, of in fields.items()}


def run(options: argparse.Namespace) -> dict[str, Any]:
    """`options.mebibytes`, `options.rounds`: the file's size, and how often; `options.holders`: beside one."""
    return isolated(
        "benchmarks.transfer", measure, mebibytes=options.mebibytes, rounds=options.rounds, holders=options.holders
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mebibytes", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--holders", type=int, default=HOLDERS, help="in the second part; 1: without it")
    print(json.dumps(run(parser.parse_args()), indent=1))


if __name__ == "__main__":
    main()
