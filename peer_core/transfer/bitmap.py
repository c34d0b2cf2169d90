"""A set of piece numbers as bits, most significant first. Pure; one owner."""

from collections.abc import Iterator


class Bitmap:
    """`count` bits; grows only: a bit that is set stays set."""

    def __init__(self, count: int, data: bytes | None = None) -> None:
        """Raises ValueError when `data` has another length than `count` bits need."""
        self.count = count
        self._bits = bytearray(-(-count // 8)) if data is None else bytearray(data)
        if len(self._bits) != -(-count // 8):
            raise ValueError(f"{count} bits do not fit {len(self._bits)} bytes")
        spare = len(self._bits) * 8 - count
        if spare:
            self._bits[-1] &= 0xFF << spare & 0xFF
        self._total = int.from_bytes(self._bits, "big").bit_count()

    def __contains__(self, piece: int) -> bool:
        return 0 <= piece < self.count and bool(self._bits[piece >> 3] & (0x80 >> (piece & 7)))

    def add(self, piece: int) -> None:
        if not 0 <= piece < self.count:
            raise IndexError(piece)
        if piece not in self:
            self._bits[piece >> 3] |= 0x80 >> (piece & 7)
            self._total += 1

    def __len__(self) -> int:
        return self._total

    @property
    def full(self) -> bool:
        return self._total == self.count

    def __iter__(self) -> Iterator[int]:
        return (piece for piece in range(self.count) if piece in self)

    def union(self, other: "Bitmap") -> "Bitmap":
        """What is in either, of two of the same count."""
        both = int.from_bytes(self._bits, "big") | int.from_bytes(other._bits, "big")
        return Bitmap(self.count, both.to_bytes(len(self._bits), "big"))

    def changed_since(self, other: "Bitmap") -> Iterator[int]:
        """The pieces of which the two, of the same count, say different things."""
        for index, (mine, its) in enumerate(zip(self._bits, other._bits, strict=True)):
            if mine != its:
                yield from (index * 8 + bit for bit in range(8) if (mine ^ its) & (0x80 >> bit))

    def byte(self, index: int) -> bytes:
        """The one byte that holds the bits 8 * index to 8 * index + 7."""
        return bytes(self._bits[index : index + 1])

    def to_bytes(self) -> bytes:
        return bytes(self._bits)
