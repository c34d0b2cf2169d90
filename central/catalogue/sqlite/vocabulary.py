"""All words of the catalogue's names in memory, the commonest first: beginnings and inner pieces become whole words.

The words lie in blocks of text, one a line. For each three bytes a mask says which blocks have them, so a piece is
looked for in few blocks only, and in the order of the blocks. Any thread; who looks never waits for who adds.
"""

import sqlite3
import threading
from collections.abc import Iterable, Iterator
from itertools import islice

BLOCK = 512
# Longer words are found when they are typed whole; so are those beyond the most.
MAX_LENGTH = 64
MOST = 8_000_000
_END = 10


class Vocabulary:
    """Grows by `add`; words that no name has any more stay until the next start, and find nothing."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # held to add
        self._known: set[str] = set()
        # Blocks and masks only grow. The tail and the number of blocks before it are exchanged together.
        self._blocks: list[bytes] = []
        self._masks: dict[tuple[int, int, int], int] = {}
        self._end = bytearray(b"\n"), 0
        self._in_tail = 0

    def __len__(self) -> int:
        return len(self._known)

    @classmethod
    def load(cls, connection: sqlite3.Connection) -> "Vocabulary":
        """Seconds for a million words."""
        made = cls()
        rows = connection.execute("SELECT term FROM word_count ORDER BY doc DESC, term")
        while chunk := rows.fetchmany(BLOCK):
            made.add(row[0] for row in chunk)
        return made

    def add(self, words: Iterable[str]) -> None:
        with self._lock:
            for word in words:
                # Marks of the index begin with private-use characters.
                if word in self._known or len(word) > MAX_LENGTH or "\ue000" <= word[0] <= "\ue0ff":
                    continue
                if len(self._known) >= MOST:
                    return
                self._known.add(word)
                self._end[0].extend(word.encode() + b"\n")
                self._in_tail += 1
                if self._in_tail == BLOCK:
                    self._seal()

    def _seal(self) -> None:
        block = bytes(self._end[0])
        bit = 1 << len(self._blocks)
        self._blocks.append(block)
        masks = self._masks
        for triple in set(zip(block, block[1:], block[2:])):  # noqa: B905  # shorter by design
            masks[triple] = masks.get(triple, 0) | bit
        self._end = bytearray(b"\n"), len(self._blocks)
        self._in_tail = 0

    def beginning(self, prefix: str, most: int, skip: int = 0) -> list[str]:
        """Words that begin with `prefix`, the commonest first."""
        return self._find(b"\n" + prefix.encode(), most, skip)

    def containing(self, piece: str, most: int) -> list[str]:
        return self._find(piece.encode(), most, 0)

    def _find(self, piece: bytes, most: int, skip: int) -> list[str]:
        found: list[str] = []
        wanted = skip + most
        for block in self._candidates(piece):
            for line in _lines(block, piece):
                found.append(line)
                if len(found) >= wanted:
                    return found[skip:]
        return found[skip:]

    def _candidates(self, piece: bytes) -> Iterator[bytes | bytearray]:
        tail, count = self._end
        if len(piece) < 3:
            yield from islice(self._blocks, count)
        else:
            mask = -1
            for triple in zip(piece, piece[1:], piece[2:]):  # noqa: B905  # shorter by design
                mask &= self._masks.get(triple, 0)
            # What lies in a later block by now is in the tail that was taken.
            mask &= (1 << count) - 1
            while mask:
                lowest = mask & -mask
                yield self._blocks[lowest.bit_length() - 1]
                mask ^= lowest
        yield tail


def _lines(block: bytes | bytearray, piece: bytes) -> Iterator[str]:
    place = block.find(piece)
    while place >= 0:
        start = place if piece[0] == _END else block.rfind(b"\n", 0, place)
        end = block.find(b"\n", place + 1)
        yield block[start + 1 : end].decode()
        # The end of one line is the beginning of the next.
        place = block.find(piece, end)
