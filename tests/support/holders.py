"""Holders for transfer tests: an honest one (the real peer API) and a scriptable one that lies, stalls and cuts."""

import contextlib
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from peer_core.content import Manifest, piece_hash, piece_size_for
from peer_core.directory.callback import Tried
from peer_core.identity.store import Identity
from peer_core.library.types import HeldFile
from peer_core.limits.line import UploadLine
from peer_core.limits.policy import NO_LIMITS
from peer_core.offers.types import OfferState
from peer_core.server.channels import Patience
from peer_core.server.hosting import HostedServer
from peer_core.server.peer_api import peer_api
from peer_core.transfer import exchange as downloaders
from peer_core.transfer.exchange import Shown
from peer_core.transfer.part_file import PartFile
from peer_core.transfer.types import Holder
from protos.agreed import encode_id

NOBODY = b""


def manifest_of(data: bytes) -> Manifest:
    size = piece_size_for(len(data))
    return Manifest(len(data), size, b"".join(piece_hash(data[i : i + size]) for i in range(0, len(data), size)))


class HonestHolder:
    """Serves one file by the real peer API on the real server, within `limits`. Counts what it sent."""

    def __init__(
        self,
        identity: Identity,
        path: Path,
        name: str = "honest",
        connections: int = 8,
        patience: Patience | None = None,
    ) -> None:
        self.identity = identity
        self.path = path
        self.manifest = manifest_of(path.read_bytes())
        self.mtime_ns = path.stat().st_mtime_ns
        self.inode = path.stat().st_ino
        self.bytes_sent = 0
        self.called_from = ""
        self.holding = True
        self.exchange = downloaders.Exchange()
        # What it has of a download, when it does not hold the file.
        self.parts: PartFile | None = None
        self.coming = ""
        self.limits = NO_LIMITS
        self.line = UploadLine(lambda: self.limits.upload_slots)
        self._server = HostedServer(
            peer_api(self, self.line),
            ("127.0.0.1", 0),
            name="holder",
            threads=4,
            tls=identity.server_context,
            connection_limit=100,
            per_peer_limit=connections,
            max_body_bytes=1 << 16,
            patience=patience,
            limits=lambda: self.limits,
        )
        self._server.start()
        self.holder = Holder(identity.peer_id, name, (f"https://127.0.0.1:{self._server.address[1]}",))

    def introduction(self) -> dict[str, Any]:
        return {"peer_id": self.identity.peer_id, "name": "honest", "version": "test"}

    def is_revoked(self, peer_id: str) -> bool:
        return False

    def relay(self, caller: str, sealed: bytes) -> bytes:
        raise AssertionError("a holder in this test relays nothing")

    def call_back(self, caller: str, calls_from: str, addresses: Sequence[str]) -> list[Tried]:
        self.called_from = calls_from
        return [Tried(address, True) for address in addresses]

    def offered(self, caller: str, data: bytes) -> OfferState:
        raise AssertionError("a holder in this test is offered nothing")

    def offer_told(self, caller: str, number: str, data: bytes) -> OfferState:
        raise AssertionError("a holder in this test has offered nothing")

    def held(self, caller: str, content_id: bytes) -> HeldFile | None:
        if content_id != self.manifest.content_id or not self.holding:
            return None
        return HeldFile(
            content_id, self.path.parent, self.path, self.inode, self.manifest.size, self.mtime_ns, self.manifest
        )

    def part(self, content_id: bytes) -> Shown | None:
        if self.parts is None or content_id != self.manifest.content_id:
            return None
        return Shown(self.parts, lambda: self.coming)

    def meet(self, content_id: bytes, caller: str) -> list[str]:
        return self.exchange.meet(content_id, caller)

    def sent(self, count: int) -> None:
        self.bytes_sent += count

    def close(self) -> None:
        self._server.stop(1)


