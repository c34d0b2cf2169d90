"""Every error of a peer is raised with a template, its code and its values; kept, sent and heard it stays the same."""

import errno
import json
from dataclasses import replace
from pathlib import Path

import pytest
from sentence_sites import sites

import central
import desktop
import peer_core
import protos
from peer_core.errors import BadInputError, BarrioError, NoRoomError, PeerUnreachableError
from peer_core.library.reasons import Reason
from peer_core.sizes import Size
from peer_core.system_words import USUAL, system_words
from peer_core.transfer.record import sources_from_json, sources_to_json, trouble_from_json, trouble_of, trouble_to_json
from peer_core.transfer.types import SourceReport, SourceState
from protos.sentences import Sentence, as_json, as_text, from_json, from_text, heard, say

# Each with the least that is found: a search that finds nothing proves nothing.
ROOTS = {
    Path(str(module.__file__)).parent: least
    for module, least in ((peer_core, 300), (protos, 6), (central, 5), (desktop, 1))
}

# What the central and the window raise is for their own logs, or their own strings.
PEER = ("peer_core", "protos")


@pytest.mark.parametrize("root", ROOTS, ids=lambda root: root.name)
def test_every_site_gives_just_the_values_of_its_template(root: Path) -> None:
    found = list(sites(root, raised=root.name in PEER))
    assert len(found) >= ROOTS[root]
    assert not [f"{site.where}: {site.complaint}" for site in found if site.complaint]


def test_a_code_has_one_sentence() -> None:
    templates: dict[str, str] = {}
    for root in ROOTS:
        for site in sites(root, raised=root.name in PEER):
            assert templates.setdefault(site.code, site.template) == site.template, f"{site.where}: {site.code}"


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        ('raise BadInputError("no code")', "give a template and its code"),
        ('raise BadInputError(f"no {code}")', "give a template and its code"),
        ('raise BadInputError(words or "no code")', "has no code"),
        ('raise BadInputError("{name} is wrong", "wrong-name")', "the values are []"),
        ('raise BadInputError("wrong", "wrong-name", name=name)', "the template has []"),
        ('raise BadInputError("wrong", "Wrong name")', "no code in kebab-case"),
        ('text = say("{a} is wrong", "wrong-name", b=1)', "the values are ['b']"),
        ('raise OwnError("wrong")', "give a template and its code"),
        ('class Late(OwnError):\n    def __init__(self, n):\n        super().__init__("late", n)', "give a template"),
    ],
)
def test_a_site_that_is_wrong_is_found(tmp_path: Path, source: str, complaint: str) -> None:
    (tmp_path / "tree.py").write_text("class BadInputError(BarrioError): ...\nclass OwnError(BadInputError): ...\n")
    (tmp_path / "site.py").write_text(source)
    (site,) = sites(tmp_path)
    assert site.complaint is not None and complaint in site.complaint


def test_the_english_text_is_made_of_template_and_values() -> None:
    error = NoRoomError(
        "{free_bytes} in {folder}, {left}", "no-such", free_bytes=Size(1_500_000), folder=Path("/a"), left=2
    )
    assert error.message == "1.5 MB in /a, 2"
    assert error.message.params == {"free_bytes": 1_500_000, "folder": "/a", "left": 2}
    assert (error.code, error.message.code, str(error)) == ("no-room", "no-such", "1.5 MB in /a, 2")


def test_braces_in_a_value_or_in_a_text_without_code_are_only_braces() -> None:
    assert BadInputError("“{name}” is wrong", "x", name="{0} {name}").message == "“{0} {name}” is wrong"
    assert BarrioError("{not a value").message == "{not a value"


def nested() -> Sentence:
    inner = PeerUnreachableError("{name} is busy.", "holder-busy", name="Eva").message
    return say("{reason} It {count}.", "outer", reason=inner, count=3)


