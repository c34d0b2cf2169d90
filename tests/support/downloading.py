"""Downloads that are left to a peer: begun by its local API, without a command that waits."""

import json
from pathlib import Path
from typing import Any

import httpx
from processes import HeadlessPeer


def asked(peer: HeadlessPeer, method: str, path: str, body: Any = None) -> Any:
    """What the local API answers."""
    access = json.loads((peer.data / "local-api.json").read_text("utf-8"))
    headers = {"Authorization": f"Bearer {access['token']}"}
    answer = httpx.request(method, f"{access['url']}{path}", headers=headers, json=body, trust_env=False)
    assert answer.is_success, answer.text
    return answer.json()


def started(peer: HeadlessPeer, content_id: str) -> Path:
    """The folder into which it goes."""
    folder = peer.data.parent / f"{peer.data.name}-got"
    asked(peer, "POST", "/v1/transfers", {"content_id": content_id, "output": str(folder)})
    return folder
