"""The real program: its verbs, its ready line, its stop, and bad starts that get one clear sentence."""

import json
import re
import signal
import socket
import stat
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import Central, Program, command, run_command

from protos.agreed import Invite


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Central]:
    """One central for the tests that only look."""
    central = Central(tmp_path_factory.mktemp("process") / "central")
    yield central
    central.program.stop()


def verb(data: Path, *args: str, **env: str) -> tuple[int, str, str]:
    done = run_command("barrio-central", "--data-dir", str(data), *args, env=env, seconds=20)
    return done.returncode, done.stdout.strip(), done.stderr.strip()


def one_line(error: str) -> str:
    assert "Traceback" not in error
    assert len(error.splitlines()) == 1, error
    return error


def test_the_ready_line_names_three_addresses_that_answer(served: Central) -> None:
    assert {"directory", "enrol", "http"} <= set(served.program.ready)
    for address in served.program.ready.values():
        host, _, port = address.rpartition(":")
        socket.create_connection((host, int(port)), 5).close()
    base = f"http://{served.program.ready['http']}"
    with urllib.request.urlopen(f"{base}/healthz", timeout=5) as answer:
        assert json.load(answer) == {"status": "serving"}
    with urllib.request.urlopen(f"{base}/metrics", timeout=5) as answer:
        assert b"barrio_central_leases 0" in answer.read()
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{base}/../etc/passwd", timeout=5)
    refused.value.close()
    assert refused.value.code == 404


def test_an_invite_is_one_link_alone(served: Central) -> None:
    status, out, error = verb(served.data, "invite", "--host", "barrio.example")
    assert (status, error) == (0, "")
    invite = Invite.parse(out)
    assert invite.host == "barrio.example"
    assert invite.port == int(served.enrol.rpartition(":")[2])
    status, out, error = verb(served.data, "invite", "--json", "--uses", "3", "--expires", "30m")
    assert status == 0
    guessed = Invite.parse(json.loads(out)["invite"])
    assert guessed.host == "127.0.0.1"
    assert "127.0.0.1" in one_line(error)
    assert guessed.token != invite.token
    assert guessed.fingerprint == invite.fingerprint


def test_verbs_while_it_serves(served: Central) -> None:
    assert json.loads(served.verb("peers", "--json")) == []
    assert served.verb("peers") == ""
    stats = json.loads(served.verb("stats", "--json"))
    assert stats["serving"] is True
    assert stats["members"] == stats["entries"] == 0
    assert "members" in served.verb("stats")
    # Most of it lies in the write-ahead log as yet.
    assert stats["database_bytes"] > (served.data / "central.sqlite").stat().st_size
    status, out, error = verb(served.data, "revoke", "a" * 52)
    assert (status, out) == (1, "")
    assert "no member" in one_line(error)


