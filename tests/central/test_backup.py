"""Backups: made beside a running central, whole or not at all, and restored only when every byte is what it was."""

import io
import json
import os
import shutil
import sqlite3
import stat
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from central_kit import Central, change, refused

from central import backup as module
from central.backup import CONTENTS, MEMBERS, make_backup
from central.data_folder import AUTHORITY_FOLDER, serve_lock
from central.errors import StorageError
from central.restoring import restore_backup

Spoil = Callable[[dict[str, bytes]], bytes]


def back_up(central: Central, target: Path) -> None:
    make_backup(central.options.database, central.options.data_dir, target, "1.2.3")


def restore(source: Path, folder: Path) -> None:
    restore_backup(source, folder / "central.sqlite", folder)


def one_sentence(caught: pytest.ExceptionInfo[StorageError]) -> str:
    assert len(caught.value.message.splitlines()) == 1
    return caught.value.message


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A backup of a small central."""
    folder = tmp_path_factory.mktemp("made")
    central = Central(folder / "central")
    try:
        ana = central.member()
        ana.register()
        ana.publish(0, 2, [change(1, "a.flac", 1), change(2, "b.flac", 2)])
        back_up(central, folder / "barrio.backup")
    finally:
        central.stop()
    yield folder / "barrio.backup"


def test_a_restored_central_knows_its_members_their_files_and_who_was_put_out(tmp_path: Path) -> None:
    central = Central(tmp_path / "central")
    ana, bruno = central.member("Ana"), central.member("Bruno")
    ana.register()
    ana.publish(0, 1, [change(1, "canción.flac", 1)])
    central.revoke(bruno.peer_id)
    open_invite = central.invite()
    target = tmp_path / "barrio.backup"
    back_up(central, target)
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert sorted(p.name for p in tmp_path.iterdir()) == ["barrio.backup", "central"]
    # What comes after it is not in it.
    ana.publish(1, 2, [change(2, "later.flac", 2)])
    late = central.member("Late")
    central.stop()
    shutil.rmtree(tmp_path / "central")

    restore(target, tmp_path / "again")
    files = {p.relative_to(tmp_path / "again") for p in (tmp_path / "again").rglob("*") if p.is_file()}
    assert {str(f) for f in files} == {"authority/key.pem", "authority/certificate.pem", "central.sqlite", "serve.lock"}
    assert all(stat.S_IMODE((tmp_path / "again" / f).stat().st_mode) & 0o077 == 0 for f in files)
    assert stat.S_IMODE((tmp_path / "again" / "authority").stat().st_mode) == 0o700
    central = Central(tmp_path / "again")
    try:
        known = central.caller(ana.device)
        assert known.register(last=2).acknowledged_sequence == 1
        assert [row.name for row in known.rows("cancion")] == ["canción.flac"]
        assert known.rows("later") == []
        with refused(grpc.StatusCode.PERMISSION_DENIED, "removed"):
            central.caller(bruno.device).register()
        with refused(grpc.StatusCode.PERMISSION_DENIED, "invite"):
            central.caller(late.device).register()
        central.enrol(open_invite, late.device, "Late")
        before = known.register().revocations.number
        central.revoke(late.peer_id)
        assert known.register().revocations.number > before
    finally:
        central.stop()


def test_a_backup_takes_no_name_that_is_taken(tmp_path: Path, made: Path) -> None:
    restore(made, tmp_path / "central")
    taken = tmp_path / "taken"
    taken.write_text("mine")
    for target in (taken, tmp_path / "dangling", tmp_path / "no folder" / "x"):
        if target.name == "dangling":
            target.symlink_to(tmp_path / "nowhere")
        with pytest.raises(StorageError) as caught:
            make_backup(tmp_path / "central" / "central.sqlite", tmp_path / "central", target, "1")
        assert "choose another" in one_sentence(caught) or "make it first" in one_sentence(caught)
    assert taken.read_text() == "mine"
    assert not (tmp_path / "nowhere").exists()


def test_a_name_that_is_taken_meanwhile_stays_what_it_is(
    tmp_path: Path, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    restore(made, tmp_path / "central")
    target = tmp_path / "x.backup"
    writing = module._write_archive

    def meanwhile(*args: object) -> None:
        writing(*args)  # type: ignore[arg-type]
        target.write_text("another's")

    monkeypatch.setattr(module, "_write_archive", meanwhile)
    with pytest.raises(StorageError, match="already"):
        make_backup(tmp_path / "central" / "central.sqlite", tmp_path / "central", target, "1")
    assert target.read_text() == "another's"


def test_without_room_nothing_is_written(tmp_path: Path, made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    restore(made, tmp_path / "central")
    (tmp_path / "out").mkdir()
    monkeypatch.setattr(module.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(9, 9, 1 << 20))  # type: ignore[attr-defined]
    with pytest.raises(StorageError) as caught:
        make_backup(tmp_path / "central" / "central.sqlite", tmp_path / "central", tmp_path / "out" / "x", "1")
    assert "1 MiB free" in one_sentence(caught)
    with pytest.raises(StorageError, match="MiB free"):
        restore(made, tmp_path / "other")
    assert list((tmp_path / "out").iterdir()) == []
    assert [p.name for p in (tmp_path / "other").iterdir()] == ["serve.lock"]


def test_a_damaged_database_is_no_backup(tmp_path: Path, made: Path) -> None:
    restore(made, tmp_path / "central")
    database = tmp_path / "central" / "central.sqlite"
    connection = sqlite3.connect(database)
    size = connection.execute("PRAGMA page_size").fetchone()[0]
    root = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'member'").fetchone()[0]
    connection.close()
    with database.open("r+b") as file:
        file.seek((root - 1) * size)
        file.write(b"\xff" * 64)
    with pytest.raises(StorageError, match="earlier backup"):
        make_backup(database, tmp_path / "central", tmp_path / "x", "1")
    assert not (tmp_path / "x").exists()


def members(path: Path) -> dict[str, bytes]:
    with tarfile.open(path, "r:") as tar:
        return {m.name: tar.extractfile(m).read() for m in tar}  # type: ignore[union-attr]


def pack(files: dict[str, bytes], **change_of: tarfile.TarInfo) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, data in files.items():
            head = tarfile.TarInfo(name)
            head.size = len(data)
            tar.addfile(head, io.BytesIO(data))
    return out.getvalue()


def with_contents(files: dict[str, bytes], change_it: Callable[[dict[str, object]], object]) -> bytes:
    contents = json.loads(files[CONTENTS])
    change_it(contents)
    return pack({**files, CONTENTS: json.dumps(contents).encode()})


def link_instead(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in files.items():
            head = tarfile.TarInfo(name)
            if name == MEMBERS[0]:
                head.type, head.linkname = tarfile.SYMTYPE, "/etc/passwd"
                tar.addfile(head)
            else:
                head.size = len(data)
                tar.addfile(head, io.BytesIO(data))
    return out.getvalue()


def flipped(files: dict[str, bytes]) -> bytes:
    data = bytearray(pack(files))
    data[-20_000] ^= 1
    return bytes(data)


def saying(**facts: object) -> Spoil:
    return lambda files: with_contents(files, lambda contents: contents.update(facts))


def lying_about(key: str, value: object) -> Spoil:
    return lambda files: with_contents(files, lambda contents: contents["files"][2].__setitem__(key, value))  # type: ignore[index]


HOSTILE: dict[str, Spoil] = {
    "nothing": lambda files: b"",
    "garbage": lambda files: b"garbage" * 999,
    "cut short": lambda files: pack(files)[:-30_000],
    "without its end": lambda files: pack({n: d for n, d in files.items() if n != MEMBERS[2]}),
    "a flipped bit": flipped,
    "something more": lambda files: pack({**files, "more": b"x"}),
    "bytes behind": lambda files: pack(files)[:-10240] + b"x" * 10240,
    "a way out": lambda files: pack({n.replace("authority/", "../"): d for n, d in files.items()}),
    "a full path": lambda files: pack({n.replace("authority/", "/tmp/"): d for n, d in files.items()}),
    "a link": link_instead,
    "another order": lambda files: pack(dict(reversed(files.items()))),
    "no contents": lambda files: pack({n: d for n, d in files.items() if n != CONTENTS}),
    "contents of another kind": lambda files: pack({**files, CONTENTS: b"[1]"}),
    "deep contents": lambda files: pack({**files, CONTENTS: b"[" * 50_000}),
    "large contents": lambda files: pack({**files, CONTENTS: b" " * (1 << 20)}),
    "a huge size": lying_about("size", 1 << 60),
    "a negative size": lying_about("size", -1),
    "an endless size": lying_about("size", float("inf")),
    "no number": lying_about("size", float("nan")),
    "an absurd time": lambda files: with_contents(files, lambda contents: contents.update(made=1 << 70)),
    "a time that no calendar has": lambda files: with_contents(files, lambda contents: contents.update(made=10**12)),
    "an endless time": lambda files: with_contents(files, lambda contents: contents.update(made=float("inf"))),
    "fewer than no members": lambda files: with_contents(files, lambda contents: contents.update(members=-1)),
    "another digest": lying_about("sha256", "0" * 64),
    "another authority": saying(fingerprint="x"),
    "a name that moves the cursor": saying(network_name="\x1b[2J\x1b]0;x\x07"),
    "a name of half a character": saying(network_name="a\ud800"),
    "a name that is turned around": saying(network_name="gpj.\u202eexe"),
    "an endless name": saying(network_name="x" * 60_000),
    "a name that is a list": saying(network_name=["La Plaza"]),
    "a version that moves the cursor": saying(version="\x1b[2J"),
    "an endless version": saying(version="1" * 60_000),
    "a fingerprint of half a character": saying(fingerprint="\udcff"),
}


@pytest.mark.parametrize("spoil", HOSTILE.values(), ids=HOSTILE)
def test_what_is_no_whole_backup_changes_nothing(tmp_path: Path, made: Path, spoil: Spoil) -> None:
    source = tmp_path / "hostile"
    source.write_bytes(spoil(members(made)))
    with pytest.raises(StorageError) as caught:
        restore(source, tmp_path / "central")
    assert str(source) in one_sentence(caught) or "free" in one_sentence(caught)
    left = sorted(p.name for p in tmp_path.rglob("*") if p != source)
    assert left in ([], ["central", "serve.lock"])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    refusals: list[StorageError] = []

    def run() -> None:
        with pytest.raises(StorageError) as caught:
            restore(pipe, tmp_path / "central")
        refusals.append(caught.value)

    # A thread that may be left behind: opening a pipe waits until somebody writes.
    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(10)
    in_time = bool(refusals)
    if not in_time:
        os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
        thread.join(10)
    assert in_time
    assert str(pipe) in refusals[0].message
    with pytest.raises(StorageError, match=r"is not a regular file; give the file that a backup wrote$"):
        restore(tmp_path, tmp_path / "central")
    assert sorted(tmp_path.iterdir()) == [pipe]


def test_a_newer_backup_and_a_newer_database_say_so(tmp_path: Path, made: Path) -> None:
    files = members(made)
    newer = tmp_path / "newer"
    newer.write_bytes(with_contents(files, lambda contents: contents.update(format=2)))
    with pytest.raises(StorageError, match="newer Barrio"):
        restore(newer, tmp_path / "a")
    restore(made, tmp_path / "b")
    connection = sqlite3.connect(tmp_path / "b" / "central.sqlite")
    connection.execute("PRAGMA user_version = 999")
    connection.close()
    with pytest.raises(StorageError, match="newer Barrio"):
        make_backup(tmp_path / "b" / "central.sqlite", tmp_path / "b", tmp_path / "x", "1")


@pytest.mark.parametrize("there", ["authority", "central.sqlite", "central.sqlite-wal", "central.sqlite.tiers-1"])
def test_where_something_is_nothing_is_restored(tmp_path: Path, made: Path, there: str) -> None:
    folder = tmp_path / "central"
    folder.mkdir()
    (folder / there).write_text("before")
    with pytest.raises(StorageError) as caught:
        restore(made, folder)
    assert "move it away" in one_sentence(caught)
    assert sorted(p.name for p in folder.iterdir()) == sorted([there, "serve.lock"])


def test_what_cannot_be_put_in_place_whole_is_not_put_in_place(
    tmp_path: Path, made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "central"
    real = Path.rename

    def rename(path: Path, target: Path) -> Path:
        if target == folder / AUTHORITY_FOLDER:
            raise OSError(5, "Input/output error")
        return real(path, target)

    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(StorageError, match="nothing was changed"):
        restore(made, folder)
    assert [path.name for path in folder.iterdir()] == ["serve.lock"]
    monkeypatch.setattr(Path, "rename", real)
    restore(made, folder)


def test_where_a_central_serves_nothing_is_restored(tmp_path: Path, made: Path) -> None:
    folder = tmp_path / "central"
    folder.mkdir()
    with serve_lock(folder):
        with pytest.raises(StorageError, match="already serves"):
            restore(made, folder)
    assert [p.name for p in folder.iterdir()] == ["serve.lock"]


def test_what_tar_makes_of_a_backup_is_a_backup(tmp_path: Path, made: Path) -> None:
    """It can be looked into, and repacked, with what every system has."""
    repacked = tmp_path / "repacked"
    repacked.write_bytes(pack(members(made)))
    restore(repacked, tmp_path / "central")
    assert (tmp_path / "central" / "central.sqlite").read_bytes() == members(made)["central.sqlite"]
