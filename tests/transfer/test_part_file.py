"""The `.part` file: what is written counts after a kill, what is damaged never does."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from holders import manifest_of
from hypothesis import given, settings
from hypothesis import strategies as st

from peer_core.content import Manifest
from peer_core.errors import StorageError
from peer_core.transfer import part_file
from peer_core.transfer.part_file import PartFile

MIB = 1 << 20
DATA = os.urandom(6 * MIB + 7)
MANIFEST = manifest_of(DATA)


def put(part: PartFile, *pieces: int) -> None:
    for piece in pieces:
        start, length = MANIFEST.span(piece)
        part.write(piece, memoryview(DATA)[start : start + length])


def opened(folder: Path, manifest: Manifest = MANIFEST) -> PartFile:
    return PartFile(folder / "x.part", folder / "x.bits", manifest)


def test_written_pieces_are_here_after_opening_again(tmp_path: Path) -> None:
    part = opened(tmp_path)
    put(part, 0, 3)
    part.vouch()
    put(part, 6)
    part.close()
    again = opened(tmp_path)
    assert set(again.present) == {0, 3, 6}
    start, length = MANIFEST.span(6)
    assert again.read(start, length) == DATA[start:]
    again.close()


def test_a_written_piece_that_the_disk_lost_does_not_count(tmp_path: Path) -> None:
    part = opened(tmp_path)
    put(part, 0, 1)
    part.close()
    with (tmp_path / "x.part").open("r+b") as file:
        file.seek(MIB + 10)
        file.write(b"\0\0\0")
    again = opened(tmp_path)
    assert set(again.present) == {0}
    again.close()


def test_a_part_file_that_vanished_or_shrank_starts_over(tmp_path: Path) -> None:
    part = opened(tmp_path)
    put(part, 0, 5)
    part.vouch()
    part.close()
    os.truncate(tmp_path / "x.part", 2 * MIB)
    again = opened(tmp_path)
    assert set(again.present) == {0}
    again.close()
    (tmp_path / "x.part").unlink()
    fresh = opened(tmp_path)
    assert set(fresh.present) == set()
    assert (tmp_path / "x.part").stat().st_size == MANIFEST.size
    fresh.close()


@given(st.binary(max_size=200))
@settings(max_examples=50)
def test_any_record_of_pieces_is_survived(tmp_path_factory: pytest.TempPathFactory, record: bytes) -> None:
    folder = tmp_path_factory.mktemp("part")
    part = opened(folder)
    put(part, 2)
    part.close()
    (folder / "x.bits").write_bytes(record)
    again = opened(folder)
    assert set(again.present) <= {2} or record.startswith(part_file.MAGIC)
    again.close()


@given(
    st.lists(st.integers(0, MANIFEST.count - 1) | st.sampled_from(["sync", "kill", "power cut"]), max_size=25),
    st.data(),
)
@settings(max_examples=60)
def test_whatever_happens_no_piece_is_claimed_that_is_not_there(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int | str], lost: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("part")
    part, safe, here = opened(folder), set[int](), set[int]()
    for step in steps:
        match step:
            case "sync":
                part.vouch()
                safe = set(here)
            case "kill":
                part.close()
                part = opened(folder)
                assert set(part.present) == here, "a kill loses nothing that was written"
            case "power cut":
                part.close()
                gone = lost.draw(st.sets(st.sampled_from(sorted(here - safe)))) if here - safe else set()
                with (folder / "x.part").open("r+b") as file:
                    for piece in gone:
                        file.seek(MANIFEST.span(piece)[0])
                        file.write(bytes(MANIFEST.span(piece)[1]))
                part = opened(folder)
                here -= gone
                assert set(part.present) == here
            case int():
                put(part, step)
                here.add(step)
    part.close()
    raw = (folder / "x.part").read_bytes()
    for piece in here:
        start, length = MANIFEST.span(piece)
        assert raw[start : start + length] == DATA[start : start + length]


def test_a_link_in_the_place_of_the_part_file_is_not_followed(tmp_path: Path) -> None:
    target = tmp_path / "precious"
    target.write_bytes(b"precious")
    (tmp_path / "x.part").symlink_to(target)
    with pytest.raises(StorageError):
        opened(tmp_path)
    assert target.read_bytes() == b"precious"


def test_a_full_disk_is_told_and_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part = opened(tmp_path)
    put(part, 1)

    def full(file: int, data: bytes | memoryview, offset: int) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(part_file, "_pwrite", full)
    with pytest.raises(StorageError, match="disk is full"):
        put(part, 2)
    monkeypatch.undo()
    part.close()
    again = opened(tmp_path)
    assert set(again.present) == {1}
    again.close()


def test_a_killed_writer_loses_nothing_that_it_wrote(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(DATA)
    script = f"""
import sys
sys.path[:0] = {sys.path!r}
from pathlib import Path
from holders import manifest_of
from peer_core.transfer.part_file import PartFile
folder = Path({str(tmp_path)!r})
data = (folder / "data").read_bytes()
manifest = manifest_of(data)
part = PartFile(folder / "x.part", folder / "x.bits", manifest)
for piece in (0, 2, 4):
    start, length = manifest.span(piece)
    part.write(piece, memoryview(data)[start:start + length])
print("written", flush=True)
sys.stdin.read()
"""
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"written\n"
        child.send_signal(signal.SIGKILL)
    again = opened(tmp_path)
    assert set(again.present) == {0, 2, 4}
    again.close()
