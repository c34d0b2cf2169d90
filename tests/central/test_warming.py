"""The database is read ahead at the start, where there is room for it."""

import ctypes
import mmap
import os
from pathlib import Path

import pytest
from holders import wait_until

from central import warming

PAGE = mmap.PAGESIZE
SIZE = 5 * warming.STEP_BYTES + PAGE


def cached(file: Path) -> int:
    """How many pages of the file the system's cache holds."""
    with file.open("r+b") as opened, mmap.mmap(opened.fileno(), 0) as mapped:
        held = (ctypes.c_ubyte * (len(mapped) // PAGE))()
        start = ctypes.c_char.from_buffer(mapped)
        failed = ctypes.CDLL(None).mincore(ctypes.c_void_p(ctypes.addressof(start)), ctypes.c_size_t(len(mapped)), held)
        del start
        assert not failed
    return sum(flags & 1 for flags in held)


@pytest.fixture
def cold(tmp_path: Path) -> Path:
    file = tmp_path / "file"
    with file.open("wb") as opened:
        opened.write(os.urandom(SIZE))
        opened.flush()
        os.fsync(opened.fileno())
        os.posix_fadvise(opened.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    if cached(file):
        pytest.skip("this file system keeps all in memory")
    return file


def test_all_of_it_is_read_ahead(cold: Path) -> None:
    assert warming.read_ahead(cold)
    wait_until(lambda: cached(cold) == SIZE // PAGE)


def test_nothing_is_read_where_it_would_take_the_room_of_others(cold: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warming, "available_bytes", lambda: 2 * SIZE)
    assert not warming.read_ahead(cold)
    assert cached(cold) == 0


def test_a_file_that_is_not_there_is_left_to_whoever_needs_it(tmp_path: Path) -> None:
    assert not warming.read_ahead(tmp_path / "none")
