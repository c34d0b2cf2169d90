"""Bench `serving`: one large file from a real peer to curl, beside nginx to the same curl; mutual TLS 1.3 for both.

In a private network namespace and in memory, in interleaved rounds.
`python -m benchmarks.serving [--mebibytes 2048] [--rounds 5]`, as root; apt install nginx curl openssl.
"""

import argparse
import json
import resource
import statistics
import subprocess
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.anchors import Nginx
from benchmarks.film import MIB, film
from benchmarks.isolated import isolated
from benchmarks.transfer import Barrio, processor_seconds
from peer_core.identity.store import Identity
from protos.agreed import peer_host_name


def peer_curl(member: Identity, holder: str, listen: str, content_id: str, target: Path) -> list[str]:
    """The command with which curl, as `member`, fetches a content from the peer `holder` at `listen`."""
    keys = ["--cacert", str(member.authority_file), "--cert", str(member.certificate_file)]
    keys += ["--key", str(member.key_file), "--pass", member.passphrase.decode()]
    host, _, port = listen.rpartition(":")
    name = peer_host_name(holder)
    keys += ["--resolve", f"{name}:{port}:{host}", "-o", str(target)]
    return ["curl", "-sS", "--fail", *keys, f"https://{name}:{port}/v1/contents/{content_id}"]


def timed(command: Sequence[str], target: Path, size: int) -> tuple[float, float]:
    """Seconds, and the command's processor seconds. The target must have its size, and goes."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    subprocess.run(command, check=True)
    took = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if target.stat().st_size != size:
        raise RuntimeError(f"{target} has {target.stat().st_size} bytes, not {size}")
    target.unlink()
    return took, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(mebibytes: int, rounds: int) -> dict[str, Any]:
    size = mebibytes * MIB
    with ExitStack() as stack:
        file = stack.enter_context(film(mebibytes))
        root = file.parent
        nginx = Nginx(root / "nginx", root)
        stack.callback(nginx.stop)
        barrio = Barrio(root, file, stack, holders=1)
        holder, target = barrio.holders[0], root / "curl.out"
        member = Identity.load(barrio.receiver.data)
        assert member is not None and holder.program is not None
        pid = holder.program.process.pid
        commands = {
            "nginx": (nginx.curl(file.name, target), nginx.processor_seconds),
            "barrio": (
                peer_curl(member, holder.peer_id, holder.listen, barrio.content_id, target),
                lambda: processor_seconds(pid),
            ),
        }
        times: dict[str, list[tuple[float, float, float]]] = {name: [] for name in commands}
        for number in range(rounds + 1):
            for name, (command, processor) in commands.items():
                before = processor()
                took, curl = timed(command, target, size)
                if number:
                    times[name].append((took, processor() - before, curl))
    found: dict[str, Any] = {name: _summary(some, size) for name, some in times.items()}
    ratios = [theirs[0] / ours[0] for theirs, ours in zip(times["nginx"], times["barrio"], strict=True)]
    found["ratio"] = round(statistics.median(ratios), 2)
    found["ratio of each round"] = [round(ratio, 2) for ratio in ratios]
    found["promised"] = "0.95 of nginx to the same curl"
    return found


def _summary(some: list[tuple[float, float, float]], size: int) -> dict[str, Any]:
    seconds, server, curl = (statistics.median(column) for column in zip(*some, strict=True))
    gigabytes = size / 1e9
    return {
        "mb_s": round(gigabytes * 1000 / seconds),
        "server_s_gb": round(server / gigabytes, 2),
        "curl_s_gb": round(curl / gigabytes, 2),
    }


def run(options: argparse.Namespace) -> dict[str, Any]:
    """`options.mebibytes`, `options.rounds`: the file's size, and how often."""
    return isolated("benchmarks.serving", measure, mebibytes=options.mebibytes, rounds=options.rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mebibytes", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=5)
    print(json.dumps(run(parser.parse_args()), indent=1))


if __name__ == "__main__":
    main()
