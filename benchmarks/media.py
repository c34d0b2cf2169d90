"""Made names of music, series, pictures and books, out of the dictionaries of the system. Seeded."""

import random
from collections.abc import Iterator
from pathlib import Path

_DICTIONARIES = ("american-english", "french", "ngerman", "spanish")
_FOLDER = Path("/usr/share/dict")


def media_names(count: int, seed: int) -> Iterator[str]:
    rng = random.Random(f"media {seed}")
    words = [word for word in _words() if 3 <= len(word) <= 12]
    makers = (_album, _album, _series, _pictures, _books)
    made = 0
    while made < count:
        for name in rng.choice(makers)(rng, words):
            yield name
            made += 1


def _words() -> list[str]:
    found: list[str] = []
    for name in _DICTIONARIES:
        file = _FOLDER / name
        if not file.exists():
            raise SystemExit("install the dictionaries: apt-get install wamerican wfrench wngerman wspanish")
        found += (line for line in file.read_text("utf-8").splitlines() if line.isalpha())
    return found


def _some(rng: random.Random, words: list[str], most: int) -> str:
    return " ".join(word.capitalize() for word in rng.choices(words, k=rng.randint(1, most)))


def _album(rng: random.Random, words: list[str]) -> Iterator[str]:
    folder = f"{_some(rng, words, 3)}/{_some(rng, words, 3)} ({rng.randint(1960, 2025)})"
    suffix = rng.choice(("flac", "mp3", "mp3", "ogg", "m4a"))
    for track in range(1, rng.randint(8, 16)):
        yield f"{folder}/{track:02} - {_some(rng, words, 4)}.{suffix}"


def _series(rng: random.Random, words: list[str]) -> Iterator[str]:
    name = _some(rng, words, 3)
    for season in range(1, rng.randint(2, 6)):
        for episode in range(1, rng.randint(7, 14)):
            tag = f"S{season:02}E{episode:02}"
            yield f"Series/{name}/{name.replace(' ', '.')}.{tag}.{rng.choice(('720p', '1080p'))}.mkv"


def _pictures(rng: random.Random, words: list[str]) -> Iterator[str]:
    folder = f"Pictures/{rng.randint(2004, 2025)}-{rng.randint(1, 12):02} {_some(rng, words, 2)}"
    first = rng.randint(1, 8000)
    for number in range(first, first + rng.randint(20, 120)):
        yield f"{folder}/IMG_{number:04}.JPG"


def _books(rng: random.Random, words: list[str]) -> Iterator[str]:
    author = _some(rng, words, 2)
    for _ in range(rng.randint(1, 8)):
        yield f"Books/{author}/{author} - {_some(rng, words, 5)}.{rng.choice(('epub', 'pdf', 'mobi'))}"
