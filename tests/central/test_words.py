"""Text into words and into questions: any text is harmless, and the index agrees with the plain rule."""

import sqlite3
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from central.catalogue.sqlite.stages import PIECES, Stages
from central.catalogue.sqlite.tiers import REST
from central.catalogue.sqlite.vocabulary import BLOCK, Vocabulary
from central.catalogue.wanted import MAX_WORDS, Wanted
from central.catalogue.words import (
    extension_of,
    fold,
    indexed_text,
    kind_word,
    size_class,
    split_words,
)
from central.domain import SearchQuestion
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
        "CREATE VIRTUAL TABLE w USING fts5 (words, content = '', columnsize = 0, detail = none, tokenize = 'ascii')"
    )
    yield connection
    connection.close()


def read(text: str, kind: str = "", min_size: int = 0, max_size: int = 0, **more: Any) -> Wanted:
    return Wanted.read(SearchQuestion(text, kind, min_size, max_size, **more))


def find(index: sqlite3.Connection, wanted: Wanted, paths: list[str], texts: list[str]) -> set[int]:
    """What all stages together find, as the index and the plain rules of a stage say."""
    index.execute("INSERT INTO w (w) VALUES ('delete-all')")
    index.executemany("INSERT INTO w (rowid, words) VALUES (?, ?)", enumerate(texts))
    vocabulary = Vocabulary()
    for path in paths:
        vocabulary.add(split_words(path))
    stages = Stages(wanted, vocabulary)
    found: set[int] = set()
    number = REST
    while (stage := stages.at(number)) is not None:
        here = {row[0] for row in index.execute("SELECT rowid FROM w WHERE w MATCH ?", (stage.expression,))}
        if stage.verified:
            here = {place for place in here if wanted.by_words(split_words(paths[place]))}
        if not wanted.without:
            assert all(stage.has(split_words(paths[place])) for place in here)
        found |= here
        number = stage.number + 3
        assert stage.group in (0, 1, 2, PIECES)
    return found


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
    wanted = read(typed)
    assert wanted.by_words(split_words(name))
    assert find(index, wanted, [name], [indexed_text(name, 0, 5)]) == {0}


@given(
    typed=CLOSE | st.text(max_size=30), paths=st.lists(CLOSE | PATHS, max_size=5), kind=st.sampled_from(["", "audio"])
)
def test_the_index_says_what_the_plain_rule_says(
    index: sqlite3.Connection, typed: str, paths: list[str], kind: str
) -> None:
    try:
        wanted = read(typed, kind, 0, 0)
    except BadQuestionError:
        assert "-" in typed or not split_words(typed)
        return
    kinds = [place % 2 for place in range(len(paths))]
    texts = [indexed_text(path, number, 7) for path, number in zip(paths, kinds, strict=True)]
    expected = {
        place
        for place, path in enumerate(paths)
        if wanted.passes(path, kinds[place], 0)
        and (wanted.by_words(split_words(path)) or wanted.by_pieces(split_words(path)))
    }
    found = find(index, wanted, paths, texts)
    # What the index cannot know is looked at in the names themselves.
    assert found >= expected if wanted.read_names else found == expected


