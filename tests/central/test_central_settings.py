"""Settings of the central that are wrong are told in a sentence, before anything starts."""

import re
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from processes import run_command

from central import config
from central.invites import MAX_SECONDS, parse_duration, write_duration
from protos.agreed import Invite, encode_id


@pytest.mark.parametrize("text", ["1e3", "", "0", "-1", "1.5", "ten", "1_000", "٣", "9" * 5000])
def test_a_number_that_is_none_is_told(text: str) -> None:
    for setting in (config.MEMBER_ENTRIES, config.MEMBER_TEXT):
        with pytest.raises(ValueError, match=r"is no whole number of at least 1$"):
            setting.read(text)
    with pytest.raises(ValueError, match="is no whole number from 1 to"):
        config.USES.read(text)
    assert config.MEMBER_ENTRIES.read(" 1000 ") == 1000


@pytest.mark.parametrize("text", ["soon", "nan", "inf", "0", "1e9"])
def test_a_heartbeat_that_is_none_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="seconds"):
        config.HEARTBEAT.read(text)


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("central.example.org", "central.example.org"),
        (" Central.Example ", "Central.Example"),
        ("203.0.113.7", "203.0.113.7"),
        ("[2001:db8::7]", "2001:db8::7"),
        ("2001:db8::7", "2001:db8::7"),
        ("barrio-münchen.example", "barrio-münchen.example"),
    ],
)
def test_a_host_is_a_name_or_an_address(text: str, host: str) -> None:
    assert config.HOST.read(text) == host


@pytest.mark.parametrize(
    "text",
    ["", "https://central.example", "central.example:51016", "a b", "a\tb", "me@central", "a/b", "a#b", "a?b", "[x]:1",
     "x" * 254, "a\u2100b", "\u202ea"],
)  # fmt: skip
def test_what_no_invite_can_name_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="without scheme, port and blanks"):
        config.HOST.read(text)


@given(st.text(max_size=30))
@example("[::1%a]")
def test_an_invite_names_the_host_that_was_set(text: str) -> None:
    try:
        host = config.HOST.read(text)
    except ValueError:
        return
    invite = Invite(host, 51016, "token", encode_id(bytes(32)))
    assert Invite.parse(str(invite)).host == host.lower()


def test_the_check_tells_all_that_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / "central.toml"
    file.write_text('host = "https://central.example"\nmember_entries = "1e3"\n')
    done = run_command("barrio-central", "--config", str(file), "serve", "--check")
    assert (done.returncode, done.stdout) == (2, "")
    lines = done.stderr.splitlines()
    assert len(lines) == 2
    assert any("host" in line and "without scheme" in line for line in lines)
    assert any("member_entries" in line and "'1e3' is no whole number of at least 1" in line for line in lines)


def test_a_number_where_a_text_is_expected_is_told(tmp_path: Path) -> None:
    file = tmp_path / "central.toml"
    file.write_text("name = 5\nexpires = 7\nuses = 3\nheartbeat = 1.5\n")
    done = run_command("barrio-central", "--config", str(file), "serve", "--check")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        f'barrio-central: {file}: name: a text is expected; in quotes: "5"',
        f'barrio-central: {file}: expires: a text is expected; in quotes: "7"',
    ]


def test_a_duration_is_told_as_it_is_written() -> None:
    done = run_command("barrio-central", "serve", "--check")
    assert re.search(r"^expires +7d  \(default\)$", done.stdout, re.MULTILINE), done.stdout


@given(st.integers(1, MAX_SECONDS))
@example(86400)
@example(90)
def test_durations_are_read_as_they_are_written(seconds: int) -> None:
    assert parse_duration(write_duration(seconds)) == seconds
