"""Settings by option, environment and file, with one precedence, in both programs as they run."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from processes import Central, Program, command, run_command

from central import cli as central_cli
from central import config
from peer_core.cli import main as peer_cli
from peer_core.cli import run_settings
from peer_core.settings import SETTINGS
from protos.operating.settings_file import (
    Known,
    SettingsError,
    SettingsFile,
    find_file,
    settle,
    strange_variables,
)

CLEAN = {name: "" for name in os.environ if name.startswith("BARRIO_") and name != "BARRIO_KEYRING"}
Checked = Callable[..., dict[str, tuple[Any, str]]]
CENTRAL_FILE = """
listen = "127.0.0.1:0"
http = "127.0.0.1:0"
heartbeat = 1.5
name = "Calle Mayor"
host = "central.example"
uses = 3
"""


RUNS = {"barrio-central": central_cli.run, "barrio-peer": peer_cli.main}


@pytest.fixture
def checked(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Checked:
    """`checked(program, arguments…, VARIABLE=…)`: what `--check` tells, by key: value and source."""

    def check(program: str, *args: str, **env: str) -> dict[str, tuple[Any, str]]:
        with monkeypatch.context() as patch:
            for name, value in ({"BARRIO_CONFIG": os.devnull} | CLEAN | env).items():
                patch.setenv(name, value)
            assert RUNS[program]([*args, "--check", "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert told["ok"] is True
        return {row["key"]: (row["value"], row["source"]) for row in told["settings"]}

    return check


def test_one_precedence_in_both_programs(tmp_path: Path, checked: Checked) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('listen = "127.0.0.1:1001"\nname = "of the file"\nlog_level = "error"\n')
    data = str(tmp_path / "data")
    for program, verb in (("barrio-central", "serve"), ("barrio-peer", "run")):
        first = ["--data-dir", data, "--config", str(file), verb]
        assert checked(program, *first)["listen"] == ("127.0.0.1:1001", str(file))
        both = checked(program, *first, BARRIO_LISTEN="127.0.0.1:1002", BARRIO_LOG_FORMAT="json")
        assert both["listen"] == ("127.0.0.1:1002", "BARRIO_LISTEN")
        assert both["log_format"] == ("json", "BARRIO_LOG_FORMAT")
        assert both["log_level"] == ("error", str(file))
        assert both["name"] == ("of the file", str(file))
        assert both["data_dir"] == (data, "--data-dir")
        all_three = checked(program, *first, "--listen", "127.0.0.1:1003", BARRIO_LISTEN="127.0.0.1:1002")
        assert all_three["listen"] == ("127.0.0.1:1003", "--listen")
        by_variable = checked(program, "--data-dir", data, verb, BARRIO_CONFIG=str(file))
        assert by_variable["listen"] == ("127.0.0.1:1001", str(file))
    assert not Path(data).exists(), "a check writes nothing"


def test_a_central_and_its_invites_follow_one_file(tmp_path: Path) -> None:
    file = tmp_path / "central.toml"
    file.write_text(f'data_dir = "{tmp_path / "data"}"\n{CENTRAL_FILE}')
    argv = [*command("barrio-central"), "--config", str(file), "serve"]
    with Program(argv, tmp_path / "log", CLEAN) as program:
        program.wait_ready()
        stats = json.loads(run_command("barrio-central", "--config", str(file), "stats", "--json", env=CLEAN).stdout)
        assert (stats["network_name"], stats["serving"]) == ("Calle Mayor", True)
        link = run_command("barrio-central", "invite", env=CLEAN | {"BARRIO_CONFIG": str(file)}).stdout
        assert link.startswith("barrio://central.example:")


def test_a_peer_follows_its_file_and_its_own_changes_come_after(tmp_path: Path, checked: Checked) -> None:
    central = Central(tmp_path / "central")
    data, file = tmp_path / "ana", tmp_path / "peer.toml"
    file.write_text(f'data_dir = "{data}"\nlisten = "127.0.0.1:0"\nname = "Ana"\nupload_slots = 3\nadvertise = []\n')
    try:
        joined = run_command("barrio-peer", "--config", str(file), "join", central.invite(), "--json", env=CLEAN)
        assert json.loads(joined.stdout)["name"] == "Ana"
        with Program([*command("barrio-peer"), "--config", str(file), "run"], tmp_path / "log", CLEAN) as program:
            program.wait_ready()
            refused = run_command("barrio-peer", "--config", str(file), "settings", "upload_slots", "5", env=CLEAN)
            assert refused.returncode == 1
            assert "settings file" in refused.stderr
            changed = run_command("barrio-peer", "--config", str(file), "settings", "download_slots", "6", env=CLEAN)
            assert changed.returncode == 0, changed.stderr
    finally:
        central.program.stop()
    rows = checked("barrio-peer", "--config", str(file), "run")
    assert rows["upload_slots"] == (3, str(file))
    assert rows["download_slots"] == (6, str(data / "settings.json"))
    assert rows["rescan_seconds"] == (900, "default")


def test_a_device_joins_by_the_name_of_the_option_or_of_the_environment(tmp_path: Path) -> None:
    central = Central(tmp_path / "central")
    named = CLEAN | {"BARRIO_NAME": "Eva"}
    try:
        for option, name in (((), "Eva"), (("--name", "Ana"), "Ana")):
            folder = str(tmp_path / name)
            joined = run_command(
                "barrio-peer", "--data-dir", folder, "join", central.invite(), *option, "--json", env=named
            )
            assert joined.returncode == 0, joined.stderr
            assert json.loads(joined.stdout)["name"] == name
    finally:
        central.program.stop()


@pytest.mark.parametrize(("program", "verb"), [("barrio-central", "serve"), ("barrio-peer", "run")])
def test_all_that_is_wrong_is_told_at_once_with_status_2(tmp_path: Path, program: str, verb: str) -> None:
    file = tmp_path / "settings.toml"
    file.write_text('lisen = "127.0.0.1:0"\nlog-level = "info"\nlisten = 5\ncolour = true\n[server]\nx = 1\n')
    wrong = CLEAN | {"BARRIO_LOG_FORMAT": "xml"}
    done = run_command(program, "--data-dir", str(tmp_path / "data"), "--config", str(file), verb, env=wrong)
    assert (done.returncode, done.stdout) == (2, "")
    assert "did you mean listen?" in done.stderr
    assert "did you mean log_level?" in done.stderr
    assert "'colour'" in done.stderr
    assert "[server]" in done.stderr
    assert f"{file}: listen" in done.stderr
    assert "BARRIO_LOG_FORMAT: 'xml'" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("spoil", ["missing", "broken", "folder", "binary", "deep", "large"])
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, spoil: str) -> None:
    file = tmp_path / "central.toml"
    contents = {
        "broken": b"listen = ",
        "binary": b"\xff\xfe\0",
        "deep": b"a = " + b"[" * 100_000,
        "large": b"#" * (1 << 20) + b"\n",
    }
    if spoil == "folder":
        file.mkdir()
    elif spoil != "missing":
        file.write_bytes(contents[spoil])
    with pytest.raises(SettingsError) as caught:
        SettingsFile.read(file)
    assert len(caught.value.problems) == 1
    assert str(file) in caught.value.problems[0]
    assert len(caught.value.problems[0].splitlines()) == 1


def test_a_variable_with_a_slip_is_told_and_those_of_others_are_not() -> None:
    known = [setting.known for setting in config.SETTINGS]
    for slip, meant in (("BARRIO_LISTN", "BARRIO_LISTEN"), ("BARRIO_DATADIR", "BARRIO_DATA_DIR")):
        assert meant in strange_variables([slip], known)[0]
    others = [setting.environment for setting in SETTINGS]
    assert strange_variables([*others, "BARRIO_EXAMPLES", "BARRIO_CONFIG", "LISTN", "PATH"], known) == []
    assert strange_variables([one.known.variable for one in config.SETTINGS], run_settings.KNOWN) == []
    done = run_command("barrio-central", "serve", "--check", env=CLEAN | {"BARRIO_LISTN": "1"})
    assert "did you mean BARRIO_LISTEN?" in done.stdout


def test_a_file_that_others_may_not_read_is_no_business_of_theirs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from protos.operating import settings_file

    usual = tmp_path / "central.toml"
    monkeypatch.setattr(settings_file, "default_file", lambda name: usual)
    assert find_file(None, "central", {}, needed=True).path is None
    usual.write_text("uses = 2")
    assert find_file(None, "central", {}, needed=False).values == {"uses": 2}
    monkeypatch.setattr(settings_file.os, "access", lambda *_: False)
    assert find_file(None, "central", {}, needed=False).path is None
    assert find_file(None, "central", {}, needed=True).path == usual


def test_every_setting_has_a_key_an_option_and_a_variable() -> None:
    for known in (*(setting.known for setting in config.SETTINGS), *run_settings.KNOWN):
        assert known.key == known.key.lower().replace("-", "_")
        assert known.variable == f"BARRIO_{known.key.upper()}"
        assert known.option == f"--{known.key.replace('_', '-')}"
    assert {s.key for s in SETTINGS} < {known.key for known in run_settings.KNOWN}


def test_what_a_file_says_is_checked_even_where_an_option_wins() -> None:
    known = [Known("port", lambda value: int(str(value)), lambda: 1)]
    file = SettingsFile(Path("f.toml"), {"port": "x"})
    with pytest.raises(SettingsError, match=r"f\.toml: port"):
        settle(known, {"port": "2"}, {}, file)
    assert settle(known, {"port": None}, {"BARRIO_PORT": ""}, SettingsFile(None))["port"].source == "default"
