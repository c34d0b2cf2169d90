"""What the command line says to a newcomer: names, ids, folders and verbs as people type them, over a real peer."""

import argparse
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from processes import run_command

from peer_core.cli import main as cli
from peer_core.cli import naming, offer_verbs, output, output_folder, settings_verb
from peer_core.errors import BadInputError, NotFoundError
from peer_core.peer import Peer
from protos.agreed import encode_id

CONTENT = encode_id(bytes(range(32)))
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[Peer]:
    made = Peer(tmp_path / "data", {"download_dir": str(tmp_path / "downloads"), "listen": "127.0.0.1:0"})
    made.start()
    yield made
    made.stop()


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Exit status, standard output and standard error of one command line."""

    def run(*argv: str) -> tuple[int, str, str]:
        capsys.readouterr()
        try:
            status = cli.main(list(argv))
        except SystemExit as error:
            status = int(str(error.code))
        said = capsys.readouterr()
        return status, said.out, said.err

    return run


@pytest.fixture
def at(peer: Peer, run: Run) -> Run:
    """The same for the peer that runs."""
    return lambda *argv: run("--data-dir", str(peer.data_dir), *argv)


class Barrio:
    """Answers of the local API, without a peer: who is here, what is shared, what was offered."""

    program = "barrio-peer"

    def __init__(
        self, *names: str, known: tuple[str, ...] = (), shares: tuple[str, ...] = (), me: str | None = None
    ) -> None:
        """`me`: the name of this device, which is among `names`."""
        self._members: list[dict[str, Any]] = [
            {"name": name, "peer_id": f"{n:051x}a", "me": name == me} for n, name in enumerate(names, 0xABCDEF0 << 176)
        ]
        self._offers = [{"id": f"{n:012x}", "names": [k], "peer_name": k, "peer_id": k} for n, k in enumerate(known)]
        self._shares = [{"name": name} for name in shares]

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        begins = naming.fold(query.get("q") or "")
        here = [
            m for m in self._members if naming.fold(m["name"]).startswith(begins) or m["peer_id"].startswith(begins)
        ]
        if path.endswith("/shares"):
            return {"shares": self._shares}
        return {"members": here, "next_cursor": None, "offers": self._offers, "rules": []}

    def id_of(self, name: str) -> str:
        return next(str(m["peer_id"]) for m in self._members if m["name"] == name)


def test_a_member_is_found_by_name_without_case_and_accents_and_by_its_beginning() -> None:
    barrio: Any = Barrio("Ana's laptop", "Bruno", "José", "Jose Luis", "Eva", "EVA")
    for typed, name in (
        ("Ana", "Ana's laptop"),
        ("ana's LAPTOP", "Ana's laptop"),
        ("bruno", "Bruno"),
        ("br", "Bruno"),
        ("jose", "José"),
        ("jose l", "Jose Luis"),
        ("Eva", "Eva"),
        ("EVA", "EVA"),
        (barrio.id_of("Bruno"), "Bruno"),
    ):
        assert naming.peer_id(barrio, typed) == barrio.id_of(name), typed
    with pytest.raises(BadInputError, match=r"Eva \(.{12}\), EVA \(.{12}\); give the whole name, or more of an id"):
        naming.peer_id(barrio, "eva")
    with pytest.raises(BadInputError, match=r"José \(.*Jose Luis \("):
        naming.peer_id(barrio, "jos")
    with pytest.raises(BadInputError, match="may be several members"):
        naming.peer_id(barrio, barrio.id_of("Eva")[:8])


def test_a_name_that_nobody_has_is_answered_by_one_that_is_near() -> None:
    barrio: Any = Barrio("Ana's laptop", "Bruno", known=("Carla",))
    for typed, near in (("Anna", "Ana's laptop"), ("Brnuo", "Bruno")):
        with pytest.raises(NotFoundError, match=f"Nobody is called “{typed}”; did you mean “{near}”") as caught:
            naming.peer_id(barrio, typed)
        assert "here now" not in caught.value.message
    with pytest.raises(NotFoundError, match="Nobody called “Zulema” is known here"):
        naming.peer_id(barrio, "Zulema")
    with pytest.raises(NotFoundError, match="“Carla” is not here now"):
        naming.peer_id(barrio, "carla")
    assert naming.peer_id(barrio, "carla", away=True) == "Carla"
    # Nothing goes to somebody whose name only begins like that of one who is away.
    bruna: Any = Barrio("Bruno's sister", known=("Bruno",))
    assert naming.peer_id(bruna, "bruno", away=True) == "Bruno"
    with pytest.raises(NotFoundError, match="“Bruno” is not here now"):
        naming.peer_id(bruna, "Bruno")
    with pytest.raises(NotFoundError, match="Nobody is called “bru”; did you mean “Bruno”, “Bruno's sister”"):
        naming.peer_id(bruna, "bru", away=True)
    assert naming.peer_id(bruna, "bru") == bruna.id_of("Bruno's sister")
    with pytest.raises(NotFoundError):
        naming.peer_id(barrio, "")


def test_files_and_trust_go_to_nobody_who_was_not_named() -> None:
    barrio: Any = Barrio("Anabel", "Ana's laptop", "José", "bruno", "Eva", "EVA", "Me", known=("Bruno",), me="Me")
    with pytest.raises(NotFoundError, match="Nobody is called “anab”; did you mean “Anabel”"):
        naming.peer_id(barrio, "anab", away=True)
    with pytest.raises(NotFoundError, match="Nobody is called “Ana”; did you mean “Anabel”, “Ana's laptop”"):
        naming.peer_id(barrio, "Ana", away=True)
    assert naming.peer_id(barrio, "anab") == barrio.id_of("Anabel")
    assert naming.peer_id(barrio, "JOSE", away=True) == barrio.id_of("José")
    # Known and away is one, and the other one is here.
    for typed in ("bruno", "Bruno", "BRUNO"):
        with pytest.raises(BadInputError, match=r"Bruno \(Bruno\), bruno \(.{12}\); give more of an id"):
            naming.peer_id(barrio, typed, away=True)
    with pytest.raises(BadInputError, match="may be several members: Eva"):
        naming.peer_id(barrio, "Eva", away=True)
    assert naming.peer_id(barrio, "Eva") == barrio.id_of("Eva")
    for typed in ("me", barrio.id_of("Me")[:-1]):
        with pytest.raises(BadInputError, match="is this device; name another member"):
            naming.peer_id(barrio, typed, away=True)
    with pytest.raises(NotFoundError, match="known here"):
        naming.peer_id(barrio, "m", away=True)
    assert naming.peer_id(barrio, "m") == barrio.id_of("Me")
    assert naming.peer_id(barrio, barrio.id_of("Eva")[:-1], away=True) == barrio.id_of("Eva")


@pytest.mark.parametrize("away", [False, True])
def test_who_is_called_like_the_beginning_of_an_id_does_not_take_its_place(away: bool) -> None:
    beginning = Barrio("Victim").id_of("Victim")[:-1]
    for name in (beginning, beginning.upper()):
        barrio: Any = Barrio("Victim", name)
        with pytest.raises(BadInputError, match="may be several members: ") as caught:
            naming.peer_id(barrio, beginning, away=away)
        assert "Victim" in caught.value.message
    assert naming.peer_id(barrio, barrio.id_of("Victim"), away=away) == barrio.id_of("Victim")
    short: Any = Barrio("Victim", beginning[:5])
    assert naming.peer_id(short, beginning[:5], away=away) == short.id_of(beginning[:5])


def test_the_name_of_a_share_is_found_without_case_and_accents() -> None:
    barrio: Any = Barrio(shares=("Música", "Fotos", "fotos"))
    assert naming.shared_path(barrio, "x", "musica/Disco Uno/") == "Música/Disco Uno"
    assert naming.shared_path(barrio, "x", "fotos/playa") == "fotos/playa"
    with pytest.raises(BadInputError, match="several shares: Fotos, fotos"):
        naming.shared_path(barrio, "x", "FOTOS")
    with pytest.raises(NotFoundError, match="did you mean “Música”"):
        naming.shared_path(barrio, "x", "Musika")
    with pytest.raises(NotFoundError, match="“barrio-peer browse PEER” lists what is"):
        naming.shared_path(barrio, "x", "nothing")


def test_a_transfer_is_shown_and_changed_by_the_beginning_of_its_id(peer: Peer, at: Run) -> None:
    made = peer.queue.add(bytes(range(32)), "film.mkv", paused=True)
    short = made.id[:4]
    status, out, _ = at("transfers", short)
    assert status == 0 and "film.mkv: paused" in out and made.id in out
    assert not re.search(r"\d\.\d{3,}", out)
    assert json.loads(at("transfers", short, "--json")[1])["id"] == made.id
    assert at("transfers", "receipt", short)[0] == 0
    assert at("priority", short, "high")[1].startswith("film.mkv: paused")
    assert at("move", made.id, "up")[0] == 0
    for verb in (["transfers"], ["transfers", "receipt"], ["resume"], ["cancel"]):
        for wrong in ("zzzz", "zzzzzzzzzzzz", "../status"):
            status, _, err = at(*verb, wrong)
            assert status == 1 and f"There is no transfer “{wrong}”" in err and " transfers” lists the ids" in err
    for wrong, said in (
        (["pause", made.id[:2]], "at least the first 4 characters"),
        (["offers", "x"], "at least the first 4 characters"),
        (["transfers", "receit", short], "did you mean “receipt”"),
        (["transfers", short, short], "none of files, receipt and clear"),
        (["transfers", "receipt"], "Say which transfer"),
        (["transfers", "clear", short], f"cancel {short}”"),
        (["choose", short], "Say what to choose"),
        (["pause"], "Name one transfer, or --all."),
        (["pause", short, "--all"], "Name one transfer, or --all."),
        (["cancel", "all"], "Cancel each by its id"),
        (["accept", "abcd", "--up-to", "5"], "--up-to belongs to --always"),
        (["browse", "ana", "--limit", "0"], "1 at least"),
        (["get", CONTENT, "--skip-have"], "--skip-have belongs to --from"),
    ):
        status, out, err = at(*wrong)
        assert (status, out) == (2, "") and said in err and len(err.splitlines()) == 1, wrong
    assert at("pause", "all")[:2] == (0, "all are paused\n")
    assert at("cancel", short)[:2] == (0, "film.mkv: cancelled\n")
    assert at("transfers")[1] == "no transfers\n"


def test_the_beginning_of_an_id_that_several_have_lists_them() -> None:
    named = {"abcd11112222": "film", "abcd33334444": "song"}
    with pytest.raises(BadInputError, match=r"abcd11112222 \(film\), abcd33334444 \(song\); give more"):
        naming._id_beginning("abcd", named, "offers")
    assert naming._id_beginning("ABCD1", named, "offers") == "abcd11112222"
    assert naming._id_beginning("xxxx", named, "offers") is None


def test_an_unknown_offer_says_where_the_ids_are(at: Run) -> None:
    for verb in ("offers", "accept", "decline", "withdraw"):
        status, _, err = at(verb, "abcd")
        assert status == 1 and "There is no offer “abcd”" in err and " offers” lists the ids" in err


def test_output_names_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "there.pdf").write_text("x")

    def told(given: str, name: str | None = None) -> tuple[str | None, str]:
        arguments = argparse.Namespace(output=f"{tmp_path}/{given}", json=False)
        return output_folder.output_folder(arguments, name), capsys.readouterr().out

    for given, name in (("there.pdf", None), ("new.pdf", None), ("new.BIN", "old.bin"), ("new.bin", None)):
        with pytest.raises(BadInputError, match="--output names a folder"):
            told(given, name)
    for given, name in (("new", "a.pdf"), ("v1.2", None), ("Mr. X", "a.pdf"), ("web.bin", "a.pdf")):
        folder = str(tmp_path / given)
        assert told(given, name) == (folder, f"a new folder: {folder}\n")
    assert told("new.pdf/")[0] == str(tmp_path / "new.pdf")
    assert told("") == (str(tmp_path), "")
    assert output_folder.output_folder(argparse.Namespace(output=None, json=False)) is None


def test_get_says_how_a_folder_is_fetched_and_what_output_is(at: Run, tmp_path: Path) -> None:
    status, _, err = at("get", "Music/disco")
    assert status == 1 and "get --from PERSON SHARE/FOLDER" in err
    assert "get --from PERSON SHARE/FOLDER" in at("get", "disco")[2]
    wrong = CONTENT[:-1] + "b"
    assert "check its last letter" in at("get", wrong)[2]
    status, _, err = at("get", CONTENT, "--output", str(tmp_path / "film.mkv"))
    assert status == 2 and "--output names a folder" in err
    assert not (tmp_path / "film.mkv").exists()


def test_every_option_and_argument_has_a_help_text() -> None:
    def silent(parser: argparse.ArgumentParser) -> Iterator[str]:
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                for below in action.choices.values():
                    yield from silent(below)
            elif not action.help:
                yield f"{parser.prog} {action.metavar or action.dest}"

    assert list(silent(cli._parser())) == []


def test_an_unknown_verb_is_one_line_with_what_may_be_meant(run: Run) -> None:
    assert run("serch", "jazz")[::2] == (
        2,
        "barrio-peer: “serch” is no verb; did you mean “search”? (try barrio-peer --help)\n",
    )
    assert run("share", "ad")[2].startswith("barrio-peer share: “ad” is no verb; did you mean “add”?")
    assert run("xyzzy")[2] == "barrio-peer: “xyzzy” is no verb (try barrio-peer --help)\n"


def test_before_joining_it_says_to_join_and_with_which_data_folder(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "my data"
    # It tells its children how to log, so it gets a process of its own.
    stopped = run_command("barrio-peer", "run", "--data-dir", str(folder))
    assert (stopped.returncode, folder.exists()) == (1, False)
    assert f"first run: barrio-peer --data-dir '{folder}' join INVITE." in stopped.stderr
    for argv in (["status"], ["share", "add", "x"], ["doctor"]):
        for placed in (["--data-dir", str(folder), *argv], [*argv, "--data-dir", str(folder)]):
            status, out, err = run(*placed)
            assert status == 1
            assert f"barrio-peer --data-dir '{folder}' join INVITE" in out + err
            assert "start one" not in out + err
        assert not folder.exists()
    monkeypatch.setenv("BARRIO_DATA_DIR", str(folder))
    assert "first run: barrio-peer join INVITE." in run("status")[2]
    # As if it had joined.
    (folder / "identity").mkdir(parents=True)
    assert "start one with “barrio-peer run”" in run("status")[2]
    assert f"start one with “barrio-peer --data-dir '{folder}' run”" in run("doctor", "--data-dir", str(folder))[1]
    assert sorted(p.name for p in folder.iterdir()) == ["identity"]


def test_the_last_data_folder_that_is_named_holds_and_the_settings_file_may_follow(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "peer.toml"
    file.write_text(f'data_dir = "{tmp_path / "here"}"\n')
    assert str(tmp_path / "here") in run("run", "--check", "--config", str(file))[1]
    assert f"barrio-peer --config {file} join" in run("status", "--config", str(file))[2]
    assert f"barrio-peer --data-dir {tmp_path / 'c'} join" in run("share", "--data-dir", str(tmp_path / "c"), "list")[2]
    assert str(tmp_path / "b") in run("--data-dir", str(tmp_path / "a"), "status", "--data-dir", str(tmp_path / "b"))[2]


@pytest.mark.parametrize("name", ["\u3164", "Ana\u2800", "A\u034fna"])
def test_a_name_with_letters_that_nobody_sees_is_refused_before_joining(run: Run, at: Run, name: str) -> None:
    status, _, err = run("join", "barrio://nowhere", "--name", name)
    assert status == 2 and "no control or invisible characters" in err
    status, _, err = at("settings", "name", name)
    assert status == 1 and "no control or invisible characters" in err


def test_slow_mode_is_on_or_off(run: Run) -> None:
    status, _, err = run("limits", "--slow", "maybe")
    assert status == 2 and "It is either on (true) or off (false)." in err


def test_settings_fit_a_narrow_terminal(at: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    wide = at("settings")[1]
    assert wide.startswith("SETTING")
    monkeypatch.setattr(settings_verb, "columns", lambda: 80)
    narrow = at("settings")[1].splitlines()
    assert not [line for line in narrow if len(line) > 80 and "download_dir" not in line]
    assert "upload_slots  0  (at once)" in narrow
    assert "    Where downloads land" in narrow
    for value in ([], ["3"]):
        said = "barrio-peer: There is no setting “upload_slot”; did you mean “upload_slots”?\n"
        assert at("settings", "upload_slot", *value) == (1, "", said)
    assert "settings” lists them" in at("settings", "", "3")[2]
    assert json.loads(at("settings", "upload_slots", "3", "--json")[1])[0]["value"] == 3


def test_the_name_of_a_device_that_has_joined_stays(monkeypatch: pytest.MonkeyPatch, at: Run, peer: Peer) -> None:
    assert at("settings", "name", "Eva")[2] == ""
    was = peer.status
    monkeypatch.setattr(peer, "status", lambda: was() | {"joined": True, "peer_id": CONTENT, "name": "ana"})
    status, out, err = at("settings", "name", "Zoe", "--json")
    assert status == 0 and json.loads(out)[0]["value"] == "Zoe"
    assert "stays known as “ana” in its barrio; the new name counts when it joins one" in err


OFFER = {
    "id": "0123456789ab",
    "direction": "in",
    "peer_id": CONTENT,
    "peer_name": "Ana",
    "state": "delivered",
    "message": "Lo de\nayer",
    "names": ["Fotos/"],
    "files": 1,
    "bytes": 5,
    "files_done": 0,
    "bytes_done": 0,
    "error": None,
    "expires": "2026-11-24T10:00:00.123456Z",
}


def test_an_offer_says_that_it_waits_for_you(capsys: pytest.CaptureFixture[str]) -> None:
    class Offering:
        program = "barrio-peer"

        def call(self, method: str, path: str, **query: Any) -> Any:
            listed = [OFFER, OFFER | {"id": "ffff56789abc", "state": "done", "message": "old"}]
            return {"offers": listed} if path == "/v1/offers" else OFFER | {"listed": [], "next_after": None}

    client: Any = Offering()
    waits = "waits for you: barrio-peer accept 0123456789ab, or decline 0123456789ab"
    assert offer_verbs.offers(client, argparse.Namespace(id=None, json=False)) == 0
    out = capsys.readouterr().out
    assert f"Fotos/ from Ana {waits}\n“Lo de ayer”\n" in out
    assert out.count("waits for you") == 1 and "“old”" not in out
    assert "0 of 1 file, " in out
    assert offer_verbs.offers(client, argparse.Namespace(id="0123", json=False)) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"from Ana: {waits}, until 2026-11-2") and ".123456" not in out and "“Lo de ayer”" in out


def test_one_is_one() -> None:
    assert [output.count(n, "file") for n in (0, 1, 2)] == ["0 files", "1 file", "2 files"]
