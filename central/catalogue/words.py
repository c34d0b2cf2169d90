"""Text into words, the same way for names and for the index. Pure functions.

Words are folded (accents and case do not count), and split at all that is no letter or digit. Scripts that write
without spaces between words are split into single characters.
"""

import re
import unicodedata

from protos.agreed import KINDS

MAX_WORD = 64
MAX_EXTENSION = 16

# Han, Hiragana, Katakana.
_UNSPACED = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_WORD = re.compile(f"[{_UNSPACED}]|[^\\W_{_UNSPACED}]+")
_ASCII_WORD = re.compile("[a-z0-9]+")
_LONG_ASCII_WORD = re.compile(f"[A-Za-z0-9]{{{MAX_WORD + 1}}}")

# Words that no text can hold, since private-use characters are neither letters nor digits: the kind, the size's
# class, the extension, and the extension with the size's class, indexed beside the words of the name.
_KIND_MARK = "\ue000"
_SIZE_MARK = "\ue001"
_EXTENSION_MARK = "\ue002"
_BOTH_MARK = "\ue003"
_SIZE_BASE = 0xE100
# Four classes for each power of two.
_FINENESS = 4
SIZE_CLASSES = 54 * _FINENESS

# Changes whenever the same name may give other words than before; the index is then built anew.
RULES = f"2/{unicodedata.unidata_version}"


def fold(text: str) -> str:
    """Compatibility forms unified, marks dropped, case folded. Folding twice changes nothing."""
    if text.isascii():
        return text.lower()
    once = _strip(unicodedata.normalize("NFKD", text)).casefold()
    return _strip(unicodedata.normalize("NFKD", once)).casefold()


class _Marks(dict[int, int | None]):
    """For `str.translate`: marks to nothing, all else to itself; filled as characters come."""

    def __missing__(self, code: int) -> int | None:
        kept = None if unicodedata.category(chr(code))[0] == "M" else code
        self[code] = kept
        return kept


_MARKS = _Marks()


def _strip(text: str) -> str:
    return text.translate(_MARKS)


def split_words(text: str) -> list[str]:
    """The folded words of `text` in order, each at most `MAX_WORD` characters."""
    if text.isascii():
        return [word[:MAX_WORD] for word in _ASCII_WORD.findall(text.lower())]
    return [word[:MAX_WORD] for word in _WORD.findall(fold(text))]


def size_class(size: int) -> int:
    """Grows with the size; each class spans at most a quarter more than its smallest size."""
    if size < _FINENESS:
        return size
    bits = size.bit_length()
    return min((bits - 2) * _FINENESS + (size >> (bits - 3)) - _FINENESS, SIZE_CLASSES)


def extension_of(name: str) -> str:
    """Folded, without its dot; "" when there is none that could be asked for."""
    stem, dot, extension = name.rpartition(".")
    if not dot or not stem or stem.endswith("/") or not 0 < len(extension) <= MAX_EXTENSION:
        return ""
    folded = fold(extension)
    return folded if folded.isalnum() and len(folded) <= MAX_EXTENSION else ""


def kind_word(kind: int) -> str:
    """The word of a kind, given as its place in `KINDS`."""
    return _KIND_MARK + KINDS[kind]


def size_word(size: int) -> str:
    return class_word(size_class(size))


def class_word(number: int) -> str:
    return _SIZE_MARK + chr(_SIZE_BASE + number)


def extension_word(extension: str, number: int | None = None) -> str:
    """The word of an extension, or of it with a class of sizes."""
    if number is None:
        return _EXTENSION_MARK + extension
    return _BOTH_MARK + extension + chr(_SIZE_BASE + number)


def indexed_text(path: str, kind: int, size: int) -> str:
    """What the index holds of a name: always the same text for the same name, since it must be given to remove it."""
    # The index's own rules split and fold plain text in the same way, and much faster.
    plain = path.isascii() and (len(path) <= MAX_WORD or not _LONG_ASCII_WORD.search(path))
    words = [path] if plain else list(dict.fromkeys(split_words(path)))
    words += (kind_word(kind), size_word(size))
    extension = extension_of(path)
    if extension:
        words += (extension_word(extension), extension_word(extension, size_class(size)))
    return " ".join(words)
