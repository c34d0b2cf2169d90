"""Two networks with a router between them: hosts with addresses of IPv4 and IPv6, cables that can be cut."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from processes import Program

ROUTER, SWITCH = "router", "switch"
CABLE = Path(__file__).parents[1] / "slow_link.py"
# The far network hangs on the router by a cable with delay and loss; the near one at the router itself.
NEAR, FAR = 1, 2


def run(*argv: str) -> None:
    """Raises RuntimeError with what the program said."""
    done = subprocess.run(argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise RuntimeError(f"{' '.join(argv)}: {done.stderr.strip() or done.stdout.strip()}")


def on(host: str, *argv: str) -> None:
    run("ip", "netns", "exec", host, *argv)


def address(network: int, number: int) -> str:
    return f"10.61.{network}.{number}"


def address6(network: int, number: int) -> str:
    return f"fd61:0:0:{network}::{number}"


class Network:
    """`near` and `far`: names of hosts, which get the addresses 10 and up of their network, in order."""

    def __init__(
        self, near: Sequence[str], far: Sequence[str], log: Path, delay_ms: float, loss_percent: float, mbit: int
    ) -> None:
        self.places: dict[str, tuple[int, int]] = {}
        for name in (ROUTER, SWITCH):
            self._host(name)
            for key in ("ipv4/ip_forward", "ipv6/conf/all/forwarding"):
                on(name, "sh", "-c", f"echo 1 >/proc/sys/net/{key}")
        argv = [sys.executable, str(CABLE), ROUTER, "far", SWITCH, "uplink"]
        shape = ["--delay-ms", str(delay_ms), "--jitter-ms", str(delay_ms / 4), "--loss-percent", str(loss_percent / 2)]
        self._cable = Program([*argv, *shape], log)
        self._cable.wait_said()
        run("ip", "-n", ROUTER, "link", "add", "near", "type", "bridge")
        run("ip", "-n", SWITCH, "link", "add", "far", "type", "bridge")
        run("ip", "-n", SWITCH, "link", "set", "uplink", "master", "far")
        run("ip", "-n", SWITCH, "link", "set", "uplink", "up")
        run("ip", "-n", SWITCH, "link", "set", "far", "up")
        for device, network in (("near", NEAR), ("far", FAR)):
            self._number(ROUTER, device, network, 1)
        # The way to the far network has a rate, and loses some packets in each direction too.
        rate = ["rate", f"{mbit}mbit", "burst", "64kb", "latency", "100ms"]
        run("tc", "-n", ROUTER, "qdisc", "add", "dev", "far", "root", "tbf", *rate)
        run("tc", "-n", SWITCH, "qdisc", "add", "dev", "uplink", "root", "tbf", *rate)
        lost = max(1, round(loss_percent * 5))
        # Only what goes over the cable: some kernels show what a bridge forwards to this hook as well.
        drop = f"numgen random mod 1000 < {lost} drop;"
        rule = f"type filter hook forward priority 0; iifname far {drop} oifname far {drop}"
        on(ROUTER, "nft", f"table inet loss {{ chain forward {{ {rule} }}; }}")
        for network, hosts in ((NEAR, near), (FAR, far)):
            for number, host in enumerate(hosts, 10):
                self._attach(host, network, number)

    def close(self) -> None:
        self._cable.stop()

    def ip(self, host: str) -> str:
        return address(*self.places[host])

    def urls(self, host: str, port: int) -> set[str]:
        """Where that host's peer is to be found: all that it should tell."""
        network, number = self.places[host]
        return {f"https://{address(network, number)}:{port}", f"https://[{address6(network, number)}]:{port}"}

    def cut(self) -> None:
        """The cable between the networks: frames are lost, nobody is told."""
        rule = "type filter hook forward priority -1; iifname far drop; oifname far drop;"
        on(ROUTER, "nft", f"table inet cut {{ chain cable {{ {rule} }}; }}")

    def mend(self) -> None:
        on(ROUTER, "nft", "delete table inet cut")

    def move(self, host: str, number: int) -> None:
        """The host gets other addresses in its network, as from another DHCP server; the old ones are gone."""
        network, old = self.places[host]
        run("ip", "-n", host, "addr", "flush", "dev", "eth0", "scope", "global")
        self._number(host, "eth0", network, number, network)
        assert old != number

    def close_port(self, host: str, hook: str, port: int) -> None:
        """A firewall on the host that drops new connections to a port: `input` those of others, `output` its own."""
        direction = {"input": "iifname", "output": "oifname"}[hook]
        rule = f"type filter hook {hook} priority 0; {direction} != lo tcp dport {port} drop;"
        on(host, "nft", f"table inet wall {{ chain {hook} {{ {rule} }}; }}")

    def open_port(self, host: str) -> None:
        on(host, "nft", "delete table inet wall")

    def _host(self, name: str) -> None:
        run("ip", "netns", "add", name)
        run("ip", "-n", name, "link", "set", "lo", "up")

    def _attach(self, host: str, network: int, number: int) -> None:
        self._host(host)
        where, bridge = (ROUTER, "near") if network == NEAR else (SWITCH, "far")
        port = f"p-{host}"[:15]
        run("ip", "link", "add", port, "netns", where, "type", "veth", "peer", "name", "eth0", "netns", host)
        run("ip", "-n", where, "link", "set", port, "master", bridge)
        run("ip", "-n", where, "link", "set", port, "up")
        self._number(host, "eth0", network, number, network)

    def _number(self, host: str, device: str, network: int, number: int, gateway: int | None = None) -> None:
        run("ip", "-n", host, "link", "set", device, "up")
        run("ip", "-n", host, "addr", "add", f"{address(network, number)}/24", "dev", device)
        run("ip", "-n", host, "-6", "addr", "add", f"{address6(network, number)}/64", "dev", device, "nodad")
        if gateway is not None:
            run("ip", "-n", host, "route", "replace", "default", "via", address(gateway, 1))
            run("ip", "-n", host, "-6", "route", "replace", "default", "via", address6(gateway, 1))
        self.places[host] = (network, number)
