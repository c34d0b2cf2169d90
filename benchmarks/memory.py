"""Bench `memory`: what a peer needs that receives a sparse file of 100 GB, and one that sends to 100 slow readers.

In a private network namespace. `python -m benchmarks.memory [--gigabytes 100] [--received 4] [--readers 100]`, as root.

Receiving: resident memory (VmRSS, sampled each 20 ms, and VmHWM, which misses no peak) from before the download is
asked for, over the manifest, until `--received` GB of pieces are verified and written (into a tmpfs that says that it
has room for all); then it is cancelled. Sending: 100 members, each with one connection, ask for all of a file of 1 GB
and read 16 KiB a second; what the sender grows by over `--seconds`.
"""

import argparse
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.film import MEMORY
from benchmarks.isolated import isolated
from benchmarks.local import LocalApi
from peer_core.identity.enrolment import join
from protos.agreed import peer_host_name

from processes import Central, HeadlessPeer, wait_for  # isort: skip  # benchmarks.transfer tells where it is

SECONDS = 900.0
READ_BYTES = 1 << 12
READS_A_SECOND = 4
WINDOW = 1 << 17


def memory_mb(pid: int, field: str = "VmRSS") -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise RuntimeError(f"process {pid} has no {field}")


def sparse(path: Path, size: int) -> None:
    with path.open("wb") as file:
        file.truncate(size)
        # Not all pieces the same.
        for at in range(0, size, max(1, size // 100)):
            file.seek(at)
            file.write(os.urandom(4096))
        file.truncate(size)


def _pid(peer: HeadlessPeer) -> int:
    assert peer.program is not None
    return peer.program.process.pid


def measure(gigabytes: int, received: int, readers: int, seconds: int) -> dict[str, Any]:
    with ExitStack() as stack:
        root = Path(tempfile.mkdtemp(prefix="barrio-bench-", dir=MEMORY))
        stack.callback(shutil.rmtree, root, ignore_errors=True)
        room = root / "room"
        room.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={2 * gigabytes}g", "tmpfs", str(room)], check=True)
        stack.callback(subprocess.run, ["umount", str(room)], check=False)
        share = room / "share"
        share.mkdir()
        sparse(share / "barrio-bench-huge.bin", gigabytes * 10**9)
        sparse(share / "barrio-bench-one.bin", 10**9)
        central = Central(root / "central", 20.0)
        stack.callback(lambda: central.program.stop())
        sender = HeadlessPeer(root / "sender", "Sender", central.invite()).start()
        stack.callback(sender.stop)
        sender.verb("share", "add", str(share))
        sender.wait_indexed(2, SECONDS)
        receiver = HeadlessPeer(root / "receiver", "Receiver", central.invite()).start()
        stack.callback(receiver.stop)
        api = LocalApi(receiver)

        def found(word: str) -> Any:
            rows = api.ask("GET", f"/v1/search?q={word}")["rows"]
            return rows[0] if rows else None

        huge = wait_for(lambda: found("huge"), 60, "the huge file to be found")
        one = wait_for(lambda: found("one"), 60, "the smaller file to be found")
        return {
            "receiving": _receive(receiver, huge["content_id"], room / "out", received * 10**9),
            "sending": _send(sender, central, one["content_id"], readers, seconds, root),
            "promised": "receiving: under 150 MB; sending to 100 slow readers: under 150 MB more than idle",
        }


def _receive(receiver: HeadlessPeer, content: str, out: Path, enough: int) -> dict[str, Any]:
    api, pid = LocalApi(receiver), _pid(receiver)
    idle = most = memory_mb(pid)
    out.mkdir()
    began = time.monotonic()
    path = f"/v1/transfers/{api.ask('POST', '/v1/transfers', {'content_id': content, 'output': str(out)})['id']}"
    with_manifest = None
    while (now := api.ask("GET", path))["bytes_done"] < enough:
        if now["state"] in ("failed", "paused", "done"):
            break
        most = max(most, memory_mb(pid))
        if with_manifest is None and now["pieces"]:
            with_manifest = memory_mb(pid)
        if time.monotonic() - began > SECONDS:
            raise TimeoutError("the pieces did not come")
        time.sleep(0.02)
    now = api.ask("GET", path)
    if now["state"] != "running" and now["bytes_done"] < enough:
        raise RuntimeError(f"the download does not run: {now}")
    found = {
        "file_gb": now["size"] / 1e9,
        "pieces": now["pieces"],
        "received_gb": round(now["bytes_done"] / 1e9, 2),
        "seconds": round(time.monotonic() - began, 1),
        "idle_mb": round(idle, 1),
        "with_the_manifest_mb": round(with_manifest or 0.0, 1),
        "most_sampled_mb": round(most, 1),
        "peak_mb": round(memory_mb(pid, "VmHWM"), 1),
    }
    api.ask("DELETE", f"{path}?keep=false")
    return found


def _send(
    sender: HeadlessPeer, central: Central, content: str, readers: int, seconds: int, root: Path
) -> dict[str, Any]:
    pid = _pid(sender)
    invite = central.invite(readers)
    members = []
    for number in range(readers):
        data = root / f"reader{number}"
        data.mkdir()
        members.append(join(data, invite, f"Reader {number}"))
    time.sleep(1)
    idle = memory_mb(pid)
    host, _, port = sender.listen.rpartition(":")
    name, most = peer_host_name(sender.peer_id), idle
    with ExitStack() as stack:
        connections = []
        for member in members:
            raw = socket.socket()
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, WINDOW)
            raw.connect((host, int(port)))
            tls = stack.enter_context(member.client_context().wrap_socket(raw, server_hostname=name))
            tls.settimeout(30)
            tls.sendall(f"GET /v1/contents/{content} HTTP/1.1\r\nHost: {name}\r\n\r\n".encode())
            connections.append(tls)
        began, read = time.monotonic(), 0
        while time.monotonic() - began < seconds:
            turn = time.monotonic()
            for tls in connections:
                got = tls.recv(READ_BYTES)
                if not got:
                    raise RuntimeError("the sender hung up")
                read += len(got)
            most = max(most, memory_mb(pid))
            time.sleep(max(0.0, 1 / READS_A_SECOND - (time.monotonic() - turn)))
    return {
        "readers": readers,
        "seconds": seconds,
        "read_mb": round(read / 1e6, 3),
        "idle_mb": round(idle, 1),
        "most_mb": round(most, 1),
        "more_than_idle_mb": round(most - idle, 1),
    }


def run(options: argparse.Namespace) -> dict[str, Any]:
    """`options.gigabytes`, `received` (GB), `readers`, `seconds`."""
    return isolated(
        "benchmarks.memory",
        measure,
        gigabytes=options.gigabytes,
        received=options.received,
        readers=options.readers,
        seconds=options.seconds,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=int, default=100)
    parser.add_argument("--received", type=int, default=4)
    parser.add_argument("--readers", type=int, default=100)
    parser.add_argument("--seconds", type=int, default=15)
    print(json.dumps(run(parser.parse_args()), indent=1))


if __name__ == "__main__":
    main()
