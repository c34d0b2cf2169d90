"""Many small contents in one answer. Runs in waitress workers; the answer lies in a file without a name."""

import os
import struct
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from functools import cache
from io import FileIO
from pathlib import Path

from peer_core.content import SMALL_BYTES
from peer_core.errors import BadInputError, NotFoundError
from peer_core.server import problems
from peer_core.server.served import Served
from protos.agreed import decode_id

MOST_CONTENTS = 256
MOST_BYTES = 8 << 20
# Answers lie in memory until they are sent: so many of them, also for those who never read theirs.
SLOTS = 24
SLOTS_PER_CALLER = 8
# Before each content: its size in bytes, or this for one that is not here, is not small, or does not fit any more.
SIZE = struct.Struct(">Q")
NOT_HERE = (1 << 64) - 1


class Slots:
    """How many bundles are under way, in all and for one member. Any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # Guarded by _lock: bundles under way, by peer id.
        self._taken: Counter[str] = Counter()

    def enter(self, caller: str) -> bool:
        """True: there is one, and `leave` must follow."""
        with self._lock:
            if self._taken[caller] >= SLOTS_PER_CALLER or self._taken.total() >= SLOTS:
                return False
            self._taken[caller] += 1
            return True

    def leave(self, caller: str) -> None:
        with self._lock:
            self._taken[caller] -= 1
            if not self._taken[caller]:
                del self._taken[caller]


def wanted_contents() -> list[bytes]:
    """What the request asks for. Raises BadInputError."""
    texts = problems.body({"contents"}, {"contents"})["contents"]
    if not isinstance(texts, list) or not 1 <= len(texts) <= MOST_CONTENTS:
        raise BadInputError("“contents” is a list of 1 to {most} content ids.", "contents-list", most=MOST_CONTENTS)
    try:
        return [decode_id(text) for text in texts]
    except (ValueError, TypeError, AttributeError) as error:
        raise BadInputError("That is no content id: {reason}.", "content-id", reason=error) from error


def bundle(served: Iterable[Served | None]) -> tuple[FileIO, int]:
    """An open file with what is here, each with its size before it; its length."""
    file = _nameless()
    try:
        left, length = MOST_BYTES, 0
        resolved = cache(Path.resolve)
        for each in served:
            data = _read(each, left, resolved) if each is not None else None
            part = SIZE.pack(NOT_HERE) if data is None else SIZE.pack(len(data)) + data
            left -= len(data or b"")
            length += len(part)
            while part:
                part = part[file.write(part) :]
    except BaseException:
        file.close()
        raise
    return file, length


def _read(served: Served, most: int, resolved: Callable[[Path], Path]) -> bytes | None:
    size = served.manifest.size
    if size > min(SMALL_BYTES, most) or not served.covers(0, size):
        return None
    try:
        with served.open(resolved) as file:
            data = file.read(size)
            # After reading: so what changed meanwhile is not given as what it was.
            return data if len(data) == size and served.watch(file)() else None
    except (OSError, NotFoundError):
        return None


def _nameless() -> FileIO:
    if hasattr(os, "memfd_create"):
        return FileIO(os.memfd_create("bundle"), "r+")
    with tempfile.TemporaryFile(buffering=0) as file:
        return FileIO(os.dup(file.fileno()), "r+")
