"""The folder for downloads moves in the middle of transfers: nothing is lost, nothing fetched again."""

import os

from bench import MIB, Bench
from holders import manifest_of, slowly, wait_until

from peer_core.transfer.types import TransferState, Wanted

slow = slowly(0.02)


def test_a_running_folder_follows_when_its_files_are_moved(bench: Bench) -> None:
    data = os.urandom(24 * MIB)
    old, new = bench.root / "old", bench.root / "elsewhere" / "new"
    bench.limits = type(bench.limits)(download_slots=1)
    bench.hostile(data, slow)
    wanted = [Wanted(manifest_of(data).content_id, ("album", folder), "film", len(data)) for folder in ("1", "2")]
    transfers = bench.start()
    made = transfers.add_tree(wanted, "album", old)
    wait_until(lambda: transfers.get(made.id).bytes_done >= 5 * MIB)
    new.parent.mkdir()
    old.rename(new)
    transfers.follow(old, new)
    assert transfers.get(made.id).path == new / "album"
    wait_until(lambda: transfers.get(made.id).state is TransferState.DONE, 60)
    files, _ = transfers.files(made.id, 10)
    assert [f.path for f in files] == [new / "album" / "1" / "film", new / "album" / "2" / "film"]
    assert all(f.path.read_bytes() == data for f in files)
    assert not old.exists()
    # At most the pieces under way when it was stopped came twice.
    assert bench.received <= 2 * len(data) + 2 * MIB
    asked = bench.received
    assert transfers.add_tree(wanted, "album", new).state is TransferState.DONE
    assert bench.received == asked


def test_a_partial_file_that_is_gone_is_told_once_and_goes_on_when_it_is_back(bench: Bench) -> None:
    data = os.urandom(24 * MIB)
    old, away = bench.root / "old", bench.root / "away"
    bench.hostile(data, slow)
    transfers = bench.start()
    added = transfers.add(manifest_of(data).content_id, "film", old)
    wait_until(lambda: transfers.get(added.id).pieces_done >= 5)
    transfers.pause(added.id)
    before = bench.received
    old.rename(away)
    transfers.resume(added.id)
    told = bench.rested(added.id)
    assert told.state is TransferState.PAUSED
    assert told.trouble is not None
    assert "Bring it back" in told.trouble.message
    assert not old.exists()
    away.rename(old)
    transfers.resume(added.id)
    done = bench.rested(added.id, 60)
    assert done.state is TransferState.DONE, done.trouble
    assert done.path.read_bytes() == data
    assert bench.received - before <= len(data) - 5 * MIB + 1


def test_one_that_looked_for_its_partial_file_in_between_goes_on_by_itself(bench: Bench) -> None:
    data = os.urandom(12 * MIB)
    old, new = bench.root / "old", bench.root / "new"
    bench.hostile(data, slow)
    transfers = bench.start()
    added = transfers.add(manifest_of(data).content_id, "film", old)
    wait_until(lambda: transfers.get(added.id).pieces_done >= 3)
    transfers.pause(added.id)
    old.rename(new)
    transfers.resume(added.id)
    told = bench.rested(added.id).trouble
    assert told is not None and told.code == "missing-part"
    transfers.follow(old, new)
    done = wait_until(lambda: t if (t := transfers.get(added.id)).state is TransferState.DONE else None, 60)
    assert done.path == new / "film"
    assert done.path.read_bytes() == data
    assert bench.received <= len(data) + 2 * MIB


def test_folders_that_are_made_anew_in_between_hold_nothing_back(bench: Bench) -> None:
    data = os.urandom(12 * MIB)
    old, new = bench.root / "old", bench.root / "new"
    bench.limits = type(bench.limits)(download_slots=1)
    bench.hostile(data, slow)
    wanted = [Wanted(manifest_of(data).content_id, ("album",), name, len(data)) for name in ("1", "2")]
    transfers = bench.start()
    made = transfers.add_tree(wanted, "album", old)
    wait_until(lambda: transfers.get(made.id).bytes_done >= 2 * MIB)
    transfers.pause(made.id)
    old.rename(new)
    (old / "album").mkdir(parents=True)
    transfers.follow(old, new)
    assert transfers.get(made.id).path == new / "album"
    transfers.resume(made.id)
    wait_until(lambda: transfers.get(made.id).state is TransferState.DONE, 60)
    assert sorted(path.name for path in (new / "album").iterdir()) == ["1", "2"]
    assert list((old / "album").iterdir()) == []


def test_only_what_was_moved_goes_with_the_setting(bench: Bench) -> None:
    data = os.urandom(MIB)
    bench.honest(data)
    old, new = bench.root / "old", bench.root / "new"
    new.mkdir()
    transfers = bench.start()
    done = transfers.add(manifest_of(data).content_id, "film", old)
    bench.rested(done.id)
    waits = transfers.add(os.urandom(32), "later", old, paused=True)
    transfers.follow(old, new)
    assert transfers.get(done.id).path == old / "film"
    assert transfers.get(waits.id).folder == old
    old.rename(bench.root / "gone")
    (bench.root / "gone" / "film").rename(new / "film")
    transfers.follow(old, new)
    assert transfers.get(done.id).path == new / "film"
    assert transfers.get(waits.id).folder == new
    bench.stop()
    transfers = bench.start()
    assert transfers.get(done.id).path == new / "film"
