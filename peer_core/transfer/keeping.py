"""Verifies and writes pieces in a thread of its own, while the next one is received into another buffer.

Receiving costs about as much of a processor as verifying and writing, so that a fast holder keeps two of them busy.
"""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

# Larger pieces are kept by who receives them: memory counts for more than speed then.
MOST_PIECE_BYTES = 4 << 20
# Fewer pieces are not worth a thread.
FEWEST_PIECES = 4


class Keeper:
    """For the one thread that receives. `keep` gets a piece and its bytes, and may raise; see `hand_over`."""

    def __init__(self, piece_size: int, pieces: int, keep: Callable[[int, memoryview], None]) -> None:
        self._keep = keep
        self._under_way: Future[None] | None = None
        self._pool: ThreadPoolExecutor | None = None
        two = pieces >= FEWEST_PIECES and piece_size <= MOST_PIECE_BYTES
        if two:
            self._pool = ThreadPoolExecutor(1, "keep")
        self._buffers = [memoryview(bytearray(piece_size)) for _ in range(2 if two else 1)]

    @property
    def buffer(self) -> memoryview:
        """Where the next piece is to be received; nobody reads it until it is handed over."""
        return self._buffers[0]

    def hand_over(self, piece: int, view: memoryview, wait: bool) -> None:
        """`view`: the beginning of `buffer`. Raises what keeping this piece, if waited for, or the last one raised."""
        self.wait()
        if wait or self._pool is None:
            self._keep(piece, view)
        else:
            self._under_way = self._pool.submit(self._keep, piece, view)
            self._buffers.reverse()

    def wait(self) -> None:
        """Until nothing is under way. Raises what keeping the last piece raised, once."""
        under_way, self._under_way = self._under_way, None
        if under_way is not None:
            under_way.result()

    def close(self) -> None:
        """What is under way is still kept."""
        if self._pool is not None:
            self._pool.shutdown()
