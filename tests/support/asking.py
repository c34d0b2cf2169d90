"""Asks a peer that runs over its local API, which costs less than a verb's process."""

import json
from typing import Any

import httpx
from processes import HeadlessPeer


class Asker:
    """Close it at the end."""

    def __init__(self, peer: HeadlessPeer) -> None:
        access = json.loads((peer.data / "local-api.json").read_text())
        self.token = str(access["token"])
        self._client = httpx.Client(
            base_url=access["url"], headers={"Authorization": f"Bearer {self.token}"}, timeout=30, trust_env=False
        )

    def status(self) -> Any:
        return self.get("/v1/status")

    def rows(self, words: str) -> list[Any]:
        return list(self.get("/v1/search", q=words)["rows"])

    def found(self, words: str) -> list[str]:
        return sorted(row["name"] for row in self.rows(words))

    def get(self, path: str, **query: str) -> Any:
        answer = self.ask(path, **query)
        answer.raise_for_status()
        return answer.json()

    def ask(self, path: str, **query: str) -> httpx.Response:
        return self._client.get(path, params=query)

    def close(self) -> None:
        self._client.close()
