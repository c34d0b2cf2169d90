"""A cable with delay, jitter and loss between two hosts, made of two TAP devices: kernels without netem have none.

`python tap_link.py HOST_A DEVICE_A HOST_B DEVICE_B --delay MS --jitter MS --loss PERCENT` prints `ready` when both
devices are there, and forwards Ethernet frames between them until it is ended. Frames keep their order.
"""

import argparse
import ctypes
import fcntl
import heapq
import os
import random
import select
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MAX_FRAME = 65_536
FRAMES_A_TURN = 64
_CLONE_NEWNET = 0x4000_0000
_TUNSETIFF = 0x4004_54CA
_TAP_WITHOUT_HEADER = 0x0002 | 0x1000
_libc = ctypes.CDLL(None, use_errno=True)


@contextmanager
def inside(host: str) -> Iterator[None]:
    """What this thread opens meanwhile is in that host's network."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    try:
        there = os.open(Path("/run/netns") / host, os.O_RDONLY)
        try:
            _enter(there)
        finally:
            os.close(there)
        try:
            yield
        finally:
            _enter(home)
    finally:
        os.close(home)


def _enter(namespace: int) -> None:
    if _libc.setns(namespace, _CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "a network namespace cannot be entered")


def _tap(host: str, name: str) -> int:
    with inside(host):
        device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _TAP_WITHOUT_HEADER))
    return device


class Link:
    def __init__(self, ends: tuple[int, int], delay: float, jitter: float, loss: float, seed: int) -> None:
        """Seconds, and the part of frames that is lost."""
        self._other = {ends[0]: ends[1], ends[1]: ends[0]}
        self._delay, self._jitter, self._loss = delay, jitter, loss
        self._random = random.Random(seed)
        # (when it arrives, a growing number, where, the frame); and when the last frame towards each end arrives.
        self._travelling: list[tuple[float, int, int, bytes]] = []
        self._last = dict.fromkeys(ends, 0.0)
        self._count = 0

    def run(self) -> None:
        while True:
            wait = max(0.0, self._travelling[0][0] - time.monotonic()) if self._travelling else 1.0
            ready, _, _ = select.select(list(self._other), [], [], wait)
            for end in ready:
                self._take(end)
            self._deliver()

    def _take(self, end: int) -> None:
        for _ in range(FRAMES_A_TURN):
            try:
                frame = os.read(end, MAX_FRAME)
            except (BlockingIOError, OSError):
                return
            if self._random.random() < self._loss:
                continue
            other = self._other[end]
            arrives = time.monotonic() + max(0.0, self._delay + self._random.uniform(-self._jitter, self._jitter))
            self._last[other] = arrives = max(arrives, self._last[other])
            self._count += 1
            heapq.heappush(self._travelling, (arrives, self._count, other, frame))

    def _deliver(self) -> None:
        now = time.monotonic()
        while self._travelling and self._travelling[0][0] <= now:
            _, _, end, frame = heapq.heappop(self._travelling)
            try:
                os.write(end, frame)
            except OSError:
                # The device is down, or its queue is full: the frame is lost, as on a cable.
                continue


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("host_a", "device_a", "host_b", "device_b"):
        parser.add_argument(name)
    for name in ("delay", "jitter", "loss"):
        parser.add_argument(f"--{name}", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    ends = (_tap(options.host_a, options.device_a), _tap(options.host_b, options.device_b))
    link = Link(ends, options.delay / 1000, options.jitter / 1000, options.loss / 100, options.seed)
    print("ready", flush=True)
    link.run()


if __name__ == "__main__":
    main()
