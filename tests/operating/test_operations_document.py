"""The commands of docs/operations.md, run in their order on a machine of their own (namespaces; root)."""

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from documents import MARKS, ROOT, blocks

from central.cli import build_parser
from peer_core.settings import SETTINGS

DOCUMENT = ROOT / "docs" / "operations.md"


def can_have_a_machine() -> bool:
    if sys.platform != "linux" or os.geteuid() != 0:
        return False
    done = subprocess.run(["unshare", "--mount", "--net", "--pid", "--fork", "true"], capture_output=True, check=False)
    return done.returncode == 0


def test_every_block_says_who_runs_it() -> None:
    found = blocks(DOCUMENT)
    assert [f"{DOCUMENT.name}:{block.line}" for block in found if block.mark not in MARKS] == []
    assert sum(block.mark == "run" for block in found) >= 8
    for block in found:
        if block.mark != "by-hand":
            assert "…" not in block.text


@pytest.mark.skipif(not can_have_a_machine(), reason="namespaces cannot be made here (root on Linux is needed)")
def test_its_commands_do_what_it_says(tmp_path: Path) -> None:
    commands = tmp_path / "commands"
    commands.mkdir()
    for block in blocks(DOCUMENT):
        if block.mark == "run":
            (commands / f"line-{block.line:04}").write_text(block.text)
    (commands / "line-9999").write_text("runuser -u barrio-central -- barrio-central peers --json\n")
    clean = {name: value for name, value in os.environ.items() if not name.startswith("BARRIO_")}
    clean["BARRIO_KEYRING"] = "off"
    done = subprocess.run(
        ["unshare", "--mount", "--net", "--pid", "--fork", "--mount-proc", "--kill-child",
         "sh", str(ROOT / "tests" / "support" / "clean_machine.sh")],
        env=clean | {"CHECKOUT": str(ROOT), "PYTHON": sys.base_prefix, "COMMANDS": str(commands)},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    told = done.stdout
    assert done.returncode == 0, told[-4000:] + done.stderr[-2000:]
    assert "host            central.example.org  (/etc/barrio/central.toml)" in told
    assert re.search(r"^barrio://central\.example\.org:51016/join#\S+$", told, re.MULTILINE)
    assert '"status": "serving"' in told
    assert "# TYPE barrio_" in told
    assert "authority/key.pem" in told
    assert "“Plaza Mayor” of" in told
    members = json.loads(told.rsplit("== line-9999\n", 1)[1].split("\n== end")[0])
    assert [member["name"] for member in members] == ["Attic"], "who joined before the backup is a member after it"


def test_what_it_says_of_settings_is_true() -> None:
    keys = {setting.key for setting in SETTINGS} | {"data_dir", "host", "log_format", "log_ids", "listen", "name"}
    for block in blocks(DOCUMENT):
        for key in re.findall(r"^([a-z_]+) = ", block.text, re.MULTILINE):
            assert key in keys


def test_each_verb_and_option_of_the_central_is_in_the_documents() -> None:
    text = (ROOT / "docs" / "command-line.md").read_text("utf-8").split("`barrio-central [--data-dir DIR]", 1)[1]
    options, verbs = set(), set()
    parsers = [build_parser()]
    for parser in parsers:
        for action in parser._actions:
            options |= {option for option in action.option_strings if option.startswith("--")}
            if isinstance(action, argparse._SubParsersAction):
                verbs |= set(action.choices)
                parsers += action.choices.values()
    assert {"serve", "backup", "restore", "invite"} <= verbs
    for verb in verbs:
        assert f"`{verb}" in text, verb
    for option in options - {"--help", "--version", "--data-dir"}:
        assert option in text, option
