"""Distinct questions of each class, drawn from the corpus's own names. Seeded."""

import random
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator

from benchmarks.corpus import Corpus
from central.catalogue.words import extension_of, split_words
from central.domain import SearchQuestion

CLASSES = ("rare", "two", "common", "twocommon", "mid", "prefix", "ext", "accent", "nohit")
_SAMPLE = 400_000
_RARE = 20
_COMMON = 150
_COMMONEST = 1200
_LETTERS = "bcdfghjklmnpqrstvwxz"


class Questions:
    """Words and names of a sample of the corpus; counts of words are those of the sample."""

    def __init__(self, corpus: Corpus, names: list[str]) -> None:
        self._rng = random.Random(f"questions {corpus.entries}")
        self._names = self._rng.sample(names, min(_SAMPLE, len(names)))
        self._counts: Counter[str] = Counter()
        for name in self._names:
            self._counts.update(set(split_words(name)))
        self._accented = [name for name in names if not name.isascii()]
        self._words = [word for word in self._counts if len(word) >= 3]
        self._commonest = [word for word, _ in self._counts.most_common(_COMMONEST)]
        self._common = self._commonest[:_COMMON]

    def of(self, name: str, count: int) -> list[SearchQuestion]:
        """Up to `count` different ones; there are only so many common words."""
        makers: dict[str, Callable[[], SearchQuestion | None]] = {
            "rare": self._rare,
            "two": self._two,
            "common": self._common_word,
            "twocommon": self._two_common,
            "mid": self._mid,
            "prefix": self._prefix,
            "ext": self._ext,
            "accent": self._accent,
            "nohit": self._nohit,
        }
        made = _distinct(makers[name], count)
        return list(made)

    def _rare(self) -> SearchQuestion | None:
        word = self._rng.choice(self._words)
        return SearchQuestion(word) if self._counts[word] <= _RARE else None

    def _two(self) -> SearchQuestion | None:
        words = [word for word in split_words(self._rng.choice(self._names)) if len(word) >= 3]
        return SearchQuestion(" ".join(self._rng.sample(words, 2))) if len(words) >= 2 else None

    def _common_word(self) -> SearchQuestion:
        # Of the commonest thousand and some, since a class asks a thousand different questions.
        return SearchQuestion(self._rng.choice(self._commonest))

    def _two_common(self) -> SearchQuestion:
        return SearchQuestion(" ".join(self._rng.sample(self._common, 2)))

    def _mid(self) -> SearchQuestion | None:
        word = self._rng.choice(self._words)
        length = self._rng.randint(4, 6)
        if len(word) < length + 2:
            return None
        start = self._rng.randint(1, len(word) - length)
        return SearchQuestion(word[start : start + length])

    def _prefix(self) -> SearchQuestion:
        word = split_words(self._rng.choice(self._names))[0]
        return SearchQuestion(word[: self._rng.randint(2, 5)])

    def _ext(self) -> SearchQuestion | None:
        extension = extension_of(self._rng.choice(self._names))
        if not extension:
            return None
        low = int(10 ** self._rng.uniform(1, 10))
        high = int(low * 10 ** self._rng.uniform(0, 3)) if self._rng.random() < 0.7 else 0
        return SearchQuestion("", extensions=(extension,), min_size=low, max_size=high)

    def _accent(self) -> SearchQuestion | None:
        name = self._rng.choice(self._accented)
        word = self._rng.choice([word for word in re.findall(r"\w+", name) if not word.isascii()] or [""])
        if not word:
            return None
        return SearchQuestion(word if self._rng.random() < 0.5 else _plain(word))

    def _nohit(self) -> SearchQuestion:
        return SearchQuestion("".join(self._rng.choices(_LETTERS, k=self._rng.randint(8, 14))))


def _plain(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


def _distinct(make: Callable[[], SearchQuestion | None], count: int) -> Iterator[SearchQuestion]:
    seen = set()
    for _ in range(count * 2000):
        question = make()
        if question is not None and question not in seen:
            seen.add(question)
            yield question
            if len(seen) == count:
                return
