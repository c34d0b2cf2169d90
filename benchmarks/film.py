"""The large file of the benches of transfers: random bytes, in memory, so that no disk is measured."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

MEMORY = Path("/dev/shm")
MIB = 1 << 20


@contextmanager
def film(mebibytes: int) -> Iterator[Path]:
    """The file, in a folder of its own which is gone at the end."""
    with tempfile.TemporaryDirectory(prefix="barrio-bench-", dir=MEMORY, ignore_cleanup_errors=True) as folder:
        file = Path(folder) / "barrio-bench-film.bin"
        with file.open("wb") as out:
            for _ in range(mebibytes):
                out.write(os.urandom(MIB))
        yield file
