"""Bench `kills`: the receiver is killed (SIGKILL) and started again at each tenth of a download; what came in all?

In a private network namespace and in memory. `python -m benchmarks.kills [--mebibytes 2048]`, as root.

Counted is what the holder gave to its system for the receiver, so also what was lost on the way at each kill, in
buffers of either end: never less than what the receiver got.
"""

import argparse
import json
import subprocess
import time
from contextlib import ExitStack
from typing import Any

from benchmarks.film import MIB, film
from benchmarks.isolated import isolated
from benchmarks.local import LocalApi
from benchmarks.transfer import Barrio

PARTS = 10
SECONDS = 300.0


def measure(mebibytes: int) -> dict[str, Any]:
    size = mebibytes * MIB
    with ExitStack() as stack:
        file = stack.enter_context(film(mebibytes))
        root = file.parent
        barrio = Barrio(root, file, stack, holders=1)
        holder, receiver, target = LocalApi(barrio.holders[0]), barrio.receiver, root / "got"
        target.mkdir()
        before = holder.ask("GET", "/v1/status")["bytes"]["sent"]
        api = LocalApi(receiver)
        made = api.ask("POST", "/v1/transfers", {"content_id": barrio.content_id, "output": str(target)})
        path, received, kills, deadline = f"/v1/transfers/{made['id']}", 0, 0, time.monotonic() + SECONDS
        for part in range(1, PARTS):
            while (now := api.ask("GET", path))["bytes_done"] < size * part // PARTS and now["state"] != "done":
                if time.monotonic() > deadline:
                    raise TimeoutError(f"the download does not go on: {now}")
                time.sleep(0.005)
            if now["state"] == "done":
                break
            received += api.ask("GET", "/v1/status")["bytes"]["received"]
            assert receiver.program is not None
            receiver.program.kill()
            receiver.start()
            api = LocalApi(receiver)
            kills += 1
        while api.ask("GET", path)["state"] != "done":
            if time.monotonic() > deadline:
                raise TimeoutError("the download does not end")
            time.sleep(0.02)
        received += api.ask("GET", "/v1/status")["bytes"]["received"]
        sent = holder.ask("GET", "/v1/status")["bytes"]["sent"] - before
        if subprocess.run(["cmp", str(file), str(next(target.iterdir()))], check=False).returncode:
            raise RuntimeError("what came is not what was shared")
        return {
            "kills": kills,
            "sent_by_the_holder": round(sent / size, 4),
            "received_as_counted_before_each_kill": round(received / size, 4),
            "promised": "at most 1.02 of the file",
        }


def run(options: argparse.Namespace) -> dict[str, Any]:
    """`options.mebibytes`: the file's size."""
    return isolated("benchmarks.kills", measure, mebibytes=options.mebibytes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mebibytes", type=int, default=2048)
    print(json.dumps(run(parser.parse_args()), indent=1))


if __name__ == "__main__":
    main()
