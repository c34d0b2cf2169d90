"""Text into words and into questions: any text is harmless, and the index agrees with the plain rule."""

import sqlite3
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from central.catalogue.words import MAX_WORDS, Wanted, fold, indexed_text, split_words
from central.errors import BadQuestionError
from protos.agreed import KINDS

SIZES = st.integers(0, 1 << 53)
PATHS = st.text(max_size=40)
# Few different letters, so that words often match; marks, case, separators and FTS5's own signs among them.
CLOSE = st.text("abÁa\u0301 ñN世界が_-\"'*()^:+ANDORNOT", max_size=12)


@pytest.fixture(scope="module")
def index() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:")
    connection.execute(
        "CREATE VIRTUAL TABLE w USING fts5"
        " (words, content = '', columnsize = 0, detail = none, prefix = '1 2 3', tokenize = 'ascii')"
    )
    yield connection
    connection.close()


def find(index: sqlite3.Connection, wanted: Wanted, texts: list[str]) -> set[int]:
    index.execute("INSERT INTO w (w) VALUES ('delete-all')")
    index.executemany("INSERT INTO w (rowid, words) VALUES (?, ?)", enumerate(texts))
    return {row[0] for row in index.execute("SELECT rowid FROM w WHERE w MATCH ?", (wanted.expression(),))}


@given(st.text(max_size=50))
def test_folding_twice_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)
    assert split_words(fold(text)) == split_words(text)


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("cancion", "CANCIÓN de la plaza.flac"),
        ("Canción", "cancion.mp3"),
        ("cancio\u0301n", "canci\u00f3n"),
        ("STRASSE", "straße.txt"),
        ("ﬁn", "fin.txt"),
        ("世", "世界地図.png"),
        ("img 1234", "IMG_1234.JPG"),
        ("s01e02", "Series.S01E02.mkv"),
        ("pla", "plaza"),
    ],
)
def test_case_accents_and_signs_do_not_count(index: sqlite3.Connection, typed: str, name: str) -> None:
    wanted = Wanted.read(typed, "", 0, 0)
    assert wanted.matches(name, 0)
    assert find(index, wanted, [indexed_text(name, 0, 5)]) == {0}


@given(
    typed=CLOSE | st.text(max_size=30), paths=st.lists(CLOSE | PATHS, max_size=5), kind=st.sampled_from(["", "audio"])
)
def test_the_index_says_what_the_plain_rule_says(
    index: sqlite3.Connection, typed: str, paths: list[str], kind: str
) -> None:
    try:
        wanted = Wanted.read(typed, kind, 0, 0)
    except BadQuestionError:
        assert not split_words(typed)
        return
    kinds = [place % 2 for place in range(len(paths))]
    texts = [indexed_text(path, number, 7) for path, number in zip(paths, kinds, strict=True)]
    expected = {place for place, path in enumerate(paths) if wanted.matches(path, kinds[place])}
    assert find(index, wanted, texts) == expected


@given(sizes=st.lists(SIZES, min_size=1, max_size=6), low=SIZES, high=SIZES)
def test_size_classes_lose_no_file_within_the_bounds(
    index: sqlite3.Connection, sizes: list[int], low: int, high: int
) -> None:
    low, high = sorted((low, high))
    wanted = Wanted.read("", "audio", low, high)
    found = find(index, wanted, [indexed_text("x", 0, size) for size in sizes])
    assert found >= {place for place, size in enumerate(sizes) if wanted.fits(size)}
    # Nothing that is more than a power of two away.
    assert all(low // 2 <= sizes[place] <= (high * 2 + 1 if high else 1 << 54) for place in found)


def test_the_last_word_may_be_unfinished_until_something_follows_it() -> None:
    assert Wanted.read("big pla", "", 0, 0).matches("Plaza big", 0)
    assert not Wanted.read("big pla ", "", 0, 0).matches("Plaza big", 0)
    assert not Wanted.read("bi plaza", "", 0, 0).matches("Plaza big", 0)


@pytest.mark.parametrize("typed", ["", "   ", "...", "-", '"', "*", "\u0301", "\ue000audio"[:1]])
def test_nothing_to_search_for_is_said(typed: str) -> None:
    with pytest.raises(BadQuestionError, match="letter"):
        Wanted.read(typed, "", 0, 0)


def test_filters_alone_are_a_question_and_bad_ones_are_not() -> None:
    assert Wanted.read("", "video", 0, 0).matches("x", KINDS.index("video"))
    with pytest.raises(BadQuestionError, match="letter"):
        Wanted.read("***", "video", 0, 0)
    with pytest.raises(BadQuestionError, match="kind"):
        Wanted.read("x", "films", 0, 0)
    with pytest.raises(BadQuestionError, match="larger"):
        Wanted.read("x", "", 5, 4)
    with pytest.raises(BadQuestionError, match="characters"):
        Wanted.read("x" * 1025, "", 0, 0)
    with pytest.raises(BadQuestionError, match="words"):
        Wanted.read(" ".join(f"w{n}" for n in range(MAX_WORDS + 1)), "", 0, 0)


def test_typed_text_cannot_name_a_kind_of_the_index(index: sqlite3.Connection) -> None:
    wanted = Wanted.read("\ue000audio", "", 0, 0)
    assert find(index, wanted, [indexed_text("song.mp3", 0, 5)]) == set()
