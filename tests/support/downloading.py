"""Downloads that are left to a peer: begun by its local API, without a command that waits."""

import json
from pathlib import Path
from typing import Any

import httpx
from processes import HeadlessPeer

from peer_core.content import Manifest, piece_hash
from peer_core.transfer.part_file import HEADER, MAGIC


def asked(peer: HeadlessPeer, method: str, path: str, body: Any = None) -> Any:
    """What the local API answers."""
    access = json.loads((peer.data / "local-api.json").read_text("utf-8"))
    headers = {"Authorization": f"Bearer {access['token']}"}
    answer = httpx.request(method, f"{access['url']}{path}", headers=headers, json=body, trust_env=False)
    assert answer.is_success, answer.text
    return answer.json() if answer.content else None


def started(peer: HeadlessPeer, content_id: str) -> Path:
    """The folder into which it goes."""
    folder = peer.data.parent / f"{peer.data.name}-got"
    asked(peer, "POST", "/v1/transfers", {"content_id": content_id, "output": str(folder)})
    return folder


def claimed(data: Path, part: Path, manifest: Manifest) -> int:
    """How many pieces of a partial file the record in the data folder claims; each is compared with its hash."""
    record = data / "transfers" / f"{part.name.rsplit('.', 2)[1]}.bits"
    if not record.exists() or not part.exists():
        return 0
    raw = record.read_bytes()
    size = -(-manifest.count // 8)
    if len(raw) < HEADER.size + 2 * size:
        return 0
    assert HEADER.unpack_from(raw) == (MAGIC, manifest.count)
    vouched, written = raw[HEADER.size : HEADER.size + size], raw[HEADER.size + size : HEADER.size + 2 * size]
    pieces = [p for p in range(manifest.count) if (vouched[p >> 3] | written[p >> 3]) & (0x80 >> (p & 7))]
    with part.open("rb") as file:
        for piece in pieces:
            start, length = manifest.span(piece)
            file.seek(start)
            assert piece_hash(file.read(length)) == manifest.hash_of(piece), f"piece {piece} is claimed and not there"
    return len(pieces)
