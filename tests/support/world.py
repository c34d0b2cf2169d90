"""A barrio to test with: a central and peers as real processes on loopback, each with its own data folder."""

import os
from pathlib import Path

from processes import Central, HeadlessPeer


class World:
    """A central, and peers by name; everything that it started is ended at the end."""

    def __init__(self, root: Path, heartbeat: float) -> None:
        self.root = root
        self.peers: dict[str, HeadlessPeer] = {}
        self.central = Central(root / "central", heartbeat)

    def peer(self, name: str, *args: str, env: dict[str, str] | None = None) -> HeadlessPeer:
        """A new member that runs."""
        peer = HeadlessPeer(self.root / name, name, self.central.invite())
        self.peers[name] = peer
        return peer.start(*args, env=env)

    def file(self, name: str, size: int, owner: str, data: bytes | None = None) -> Path:
        """A file of random bytes inside the folder `owner`-files."""
        path = self.root / f"{owner}-files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(size) if data is None else data)
        return path

    def share(self, owner: str, files: int) -> None:
        """Shares the folder `owner`-files and waits until its `files` files are indexed."""
        peer = self.peers[owner]
        peer.verb("share", "add", str(self.root / f"{owner}-files"), "--name", f"{owner}-files")
        peer.wait_indexed(files)

    def close(self) -> None:
        for peer in self.peers.values():
            if peer.program is not None:
                peer.program.stop()
        self.central.program.stop()
