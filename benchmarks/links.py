"""Bench `links`: downloads over real limits of the network: holders of 25 MB/s each, one that dies, a long lossy link.

Each peer is on a host of its own (a network namespace). `python -m benchmarks.links [--mebibytes 1000] [--rounds 3]`,
as root; apt install iproute2 nginx curl openssl.

`dent`: after a holder is gone, for how long the goodput (bytes of content in windows of 100 ms, as the receiver counts
them) was under 0.9 of what the others give.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from benchmarks.anchors import Nginx
from benchmarks.film import MEMORY
from benchmarks.local import LocalApi

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "packaging"))

from namespaces import Namespace, SlowLink, Switch, limit  # noqa: E402
from processes import Central, HeadlessPeer, wait_for  # noqa: E402

MIB = 1 << 20
HOLDERS = 4
HOLDER_MB_S = 25.0
WINDOW_SECONDS = 0.1
SETTLE_SECONDS = 3.0
AFTER_SECONDS = 3.0
MTUS = (1500, 9000)
DELAY_MS, LOSS_PERCENT, MEGABITS = 50.0, 0.5, 100.0


class Host:
    """A namespace with a peer in it."""

    def __init__(
        self, space: Namespace, address: str, root: Path, name: str, central: Central, near: Namespace
    ) -> None:
        self.space = space
        with near.entered():
            invite = central.invite()
        with space.entered():
            self.peer = HeadlessPeer(root / name, name, invite)
            self.peer.listen = f"{address}:0"
            self.peer.start()
            self.api = LocalApi(self.peer)

    def ask(self, method: str, path: str, body: object = None) -> Any:
        with self.space.entered():
            return self.api.ask(method, path, body)

    def share(self, folder: Path) -> None:
        with self.space.entered():
            self.peer.verb("share", "add", str(folder))
            self.peer.wait_indexed(1)

    def received(self) -> int:
        """Bytes of content since it started."""
        return int(self.ask("GET", "/v1/status")["bytes"]["received"])


def make_file(path: Path, mebibytes: int) -> None:
    with path.open("wb") as out:
        for _ in range(mebibytes):
            out.write(os.urandom(MIB))


class Download:
    """One transfer of the receiver, from when it is asked for."""

    def __init__(self, receiver: Host, content_id: str, output: Path) -> None:
        self._receiver = receiver
        self._output = output
        self.began = time.monotonic()
        made = receiver.ask("POST", "/v1/transfers", {"content_id": content_id, "output": str(output)})
        self._path = f"/v1/transfers/{made['id']}"

    def wait(self, file: Path) -> float:
        """Seconds that it took. Raises RuntimeError when it failed or is not `file`."""
        while (now := self._receiver.ask("GET", self._path))["state"] != "done":
            if now["state"] in ("failed", "paused"):
                raise RuntimeError(f"the download ended: {now}")
            time.sleep(0.02)
        took = time.monotonic() - self.began
        self.check(file)
        self.forget()
        return took

    def check(self, file: Path) -> None:
        if subprocess.run(["cmp", str(file), str(next(self._output.iterdir()))], check=False).returncode:
            raise RuntimeError("what came is not what was shared")

    def forget(self) -> None:
        self._receiver.ask("DELETE", self._path)
        for left in self._output.iterdir():
            left.unlink()


class Goodput:
    """Bytes of content that came in windows of 100 ms."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._samples: list[tuple[float, int]] = []

    def watch(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (now := time.monotonic()) < end:
            self._samples.append((now, self._host.received()))
            time.sleep(max(0.0, WINDOW_SECONDS - (time.monotonic() - now)))

    def rates(self, since: float, until: float = float("inf")) -> list[tuple[float, float]]:
        """(length in seconds, bytes a second) of each window."""
        pairs = zip(self._samples, self._samples[1:], strict=False)
        return [(t1 - t0, (b1 - b0) / (t1 - t0)) for (t0, b0), (t1, b1) in pairs if t0 >= since and t1 <= until]

    def mean(self, since: float, until: float) -> float:
        """Bytes a second; 0 when nothing was watched then."""
        inside = [sample for sample in self._samples if since <= sample[0] <= until]
        if len(inside) < 2:
            return 0.0
        (t0, b0), (t1, b1) = inside[0], inside[-1]
        return (b1 - b0) / (t1 - t0)


def dent_seconds(rates: list[tuple[float, float]], expected: float) -> float:
    return sum(length for length, rate in rates if rate < 0.9 * expected)


def measure_limited(mebibytes: int, rounds: int, mtu: int, with_dents: bool) -> dict[str, Any]:
    """Four holders of 25 MB/s: all of a file, then one of them dies in two ways.

    The limit is one of the wire: with frames of 1,500 bytes, headers and TLS leave 95.5 MB/s of 100 for content.
    """
    with ExitStack() as stack:
        root = Path(tempfile.mkdtemp(prefix="barrio-bench-", dir=MEMORY))
        stack.callback(shutil.rmtree, root, ignore_errors=True)
        switch = Switch()
        stack.callback(switch.close)
        spaces = []
        for number in range(HOLDERS + 1):
            space = Namespace(f"host{number}")
            stack.callback(space.close)
            space.use_congestion_control("reno")
            switch.wire(space, f"10.77.0.{number + 1}/24", mtu)
            spaces.append(space)
        with spaces[0].entered():
            central = Central(root / "central", 2.0, "10.77.0.1")
        stack.callback(lambda: central.program.stop())
        receiver = Host(spaces[0], "10.77.0.1", root, "receiver", central, spaces[0])
        stack.callback(receiver.peer.stop)
        file = root / "barrio-bench-film.bin"
        make_file(file, mebibytes)
        holders = []
        for number, space in enumerate(spaces[1:], 1):
            holder = Host(space, f"10.77.0.{number + 1}", root, f"holder{number}", central, spaces[0])
            stack.callback(lambda holder=holder: holder.peer.stop())
            share = root / f"share{number}"
            share.mkdir()
            os.link(file, share / file.name)
            holder.share(share)
            limit(space, HOLDER_MB_S)
            holders.append(holder)
        rows = wait_for(lambda: _found(receiver, file.stem, HOLDERS), 20, "the holders to be found")
        content, output = rows[0]["content_id"], root / "out"
        output.mkdir()
        seconds, steady = [], []
        for _ in range(rounds):
            download, goodput = Download(receiver, content, output), Goodput(receiver)
            # Without its beginning and its end.
            goodput.watch(0.7 * mebibytes * MIB / (HOLDERS * HOLDER_MB_S * 1e6))
            steady.append(goodput.mean(download.began + 1, float("inf")) / 1e6)
            seconds.append(download.wait(file))
        together = file.stat().st_size / 1e6 / statistics.median(seconds)

        def killed(number: int) -> None:
            program = holders[number].peer.program
            assert program is not None
            program.kill()

        def unplugged(number: int) -> None:
            holders[number].space.ip("link", "set", "eth0", "down")

        dents = {}
        if with_dents:
            # The last one first, so that the others are as before.
            dents["unplugged"] = _dent(receiver, content, output, file, lambda: unplugged(3), holders=3)
            dents["killed"] = _dent(receiver, content, output, file, lambda: killed(2), holders=2)
        return {
            "together_mb_s": round(together, 1),
            "steady_mb_s": round(statistics.median(steady), 1),
            "each_round_mb_s": [round(file.stat().st_size / 1e6 / s, 1) for s in seconds],
            "dents": dents,
            "promised": "95 MB/s of 100; less than 1 s of dent",
        }


def _found(receiver: Host, word: str, holders: int) -> Any:
    rows = receiver.ask("GET", f"/v1/search?q={word}")["rows"]
    return rows if rows and rows[0]["holders"] == holders else None


def _dent(
    receiver: Host, content: str, output: Path, file: Path, dies: Callable[[], None], holders: int
) -> dict[str, Any]:
    """`holders`: how many are left. What they give later in the same download is what counts as whole."""
    download, goodput = Download(receiver, content, output), Goodput(receiver)
    goodput.watch(SETTLE_SECONDS)
    dies()
    died = time.monotonic()
    goodput.watch(AFTER_SECONDS)
    rest = download.wait(file)
    after = goodput.rates(died)
    before = goodput.mean(died - 2, died) / 1e6
    expected = holders * HOLDER_MB_S * 1e6 * 0.95
    return {
        "before_mb_s": round(before, 1),
        "after_mb_s": round(goodput.mean(died, died + AFTER_SECONDS) / 1e6, 1),
        "dent_s": round(dent_seconds(after, expected), 2),
        "windows_mb_s": [round(rate / 1e6, 1) for _, rate in after[:12]],
        "whole_download_s": round(rest, 2),
    }


def measure_lossy(mebibytes: int, rounds: int, control: str) -> dict[str, Any]:
    """One holder behind the link, one connection; beside it curl from nginx over the same link."""
    with ExitStack() as stack:
        root = Path(tempfile.mkdtemp(prefix="barrio-bench-", dir=MEMORY))
        stack.callback(shutil.rmtree, root, ignore_errors=True)
        near, far = Namespace("near"), Namespace("far")
        for space in (near, far):
            stack.callback(space.close)
            space.use_congestion_control(control)
        link = SlowLink(
            *(near, "10.77.1.1/24", far, "10.77.1.2/24"),
            delay_ms=DELAY_MS,
            loss_percent=LOSS_PERCENT,
            megabits=MEGABITS,
        )
        stack.callback(link.close)
        with near.entered():
            central = Central(root / "central", 2.0, "10.77.1.1")
        stack.callback(lambda: central.program.stop())
        receiver = Host(near, "10.77.1.1", root, "receiver", central, near)
        stack.callback(receiver.peer.stop)
        holder = Host(far, "10.77.1.2", root, "holder", central, near)
        stack.callback(holder.peer.stop)
        share, output = root / "share", root / "out"
        share.mkdir()
        output.mkdir()
        file = share / "barrio-bench-film.bin"
        make_file(file, mebibytes)
        holder.share(share)
        with far.entered():
            nginx = Nginx(root / "nginx", share, "10.77.1.2")
        stack.callback(nginx.stop)
        content = wait_for(lambda: _found(receiver, file.stem, 1), 30, "the file to be found")[0]["content_id"]
        times: dict[str, list[float]] = {"curl": [], "barrio": []}
        for _ in range(rounds):
            target = root / "curl.out"
            began = time.monotonic()
            with near.entered():
                subprocess.run(nginx.curl(file.name, target), check=True)
            times["curl"].append(time.monotonic() - began)
            target.unlink()
            times["barrio"].append(Download(receiver, content, output).wait(file))
        ratios = [theirs / ours for theirs, ours in zip(*times.values(), strict=True)]
        size = file.stat().st_size / 1e6
        return {
            "curl_mb_s": round(size / statistics.median(times["curl"]), 2),
            "barrio_mb_s": round(size / statistics.median(times["barrio"]), 2),
            "ratio": round(statistics.median(ratios), 2),
            "ratio of each round": [round(ratio, 2) for ratio in ratios],
            "promised": "0.9 of curl from nginx, one connection each",
        }


def run(options: argparse.Namespace) -> dict[str, Any]:
    """`options.mebibytes`: of the file for the limited holders; `options.lossy_mebibytes`; `options.rounds`;
    `options.mtu`, `options.dents`: of the limited holders."""
    found: dict[str, Any] = {}
    if options.mebibytes:
        for mtu in options.mtu or MTUS:
            name = f"four holders of 25 MB/s, MTU {mtu}"
            found[name] = measure_limited(options.mebibytes, options.rounds, mtu, options.dents)
    if options.lossy_mebibytes:
        for control, mebibytes in (("bbr", options.lossy_mebibytes), ("reno", max(1, options.lossy_mebibytes // 8))):
            if control in Path("/proc/sys/net/ipv4/tcp_allowed_congestion_control").read_text().split():
                found[f"100 ms, 100 Mbit/s, 0.5 % loss, {control}"] = measure_lossy(mebibytes, options.rounds, control)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mebibytes", type=int, default=1000, help="0: not that part")
    parser.add_argument("--lossy-mebibytes", type=int, default=96, help="0: not that part")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--mtu", type=int, action="append", help="of the limited holders; 1500 and 9000 without it")
    parser.add_argument("--no-dents", dest="dents", action="store_false", help="no holder dies")
    print(json.dumps(run(parser.parse_args()), indent=1))


if __name__ == "__main__":
    main()
