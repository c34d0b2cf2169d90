"""Settings, addresses and links: what people and programs type."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peer_core.addresses import parse_listen, parse_url
from peer_core.errors import BadInputError, StorageError
from peer_core.links import content_link, parse_content
from peer_core.settings import SETTINGS, Settings
from protos.agreed import encode_id


def test_a_value_comes_from_the_command_line_then_the_environment_then_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for setting in SETTINGS:
        monkeypatch.delenv(setting.environment, raising=False)
    settings = Settings(tmp_path)
    assert settings.is_default("rescan_seconds")
    settings.change({"rescan_seconds": 60, "name": "Ana"})
    assert Settings(tmp_path).number("rescan_seconds") == 60
    monkeypatch.setenv("BARRIO_RESCAN_SECONDS", "70")
    assert Settings(tmp_path).number("rescan_seconds") == 70
    overridden = Settings(tmp_path, {"rescan_seconds": 80, "name": None})
    assert overridden.number("rescan_seconds") == 80
    assert overridden.text("name") == "Ana"
    assert overridden.locked("rescan_seconds")
    with pytest.raises(BadInputError, match="BARRIO_RESCAN_SECONDS"):
        overridden.change({"rescan_seconds": 90})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", ""),
        ("name", "a\nb"),
        ("name", "x" * 65),
        ("name", 5),
        ("listen", "nowhere"),
        ("listen", "1.2.3.4:99999"),
        ("listen", None),
        ("advertise", "http://a:1"),
        ("advertise", ["https://a:1"] * 17),
        ("download_dir", "relative"),
        ("download_dir", "/etc/hostname"),
        ("download_dir", "a\0b"),
        ("rescan_seconds", 1e400),
        ("rescan_seconds", True),
        ("rescan_seconds", 9),
        ("neighbour", "short"),
        ("nothing", 1),
    ],
)
def test_a_wrong_value_changes_nothing(tmp_path: Path, key: str, value: Any) -> None:
    settings = Settings(tmp_path)
    with pytest.raises(BadInputError) as caught:
        settings.change({"name": "Eva", key: value})
    assert caught.value.message.endswith(".")
    assert not (tmp_path / "settings.json").exists()


def test_a_mangled_file_is_told(tmp_path: Path) -> None:
    for text in ("{", "[]", '{"rescan_seconds": "soon"}'):
        (tmp_path / "settings.json").write_text(text)
        with pytest.raises((StorageError, BadInputError), match=r"settings\.json"):
            Settings(tmp_path)


def test_settings_of_a_newer_version_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text(json.dumps({"colour": "red", "name": "Ana"}))
    assert Settings(tmp_path).text("name") == "Ana"


@given(st.text(max_size=60))
def test_any_text_is_an_address_or_a_clear_error(text: str) -> None:
    for parse in (parse_listen, parse_url):
        try:
            host, port = parse(text)
        except BadInputError:
            continue
        assert host
        assert 0 <= port <= 65535


def test_addresses_come_back() -> None:
    assert parse_listen("0.0.0.0:0") == ("0.0.0.0", 0)
    assert parse_listen("[::1]:80") == ("::1", 80)
    assert parse_url("https://[::1]:80") == ("::1", 80)
    for bad in ("https://u@h:1", "https://h:1/x", "https://h:1?q", "https://h", "http://h:1", "https://h:1/#f"):
        with pytest.raises(BadInputError):
            parse_url(bad)


@given(st.binary(min_size=32, max_size=32), st.text(max_size=40))
def test_links_come_back(digest: bytes, name: str) -> None:
    content_id = encode_id(digest)
    try:
        link = content_link(content_id, name)
    except UnicodeEncodeError:
        return
    assert parse_content(link) == (content_id, name or None)
    assert parse_content(content_id) == (content_id, None)
    assert parse_content(f"https://host:1/v1/contents/{content_id}") == (content_id, None)


@given(st.text(max_size=80))
def test_any_text_is_a_link_or_a_clear_error(text: str) -> None:
    try:
        content_id, _ = parse_content(text)
    except BadInputError as error:
        assert error.message
    else:
        assert len(content_id) == 52
