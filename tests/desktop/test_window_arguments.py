"""The command line of the window: wrong usage ends with status 2 and one sentence."""

from pathlib import Path

import pytest

import peer_core
from desktop import __version__
from desktop.arguments import ContentLink, default_data_dir, parse, parse_link, read_token
from peer_core.data_folder import default_data_dir as of_the_peer
from peer_core.links import content_link
from protos.agreed import Invite


def test_options(tmp_path: Path) -> None:
    token = tmp_path / "local-api.json"
    token.write_text('{"url": "http://127.0.0.1:5", "token": "abc"}', "utf-8")
    options = parse(["--data-dir", str(tmp_path), "--connect", "http://127.0.0.1:5/", "--token-file", str(token)], {})
    assert (options.data_dir, options.connect, options.token) == (tmp_path, "http://127.0.0.1:5", "abc")
    env = {"BARRIO_DATA_DIR": str(tmp_path), "BARRIO_CONNECT": "http://x:1", "BARRIO_TOKEN_FILE": str(token)}
    assert parse(["barrio://h:1/join#x.y"], env).link == "barrio://h:1/join#x.y"
    assert parse([], env).token == "abc"


def test_the_window_and_the_headless_peer_share_a_data_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("BARRIO_DATA_DIR", raising=False)
    assert parse([], {}).data_dir == default_data_dir() == of_the_peer()


@pytest.mark.parametrize(
    "argv",
    [
        ["hello"],
        ["--nonsense"],
        ["--connect", "http://x:1"],
        ["--connect", "x:1", "--token-file", "t"],
        ["--token-file", "t"],
        ["--connect", "http://x:1", "--token-file", "/no/such/file"],
    ],
)
def test_wrong_usage(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(argv, {})
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("barrio: ") and line.endswith(" (try barrio --help)")


def test_wrong_link_shows_good_ones(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["foo"], {})
    said = capsys.readouterr().err
    assert "barrio://192.168.1.20:51016/join#" in said and "barrio://content/" in said


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert __version__ == peer_core.__version__
    with pytest.raises(SystemExit) as ended:
        parse(["--version"], {})
    assert ended.value.code == 0 and capsys.readouterr().out == f"barrio {__version__}\n"


def test_links() -> None:
    content_id = "a" * 51 + "q"
    for name in ("Plaza & café.wav", "../../x", ""):
        assert parse_link(content_link(content_id, name)) == ContentLink(content_id, name)
    assert parse_link(f"barrio://content/{content_id}") == ContentLink(content_id, "")
    assert isinstance(parse_link(f"barrio://host:51016/join#token.{content_id}"), Invite)
    for bad in ("barrio://content/short", "barrio://content", "barrio://[", "barrio://h:1/join#x", "file:///etc", ""):
        with pytest.raises(ValueError):
            parse_link(bad)


def test_tokens(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("abc-_1\n", "utf-8")
    assert read_token(file) == "abc-_1"
    for bad in ("", "two words", "{}", "{mangled", "ñ"):
        file.write_text(bad, "utf-8")
        with pytest.raises(ValueError):
            read_token(file)
