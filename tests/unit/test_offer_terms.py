"""Offers as they travel: what a sender says comes back as it was, and nothing that is no offer gets through."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peer_core.errors import BadInputError
from peer_core.offers.terms import (
    MAX_EXPIRY,
    MAX_FILES,
    MAX_OFFER,
    News,
    Terms,
    is_part,
    news_bytes,
    offer_bytes,
    parts_of,
    read_news,
    read_offer,
)
from peer_core.offers.types import OfferedFile, OfferState
from peer_core.safe_names import inside
from protos.agreed import encode_id

CONTENT = encode_id(bytes(32))
GOOD: dict[str, Any] = {
    "id": "0" * 32,
    "message": "",
    "expires_in": 60,
    "files": [{"folder": "", "name": "a", "size": 1, "content_id": CONTENT}],
}
text = st.text(alphabet=st.characters(codec="utf-8"), max_size=40)
part = text.filter(is_part)
files = st.builds(
    OfferedFile,
    folder=st.lists(part, max_size=4).map("/".join),
    name=part,
    size=st.integers(0, 1 << 40),
    content_id=st.binary(min_size=32, max_size=32),
)
anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.just(CONTENT)
    | st.just("../.."),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*GOOD, *GOOD["files"][0]]), inner),
    max_leaves=12,
)


def with_file(**changes: Any) -> dict[str, Any]:
    return GOOD | {"files": [GOOD["files"][0] | changes]}


@given(st.lists(files, min_size=1, max_size=20), text, st.integers(1, MAX_EXPIRY))
def test_what_is_offered_comes_back(offered: list[OfferedFile], message: str, seconds: int) -> None:
    terms = Terms("ab" * 16, message, float(seconds), tuple(offered))
    assert read_offer(offer_bytes(terms)) == terms


@given(st.sampled_from(list(GOOD)), anything)
def test_no_other_value_breaks_the_reader(key: str, value: Any) -> None:
    try:
        terms = read_offer(json.dumps(GOOD | {key: value}).encode())
    except BadInputError:
        return
    for file in terms.files:
        assert file.size >= 0
        where = Path("/tmp/offers")
        for name in [*filter(None, file.folder.split("/")), file.name]:
            where = inside(where, name)
        assert where.is_relative_to(Path("/tmp").resolve())


@given(st.binary(max_size=300) | st.sampled_from([b"[" * 100_000, b"{}" * 30_000, b"null", b'{"files": 1e999}']))
def test_bytes_that_are_no_offer_are_refused(data: bytes) -> None:
    for read in (read_offer, read_news):
        with pytest.raises(BadInputError):
            read(data)


@pytest.mark.parametrize(
    "value",
    [
        GOOD | {"id": "0" * 31},
        GOOD | {"id": "../" + "0" * 29},
        GOOD | {"id": "0" * 32 + "\n"},
        GOOD | {"message": "x" * 1001},
        GOOD | {"message": "\ud800"},
        GOOD | {"expires_in": 0},
        GOOD | {"expires_in": -5},
        GOOD | {"expires_in": True},
        GOOD | {"files": []},
        GOOD | {"files": [GOOD["files"][0]] * (MAX_FILES + 1)},
        with_file(size=-1),
        with_file(size=1 << 54),
        with_file(size=1.5),
        with_file(size=True),
        with_file(name=""),
        with_file(name=".."),
        with_file(name="a/b"),
        with_file(name="a\0"),
        with_file(name="x" * 1025),
        with_file(folder="/etc"),
        with_file(folder="a//b"),
        with_file(folder="a/../b"),
        with_file(folder="x" * 5000),
        with_file(content_id="x"),
        with_file(content_id=7),
        GOOD | {"files": [GOOD["files"][0] | {"size": 1 << 53}] * 2},
    ],
)
def test_what_no_honest_sender_says_is_refused(value: dict[str, Any]) -> None:
    with pytest.raises(BadInputError):
        read_offer(json.dumps(value).encode())


def test_a_million_files_are_refused_before_they_are_made_values_of() -> None:
    for filling in (b"{},", b"[],"):
        with pytest.raises(BadInputError, match="at most 10000 files"):
            read_offer(b'{"files": [' + filling * ((MAX_OFFER - 100) // 3) + b"0]}")
    with pytest.raises(BadInputError, match="MiB"):
        read_offer(bytes(MAX_OFFER + 1))
    long = OfferedFile("", "x" * 1000, 1, bytes(32))
    with pytest.raises(BadInputError, match="send fewer"):
        offer_bytes(Terms("0" * 32, "", 60.0, (long,) * 5000))


def test_news_comes_back_and_counts_are_bounded() -> None:
    news = News(OfferState.ACCEPTED, 3, 4096)
    assert read_news(news_bytes(news)) == news
    for bad in (
        {"state": "dancing"},
        {"state": "done", "files_done": -1},
        {"state": "done", "bytes_done": 1 << 61},
        {},
    ):
        with pytest.raises(BadInputError):
            read_news(json.dumps(bad).encode())


def test_the_names_shown_are_what_was_chosen() -> None:
    listed = [OfferedFile("Fotos/a", "1", 1, b""), OfferedFile("Fotos", "2", 1, b""), OfferedFile("", "x.pdf", 1, b"")]
    assert parts_of(listed) == ["Fotos/", "x.pdf"]
