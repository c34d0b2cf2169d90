"""Contents, manifests and pieces: what a file *is*, whatever its name. Pure; any thread.

Format (version 1, all integers big-endian): `b"barrio1\\n"`, size (8 bytes), piece size (4 bytes), then the
BLAKE3-256 of each piece. The content id is the BLAKE3-256 of those bytes.
"""

import struct
from dataclasses import dataclass

from blake3 import blake3

from peer_core.errors import PeerMisbehavedError
from peer_core.sizes import MAX_SIZE as MAX_SIZE

MAGIC = b"barrio1\n"
HEADER = struct.Struct(">8sQI")
HASH_BYTES = 32
MIN_PIECE = 1 << 20
MAX_PIECE = 1 << 24
TARGET_PIECES = 16_384
# Files up to this size are given many in one answer.
SMALL_BYTES = 256 << 10


def piece_size_for(size: int) -> int:
    """Bytes: the smallest power of two of 1 MiB and more that gives at most 16,384 pieces, at most 16 MiB."""
    piece = MIN_PIECE
    while piece < MAX_PIECE and size > piece * TARGET_PIECES:
        piece *= 2
    return piece


def manifest_bytes(size: int) -> int:
    """Bytes of the manifest of a file of `size` bytes."""
    return HEADER.size + HASH_BYTES * -(-size // piece_size_for(size))


def piece_hash(data: bytes | bytearray | memoryview) -> bytes:
    """BLAKE3-256 of one piece; releases the GIL."""
    return blake3(data).digest()


@dataclass(frozen=True)
class Manifest:
    """Proves every piece of a content; `content_id` (32 bytes) proves the manifest."""

    size: int
    piece_size: int
    hashes: bytes

    @property
    def count(self) -> int:
        return len(self.hashes) // HASH_BYTES

    def hash_of(self, piece: int) -> bytes:
        return self.hashes[piece * HASH_BYTES : (piece + 1) * HASH_BYTES]

    def span(self, piece: int) -> tuple[int, int]:
        """(offset, length) of a piece, bytes."""
        start = piece * self.piece_size
        return start, min(self.piece_size, self.size - start)

    def to_bytes(self) -> bytes:
        return HEADER.pack(MAGIC, self.size, self.piece_size) + self.hashes

    @property
    def content_id(self) -> bytes:
        return blake3(self.to_bytes()).digest()

    @classmethod
    def from_bytes(cls, data: bytes, content_id: bytes) -> "Manifest":
        """Raises PeerMisbehavedError unless `data` is the manifest that `content_id` names."""
        if blake3(data).digest() != content_id:
            raise PeerMisbehavedError(
                "The manifest does not belong to this file; another holder is asked.", "manifest-foreign"
            )
        if len(data) < HEADER.size:
            raise PeerMisbehavedError("The manifest is cut short; another holder is asked.", "manifest-cut")
        magic, size, piece_size = HEADER.unpack_from(data)
        hashes = data[HEADER.size :]
        if magic != MAGIC or size > MAX_SIZE or piece_size != piece_size_for(size):
            raise PeerMisbehavedError("The manifest has impossible sizes; another holder is asked.", "manifest-sizes")
        if len(hashes) != -(-size // piece_size) * HASH_BYTES:
            raise PeerMisbehavedError(
                "The manifest has the wrong number of pieces; another holder is asked.", "manifest-count"
            )
        return cls(size, piece_size, hashes)
