"""What the doctor finds on one device, in both languages; with other members: tests/e2e/test_doctor.py."""

import json
import shutil
import string
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from processes import wait_for

from peer_core import doctor
from peer_core.checks import SENTENCES, Check, State, all_good
from peer_core.peer import Peer

I18N = Path(__file__).parents[2] / "desktop" / "i18n"


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[Peer]:
    made = Peer(tmp_path / "data", {"download_dir": str(tmp_path / "downloads"), "listen": "127.0.0.1:0"})
    made.start()
    yield made
    made.stop()


def outcomes(peer: Peer) -> dict[str, State]:
    return {check.code: check.state for check in peer.doctor()}


def test_before_joining_it_says_how_to_join(peer: Peer) -> None:
    headers = {"Authorization": f"Bearer {peer.token}"}
    with httpx.Client(base_url=peer.local_url, headers=headers, timeout=10, trust_env=False) as client:
        found = client.get("/v1/doctor").json()
    assert found["good"] is False
    first = found["checks"][0]
    assert set(first) == {"name", "state", "code", "details", "message"}
    assert (first["name"], first["state"], first["code"]) == ("joined", "bad", "not-joined")
    assert "barrio-peer join INVITE" in first["message"]
    assert {c["name"] for c in found["checks"]} == {"joined", "data-folder", "disk", "watching"}


def test_what_is_shared_is_watched(peer: Peer, tmp_path: Path) -> None:
    assert outcomes(peer)["watching-nothing"] is State.SKIPPED
    (tmp_path / "music").mkdir()
    peer.add_share(str(tmp_path / "music"), None)
    wait_for(lambda: outcomes(peer).get("watching") is State.GOOD, 20, "the watcher")


def test_a_data_folder_that_others_read_and_a_full_disk_are_told(
    peer: Peer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert outcomes(peer)["folder-good"] is State.GOOD
    (tmp_path / "data").chmod(0o755)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=499_000_000))
    found = outcomes(peer)
    assert found["folder-open"] is State.BAD
    assert found["disk-low"] is State.BAD

    def gone(path: Path) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(shutil, "disk_usage", gone)
    assert outcomes(peer)["disk-unknown"] is State.BAD


@pytest.mark.parametrize(
    ("offset", "code", "state"),
    [
        (None, "clock-unknown", State.SKIPPED),
        (59.0, "clock-good", State.GOOD),
        (-3600.0, "clock-ahead", State.BAD),
        (3600.0, "clock-behind", State.BAD),
    ],
)
def test_a_clock_that_is_wrong_is_told(offset: float | None, code: str, state: State) -> None:
    check = doctor._clock(offset)
    assert (check.code, check.state) == (code, state)
    assert "{" not in check.message


def test_good_is_what_has_nothing_bad() -> None:
    states = [State.GOOD, State.NOTE, State.SKIPPED]
    assert all_good([Check("x", state, "joined") for state in states])
    assert not all_good([Check("x", state, "joined") for state in [*states, State.BAD]])


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


@pytest.mark.parametrize("language", ["en", "es"])
def test_the_window_says_every_outcome_in_its_languages(language: str) -> None:
    words = json.loads((I18N / f"{language}.json").read_text("utf-8"))
    for code, sentence in SENTENCES.items():
        assert placeholders(words[f"doctor.{code}"]) <= placeholders(sentence), code
