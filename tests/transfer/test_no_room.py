"""A disk that is full in the middle of downloads: a small tmpfs that something else fills and frees."""

import os
import random
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench import MIB, Bench
from holders import manifest_of, slowly, wait_until

from peer_core.transfer import finishing
from peer_core.transfer.types import TransferState, Wanted

SIZE = 12 * MIB


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """32 MiB of room in all."""
    folder = tmp_path / "small"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(folder: Path) -> Path:
    filler = folder / "filler"
    with filler.open("wb", 0) as file:
        try:
            while file.write(bytes(64 << 10)):
                pass
        except OSError:
            return filler


slow = slowly(0.01)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_disk_that_fills_at_random_moments_pauses_and_goes_on_by_itself(
    bench: Bench, small: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finishing, "SPARE_BYTES", 1 << 20)
    chance = random.Random(seed)
    data = os.urandom(SIZE)
    bench.hostile(data, slow)
    transfers = bench.start()
    added = transfers.add(manifest_of(data).content_id, "film.mkv", small)
    for at in sorted(chance.sample(range(1, 10), 2)):
        wait_until(lambda at=at: transfers.get(added.id).pieces_done >= at, 30)
        filler = fill(small)
        wait_until(lambda: transfers.get(added.id).state in (TransferState.PAUSED, TransferState.DONE), 30)
        paused = transfers.get(added.id)
        assert paused.state is TransferState.PAUSED
        assert paused.trouble is not None
        assert paused.trouble.code == "no-room"
        assert paused.pieces_done >= at
        filler.unlink()
    wait_until(lambda: transfers.get(added.id).state is TransferState.DONE, 30)
    done = transfers.get(added.id)
    assert done.path.read_bytes() == data
    # What was here was not fetched again; at most the pieces that could not be written.
    assert bench.received <= len(data) + 2 * 2 * MIB + MIB


def test_a_folder_without_room_stops_at_its_first_file(
    bench: Bench, small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finishing, "SPARE_BYTES", 1 << 20)
    bench.limits = type(bench.limits)(download_slots=1)
    data = os.urandom(MIB)
    holder = bench.honest(data)
    filler = fill(small)
    wanted = [Wanted(manifest_of(data).content_id, ("many",), f"{n}", len(data)) for n in range(8)]
    transfers = bench.start()
    made = transfers.add_tree(wanted, "many", small)
    wait_until(lambda: transfers.get(made.id).state is TransferState.PAUSED)
    files, _ = transfers.files(made.id, 10)
    assert [f.state for f in files].count(TransferState.QUEUED) >= 6
    told = transfers.get(made.id).trouble
    assert told is not None
    assert told.code == "no-room"
    assert holder.bytes_sent == 0
    bench.stop()
    transfers = bench.start()
    wait_until(lambda: transfers.get(made.id).state is TransferState.PAUSED)
    filler.unlink()
    wait_until(lambda: transfers.get(made.id).state is TransferState.DONE)
    assert sorted(p.name for p in made.path.iterdir()) == [str(n) for n in range(8)]
