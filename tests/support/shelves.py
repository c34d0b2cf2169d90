"""An honest holder of many files."""

from pathlib import Path

from bench import Bench
from holders import HonestHolder, manifest_of

from peer_core.library.types import HeldFile


class Shelf:
    """What an honest holder has many files by; it counts the requests for single contents."""

    def __init__(self, root: Path, holder: HonestHolder, files: list[bytes]) -> None:
        self.asked = 0
        self.paths: dict[bytes, Path] = {}
        self._held: dict[bytes, HeldFile] = {}
        for number, data in enumerate(files):
            path = root / f"{number}"
            path.write_bytes(data)
            status, manifest = path.stat(), manifest_of(data)
            self.paths[manifest.content_id] = path
            self._held[manifest.content_id] = HeldFile(
                manifest.content_id, root, path, status.st_ino, len(data), status.st_mtime_ns, manifest
            )
        holder.held = self.held  # type: ignore[method-assign]

    def held(self, caller: str, content_id: bytes) -> HeldFile | None:
        self.asked += 1
        return self._held.get(content_id)


def shelf(bench: Bench, files: list[bytes], name: str = "honest") -> tuple[HonestHolder, Shelf]:
    holder = bench.honest(b"another", name=name)
    root = bench.root / f"shelf of {name}"
    root.mkdir()
    return holder, Shelf(root, holder, files)
