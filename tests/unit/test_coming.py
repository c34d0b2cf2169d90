"""What a download tells others that it is fetching: runs of pieces, written and read, and what is no such thing."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peer_core.transfer.coming import MOST_RUNS, read_coming, write_coming


@given(st.sets(st.integers(0, 999), max_size=MOST_RUNS))
def test_what_is_written_is_read(pieces: set[int]) -> None:
    assert set(read_coming(write_coming(pieces), 1000)) == pieces


def test_more_than_some_are_left_out() -> None:
    text = write_coming(range(0, 1000, 2))
    assert list(read_coming(text, 1000)) == list(range(0, 2 * MOST_RUNS, 2))


def test_nothing_is_an_empty_text() -> None:
    assert write_coming([]) == ""
    assert len(read_coming("", 0)) == len(read_coming("", 7)) == 0


@pytest.mark.parametrize(
    "text",
    [
        "x",
        "1",
        "1-",
        "3-2",
        "0-8",
        "-1-2",
        "0-1,",
        ",0-1",
        "0-1;2-3",
        "0-1 ",
        "٣-٤",
        "9999999-9999999",
        "0-3,2-5",
        "4-5,0-1",
        "0-1," * 65 + "0-1",
    ],
)
def test_what_is_no_such_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        read_coming(text, 8)


@given(st.text(max_size=40))
def test_whatever_is_sent_it_is_refused_or_read(text: str) -> None:
    with suppress(ValueError):
        assert read_coming(text, 8).count == 8
