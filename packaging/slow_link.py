"""A link with delay, loss and a rate between two network namespaces, for kernels without netem. Linux, as root.

Two TAP devices; this process carries the Ethernet frames between them. `python slow_link.py NS_A IF_A NS_B IF_B
[--delay-ms 50] [--loss-percent 0.5] [--megabits 100] [--seed 1]`: both ways alike. It says `ready` once the devices are
there, and ends with its standard input.
"""

import argparse
import ctypes
import fcntl
import os
import random
import select
import struct
import sys
import time
from collections import deque
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
    under_way: deque[tuple[float, bytes]] = field(default_factory=deque)


def enter(namespace: str) -> None:
    """Puts the calling thread into a namespace of `ip netns`. Raises OSError."""
    handle = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    try:
        enter_handle(handle)
    finally:
        os.close(handle)


def enter_handle(handle: int) -> None:
    """The same for an open file of the namespace."""
    # os.setns comes with Python 3.12.
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(handle, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "cannot enter the network namespace")


def tap(namespace: str, name: str) -> int:
    """Makes a TAP device in a namespace; its file descriptor. Leaves the thread there."""
    enter(namespace)
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    return device


def carry(ways: list[Way], delay: float, loss: float, bytes_a_second: float, chance: random.Random) -> None:
    """Until standard input ends. `delay` in seconds, `loss` from 0 to 1, a rate of 0: none."""
    poll = select.poll()
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
                _take(way, delay, loss, bytes_a_second, chance)
        now = time.monotonic()
        for way in ways:
            while way.under_way and way.under_way[0][0] <= now:
                _give(way.target, way.under_way.popleft()[1])


def _take(way: Way, delay: float, loss: float, bytes_a_second: float, chance: random.Random) -> None:
    for _ in range(FRAMES_A_TURN):
        try:
            frame = os.read(way.source, MOST_FRAME)
        except BlockingIOError:
            return
        if chance.random() < loss:
            continue
        leaves = time.monotonic()
        if bytes_a_second:
            begins = max(leaves, way.free_at)
            if begins - leaves > QUEUE_SECONDS:
                continue
            way.free_at = leaves = begins + len(frame) / bytes_a_second
        way.under_way.append((leaves + delay, frame))


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
    parser.add_argument("--loss-percent", type=float, default=0.0)
    parser.add_argument("--megabits", type=float, default=0.0, help="a second; 0: as fast as it goes")
    parser.add_argument("--seed", type=int, default=1, help="of which frames are lost")
    given = parser.parse_args()
    a, b = tap(given.ns_a, given.if_a), tap(given.ns_b, given.if_b)
    print("ready", flush=True)
    rate = given.megabits * 1e6 / 8
    carry([Way(a, b), Way(b, a)], given.delay_ms / 1000, given.loss_percent / 100, rate, random.Random(given.seed))


if __name__ == "__main__":
    main()
