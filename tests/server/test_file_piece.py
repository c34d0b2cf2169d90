"""Ranges of files: what a header means, what a piece hands out, and what happens when the file changes."""

import os
from io import FileIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peer_core.server.file_piece import (
    CHUNK_BYTES,
    FilePiece,
    PieceGone,
    RangeNotSatisfiable,
    parse_range,
    piece_response,
)


@pytest.mark.parametrize(
    ("header", "span"),
    [
        (None, None),
        ("bytes=0-0", (0, 1)),
        ("bytes=10-19", (10, 10)),
        ("bytes=90-", (90, 10)),
        ("bytes=95-500", (95, 5)),
        ("bytes=-5", (95, 5)),
        ("bytes=-500", (0, 100)),
        ("Bytes= 1-2 ", (1, 2)),
        ("bytes=1-2,5-6", None),
        ("bytes=5-2", None),
        ("bytes=-", None),
        ("bytes=+1-2", None),
        ("bytes=١-٢", None),
        ("bytes=" + "9" * 60 + "-", None),
        ("pieces=1-2", None),
        ("", None),
    ],
)
def test_ranges(header: str | None, span: tuple[int, int] | None) -> None:
    assert parse_range(header, 100) == span


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_ranges_outside_say_how_long_the_file_is(header: str) -> None:
    with pytest.raises(RangeNotSatisfiable) as raised:
        parse_range(header, 100)
    assert raised.value.status == 416
    assert raised.value.headers == {"Content-Range": "bytes */100"}


def test_an_empty_file_has_no_ranges_but_can_be_had_whole() -> None:
    assert parse_range("bytes=-5", 0) is None
    with pytest.raises(RangeNotSatisfiable):
        parse_range("bytes=0-", 0)


def test_if_range_counts_only_for_the_same_content() -> None:
    assert parse_range("bytes=1-2", 100, if_range='"abc"', etag="abc") == (1, 2)
    for other in ('"xyz"', 'W/"abc"', "abc", "Tue, 24 Nov 2026 06:00:00 GMT"):
        assert parse_range("bytes=1-2", 100, if_range=other, etag="abc") is None


@given(st.text(max_size=30) | st.from_regex(r"bytes=\d{0,4}-\d{0,4}(,\d-\d)?", fullmatch=True), st.integers(0, 3000))
def test_any_header_gives_a_range_inside_or_an_error(header: str, size: int) -> None:
    try:
        span = parse_range(header, size)
    except RangeNotSatisfiable:
        return
    if span is not None:
        start, length = span
        assert length > 0
        assert 0 <= start < start + length <= size


@pytest.mark.parametrize("preadv", [True, False])
def test_a_piece_gives_each_byte_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, preadv: bool) -> None:
    if not preadv:
        monkeypatch.delattr(os, "preadv", raising=False)
        monkeypatch.delattr(os, "posix_fadvise", raising=False)
    data = os.urandom(700_000)
    (tmp_path / "f").write_bytes(data)
    counts: list[int] = []
    piece = FilePiece(FileIO(tmp_path / "f"), 1000, 600_000, counted=counts.append)
    got = bytearray()
    assert piece.prepare(600_000) == len(piece) == 600_000
    while len(piece):
        part = piece.get(1 << 18)
        taken = min(len(part), 70_001)
        got += part[:taken]
        piece.skip(taken, True)
    assert bytes(got) == data[1000:601_000]
    assert sum(counts) == 600_000
    piece.close()
    piece.close()


def test_a_file_that_got_shorter_is_not_made_up(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(bytes(1000))
    piece = FilePiece(FileIO(tmp_path / "f"), 0, 2000)
    try:
        with pytest.raises(PieceGone):
            list(piece)
    finally:
        piece.close()


def test_the_check_is_asked_after_each_reading_and_before_the_bytes_leave(tmp_path: Path) -> None:
    size = 3 * CHUNK_BYTES + 5
    (tmp_path / "f").write_bytes(bytes(size))
    asked: list[int] = []
    answers = iter([True, True, True, False])

    def check() -> bool:
        asked.append(len(got))
        return next(answers)

    got = bytearray()
    piece = FilePiece(FileIO(tmp_path / "f"), 0, size, check=check)
    try:
        with pytest.raises(PieceGone):
            for part in piece:
                got += part
    finally:
        piece.close()
    assert asked == [0, CHUNK_BYTES, 2 * CHUNK_BYTES, 3 * CHUNK_BYTES]
    assert len(got) == 3 * CHUNK_BYTES, "the last bytes did not leave"


def test_answers_carry_what_http_clients_need(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_bytes(bytes(range(100)))
    with piece_response(path, (10, 5), 100, "abc") as answer:
        assert answer.status_code == 206
        assert answer.headers["Content-Range"] == "bytes 10-14/100"
        assert answer.headers["Content-Length"] == "5"
        assert answer.headers["ETag"] == '"abc"'
        assert b"".join(answer.iter_encoded()) == bytes(range(10, 15))
    with piece_response(path, None, 100, "abc") as answer:
        assert answer.status_code == 200
        assert "Content-Range" not in answer.headers
    with piece_response(FileIO(path), None, 100, "abc", head=True) as answer:
        assert answer.headers["Content-Length"] == "100"
    with pytest.raises(PieceGone):
        piece_response(path, (100, 10), 110, "abc")
    with pytest.raises(PieceGone):
        piece_response(path, None, 100, "abc", check=lambda: False)
    with pytest.raises(FileNotFoundError):
        piece_response(tmp_path / "gone", None, 100, "abc")
