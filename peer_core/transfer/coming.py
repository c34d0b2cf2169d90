"""Which pieces a download is fetching, as it tells others that download the same: they take other ones. Pure."""

import re
from collections.abc import Iterable

from peer_core.transfer.bitmap import Bitmap
from peer_core.transfer.record import runs_of

HEADER = "Barrio-Coming"
MOST_RUNS = 64
_RUN = re.compile("([0-9]{1,9})-([0-9]{1,9})")


def write_coming(pieces: Iterable[int]) -> str:
    """Runs such as `3-7,12-12`, at most 64 of them."""
    return ",".join(f"{first}-{last}" for first, last in runs_of(pieces)[:MOST_RUNS])


def read_coming(text: str, count: int) -> Bitmap:
    """Of `count` pieces. Raises ValueError when it is none of what `write_coming` makes."""
    coming, before = Bitmap(count), -1
    runs = text.split(",", MOST_RUNS) if text else []
    for place, said in enumerate(runs):
        run = _RUN.fullmatch(said)
        if place == MOST_RUNS or run is None or not before < int(run[1]) <= int(run[2]) < count:
            raise ValueError("these are no runs of pieces")
        for piece in range(int(run[1]), int(run[2]) + 1):
            coming.add(piece)
        # They are told in order: so many that overlap would only cost time.
        before = int(run[2])
    return coming
