"""Brings a file into the system's cache, so that no question waits for the disk behind what is being written."""

import os
from pathlib import Path

# Only when this many times its size is left for everything else.
ROOM = 1.5
# Linux takes no more at once.
STEP_BYTES = 1 << 20
_MEMINFO = Path("/proc/meminfo")


def read_ahead(file: Path) -> bool:
    """Asks the system to read all of it; True when it was asked. Raises nothing.

    Only before SQLite opens the file in this process: closing it here would end SQLite's locks on it.
    """
    if not hasattr(os, "posix_fadvise"):
        return False
    try:
        with file.open("rb", buffering=0) as opened:
            size = os.fstat(opened.fileno()).st_size
            if not size or available_bytes() < (1 + ROOM) * size:
                return False
            for start in range(0, size, STEP_BYTES):
                os.posix_fadvise(opened.fileno(), start, STEP_BYTES, os.POSIX_FADV_WILLNEED)
    except OSError:
        return False
    return True


def available_bytes() -> int:
    """Memory that is free or easily freed; 0 where the system does not say."""
    try:
        lines = _MEMINFO.read_text("ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, ValueError, IndexError, StopIteration):
        return 0
