"""What keeps a program from starting or going on: one sentence, the right status, nothing lost. Real processes."""

import contextlib
import os
import shutil
import socket
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import pytest
from central_kit import Caller, Channels, Device, change
from processes import Central, HeadlessPeer, run_command, wait_for

from peer_core.data_folder import FolderLock
from protos.agreed import DIRECTORY_NAME, ENROLMENT_NAME, Invite
from protos.barrio.v1 import enrolment_pb2, enrolment_pb2_grpc

Run = Callable[..., str]
ARGUMENTS = {
    "barrio-central": ("serve", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"),
    "barrio-peer": ("run", "--listen", "127.0.0.1:0"),
}
DATABASES = {"barrio-central": "central.sqlite", "barrio-peer": "library.sqlite"}
PROGRAMS = list(ARGUMENTS)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """A data folder of each program that has run, and runs no more."""
    root = tmp_path_factory.mktemp("folders")
    central = Central(root / "central")
    peer = HeadlessPeer(root / "peer", "ana", central.invite()).start()
    assert peer.stop() == 0
    assert central.program.stop() == 0
    yield {"barrio-central": central.data, "barrio-peer": peer.data}


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """`mounted(options)`: a small disk of its own."""
    made: list[Path] = []

    def mount(options: str) -> Path:
        made.append(tmp_path / f"disk{len(made)}")
        made[-1].mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(made[-1])], check=True)
        return made[-1]

    yield mount
    for folder in made:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def refused(program: str, data: Path, *more: str) -> str:
    """The one sentence with which it ends with status 1."""
    done = run_command(program, "--data-dir", str(data), *ARGUMENTS[program], *more, seconds=30)
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    said = [line for line in done.stderr.splitlines() if line.startswith(f"{program}: ")]
    assert len(said) == 1, done.stderr
    assert done.stderr.splitlines()[-1] == said[0]
    assert "Traceback" not in done.stderr
    return said[0]


def fill(folder: Path) -> Path:
    with (folder / "filler").open("wb", 0) as file:
        with contextlib.suppress(OSError):
            while file.write(bytes(1 << 12)):
                pass
    return folder / "filler"


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_port_that_is_taken(folders: dict[str, Path], program: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert address in refused(program, folders[program], "--listen", address)


def test_a_data_folder_that_another_peer_uses(folders: dict[str, Path]) -> None:
    lock = FolderLock(folders["barrio-peer"])
    lock.take()
    try:
        assert "already runs" in refused("barrio-peer", folders["barrio-peer"])
    finally:
        lock.release()


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_database_from_a_newer_version(folders: dict[str, Path], tmp_path: Path, program: str) -> None:
    data = tmp_path / "data"
    shutil.copytree(folders[program], data)
    connection = sqlite3.connect(data / DATABASES[program])
    connection.execute("PRAGMA user_version = 999")
    connection.close()
    before = (data / DATABASES[program]).read_bytes()
    assert "newer Barrio" in refused(program, data)
    assert (data / DATABASES[program]).read_bytes() == before


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_data_folder_that_cannot_be_written(
    folders: dict[str, Path], program: str, mounted: Callable[[str], Path]
) -> None:
    disk = mounted("size=64m")
    data = disk / "data"
    shutil.copytree(folders[program], data)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    said = refused(program, data)
    assert str(data) in said
    assert "written" in said


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_disk_that_is_full_at_the_start(
    folders: dict[str, Path], program: str, mounted: Callable[[str], Path]
) -> None:
    disk = mounted("size=64m")
    shutil.copytree(folders[program], disk / "data")
    filler = fill(disk)
    said = refused(program, disk / "data")
    assert any(word in said for word in ("full", "No space", "room")), said
    filler.unlink()
    shutil.rmtree(disk / "data")
    fill(disk)
    if program == "barrio-central":
        refused(program, disk / "new")
        assert not (disk / "new" / "authority").exists(), "no half of a key is left"


def member(central: Central, stack: contextlib.ExitStack) -> Caller:
    """A new member of a central that is another process."""
    channels, device = Channels(stack), Device()
    roots = (central.data / "authority" / "certificate.pem").read_bytes()
    stub = enrolment_pb2_grpc.EnrolmentStub(channels.open(central.enrol, ENROLMENT_NAME, roots))
    token = Invite.parse(central.invite()).token
    request = enrolment_pb2.EnrolRequest(token=token, signing_request=device.signing_request(), name="Ana")
    device.certificate = stub.Enrol(request, timeout=10).certificate
    return Caller(channels.open(central.listen, DIRECTORY_NAME, roots, device), device)


def test_a_disk_that_fills_while_a_central_runs(tmp_path: Path, mounted: Callable[[str], Path]) -> None:
    disk = mounted("size=48m")
    # Its log, beside the folder, stays on another disk.
    (tmp_path / "central").symlink_to(disk / "central")
    (disk / "central").mkdir()
    with contextlib.ExitStack() as stack:
        central = Central(tmp_path / "central")
        stack.callback(lambda: central.program.stop())
        ana = member(central, stack)
        ana.register()
        ana.publish(0, 1, [change(1, "first.txt", 1)])
        filler = fill(disk)
        last, refusal = 1, None
        while refusal is None:
            changes = [change(last + n, f"{os.urandom(60).hex()} {last + n}.txt", last + n) for n in range(1, 201)]
            assert last < 100_000, "the disk does not fill"
            try:
                ana.publish(last, last + 200, changes)
                last += 200
            except grpc.RpcError as error:
                refusal = error
        assert refusal.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "full" in refusal.details()
        assert [row.name for row in ana.rows("first")] == ["first.txt"], "who only asks does not notice"
        target = disk / "barrio.backup"
        done = run_command("barrio-central", "--data-dir", str(central.data), "backup", str(target))
        assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
        assert not target.exists()
        filler.unlink()
        wait_for(lambda: ana.publish(last, last + 200, changes).acknowledged_sequence == last + 200, 10, "room again")
        assert central.program.stop() == 0
        log = central.program.log_text()
        assert "the disk of the database is full; make room there" in log
        assert "Traceback" not in log and "\n    " not in log