def test_a_sentence_inside_a_sentence_keeps_its_code() -> None:
    outer = nested()
    assert outer == "Eva is busy. It 3."
    inner = outer.params["reason"]
    assert isinstance(inner, Sentence) and (inner.code, inner.params) == ("holder-busy", {"name": "Eva"})
    assert say("{why}", "x", why=Reason.NO_RIGHT).params["why"] == Reason.NO_RIGHT
    assert getattr(say("{why}", "x", why=Reason.NO_RIGHT).params["why"], "code", "") == "no-right"
    assert getattr(say("{why}", "x", why=ValueError(inner)).params["why"], "code", "") == "holder-busy"


def test_kept_as_text_or_as_json_it_is_the_same_again() -> None:
    outer = nested()
    for again in (from_text(as_text(outer)), from_json(json.loads(json.dumps(as_json(outer))))):
        assert again == outer and again.code == outer.code
        assert as_json(again) == as_json(outer)
    assert as_json(None, "reason") == {"reason": None, "reason_code": None, "params": {}}


@pytest.mark.parametrize("old", ["Eva is busy.", "", "3", "null", "[1]", '{"name": 1}', "{" * 5000])
def test_a_text_of_an_earlier_version_is_read_as_it_is(old: str) -> None:
    assert (from_text(old), from_text(old).code) == (old, "")


def test_a_trouble_keeps_its_sentence_and_an_old_row_is_readable() -> None:
    trouble = trouble_of(PeerUnreachableError("{name} is busy.", "holder-busy", name="Eva"))
    again = trouble_from_json(trouble_to_json(trouble))
    assert again == trouble and again is not None
    assert isinstance(again.message, Sentence)
    assert (again.message.code, again.message.params) == ("holder-busy", {"name": "Eva"})
    old = trouble_from_json('{"code": "no-room", "title": "t", "message": "The {disk", "fault": "me"}')
    assert old is not None and old.message == "The {disk" and as_json(old.message)["detail_code"] is None
    assert trouble_from_json(None) is None


def test_what_a_source_ended_with_keeps_its_sentence_and_an_old_row_is_readable() -> None:
    reason = say("{name} is busy.", "holder-busy", name="Eva")
    report = SourceReport("id", "Eva", SourceState.LOST, 1, 2, 0.0, 1, reason)
    (again,) = sources_from_json(sources_to_json((report,)))
    assert again == report and as_json(again.reason) == as_json(reason)
    old = json.loads(sources_to_json((report,)))
    old[0]["reason"] = "Eva is busy."
    assert sources_from_json(json.dumps(old)) == (report,)
    assert sources_from_json(sources_to_json((replace(report, reason=None),)))[0].reason is None


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        7,
        {},
        {"detail": None},
        {"detail": ["x"], "detail_code": 5, "params": []},
        {"detail": "x" * 9000, "detail_code": "y" * 9000, "params": {"a": 1}},
        {
            "detail": "a\x1b[31m\nb",
            "detail_code": "x",
            "params": {"a": "\x1b\u202ec", "b": 2.5, "c": None, "d": 1 << 99},
        },
        {"detail": "x", "detail_code": "x", "params": {str(n): n for n in range(999)}},
    ],
)
def test_what_somebody_else_sends_is_bounded(data: object) -> None:
    sentence = heard(data, 300)
    assert len(sentence) <= 300 and sentence.isprintable() and len(sentence.code) <= 64
    assert len(sentence.params) <= 16
    assert all(isinstance(v, int) or str(v).isprintable() for v in sentence.params.values())


def test_what_somebody_else_nests_without_end_ends() -> None:
    data: object = "x"
    for _ in range(400):
        data = {"detail": "x", "detail_code": "x", "params": {"a": data}}
    depth, sentence = 0, heard(data, 300)
    while isinstance(inner := sentence.params.get("a"), Sentence):
        depth, sentence = depth + 1, inner
    assert depth < 10


def test_what_the_system_says_has_a_code_where_it_is_usual() -> None:
    assert system_words(PermissionError(errno.EACCES, "Permission denied")).code == "errno-eacces"
    assert system_words(PermissionError(errno.EACCES, "Permission denied")) == "Permission denied"
    assert system_words(OSError("odd")) == "odd" and not system_words(OSError("odd")).code
    assert all(hasattr(errno, name) or name == "EDQUOT" for name in USUAL)
