"""A running peer's local API, as a bench asks it."""

import json
import sys
import urllib.request
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "packaging"))

from processes import HeadlessPeer  # noqa: E402


class LocalApi:
    def __init__(self, peer: HeadlessPeer) -> None:
        access = json.loads((peer.data / "local-api.json").read_text("utf-8"))
        self._url, self._token = access["url"], access["token"]

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """The answer's JSON; None when it is empty. Raises urllib.error.HTTPError."""
        request = urllib.request.Request(
            self._url + path,
            None if body is None else json.dumps(body).encode(),
            {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            data = answer.read()
        return json.loads(data) if data else None