class Exchange:
    """One request as the script sees it, and the ways to answer it."""

    def __init__(self, tls: ssl.SSLSocket, head: str, stopping: threading.Event, data: bytes) -> None:
        self._tls = tls
        self.stopping = stopping
        self.data = data
        lines = head.split("\r\n")
        self.target = lines[0].split(" ")[1]
        headers = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
        start, _, end = headers.get("Range", "bytes=0-").removeprefix("bytes=").partition("-")
        self.start, self.end = int(start), int(end) if end else len(data) - 1
        self.meets = self.target.endswith("/sources")
        self.wants_manifest = self.target.endswith("/manifest")

    def send(self, data: bytes) -> None:
        self._tls.sendall(data)

    def head(self, length: int, status: str = "206 Partial Content", **headers: str) -> None:
        content = encode_id(manifest_of(self.data).content_id)
        fields = {
            "Content-Length": str(length),
            "ETag": f'"{content}"',
            "Content-Range": f"bytes {self.start}-{self.end}/{len(self.data)}",
        } | {k.replace("_", "-"): v for k, v in headers.items()}
        lines = [f"HTTP/1.1 {status}", *(f"{k}: {v}" for k, v in fields.items() if v), "", ""]
        self.send("\r\n".join(lines).encode())

    def honest_manifest(self) -> None:
        body = manifest_of(self.data).to_bytes()
        self.send(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)

    @property
    def honest_bytes(self) -> bytes:
        return self.data[self.start : self.end + 1]

    def next_has_come(self, seconds: float) -> bool:
        """Whether bytes of another request come within this time, before this one is answered."""
        readable, _, _ = select.select([self._tls], [], [], seconds)
        return bool(readable)

    def stall(self) -> None:
        self.stopping.wait(60)

    def drip(self, data: bytes, every: float) -> None:
        for byte in data:
            if self.stopping.wait(every):
                return
            self.send(bytes([byte]))


def slowly(pause: float) -> Callable[[Exchange], None]:
    """A script that sends the right bytes, a quarter of a MiB after each `pause` in seconds."""

    def send(x: Exchange) -> None:
        x.head(len(x.honest_bytes))
        for start in range(0, len(x.honest_bytes), 1 << 18):
            if x.stopping.wait(pause):
                return
            x.send(x.honest_bytes[start : start + (1 << 18)])

    return send


class HostileHolder:
    """A member of the barrio that answers each request with `script`; the manifest honestly, unless told otherwise."""

    def __init__(
        self,
        identity: Identity,
        data: bytes,
        script: Callable[[Exchange], None],
        manifest: Callable[[Exchange], None] = Exchange.honest_manifest,
    ) -> None:
        self.requests = 0
        # What it says about who else downloads.
        self.told = NOBODY
        self._identity = identity
        self._data = data
        self._script, self._manifest = script, manifest
        self._stopping = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._open: set[socket.socket] = set()
        port = self._listener.getsockname()[1]
        self.holder = Holder(identity.peer_id, "hostile", (f"https://127.0.0.1:{port}",))
        self._thread = threading.Thread(target=self._accept, name="hostile")
        self._thread.start()

    def _accept(self) -> None:
        context = self._identity.server_context()
        while True:
            try:
                raw, _ = self._listener.accept()
            except OSError:
                return
            if self._stopping.is_set():
                raw.close()
                return
            thread = threading.Thread(target=self._serve, args=(context, raw), name="hostile-connection")
            self._threads.append(thread)
            thread.start()

    def _serve(self, context: ssl.SSLContext, raw: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError), raw, context.wrap_socket(raw, server_side=True) as tls:
            self._open.add(tls)
            try:
                for head in self._requests(tls):
                    exchange = Exchange(tls, head, self._stopping, self._data)
                    if exchange.meets:
                        exchange.head(len(self.told), "404 Not Found" if self.told is NOBODY else "200 OK")
                        exchange.send(self.told)
                    else:
                        self.requests += 1
                        (self._manifest if exchange.wants_manifest else self._script)(exchange)
            finally:
                self._open.discard(tls)

    def _requests(self, tls: ssl.SSLSocket) -> Iterator[str]:
        buffered = b""
        while not self._stopping.is_set():
            while b"\r\n\r\n" not in buffered:
                part = tls.recv(65536)
                if not part:
                    return
                buffered += part
            head, _, buffered = buffered.partition(b"\r\n\r\n")
            yield head.decode("latin-1")

    def close(self) -> None:
        self._stopping.set()
        port = self._listener.getsockname()[1]
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
        self._thread.join()
        self._listener.close()
        for tls in list(self._open):
            with contextlib.suppress(OSError):
                socket.socket.shutdown(tls, socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(10)


def wait_until(condition: Callable[[], Any], seconds: float = 20) -> Any:
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.01)
