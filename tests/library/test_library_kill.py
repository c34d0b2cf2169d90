"""A process that is killed while it indexes loses nothing and claims nothing wrong."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.library.conftest import Room

PROGRAM = """
import sys, time
from pathlib import Path
from peer_core.library.library import Library
library = Library(Path(sys.argv[1]))
library.start()
if not library.shares():
    library.add_share(sys.argv[2])
print("ready", flush=True)
time.sleep(60)
"""


def test_killed_while_indexing(new_room: Callable[[], Room], content_id: Callable[[bytes], bytes]) -> None:
    room = new_room()
    data = {f"{i % 11}/{i}": b"%d" % i * 50 for i in range(4000)}
    for name, content in data.items():
        room.write(name, content)
    index_id, highest = room.library.index_id, 0
    for after in (0.02, 0.15, 0.3, 0.45):
        room.library.stop()
        argv = [sys.executable, "-c", PROGRAM, str(room.database), str(room.folder)]
        with subprocess.Popen(argv, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            time.sleep(after)
            process.kill()
        room.library = room._made()
        assert room.library.index_id == index_id
        assert room.library.last_sequence() >= highest
        highest = room.library.last_sequence()
        assert all(content == content_id(data[path]) for path, content in room.ids().items())
    already = len(room.told)
    room.start().quiet()
    assert room.ids() == {path: content_id(content) for path, content in data.items()}
    assert room.hashed() == len(data) - already
