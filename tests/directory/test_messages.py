"""Questions and answers: what comes from the central is hostile until it is read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peer_core.directory.messages import locate_bytes, read_locate, read_search, search_bytes
from peer_core.directory.types import Album, SearchQuestion
from peer_core.errors import BadInputError, BarrioError
from protos.agreed import encode_id
from protos.barrio.v1 import directory_pb2 as pb

ID = bytes(range(32))
PEER = encode_id(ID)


@given(st.binary(max_size=300))
def test_any_bytes_are_an_answer_or_a_clear_error(data: bytes) -> None:
    for read in (lambda: read_search(data, 50), lambda: read_locate(data, [ID])):
        try:
            read()
        except BarrioError as error:
            assert error.message or isinstance(error, BadInputError)


@pytest.mark.parametrize(
    "question",
    [
        SearchQuestion("x" * 1025),
        SearchQuestion("x", kind="film"),
        SearchQuestion("x", limit=0),
        SearchQuestion("x", limit=201),
        SearchQuestion("x", min_size=-1),
        SearchQuestion("x", max_size=1 << 60),
        SearchQuestion("x", min_size=5, max_size=4),
        SearchQuestion("\ud800"),
        SearchQuestion("x", extensions=("\ud800",)),
        SearchQuestion("x", extensions=tuple(f"e{n}" for n in range(33))),
        SearchQuestion("x", changed_since=-1),
        SearchQuestion("x", changed_since=1 << 62),
    ],
)
def test_a_bad_question_is_told_before_anybody_is_asked(question: SearchQuestion) -> None:
    with pytest.raises(BadInputError):
        search_bytes(question)


def test_a_question_arrives_as_it_was_asked() -> None:
    sent = pb.Question.FromString(search_bytes(SearchQuestion("plaza mayor", "audio", 1, 2, 3, "c")))
    assert (sent.search.text, sent.search.kind, sent.search.limit) == ("plaza mayor", "audio", 3)
    narrowed = SearchQuestion("plaza", extensions=("pdf", "epub"), changed_since=1_700_000_000)
    search = pb.Question.FromString(search_bytes(narrowed)).search
    assert (list(search.extensions), search.changed_since) == (["pdf", "epub"], 1_700_000_000)
    assert list(pb.Question.FromString(locate_bytes([ID])).locate.content_ids) == [ID]


def test_more_rows_than_asked_for_and_rows_without_sense_are_dropped() -> None:
    good = pb.SearchRow(content_id=ID, name="a", size=1, kind="audio", holders=1)
    strange = pb.SearchRow(content_id=ID, name="b", size=1, kind="malware", holders=1)
    rows = [pb.SearchRow(content_id=b"short"), pb.SearchRow(content_id=ID, size=1 << 60), strange, good, good, good]
    page = read_search(pb.Answer(search=pb.SearchAnswer(rows=rows)).SerializeToString(), 4)
    assert [r.name for r in page.rows] == ["b", "a"]
    assert page.rows[0].kind == "other"


def test_albums_come_along_and_no_more_than_a_few() -> None:
    albums = [pb.Album(path=f"Music/{n}", files=n, bytes=n * 10, holders=1) for n in range(20)]
    page = read_search(pb.Answer(search=pb.SearchAnswer(albums=albums)).SerializeToString(), 4)
    assert len(page.albums) == 8
    assert page.albums[3] == Album("Music/3", 3, 30, 1)


def test_what_the_central_says_is_wrong_reaches_the_person() -> None:
    with pytest.raises(BadInputError, match="fewer words"):
        read_search(pb.Answer(error="type fewer words").SerializeToString(), 5)


def test_holders_with_bad_ids_or_addresses_are_dropped() -> None:
    holders = [
        pb.PeerRecord(peer_id="no", addresses=["https://a:1"]),
        pb.PeerRecord(peer_id=PEER, addresses=["ftp://a", "https://a:1/path", "x" * 300]),
        pb.PeerRecord(peer_id=PEER, name="Ana", addresses=["nonsense", "https://a:1"]),
    ]
    location = pb.Location(content_id=ID, size=7, holders=holders, name="n")
    unasked = pb.Location(content_id=bytes(32), size=7, holders=holders)
    data = pb.Answer(locate=pb.LocateAnswer(locations=[unasked, location])).SerializeToString()
    found = read_locate(data, [ID, bytes([9]) * 32])
    assert [len(f.holders) for f in found] == [1, 0]
    assert found[0].holders[0].addresses == ("https://a:1",)
    assert found[0].content_id == ID


def test_that_members_are_coming_back_is_read() -> None:
    for returning in (True, False):
        answer = pb.Answer(search=pb.SearchAnswer(), members_returning=returning)
        assert read_search(answer.SerializeToString(), 10).returning is returning
    # A central of before.
    assert not read_search(pb.Answer(search=pb.SearchAnswer()).SerializeToString(), 10).returning
