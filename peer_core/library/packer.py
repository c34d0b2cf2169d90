"""The process that lists and hashes what a person offers, seen from the peer's own. Any thread; nothing here waits."""

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from peer_core.library.helper import Helper
from peer_core.library.wire import Message

IDLE_SECONDS = 60.0


@dataclass(frozen=True)
class PackedFile:
    """A file as it was when it was hashed; `hashes` of its pieces."""

    folder: str
    name: str
    place: Path
    root: Path
    size: int
    mtime_ns: int
    inode: int
    content_id: bytes
    hashes: bytes


class Packed(Protocol):
    """What is told of what was asked for. Called in the packer's thread, one at a time."""

    def begun(self, number: int) -> None:
        """From the first file on, also when it was begun before."""
        ...

    def found(self, number: int, files: Sequence[PackedFile], hashed: int, total: int) -> None:
        """More files, or none yet; `hashed` of `total` bytes are done, also inside a file that is not told yet."""
        ...

    def packed(self, number: int) -> None: ...

    def refused(self, number: int, reason: str) -> None: ...


class Packer:
    """The process runs while there is something to do, and is started again when it dies."""

    def __init__(self, library: Path | None, packed: Packed, most: int) -> None:
        """`library`: the index, where hashes of shared files are taken from. `most` files at once."""
        self._most = most
        self._packed = packed
        config = {"library": None if library is None else str(library), "idle_seconds": IDLE_SECONDS}
        self._helper = Helper(
            "packer",
            ["packer", json.dumps(config)],
            greeting=self._greeting,
            received=self._received,
            ended=self._ended,
        )
        self._lock = threading.Lock()
        # Under _lock: what is to be done, in order, and what this process was told already.
        self._wanted: dict[int, list[str]] = {}
        self._asked: set[int] = set()

    @property
    def pid(self) -> int | None:
        return self._helper.pid

    def start(self) -> None:
        self._helper.start()
        with self._lock:
            wanted = bool(self._wanted)
        if wanted:
            self._helper.want()

    def stop_soon(self) -> None:
        self._helper.stop_soon()

    def stop(self) -> None:
        self._helper.stop()

    def pack(self, number: int, paths: Sequence[str]) -> None:
        with self._lock:
            self._wanted[number] = list(paths)
        self._helper.want()
        self._send_new()

    def drop(self, number: int) -> None:
        with self._lock:
            known = self._wanted.pop(number, None) is not None
        if known:
            self._helper.send({"drop": number})

    def _greeting(self) -> list[Message]:
        with self._lock:
            self._asked.clear()
        return self._new_orders()

    def _send_new(self) -> None:
        if self._helper.pid is not None:
            for order in self._new_orders():
                self._helper.send(order)

    def _new_orders(self) -> list[Message]:
        with self._lock:
            new = {number: paths for number, paths in self._wanted.items() if number not in self._asked}
            self._asked.update(new)
        for number in new:
            self._packed.begun(number)
        return [{"pack": number, "paths": paths, "most": self._most} for number, paths in new.items()]

    def _received(self, message: Message) -> None:
        number = next(int(message[key]) for key in ("pack", "packed", "refused") if key in message)
        with self._lock:
            if number not in self._wanted:
                return
        if "files" in message:
            self._packed.found(number, [_file(told) for told in message["files"]], message["hashed"], message["found"])
            return
        if "refused" in message:
            self._packed.refused(number, str(message["reason"]))
        else:
            self._packed.packed(number)
        with self._lock:
            self._wanted.pop(number, None)
            self._asked.discard(number)

    def _ended(self, in_order: bool) -> bool:
        with self._lock:
            return bool(self._wanted)


def _file(told: Message) -> PackedFile:
    return PackedFile(
        told["folder"],
        told["name"],
        Path(told["place"]),
        Path(told["root"]),
        told["size"],
        told["mtime_ns"],
        told["inode"],
        bytes.fromhex(told["content_id"]),
        bytes.fromhex(told["hashes"]),
    )
