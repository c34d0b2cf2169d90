"""Manifests and pieces: only the right bytes pass."""

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st

from peer_core.content import MAX_PIECE, MIN_PIECE, TARGET_PIECES, Manifest, piece_hash, piece_size_for
from peer_core.errors import PeerMisbehavedError
from peer_core.transfer.bitmap import Bitmap


def manifest_of(data: bytes) -> Manifest:
    size = piece_size_for(len(data))
    return Manifest(len(data), size, b"".join(piece_hash(data[i : i + size]) for i in range(0, len(data), size)))


@given(st.integers(0, 1 << 53))
def test_piece_sizes_follow_the_rule(size: int) -> None:
    piece = piece_size_for(size)
    assert MIN_PIECE <= piece <= MAX_PIECE
    assert piece & (piece - 1) == 0
    assert piece == MAX_PIECE or size <= piece * TARGET_PIECES
    assert piece == MIN_PIECE or size > (piece // 2) * TARGET_PIECES


@given(st.integers(0, 1 << 44))
def test_spans_cover_the_file_without_gaps(size: int) -> None:
    piece = piece_size_for(size)
    manifest = Manifest(size, piece, bytes(32 * min(4, -(-size // piece))))
    ends = [manifest.span(i) for i in range(min(3, manifest.count))]
    assert [start for start, _ in ends] == [i * piece for i in range(len(ends))]
    count = -(-size // piece)
    if count:
        start = (count - 1) * piece
        assert 0 < size - start <= piece


def test_an_empty_file_has_no_pieces() -> None:
    empty = manifest_of(b"")
    assert empty.count == 0
    assert Manifest.from_bytes(empty.to_bytes(), empty.content_id) == empty


@given(st.binary(max_size=200), st.data())
def test_a_changed_manifest_is_refused(data: bytes, draw: st.DataObject) -> None:
    good = manifest_of(data)
    raw = bytearray(good.to_bytes())
    raw[draw.draw(st.integers(0, len(raw) - 1))] ^= draw.draw(st.integers(1, 255))
    with pytest.raises(PeerMisbehavedError):
        Manifest.from_bytes(bytes(raw), good.content_id)


@given(st.binary(max_size=300))
def test_any_bytes_with_a_matching_id_must_still_be_a_manifest(raw: bytes) -> None:
    with pytest.raises(PeerMisbehavedError):
        Manifest.from_bytes(raw, blake3(raw).digest())


def test_impossible_sizes_are_refused() -> None:
    for size, piece, hashes in (
        (1 << 60, MAX_PIECE, b""),
        (5, MIN_PIECE, b""),
        (5, 1, bytes(160)),
        (0, MIN_PIECE, bytes(32)),
    ):
        raw = Manifest(size, piece, hashes).to_bytes()
        with pytest.raises(PeerMisbehavedError):
            Manifest.from_bytes(raw, blake3(raw).digest())


@given(st.integers(1, 500), st.data())
def test_a_bitmap_is_a_set(count: int, draw: st.DataObject) -> None:
    pieces = draw.draw(st.sets(st.integers(0, count - 1)))
    bits = Bitmap(count)
    for piece in pieces:
        bits.add(piece)
        bits.add(piece)
    assert set(bits) == pieces
    assert len(bits) == len(pieces)
    again = Bitmap(count, bits.to_bytes())
    assert set(again) == pieces
    assert again.full == (len(pieces) == count)
    assert -1 not in bits
    assert count not in bits


def test_bits_beyond_the_end_do_not_count() -> None:
    assert len(Bitmap(3, b"\xff")) == 3
    with pytest.raises(ValueError):
        Bitmap(3, b"\xff\xff")
    with pytest.raises(IndexError):
        Bitmap(3).add(3)
