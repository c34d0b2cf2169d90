"""Real work in real processes, at the most talkative level; then the logs are searched for what was in that work."""

import json
from contextlib import closing
from pathlib import Path

import pytest
from asking import Asker
from processes import HeadlessPeer, run_command, wait_for
from world import World

from protos.agreed import Invite

ENV = {"BARRIO_LOG_FORMAT": "json", "BARRIO_LOG_LEVEL": "debug", "BARRIO_LOG_IDS": "hidden"}


def test_real_work_leaves_no_names_no_words_and_no_secrets_in_any_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in ENV.items():
        monkeypatch.setenv(name, value)
    world = World(tmp_path / "Wohnzimmer", 1.0)
    try:
        words = _work(world)
    finally:
        world.close()
    logs = {name: (world.root / f"{name}.log").read_text() for name in ("central", "Ariadna", "Bertolt")}
    numbers: dict[str, set[str]] = {}
    for name, text in logs.items():
        lines = [json.loads(line) for line in text.splitlines()]
        assert len(lines) > 5, text
        assert all({"time", "level", "logger", "message"} <= set(line) for line in lines)
        assert [line for line in lines if line["level"] in ("error", "critical")] == []
        numbers[name] = {line["request"] for line in lines if "request" in line}
        assert numbers[name], f"{name} numbers its requests"
        for word in words:
            assert word.lower() not in text.lower(), f"{word} is in the log of {name}"
    assert not numbers["central"] & numbers["Ariadna"]
    assert not numbers["central"] & numbers["Bertolt"]
    assert not numbers["Ariadna"] & numbers["Bertolt"]


def _work(world: World) -> list[str]:
    """Shares, searches, fetches, browses, offers, is refused; returns what no log may hold."""
    world.file("Tagebuch Kapitel eins.txt", 3000, "Ariadna")
    world.file("Geheimordner/Steuererklaerung.pdf", 2000, "Ariadna")
    invite = Invite.parse(world.central.invite(2))
    ariadna, bertolt = (HeadlessPeer(world.root / name, name, str(invite)).start() for name in ("Ariadna", "Bertolt"))
    world.peers |= {"Ariadna": ariadna, "Bertolt": bertolt}
    used_up = run_command("barrio-peer", "--data-dir", str(world.root / "Cosima"), "join", str(invite))
    assert used_up.returncode == 1
    ariadna.verb("share", "add", str(world.root / "Ariadna-files"), "--name", "Ariadna-files")
    with closing(Asker(ariadna)) as first, closing(Asker(bertolt)) as second:
        wait_for(lambda: second.status()["neighbours"], 30, "a neighbour")
        row = wait_for(lambda: second.rows("tagebuch kapitel"), 30, "an answer")[0]
        assert second.rows("Unauffindbar") == []
        shared = f"/v1/peers/{ariadna.peer_id}/shares"
        wait_for(lambda: second.ask(f"{shared}/Ariadna-files/Geheimordner").is_success, 30, "the folder")
        assert second.ask(f"{shared}/Ariadna-files/Nirgendwo").is_client_error
        bertolt.json("get", row["content_id"], "--output", str(world.root / "Empfangen"))
        sent = world.file("Liebesbrief.txt", 100, "Bertolt")
        bertolt.json("send", str(sent), "--to", ariadna.peer_id, "--message", "Herzallerliebste")
        offer = wait_for(lambda: [o for o in first.get("/v1/offers")["offers"] if o["direction"] == "in"], 30, "it")[0]
        ariadna.json("accept", offer["id"], "--wait")
        tokens = [first.token, second.token]
    return [
        *("Ariadna", "Bertolt", "Cosima", "Plaza Mayor", "Wohnzimmer", str(world.root)),
        *("Tagebuch", "Kapitel", "Geheimordner", "Steuererkl", "Unauffindbar", "Nirgendwo", "Liebesbrief"),
        *("Herzallerliebste", "Empfangen", invite.token, invite.fingerprint, *tokens),
        *(ariadna.peer_id, bertolt.peer_id, ariadna.peer_id[:12], bertolt.peer_id[:12], row["content_id"]),
    ]
