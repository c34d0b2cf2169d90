"""Hosts on one machine: network namespaces, wires and slow links between them. Linux, as root, with iproute2.

Everything is made under a name of its own and taken away by `close`; nothing of the machine's own network is touched.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import slow_link

_numbers = iter(range(1, 1 << 30))
_HERE = Path(__file__).parent


def available() -> bool:
    """Whether this machine lets us make them."""
    made = None
    try:
        made = Namespace("probe")
    except (OSError, subprocess.CalledProcessError):
        return False
    finally:
        if made is not None:
            made.close()
    return True


def ip(*words: str) -> None:
    """Raises CalledProcessError or FileNotFoundError."""
    subprocess.run(["ip", *words], check=True, capture_output=True)


class Namespace:
    """One host, with its loopback up."""

    def __init__(self, name: str) -> None:
        self.name = f"barrio-{os.getpid()}-{next(_numbers)}-{name}"
        ip("netns", "add", self.name)
        self.ip("link", "set", "lo", "up")

    def ip(self, *words: str) -> None:
        ip("-n", self.name, *words)

    def tc(self, *words: str) -> None:
        subprocess.run(["tc", "-n", self.name, *words], check=True, capture_output=True)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """This thread, and the processes that it starts meanwhile, are on this host."""
        with slow_link.inside(self.name):
            yield

    def use_congestion_control(self, name: str) -> None:
        with self.entered():
            Path("/proc/sys/net/ipv4/tcp_congestion_control").write_text(name)

    def close(self) -> None:
        subprocess.run(["ip", "netns", "delete", self.name], check=False, capture_output=True)


class Switch:
    """A bridge in a namespace of its own, to which hosts are wired."""

    def __init__(self) -> None:
        self._space = Namespace("switch")
        self._space.ip("link", "add", "br0", "type", "bridge")
        self._space.ip("link", "set", "br0", "up")

    def wire(self, host: Namespace, address: str, mtu: int = 1500) -> None:
        """`host` gets eth0 with `address` (such as 10.77.0.2/24) and frames of `mtu` bytes."""
        port = f"p{next(_numbers)}"
        self._space.ip("link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", host.name)
        self._space.ip("link", "set", port, "master", "br0", "up")
        self._space.ip("link", "set", port, "mtu", str(mtu))
        host.ip("link", "set", "eth0", "mtu", str(mtu))
        host.ip("address", "add", address, "dev", "eth0")
        host.ip("link", "set", "eth0", "up")

    def close(self) -> None:
        self._space.close()


def limit(host: Namespace, megabytes_a_second: float) -> None:
    """What leaves by eth0 goes no faster (`tbf`)."""
    rate = f"{round(megabytes_a_second * 8e6)}bit"
    host.tc("qdisc", "add", "dev", "eth0", "root", "tbf", "rate", rate, "burst", "256kb", "latency", "50ms")


class SlowLink:
    """Joins two hosts by `eth0` of each, with delay (one way), loss and a rate."""

    def __init__(
        self,
        a: Namespace,
        address_a: str,
        b: Namespace,
        address_b: str,
        *,
        delay_ms: float,
        loss_percent: float = 0.0,
        megabits: float = 0.0,
        seed: int = 1,
    ) -> None:
        command = [sys.executable, str(_HERE / "slow_link.py"), a.name, "eth0", b.name, "eth0"]
        command += ["--delay-ms", str(delay_ms), "--loss-percent", str(loss_percent), "--megabits", str(megabits)]
        self._process = subprocess.Popen(
            [*command, "--seed", str(seed)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "ready\n":
            self.close()
            raise RuntimeError("the slow link did not come up")
        for host, address in ((a, address_a), (b, address_b)):
            host.ip("address", "add", address, "dev", "eth0")
            host.ip("link", "set", "eth0", "up")

    def close(self) -> None:
        with self._process:
            assert self._process.stdin is not None
            self._process.stdin.close()
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
