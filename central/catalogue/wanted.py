"""What a search asks for: text into words to have, words to miss, phrases, and filters. Pure.

A name matches *by words* when it has every word, the last one perhaps only begun; it matches *by pieces* when each
word is at least inside a longer one.
"""

import re
from dataclasses import dataclass

from central.catalogue.words import (
    SIZE_CLASSES,
    class_word,
    extension_of,
    extension_word,
    fold,
    kind_word,
    size_class,
    split_words,
)
from central.domain import SearchQuestion
from central.errors import BadQuestionError
from protos.agreed import KINDS

MAX_WORDS = 32
MAX_TEXT = 1024
MAX_EXTENSIONS = 32
# Shorter words are not looked for inside others.
MIN_PIECE = 3

_TOKEN = re.compile(r'(?<!\S)(-?)"([^"]*)"?|(\S+)')


@dataclass(frozen=True)
class Wanted:
    """What a name must have, and what not.

    `phrases`: words in a row. `without`: groups of words in a row, of which no name may have one. `extensions`: one of
    them. Sizes in bytes, `max_size` 0 is no bound; `changed_since` in seconds since 1970.
    """

    words: tuple[str, ...]
    prefix: str
    phrases: tuple[tuple[str, ...], ...] = ()
    without: tuple[tuple[str, ...], ...] = ()
    kind: int | None = None
    extensions: tuple[str, ...] = ()
    min_size: int = 0
    max_size: int = 0
    changed_since: int = 0

    @classmethod
    def read(cls, question: SearchQuestion) -> "Wanted":
        """The last word may be unfinished, unless something follows it. Raises BadQuestionError."""
        if len(question.text) > MAX_TEXT:
            raise BadQuestionError(f"a search has at most {MAX_TEXT} characters")
        if question.kind and question.kind not in KINDS:
            raise BadQuestionError(f"the kind must be one of: {', '.join(KINDS)}")
        if question.max_size and question.min_size > question.max_size:
            raise BadQuestionError("the smallest size is larger than the largest")
        words, prefix, phrases, without = _read_text(question.text)
        extensions = _read_extensions(question.extensions)
        filtered = bool(question.kind or question.min_size or question.max_size or question.changed_since or extensions)
        if not (words or prefix or phrases) and not (filtered and (without or not question.text.strip())):
            raise BadQuestionError("type at least one letter or digit to search for")
        if len(words) + sum(map(len, phrases + without)) >= MAX_WORDS:
            raise BadQuestionError(f"a search has at most {MAX_WORDS} words")
        return cls(
            tuple(word for word in dict.fromkeys(words) if word != prefix),
            prefix,
            tuple(phrases),
            tuple(without),
            KINDS.index(question.kind) if question.kind else None,
            extensions,
            question.min_size,
            question.max_size,
            question.changed_since,
        )

    @property
    def whole(self) -> tuple[str, ...]:
        """Words that must be there as they are, those of the phrases too."""
        return tuple(dict.fromkeys([*self.words, *(word for phrase in self.phrases for word in phrase)]))

    @property
    def pieces(self) -> tuple[str, ...]:
        """Words that may also be inside of others."""
        return (*self.words, self.prefix) if self.prefix else self.words

    @property
    def has_text(self) -> bool:
        return bool(self.words or self.prefix or self.phrases)

    @property
    def by_size(self) -> bool:
        return bool(self.min_size or self.max_size)

    @property
    def read_names(self) -> bool:
        """Whether the index alone cannot tell if a name matches."""
        return bool(
            any(len(phrase) > 1 for phrase in self.phrases)
            or any(len(words) > 1 for words in self.without)
            or self.changed_since
        )

    def filters(self) -> list[str]:
        """FTS5 terms for what is not text."""
        terms = []
        if self.kind is not None:
            terms.append(quoted(kind_word(self.kind)))
        classes = range(size_class(self.min_size), self._last_class() + 1) if self.by_size else None
        if self.extensions:
            words = [extension_word(extension, number) for extension in self.extensions for number in classes or [None]]
            terms.append(any_of(words))
        elif classes is not None:
            terms.append(any_of([class_word(number) for number in classes]))
        if not terms and not self.has_text:
            terms.append(any_of([kind_word(number) for number in range(len(KINDS))]))
        return terms

    def _last_class(self) -> int:
        return size_class(self.max_size) if self.max_size else SIZE_CLASSES

    def excluded(self) -> str:
        """FTS5 terms that no name may have; phrases of several words are looked for in the names themselves."""
        words = [words[0] for words in self.without if len(words) == 1]
        return any_of(words) if words else ""

    def all_sizes_fit(self) -> bool:
        """Whether the classes of sizes are as exact as the bounds."""
        low = not self.min_size or size_class(self.min_size - 1) < size_class(self.min_size)
        high = not self.max_size or size_class(self.max_size + 1) > size_class(self.max_size)
        return low and high

    def fits(self, size: int) -> bool:
        """The exact bounds, of which the index knows only the class."""
        return size >= self.min_size and (not self.max_size or size <= self.max_size)

    def by_words(self, found: list[str]) -> bool:
        """Whether a name of these words has those asked for, and none that it must miss."""
        having = set(found)
        return (
            having.issuperset(self.words)
            and (not self.prefix or any(word.startswith(self.prefix) for word in having))
            and self._in_rows(found)
        )

    def by_pieces(self, found: list[str]) -> bool:
        """Whether each word asked for is at least inside one of these words of a name."""
        return self._in_rows(found) and all(
            any(piece in word for word in found) if len(piece) >= MIN_PIECE else self._has_short(piece, found)
            for piece in self.pieces
        )

    def _has_short(self, piece: str, found: list[str]) -> bool:
        if piece == self.prefix:
            return any(word.startswith(piece) for word in found)
        return piece in found

    def _in_rows(self, found: list[str]) -> bool:
        return all(_in_a_row(phrase, found) for phrase in self.phrases) and not any(
            _in_a_row(words, found) for words in self.without
        )

    def passes(self, path: str, kind: int, modified: int) -> bool:
        """The filters that concern a name, the words and the size apart."""
        return (
            (self.kind is None or kind == self.kind)
            and modified >= self.changed_since
            and (not self.extensions or extension_of(path) in self.extensions)
        )