@given(sizes=st.lists(SIZES, min_size=1, max_size=6), low=SIZES, high=SIZES)
def test_size_classes_lose_no_file_within_the_bounds(
    index: sqlite3.Connection, sizes: list[int], low: int, high: int
) -> None:
    low, high = sorted((low, high))
    wanted = read("", "audio", low, high)
    found = find(index, wanted, ["x"] * len(sizes), [indexed_text("x", 0, size) for size in sizes])
    assert found >= {place for place, size in enumerate(sizes) if wanted.fits(size)}
    # Nothing that is more than a quarter away.
    assert all(low * 3 // 4 <= sizes[place] <= (high * 5 // 4 + 1 if high else 1 << 54) for place in found)
    if wanted.all_sizes_fit():
        assert all(wanted.fits(sizes[place]) for place in found)


def test_the_last_word_may_be_unfinished_until_something_follows_it() -> None:
    assert read("big pla", "", 0, 0).by_words(["plaza", "big"])
    assert not read("big pla ", "", 0, 0).by_words(["plaza", "big"])
    assert not read("bi plaza", "", 0, 0).by_words(["plaza", "big"])


@pytest.mark.parametrize("typed", ["", "   ", "...", "-", '"', "*", "\u0301", "\ue000audio"[:1]])
def test_nothing_to_search_for_is_said(typed: str) -> None:
    with pytest.raises(BadQuestionError, match="letter"):
        read(typed, "", 0, 0)


def test_filters_alone_are_a_question_and_bad_ones_are_not() -> None:
    assert read("", "video").passes("x", KINDS.index("video"), 0)
    with pytest.raises(BadQuestionError, match="letter"):
        read("***", "video", 0, 0)
    with pytest.raises(BadQuestionError, match="kind"):
        read("x", "films", 0, 0)
    with pytest.raises(BadQuestionError, match="larger"):
        read("x", "", 5, 4)
    with pytest.raises(BadQuestionError, match="characters"):
        read("x" * 1025, "", 0, 0)
    with pytest.raises(BadQuestionError, match="words"):
        read(" ".join(f"w{n}" for n in range(MAX_WORDS + 1)), "", 0, 0)


def test_typed_text_cannot_name_a_kind_of_the_index(index: sqlite3.Connection) -> None:
    wanted = read("\ue000audio", "", 0, 0)
    assert find(index, wanted, ["song.mp3"], [indexed_text("song.mp3", 0, 5)]) == set()


@pytest.mark.parametrize(
    ("typed", "name", "fits"),
    [
        ('"la plaza"', "canción de LA Plaza.mp3", True),
        ('"plaza la"', "canción de LA Plaza.mp3", False),
        ('"la pla"', "la plaza.mp3", False),
        ("plaza -roja", "la plaza.mp3", True),
        ("plaza -roja", "la plaza roja.mp3", False),
        ('plaza -"mayor roja"', "plaza mayor verde roja.mp3", True),
        ('plaza -"mayor roja"', "plaza mayor roja.mp3", False),
        ("artista - plaza", "Artista - Plaza.mp3", True),
        ('plaza "', "plaza.mp3", True),
    ],
)
def test_phrases_and_words_to_miss(typed: str, name: str, fits: bool) -> None:
    assert read(typed).by_words(split_words(name)) is fits


def test_a_word_to_miss_alone_is_no_question() -> None:
    with pytest.raises(BadQuestionError, match="letter"):
        read("-plaza")
    assert read("-plaza", "audio").without == (("plaza",),)


def test_pieces_inside_words(index: sqlite3.Connection) -> None:
    paths = ["lib/libpython3.so", "lib/pythonic.so", "lib/perl.so"]
    texts = [indexed_text(path, 0, 5) for path in paths]
    assert find(index, read("python"), paths, texts) == {0, 1}
    assert find(index, read("ython so"), paths, texts) == {0, 1}
    assert find(index, read('"python"'), paths, texts) == set()
    assert find(index, read("yt"), paths, texts) == set()


@pytest.mark.parametrize(
    ("name", "extension"),
    [("a/b.PDF", "pdf"), ("a/b", ""), ("a/.bashrc", ""), ("a/b.tar.gz", "gz"), ("a/b.", ""), ("a/b.c d", "")],
)
def test_extensions(name: str, extension: str) -> None:
    assert extension_of(name) == extension


def test_extensions_are_asked_for_in_any_form(index: sqlite3.Connection) -> None:
    paths = ["a/x.pdf", "a/y.PDF", "a/pdf", "a/z.epub", "a/w.txt"]
    texts = [indexed_text(path, 0, 100 * place) for place, path in enumerate(paths)]
    assert find(index, read("", extensions=(".Pdf", "epub")), paths, texts) == {0, 1, 3}
    assert find(index, read("", "", 50, 200, extensions=("pdf",)), paths, texts) == {1}
    for bad in ("", ".", "p f", "x" * 17):
        with pytest.raises(BadQuestionError, match="extension"):
            read("", extensions=(bad,))


@given(st.integers(0, 1 << 54), st.integers(0, 1 << 54))
def test_classes_of_sizes_grow_with_the_size(one: int, other: int) -> None:
    low, high = sorted((one, other))
    assert size_class(low) <= size_class(high)


@given(CLOSE | PATHS | st.text("ab_-.é ", max_size=90))
def test_the_index_splits_as_the_rules_say(index: sqlite3.Connection, path: str) -> None:
    text = indexed_text(path, 0, 5)
    index.execute("INSERT INTO w (w) VALUES ('delete-all')")
    index.execute("INSERT INTO w (rowid, words) VALUES (1, ?)", (text,))
    for word in {*split_words(path), kind_word(0)}:
        assert index.execute("SELECT rowid FROM w WHERE w MATCH ?", (f'"{word}"',)).fetchall() == [(1,)]


def test_who_looks_while_words_are_added_misses_none_and_sees_none_twice() -> None:
    vocabulary = Vocabulary()
    vocabulary.add(["before"])
    ended = threading.Event()

    def add() -> None:
        for number in range(20 * BLOCK):
            vocabulary.add([f"word{number}before"])
        ended.set()

    adder = threading.Thread(target=add)
    adder.start()
    fewest, looks = 1, 0
    while not ended.is_set():
        found = vocabulary.containing("before", 1_000_000)
        assert len(found) == len(set(found))
        assert len(found) >= fewest, "what was there once stays"
        assert found[0] == "before" and found[1:] == [f"word{n}before" for n in range(len(found) - 1)]
        fewest, looks = len(found), looks + 1
    adder.join()
    assert looks > 3
    assert len(vocabulary.containing("before", 1_000_000)) == 20 * BLOCK + 1
