"""The corpus: real and made names shared by 10,000 made peers. Seeded: the same scale gives the same corpus everywhere.

Share sizes are lognormal. 30 of 100 files are nobody else's; the others are drawn by Zipf and Mandelbrot's law
(s = 0.9, q = 30). 12 of 100 copies carry another name.
"""

import hashlib
import math
import mmap
import random
from array import array
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path

from benchmarks.debian import contents_files, short_paths
from benchmarks.media import media_names
from central.domain import Change, FileFacts
from protos.agreed import kind_of

PEERS = 10_000
SEED = 3
MEDIA_NAMES = 900_000
OWN_SHARE = 0.3
POOL_SHARE = 0.2
RENAMED_SHARE = 0.12
VARIANTS = 60
ZIPF_S, ZIPF_Q = 0.9, 30
SIGMA = 1.17
LARGEST = 0.0051
# Median and spread of sizes by kind: e to the power of these.
_SIZES = {"audio": (15.5, 0.8), "video": (19.8, 1.2), "image": (13.5, 1.5), "archive": (15.0, 2.5)}
_OTHER_SIZES = (9.5, 2.2)


class Universe:
    """All names there are, on disk; `self[n]` is SHARE/FOLDERS/NAME."""

    def __init__(self, folder: Path) -> None:
        text, places = folder / "names.txt", folder / "names.places"
        if not places.exists():
            _write_names(folder, text, places)
        with text.open("rb") as file:
            self._text = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._places = array("Q")
        with places.open("rb") as file:
            self._places.frombytes(file.read())

    def __len__(self) -> int:
        return len(self._places) - 1

    def __getitem__(self, number: int) -> str:
        return self._text[self._places[number] : self._places[number + 1] - 1].decode()


def _write_names(folder: Path, text: Path, places: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    names = set(short_paths(contents_files(folder)))
    names.update(media_names(MEDIA_NAMES, SEED))
    ordered = sorted(names)
    random.Random(SEED).shuffle(ordered)
    at = array("Q", [0])
    with text.open("wb") as file:
        for name in ordered:
            at.append(at[-1] + file.write(name.encode() + b"\n"))
    places.write_bytes(at.tobytes())


class Corpus:
    """Who shares what at a scale of so many entries. Contents are numbers of names in the universe."""

    def __init__(self, universe: Universe, entries: int, peers: int = PEERS) -> None:
        self.universe = universe
        self.entries = entries
        self.peers = peers
        rng = random.Random(f"{SEED}/{entries}/{peers}")
        self._sizes = _share_sizes(rng, entries, peers)
        self._own = int(entries * OWN_SHARE)
        pool = min(int(entries * POOL_SHARE), len(universe) - self._own)
        weights = accumulate(1 / (ZIPF_Q + rank) ** ZIPF_S for rank in range(1, pool + 1))
        self._weights = list(weights)
        self._seed = rng.random()

    def shares(self) -> Iterator[list[tuple[int, int]]]:
        """Each peer's files: (content, variant); variant 0 carries the name of the universe."""
        rng = random.Random(self._seed)
        pool = range(self._own, self._own + len(self._weights))
        own = 0
        for size in self._sizes:
            mine = min(int(size * OWN_SHARE), self._own - own)
            drawn = dict.fromkeys(range(own, own + mine))
            own += mine
            while len(drawn) < size:
                drawn |= dict.fromkeys(rng.choices(pool, cum_weights=self._weights, k=size - len(drawn)))
            yield [(c, _variant(rng)) for c in drawn]

    def path(self, content: int, variant: int) -> str:
        path = self.universe[content]
        if not variant:
            return path
        name = path.rpartition("/")[2]
        if variant % 3 == 0:
            return f"Downloads/{variant}/{name}"
        if variant % 3 == 1:
            return f"{path.rpartition('/')[0]}/Copy of {name}"
        stem, dot, suffix = name.rpartition(".")
        return f"Downloads/{stem} ({variant}).{suffix}" if dot else f"Downloads/{name} ({variant})"

    def change(self, sequence: int, content: int, variant: int) -> Change:
        path = self.path(content, variant)
        digest = hashlib.blake2b(content.to_bytes(8), digest_size=32).digest()
        return Change(sequence, path, FileFacts(digest, size_of(content, path), 1_500_000_000 + content % 200_000_000))


def _variant(rng: random.Random) -> int:
    """0 for most copies; otherwise a small number more often than a large one."""
    return int(VARIANTS ** rng.random()) if rng.random() < RENAMED_SHARE else 0


def size_of(content: int, path: str) -> int:
    """Bytes; always the same for a content."""
    median, spread = _SIZES.get(kind_of(path), _OTHER_SIZES)
    return int(math.exp(random.Random(content).gauss(median, spread)))


def _share_sizes(rng: random.Random, entries: int, peers: int) -> list[int]:
    drawn = [min(rng.lognormvariate(0, SIGMA), 1e9) for _ in range(peers)]
    factor = entries / sum(drawn)
    sizes = [max(1, min(int(size * factor), int(entries * LARGEST))) for size in drawn]
    # What rounding and the largest share cut off goes to the middle ones, one each.
    missing = entries - sum(sizes)
    for place in range(abs(missing)):
        sizes[place % peers] += 1 if missing > 0 else -(sizes[place % peers] > 1)
    return sizes