def quoted(word: str) -> str:
    """A term of FTS5. No word holds a quote, so no text can change the form of a question."""
    return f'"{word}"'


def any_of(words: list[str]) -> str:
    return "(" + " OR ".join(map(quoted, words)) + ")" if len(words) > 1 else quoted(words[0])


def _in_a_row(phrase: tuple[str, ...], words: list[str]) -> bool:
    first, length = phrase[0], len(phrase)
    return any(word == first and tuple(words[place : place + length]) == phrase for place, word in enumerate(words))


def _read_text(text: str) -> tuple[list[str], str, list[tuple[str, ...]], list[tuple[str, ...]]]:
    """Words, the unfinished one, phrases, groups to miss."""
    words: list[str] = []
    phrases: list[tuple[str, ...]] = []
    without: list[tuple[str, ...]] = []
    last_is_open = False
    for match in _TOKEN.finditer(text):
        minus, phrase, plain = match.groups()
        last_is_open = plain is not None and match.end() == len(text)
        if plain is None:
            found = tuple(split_words(phrase))
            (without if minus else phrases).extend([found] if found else [])
        elif plain.startswith("-") and len(plain) > 1:
            last_is_open = False
            found = tuple(split_words(plain[1:]))
            without.extend([found] if found else [])
        else:
            words += split_words(plain)
            last_is_open = last_is_open and bool(split_words(plain))
    prefix = words.pop() if words and last_is_open else ""
    return words, prefix, phrases, without


def _read_extensions(extensions: tuple[str, ...]) -> tuple[str, ...]:
    if len(extensions) > MAX_EXTENSIONS:
        raise BadQuestionError(f"at most {MAX_EXTENSIONS} extensions can be asked for at once")
    found = dict.fromkeys(extension_of("x." + fold(text).removeprefix(".")) for text in extensions)
    if "" in found:
        raise BadQuestionError("an extension is letters and digits, such as pdf or mp3")
    return tuple(found)
