"""One central and five peers on their hosts: what each shares, what each must see, and what is downloaded."""

import random
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from several_hosts.members import PEER_PORT, AskError, CentralHost, PeerHost
from several_hosts.network import Network
from several_hosts.scoreboard import Scoreboard

CENTRAL = "central"
NEAR, FAR = ("ana", "bruno"), ("carla", "diego", "eva")
PEERS = NEAR + FAR
# In the name of every file, so that one search shows all.
EVERYTHING = "calle"
LOOK_SECONDS = 0.25
MOST_LEASES = 6


@dataclass(frozen=True)
class Size:
    """How much a run does. `upload_rate`: bytes a second of each holder, so that faults come in the middle."""

    heartbeat: float
    own_files: int
    common_bytes: int
    upload_rate: int
    delay_ms: float
    loss_percent: float
    mbit: int

    @property
    def lease_seconds(self) -> float:
        return self.heartbeat * 2.5


@dataclass
class Download:
    peer: PeerHost
    path: Path
    id: str


class Street:
    def __init__(self, root: Path, size: Size, board: Scoreboard) -> None:
        self.size, self.board = size, board
        self.network = Network((CENTRAL, *NEAR), FAR, root / "cable.log", size.delay_ms, size.loss_percent, size.mbit)
        self.central = CentralHost(CENTRAL, root, size.heartbeat)
        self.peers = {name: PeerHost(name, root) for name in PEERS}
        self.live = set(PEERS)
        self.contents: dict[str, str] = {}
        self._holders: dict[str, set[str]] = {}
        self._files: dict[str, Path] = {}
        self._each = ThreadPoolExecutor(len(PEERS))
        self._make_files()
        invite = self.central.invite(self.network.ip(CENTRAL), len(PEERS))
        self.all(lambda peer: peer.join(invite))
        self.all(self._begin)

    def close(self) -> None:
        self.all(lambda peer: peer.program and peer.program.stop(), self.peers)
        self.central.program.stop()
        self._each.shutdown()
        self.network.close()

    def _make_files(self) -> None:
        made = random.Random(5)
        for name, peer in self.peers.items():
            for number in range(self.size.own_files):
                self._file(f"{EVERYTHING} {name} {number}.bin", made.randbytes(200_000 + 1000 * number), [peer])
        for common in ("comun", "otro"):
            data = made.randbytes(self.size.common_bytes)
            self._file(f"{EVERYTHING} {common}.bin", data, [self.peers[n] for n in ("ana", "bruno", "carla")])

    def _file(self, name: str, data: bytes, owners: list[PeerHost]) -> None:
        for owner in owners:
            self._files[name] = owner.shared / name
            self._files[name].write_bytes(data)
        self._holders[name] = {owner.name for owner in owners}

    def _begin(self, peer: PeerHost) -> None:
        peer.start()
        peer.ask("PATCH", "/v1/settings", {"upload_rate": self.size.upload_rate})
        peer.ask("POST", "/v1/shares", {"path": str(peer.shared), "name": "Fotos"})

    def all(self, call: Callable[[PeerHost], Any], names: Iterable[str] | None = None) -> list[Any]:
        """Of all live peers, or of those named, at once."""
        return list(self._each.map(call, [self.peers[n] for n in sorted(self.live if names is None else names)]))

    def expected(self, live: set[str]) -> dict[str, int]:
        """Name of each file that is to be found → its live holders."""
        counted = {name: len(holders & live) for name, holders in self._holders.items()}
        return {name: count for name, count in counted.items() if count}

    def trouble(self, peer: PeerHost, live: set[str]) -> str:
        """What that peer does not see as it is; "" when it sees everything, through a neighbour."""
        try:
            found = peer.ask("GET", "/v1/search", q=EVERYTHING, limit=200)
            members = peer.ask("GET", "/v1/members", limit=200)["members"]
            status = peer.ask("GET", "/v1/status")
        except AskError as error:
            return str(error)
        rows = {row["name"]: row["holders"] for row in found["rows"]}
        if rows != self.expected(live):
            wrong = set(rows.items()) ^ set(self.expected(live).items())
            return f"{peer.name} sees other files: {sorted(wrong)[:4]}"
        if found["via"]["kind"] != "neighbour":
            return f"{peer.name} asked the central itself"
        where = {member["name"]: set(member["addresses"]) for member in members}
        if where != {name: self.network.urls(name, PEER_PORT) for name in live}:
            return f"{peer.name} sees others at {where}"
        if not status["central"]["reachable"]:
            return f"{peer.name} does not reach the central"
        self.contents = {row["name"]: row["content_id"] for row in found["rows"]} | self.contents
        return ""

    def converge(self, fault: str, live: set[str] | None = None, watchers: Iterable[str] | None = None) -> None:
        """Waits until all see everything of `live` as it is, and notes the seconds."""
        began, wanted = time.monotonic(), self.live if live is None else live
        names = set(wanted if watchers is None else watchers)
        troubles = [""]
        while time.monotonic() - began < MOST_LEASES * self.size.lease_seconds:
            troubles = [t for t in self.all(lambda peer: self.trouble(peer, wanted), names) if t]
            if not troubles:
                self.board.converged[fault] = round(time.monotonic() - began, 2)
                return
            time.sleep(LOOK_SECONDS)
        self.board.converged[fault] = None
        self.board.notes.append(f"after {fault}: {troubles[0]}")

    def search_all(self) -> None:
        """Everybody searches for everybody's files, and for what several have."""
        words = [*sorted(self.live), "comun", "otro"]
        everything = self.expected(self.live)

        def search(peer: PeerHost) -> list[str]:
            return [trouble for word in words if (trouble := self._search(peer, word, everything))]

        troubles = [t for found in self.all(search) for t in found]
        self.board.searches += len(words) * len(self.live)
        self.board.answered += len(words) * len(self.live) - len(troubles)
        self.board.notes += troubles[:3]

    def _search(self, peer: PeerHost, word: str, everything: dict[str, int]) -> str:
        wanted = {name: count for name, count in everything.items() if word in name}
        try:
            found = peer.ask("GET", "/v1/search", q=word, limit=200)
        except AskError as error:
            return str(error)
        rows = {row["name"]: row["holders"] for row in found["rows"]}
        return "" if rows == wanted and found["via"]["kind"] == "neighbour" else f"{peer.name}: “{word}” found {rows}"

    def download(self, peer: str, name: str, again: str = "") -> Download:
        """Begins a download; `again`: a folder of its own, so that what is there already does not count."""
        who = self.peers[peer]
        folder = who.downloads / again
        folder.mkdir(exist_ok=True)
        body = {"content_id": self.contents[name], "name": name, "output": str(folder)}
        self.board.downloads += 1
        return Download(who, self._files[name], who.ask("POST", "/v1/transfers", body)["id"])

    def under_way(self, download: Download, part: float, seconds: float) -> None:
        """Waits until a part of it is here."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            now = download.peer.ask("GET", f"/v1/transfers/{download.id}")
            if now["size"] and now["bytes_done"] >= part * now["size"]:
                return
            time.sleep(0.05)
        self.board.notes.append(f"{download.peer.name} had no {part:.0%} of {download.path.name} in {seconds:g} s")

    def finish(self, downloads: Iterable[Download], seconds: float) -> None:
        """Waits for them, compares all bytes, and counts."""
        end = time.monotonic() + seconds
        for download in downloads:
            now = download.peer.ask("GET", f"/v1/transfers/{download.id}")
            while now["state"] not in ("done", "failed") and time.monotonic() < end:
                time.sleep(0.1)
                now = download.peer.ask("GET", f"/v1/transfers/{download.id}")
            receipt = download.peer.ask("GET", f"/v1/transfers/{download.id}/receipt")
            self.board.bytes_verified += receipt["bytes"]["verified"]
            self.board.bytes_wasted += receipt["bytes"]["wasted"]
            self.board.several_holders += sum(holder["pieces"] > 0 for holder in receipt["holders"]) > 1
            if now["state"] != "done":
                self.board.notes.append(f"{download.peer.name}: {download.path.name}: {now['state']} {now['error']}")
            elif Path(now["path"]).read_bytes() != download.path.read_bytes():
                self.board.notes.append(f"{download.peer.name}: {download.path.name}: WRONG BYTES")
            else:
                self.board.completed += 1
