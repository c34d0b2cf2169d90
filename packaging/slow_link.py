"""A link with delay, jitter, loss and a rate between two network namespaces, for kernels without netem. Linux, as root.

Two TAP devices; this process carries the Ethernet frames between them. `python slow_link.py NS_A IF_A NS_B IF_B
[--delay-ms 50] [--jitter-ms 5] [--loss-percent 0.5] [--megabits 100] [--seed 1]`: both ways alike. It says `ready` once
the devices are there, and ends at SIGTERM, and with its standard input where that is a pipe. Frames keep their order.
"""

import argparse
import ctypes
import fcntl
import os
import random
import select
import stat
import struct
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

CLONE_NEWNET = 0x40000000
TUNSETIFF = 0x400454CA
IFF_TAP, IFF_NO_PI = 0x0002, 0x1000
MOST_FRAME = 1 << 16
FRAMES_A_TURN = 64
# What a slow link lets wait before it drops: as a router with a buffer of this many seconds does.
QUEUE_SECONDS = 0.1


@dataclass
class Way:
    """One direction: frames leave in the order in which they came, so a queue is enough."""

    source: int
    target: int
    free_at: float = 0.0
    last_arrives: float = 0.0
    under_way: deque[tuple[float, bytes]] = field(default_factory=deque)


@dataclass(frozen=True)
class Shape:
    """What happens to frames: seconds, the part that is lost, bytes a second (0: as fast as it goes)."""

    delay: float
    jitter: float
    loss: float
    bytes_a_second: float
    chance: random.Random


@contextmanager
def inside(namespace: str) -> Iterator[None]:
    """What this thread opens and starts meanwhile is in that namespace of `ip netns`. Raises OSError."""
    home = os.open(f"/proc/self/task/{threading.get_native_id()}/ns/net", os.O_RDONLY)
    try:
        there = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
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


def _enter(handle: int) -> None:
    # os.setns comes with Python 3.12.
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(handle, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "cannot enter the network namespace")


def tap(namespace: str, name: str) -> int:
    """Makes a TAP device in a namespace; its file descriptor."""
    with inside(namespace):
        device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    return device


def carry(ways: list[Way], shape: Shape) -> None:
    """Until standard input ends, where that is a pipe."""
    poll = select.poll()
    if stat.S_ISFIFO(os.fstat(sys.stdin.fileno()).st_mode):
        poll.register(sys.stdin.fileno(), select.POLLIN | select.POLLHUP)
    for way in ways:
        poll.register(way.source, select.POLLIN)
    while True:
        due = min((way.under_way[0][0] for way in ways if way.under_way), default=None)
        wait = None if due is None else max(0.0, due - time.monotonic()) * 1000
        ready = {number for number, _ in poll.poll(wait)}
        if sys.stdin.fileno() in ready and not os.read(sys.stdin.fileno(), 1):
            return
        for way in ways:
            if way.source in ready:
                _take(way, shape)
        now = time.monotonic()
        for way in ways:
            while way.under_way and way.under_way[0][0] <= now:
                _give(way.target, way.under_way.popleft()[1])


def _take(way: Way, shape: Shape) -> None:
    for _ in range(FRAMES_A_TURN):
        try:
            frame = os.read(way.source, MOST_FRAME)
        except BlockingIOError:
            return
        if shape.chance.random() < shape.loss:
            continue
        leaves = time.monotonic()
        if shape.bytes_a_second:
            begins = max(leaves, way.free_at)
            if begins - leaves > QUEUE_SECONDS:
                continue
            way.free_at = leaves = begins + len(frame) / shape.bytes_a_second
        delay = max(0.0, shape.delay + shape.chance.uniform(-shape.jitter, shape.jitter))
        way.last_arrives = max(leaves + delay, way.last_arrives)
        way.under_way.append((way.last_arrives, frame))


def _give(target: int, frame: bytes) -> None:
    try:
        os.write(target, frame)
    except OSError:
        # The device is down, or its queue is full: the frame is lost, as on a real link.
        return


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("ns_a", "if_a", "ns_b", "if_b"):
        parser.add_argument(name)
    parser.add_argument("--delay-ms", type=float, default=0.0, help="one way")
    parser.add_argument("--jitter-ms", type=float, default=0.0, help="more or less than the delay")
    parser.add_argument("--loss-percent", type=float, default=0.0)
    parser.add_argument("--megabits", type=float, default=0.0, help="a second; 0: as fast as it goes")
    parser.add_argument("--seed", type=int, default=1, help="of which frames are lost")
    given = parser.parse_args()
    a, b = tap(given.ns_a, given.if_a), tap(given.ns_b, given.if_b)
    print("ready", flush=True)
    rate = given.megabits * 1e6 / 8
    chance = random.Random(given.seed)
    shape = Shape(given.delay_ms / 1000, given.jitter_ms / 1000, given.loss_percent / 100, rate, chance)
    carry([Way(a, b), Way(b, a)], shape)


if __name__ == "__main__":
    main()