def test_a_second_server_is_refused(served: Central) -> None:
    status, out, error = verb(served.data, "serve", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0")
    assert (status, out) == (1, "")
    assert "already serves" in one_line(error)
    assert json.loads(served.verb("stats", "--json"))["serving"] is True


@pytest.mark.parametrize("which", ["--listen", "--enrol", "--http"])
def test_a_port_in_use_is_named(tmp_path: Path, which: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        options = {"--listen": "127.0.0.1:0", "--enrol": "127.0.0.1:0", "--http": "127.0.0.1:0", which: address}
        status, out, error = verb(tmp_path / "c", "serve", *(word for pair in options.items() for word in pair))
    assert (status, out) == (1, "")
    assert address in one_line(error)
    assert which in error
    assert not (tmp_path / "c").exists(), "a refused start leaves nothing behind"


@pytest.mark.parametrize(
    "args",
    [
        ["frobnicate"],
        [],
        ["serve", "--listen", "nonsense"],
        ["serve", "--listen", "a:99999"],
        ["serve", "--heartbeat", "0"],
        ["serve", "--heartbeat", "nan"],
        ["invite", "--expires", "soon"],
        ["invite", "--uses", "0"],
        ["revoke"],
    ],
)
def test_wrong_usage_is_two(tmp_path: Path, args: list[str]) -> None:
    status, out, error = verb(tmp_path / "none", *args)
    assert (status, out) == (2, "")
    assert one_line(error).startswith("barrio-central")
    assert not (tmp_path / "none").exists()


def test_a_mistyped_verb_is_guessed(tmp_path: Path) -> None:
    _, _, error = verb(tmp_path / "none", "sreve")
    assert error == "barrio-central: “sreve” is no verb; did you mean “serve”? (try barrio-central --help)"
    assert "“frobnicate” is no verb (try" in one_line(verb(tmp_path / "none", "frobnicate")[2])


def test_hints_name_the_data_folder_that_was_given(tmp_path: Path) -> None:
    data = tmp_path / "my barrio"
    for name in ("stats", "health"):
        assert one_line(verb(data, name)[2]).endswith(f"start it with: barrio-central --data-dir '{data}' serve")
    done = run_command("barrio-central", "health", env={"BARRIO_DATA_DIR": str(data)})
    assert one_line(done.stderr.strip()).endswith("start it with: barrio-central serve")


def test_wrong_usage_in_the_environment_is_told(tmp_path: Path) -> None:
    status, _, error = verb(tmp_path / "none", "serve", BARRIO_LISTEN="nonsense")
    assert status == 2
    assert "BARRIO_LISTEN" in error


@pytest.mark.parametrize("name", ["invite", "peers", "stats", "revoke"])
def test_verbs_without_a_barrio_say_so_and_make_nothing(tmp_path: Path, name: str) -> None:
    data = tmp_path / "none"
    status, out, error = verb(data, name, *(["a" * 52] if name == "revoke" else []))
    assert (status, out) == (1, "")
    assert f"barrio-central --data-dir {data} serve" in one_line(error)
    assert not data.exists()


@pytest.mark.parametrize("spoil", ["garbage", "authority", "key", "file", "postgres"])
def test_a_bad_start_says_one_sentence_and_loses_nothing(tmp_path: Path, spoil: str) -> None:
    central = Central(tmp_path / "central")
    assert central.program.stop() == 0
    data = central.data
    extra: list[str] = []
    if spoil == "garbage":
        (data / "central.sqlite").write_bytes(b"garbage" * 999)
    elif spoil == "authority":
        (data / "authority").rename(data / "elsewhere")
    elif spoil == "key":
        (data / "authority" / "key.pem").write_bytes(b"")
    elif spoil == "file":
        data = data / "central.sqlite"
    else:
        extra = ["--database", "postgresql://db/barrio"]
    before = {p: p.read_bytes() for p in sorted(central.data.rglob("*")) if p.is_file() and p.name != "serve.lock"}
    status, out, error = verb(data, "serve", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0", *extra)
    assert (status, out) == (1, "")
    one_line(error)
    after = {p: p.read_bytes() for p in sorted(central.data.rglob("*")) if p.is_file() and p.name != "serve.lock"}
    assert after == before


def test_the_first_start_makes_private_files(tmp_path: Path) -> None:
    central = Central(tmp_path / "central")
    try:
        files = [path for path in central.data.rglob("*") if path.is_file()]
        assert stat.S_IMODE(central.data.stat().st_mode) == 0o700
        keys = [path for path in files if b"PRIVATE KEY" in path.read_bytes()]
        assert keys
        assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in keys)
        assert all(stat.S_IMODE(path.parent.stat().st_mode) == 0o700 for path in keys)
        databases = [path for path in files if path.name.startswith("central.sqlite")]
        assert databases
        assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in databases)
    finally:
        central.program.stop()


def test_nobody_else_can_hold_the_lock_of_a_folder(tmp_path: Path) -> None:
    data = tmp_path / "central"
    data.mkdir(mode=0o755)
    lock = data / "serve.lock"
    # As earlier versions left it.
    lock.touch()
    lock.chmod(0o644)
    central = Central(data)
    try:
        assert stat.S_IMODE(lock.stat().st_mode) == 0o600
        lock.unlink()
    finally:
        central.program.stop()
    assert json.loads(central.verb("stats", "--json"))["serving"] is False
    assert not lock.exists(), "who only looks makes no lock that the server's user could not open"
    lock.symlink_to(tmp_path / "elsewhere")
    status, out, error = verb(data, "serve", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0")
    assert (status, out) == (1, "")
    assert "serve.lock cannot be opened" in one_line(error)
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly_and_verbs_go_on(tmp_path: Path, number: int) -> None:
    central = Central(tmp_path / "central")
    invite = central.invite()
    started = time.monotonic()
    # A client that holds the metrics port without a word must not hold up the end.
    host, _, port = central.program.ready["http"].rpartition(":")
    with socket.create_connection((host, int(port)), 5):
        central.program.signal(number)
        assert central.program.wait(10) == 0, central.program.log_text()
    assert time.monotonic() - started < 5
    assert "Traceback" not in central.program.log_text()
    assert not (central.data / "serve.json").exists()
    stats = json.loads(central.verb("stats", "--json"))
    assert (stats["serving"], stats["database_bytes"]) == (False, (central.data / "central.sqlite").stat().st_size)
    # Without a server, the ports are the configured ones.
    later = Invite.parse(central.invite())
    assert later.port == 51016
    assert later.fingerprint == Invite.parse(invite).fingerprint
    status, out, _ = verb(central.data, "invite", "--host", "h", BARRIO_LISTEN="127.0.0.1:0")
    assert (status, Invite.parse(out).port) == (0, Invite.parse(invite).port)
    status, out, _ = verb(central.data, "invite", "--host", "h", BARRIO_ENROL="127.0.0.1:7777")
    assert (status, Invite.parse(out).port) == (0, 7777)


def test_killed_and_started_again_it_has_the_same_ports_and_authority(tmp_path: Path) -> None:
    central = Central(tmp_path / "central")
    first = Invite.parse(central.invite())
    central.program.kill()
    central.start()
    try:
        second = Invite.parse(central.invite())
        assert (second.host, second.port, second.fingerprint) == (first.host, first.port, first.fingerprint)
        assert json.loads(central.verb("stats", "--json"))["open_invites"] == 2
    finally:
        assert central.program.stop() == 0


def test_everything_can_come_from_the_environment(tmp_path: Path) -> None:
    env = {
        "BARRIO_DATA_DIR": str(tmp_path / "from-env"),
        "BARRIO_LISTEN": "127.0.0.1:0",
        "BARRIO_HTTP": "127.0.0.1:0",
        "BARRIO_HEARTBEAT": "1.5",
        "BARRIO_NAME": "Mi barrio",
        "BARRIO_DATABASE": f"sqlite:///{tmp_path}/elsewhere.sqlite",
    }
    with Program([*command("barrio-central"), "serve"], tmp_path / "env.log", env) as program:
        program.wait_ready()
        done = run_command("barrio-central", "stats", "--json", env=env)
        stats = json.loads(done.stdout)
        assert (stats["network_name"], stats["serving"]) == ("Mi barrio", True)
        assert (tmp_path / "elsewhere.sqlite").exists()
        # Options win over the environment, before or after the verb.
        for args in (["--data-dir", str(tmp_path / "x"), "stats"], ["stats", "--data-dir", str(tmp_path / "x")]):
            done = run_command("barrio-central", *args, "--database", str(tmp_path / "x"), env=env)
            assert done.returncode == 1
            assert re.search(r"no barrio in", done.stderr)
    assert program.process.returncode == 0
