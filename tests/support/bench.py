"""A downloader with holders that a test chooses: what locating answers, and how a transfer rests."""

import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from holders import Exchange, HonestHolder, HostileHolder, manifest_of, wait_until
from trust import Authority

from peer_core.content import Manifest
from peer_core.errors import NoSourceError
from peer_core.limits.intake import Intake
from peer_core.limits.policy import Limits
from peer_core.server.channels import Patience
from peer_core.transfer.queue import Transfers
from peer_core.transfer.store import TransferStore
from peer_core.transfer.types import Holder, Located, Transfer, TransferState

MIB = 1 << 20
Script = Callable[[Exchange], None]


class Bench:
    """A downloader, holders, and the list of holders that locating answers."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.authority = Authority()
        self.me = self.authority.identity(root / "me", "me")
        self.holders: list[Holder] = []
        self.received = 0
        self.public = True
        # Who downloads, and is not located.
        self.downloaders: dict[str, Holder] = {}
        self.located_name = "from the central.bin"
        self.adopted: list[tuple[Path, Manifest]] = []
        self.limits = Limits(download_slots=4)
        self._lock = threading.Lock()
        self._close: list[Callable[[], None]] = []
        self.transfers: Transfers | None = None

    def honest(
        self, data: bytes, listed: bool = True, name: str = "honest", patience: Patience | None = None
    ) -> HonestHolder:
        path = self.root / f"source{len(self._close)}"
        path.write_bytes(data)
        identity = self.authority.identity(self.root / f"id{len(self._close)}", name)
        made = HonestHolder(identity, path, name, patience=patience)
        self._close.append(made.close)
        if listed:
            self.holders.append(made.holder)
        return made

    def hostile(self, data: bytes, script: Script, manifest: Script = Exchange.honest_manifest) -> HostileHolder:
        identity = self.authority.identity(self.root / f"id{len(self._close)}", "hostile")
        made = HostileHolder(identity, data, script, manifest)
        self._close.append(made.close)
        self.holders.append(made.holder)
        return made

    def start(self) -> Transfers:
        store = TransferStore(self.root / "transfers.sqlite", self.root / "transfers")
        intake, slots = Intake(lambda: self.limits), lambda: self.limits.download_slots
        self.transfers = Transfers(store, lambda: self.root / "downloads", self._count, intake, slots)
        self.transfers.start(self.me, self._locate, lambda p, m: self.adopted.append((p, m)), self._find)
        return self.transfers

    def _count(self, count: int) -> None:
        with self._lock:
            self.received += count

    def _locate(self, content_id: bytes) -> Located:
        if not self.holders:
            raise NoSourceError("Nobody is online.")
        return Located(0, self.located_name, tuple(self.holders), self.public)

    def _find(self, peer_ids: Sequence[str]) -> list[Holder]:
        return [self.downloaders[p] for p in peer_ids if p in self.downloaders]

    def download(self, data: bytes, seconds: float = 30) -> Transfer:
        """Until the transfer rests: done, failed, paused or waiting."""
        transfers = self.transfers or self.start()
        added = transfers.add(manifest_of(data).content_id, "file.bin")
        return self.rested(added.id, seconds)

    def rested(self, transfer_id: str, seconds: float = 30) -> Transfer:
        assert self.transfers is not None
        resting = (TransferState.DONE, TransferState.FAILED, TransferState.PAUSED, TransferState.WAITING)

        def look() -> Transfer | None:
            assert self.transfers is not None
            now = self.transfers.get(transfer_id)
            return now if now.state in resting else None

        return wait_until(look, seconds)

    def stop(self) -> None:
        if self.transfers is not None:
            self.transfers.stop()
            self.transfers = None

    def close(self) -> None:
        self.stop()
        for close in self._close:
            close()
