"""Over mutual TLS against a real central in its own process: heartbeats, and 100,000 files published by one peer."""

import os
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path += [str(ROOT / "packaging"), str(ROOT / "tests" / "support")]

from central_kit import Channels, Device, content_id  # noqa: E402
from processes import Central  # noqa: E402

from benchmarks.report import quantiles  # noqa: E402
from protos.agreed import DIRECTORY_NAME, ENROLMENT_NAME, Invite  # noqa: E402
from protos.barrio.v1 import directory_pb2, enrolment_pb2, enrolment_pb2_grpc  # noqa: E402

PEERS = 8
SECONDS = 8.0
IN_FLIGHT = 4
FILES = 100_000
BATCH = 1000
SERVICE = "/barrio.v1.Directory/"


def measure() -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="barrio-bench-") as folder, ExitStack() as stack:
        central = Central(Path(folder) / "central", heartbeat=30.0)
        stack.callback(central.program.stop)
        _pin(central.program.process.pid, {0})
        channels = Channels(stack)
        roots = (central.data / "authority" / "certificate.pem").read_bytes()
        devices = [_member(central, channels, roots, f"Peer {n}") for n in range(PEERS)]
        opened = [channels.open(central.listen, DIRECTORY_NAME, roots, device) for device in devices]
        return {"heartbeats": _beats(opened, central.program.process.pid), "publish_over_tls": _publish(opened[0])}


def _pin(pid: int, processors: set[int]) -> None:
    """Where the system can; the central gets one processor."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(pid, processors)


def _member(central: Central, channels: Channels, roots: bytes, name: str) -> Device:
    device = Device()
    invite = Invite.parse(central.invite())
    stub = enrolment_pb2_grpc.EnrolmentStub(channels.open(central.enrol, ENROLMENT_NAME, roots))
    request = enrolment_pb2.EnrolRequest(token=invite.token, signing_request=device.signing_request(), name=name)
    device.certificate = stub.Enrol(request, timeout=10).certificate
    return device


def _register(channel: Any) -> None:
    request = directory_pb2.RegisterRequest(addresses=("https://127.0.0.1:4000",), version="1", index_id=bytes(16))
    channel.unary_unary(SERVICE + "Register")(request.SerializeToString(), timeout=10)


def _beats(opened: list[Any], pid: int) -> dict[str, Any]:
    request = directory_pb2.HeartbeatRequest(revocations_number=1).SerializeToString()
    times: list[float] = []
    ended = threading.Event()

    def beat(channel: Any) -> None:
        call = channel.unary_unary(SERVICE + "Heartbeat")
        while not ended.is_set():
            began = time.perf_counter()
            call(request, timeout=10)
            times.append(time.perf_counter() - began)

    for channel in opened:
        _register(channel)
    threads = [threading.Thread(target=beat, args=(channel,)) for channel in opened for _ in range(IN_FLIGHT)]
    spent, began = _processor_seconds(pid), time.perf_counter()
    for thread in threads:
        thread.start()
    time.sleep(SECONDS)
    ended.set()
    took, used = time.perf_counter() - began, _processor_seconds(pid) - spent
    for thread in threads:
        thread.join()
    return {
        "a_second": len(times) / took,
        "central_processor_us_each": used / len(times) * 1e6,
        "a_second_of_the_central_processor": len(times) / used,
        "times": quantiles(times),
    }


def _processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _publish(channel: Any) -> dict[str, float]:
    call = channel.unary_unary(SERVICE + "Publish")
    began = time.perf_counter()
    for first in range(0, FILES, BATCH):
        changes = [
            directory_pb2.Change(
                sequence=number,
                share="Music",
                path=f"Artist {number // 100}/Album {number // 10}/{number:06} - Song.flac",
                content_id=content_id(number),
                size=number * 37,
                modified=1_700_000_000,
            )
            for number in range(first + 1, first + BATCH + 1)
        ]
        request = directory_pb2.PublishRequest(index_id=bytes(16), previous=first, last=first + BATCH, changes=changes)
        call(request.SerializeToString(), timeout=60)
    took = time.perf_counter() - began
    return {"seconds": took, "rows_s": FILES / took}
