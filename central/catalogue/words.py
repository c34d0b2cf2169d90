"""Text into words, the same way for names and for questions. Pure functions.

Words are folded (accents and case do not count), and split at all that is no letter or digit. Scripts that write
without spaces between words are split into single characters.
"""

import re
import unicodedata
from dataclasses import dataclass

from central.errors import BadQuestionError
from protos.agreed import KINDS

MAX_WORD = 64
MAX_WORDS = 32
MAX_TEXT = 1024

# Han, Hiragana, Katakana.
_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_WORD = re.compile(f"[{_UNSPACED}]|[^\\W_{_UNSPACED}]+")

# Words that no text can hold, since private-use characters are neither letters nor digits: the kind and the
# order of magnitude of the size, indexed beside the words of the name.
_KIND_MARK = "\ue000"
_SIZE_MARK = "\ue001"
_SIZE_BASE = 0xE100
_SIZE_CLASSES = 54

# Changes whenever the same name may give other words than before; the index is then built anew.
RULES = f"1/{unicodedata.unidata_version}"


def fold(text: str) -> str:
    """Compatibility forms unified, marks dropped, case folded. Folding twice changes nothing."""
    if text.isascii():
        return text.lower()
    once = _strip(unicodedata.normalize("NFKD", text)).casefold()
    return _strip(unicodedata.normalize("NFKD", once)).casefold()


def _strip(text: str) -> str:
    return "".join(c for c in text if unicodedata.category(c)[0] != "M")


def split_words(text: str) -> list[str]:
    """The folded words of `text` in order, each at most `MAX_WORD` characters."""
    return [word[:MAX_WORD] for word in _WORD.findall(fold(text))]


def kind_word(kind: int) -> str:
    """The word of a kind, given as its place in `KINDS`."""
    return _KIND_MARK + KINDS[kind]


def size_word(size: int) -> str:
    return _SIZE_MARK + chr(_SIZE_BASE + size.bit_length())


def indexed_text(path: str, kind: int, size: int) -> str:
    """What the index holds of a name: always the same text for the same name, since it must be given to remove it."""
    return " ".join([*dict.fromkeys(split_words(path)), kind_word(kind), size_word(size)])


@dataclass(frozen=True)
class Wanted:
    """What a name must have: every word of `words`, a word that begins with `prefix`, the kind, the size."""

    words: tuple[str, ...]
    prefix: str
    kind: int | None
    min_size: int
    max_size: int

    @classmethod
    def read(cls, text: str, kind: str, min_size: int, max_size: int) -> "Wanted":
        """The last word may be unfinished, unless something follows it. Raises BadQuestionError."""
        if len(text) > MAX_TEXT:
            raise BadQuestionError(f"a search has at most {MAX_TEXT} characters")
        if kind and kind not in KINDS:
            raise BadQuestionError(f"the kind must be one of: {', '.join(KINDS)}")
        if max_size and min_size > max_size:
            raise BadQuestionError("the smallest size is larger than the largest")
        words = split_words(text)
        filtered = bool(kind or min_size or max_size)
        if not words and (text.strip() or not filtered):
            raise BadQuestionError("type at least one letter or digit to search for")
        prefix = words.pop() if words and not text[-1].isspace() else ""
        words = [word for word in dict.fromkeys(words) if word != prefix]
        if len(words) >= MAX_WORDS:
            raise BadQuestionError(f"a search has at most {MAX_WORDS} words")
        return cls(tuple(words), prefix, KINDS.index(kind) if kind else None, min_size, max_size)

    @property
    def by_size(self) -> bool:
        return bool(self.min_size or self.max_size)

    def expression(self) -> str:
        """The FTS5 query. Every word is quoted, and none holds a quote, so no text can change its form."""
        terms = [f'"{word}"' for word in self.words]
        if self.prefix:
            terms.append(f'"{self.prefix}" *')
        if self.kind is not None:
            terms.append(f'"{kind_word(self.kind)}"')
        if self.by_size:
            last = self.max_size.bit_length() if self.max_size else _SIZE_CLASSES
            classes = range(min(self.min_size.bit_length(), _SIZE_CLASSES), min(last, _SIZE_CLASSES) + 1)
            terms.append("(" + " OR ".join(f'"{_SIZE_MARK}{chr(_SIZE_BASE + bits)}"' for bits in classes) + ")")
        return " AND ".join(terms)

    def fits(self, size: int) -> bool:
        """The exact bounds, of which the index knows only the order of magnitude."""
        return size >= self.min_size and (not self.max_size or size <= self.max_size)

    def in_text(self, text: str) -> bool:
        """Whether `text` has the words."""
        found = set(split_words(text))
        return found.issuperset(self.words) and (not self.prefix or any(word.startswith(self.prefix) for word in found))

    def matches(self, path: str, kind: int) -> bool:
        """What the index says of a name, the size apart."""
        return (self.kind is None or kind == self.kind) and self.in_text(path)
