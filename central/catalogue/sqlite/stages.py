"""The order in which a search looks: words before pieces, common words of a beginning before rare ones. Pure.

Each group is one expression for the index. A content is shown in the first group in which a live name of it matches.
"""

from dataclasses import dataclass

from central.catalogue.sqlite.tiers import HOT, REST, WARM
from central.catalogue.sqlite.vocabulary import Vocabulary
from central.catalogue.wanted import MIN_PIECE, Wanted, any_of

# The first group takes the last word as it is typed; the second the commonest words that begin so; later ones more.
FIRST_WORDS = 24
MORE_WORDS = 512
# The commonest words that have a piece; rarer ones are not looked at. Each word makes each step of the index dearer.
PIECE_WORDS = 64
FEWEST_PIECE_WORDS = 8
PIECES = 10_000
_TIERS = (HOT, WARM, REST)


@dataclass(frozen=True)
class Stage:
    """One tier for one group. `terms`: for each word asked for, the words that stand for it.

    `earlier`: words for the beginning in the groups before. `verified`: the index is not asked for the beginning, which
    is looked for in the names found.
    """

    number: int
    tier: int
    expression: str
    terms: tuple[frozenset[str], ...]
    earlier: frozenset[str]
    verified: bool

    @property
    def group(self) -> int:
        return self.number // len(_TIERS)

    @property
    def is_pieces(self) -> bool:
        return self.group == PIECES

    @property
    def is_loose(self) -> bool:
        """Whether it costs much and brings what is asked for less often."""
        return self.verified or self.is_pieces

    def has(self, words: list[str]) -> bool:
        """Whether the index finds a name of these words in this stage's group."""
        having = set(words)
        return all(not term.isdisjoint(having) for term in self.terms)

    def has_earlier(self, words: list[str]) -> bool:
        """Whether a group before this one finds it too."""
        return not self.earlier.isdisjoint(words)


def tier_of(number: int) -> int:
    """The tier of the stage of that number."""
    return _TIERS[number % len(_TIERS)]


class Stages:
    """The stages of one question, in order of their numbers."""

    def __init__(self, wanted: Wanted, vocabulary: Vocabulary) -> None:
        self._wanted = wanted
        self._vocabulary = vocabulary
        # Expanding words costs milliseconds, and each group has three tiers.
        self._terms: dict[int, list[list[str]] | None] = {}

    @property
    def _many_terms(self) -> bool:
        """A beginning beside whole words, which are then few names to read."""
        return bool(self._wanted.prefix and self._wanted.whole)

    def at(self, number: int) -> Stage | None:
        """The stage of that number, or the next one that there is."""
        group, tier = divmod(number, len(_TIERS))
        if group < PIECES:
            terms = self._terms_of(group)
            if terms is not None:
                return self._stage(group, tier, terms, self._earlier(group))
            group, tier = PIECES, 0
        pieces = self._terms_of(PIECES) if group == PIECES else None
        return None if pieces is None else self._stage(group, tier, pieces, frozenset())

    def is_loose_from(self, number: int) -> bool:
        """Whether from this number on there are only stages that are loose, or of rarer words with the beginning.

        Said without expanding words, which costs milliseconds.
        """
        return number // len(_TIERS) > (1 if self._wanted.prefix else 0)

    def _terms_of(self, group: int) -> list[list[str]] | None:
        if group not in self._terms:
            self._terms[group] = self._pieces() if group == PIECES else self._words(group)
        return self._terms[group]

    def _stage(self, group: int, tier: int, terms: list[list[str]], earlier: frozenset[str]) -> Stage:
        parts = [any_of(term) for term in terms] + self._wanted.filters()
        expression = " AND ".join(parts)
        excluded = self._wanted.excluded()
        return Stage(
            group * len(_TIERS) + tier,
            _TIERS[tier],
            f"({expression}) NOT {excluded}" if excluded else expression,
            tuple(map(frozenset, terms)),
            earlier,
            verified=group == 2 and self._many_terms,
        )

    def _words(self, group: int) -> list[list[str]] | None:
        """The terms of a group of whole words; None when there is no such group."""
        terms = [[word] for word in self._wanted.whole]
        prefix = self._wanted.prefix
        if not prefix:
            return terms if group == 0 else None
        if group > 1 and self._many_terms:
            more = len(self._vocabulary.beginning(prefix, FIRST_WORDS + 1)) > FIRST_WORDS
            return terms if group == 2 and more else None
        words = [prefix] if group == 0 else self._beginning(prefix, group)
        return [*terms, words] if words else None

    def _beginning(self, prefix: str, group: int) -> list[str]:
        if group == 1:
            words = self._vocabulary.beginning(prefix, FIRST_WORDS)
        else:
            words = self._vocabulary.beginning(prefix, MORE_WORDS, FIRST_WORDS + (group - 2) * MORE_WORDS)
        return [word for word in words if word != prefix]

    def _earlier(self, group: int) -> frozenset[str]:
        prefix = self._wanted.prefix
        if group < 2:
            return frozenset([prefix] if group else [])
        known = FIRST_WORDS + (group - 2) * MORE_WORDS
        return frozenset([prefix, *self._vocabulary.beginning(prefix, known)])

    def _pieces(self) -> list[list[str]] | None:
        """The terms when each word may be inside a longer one; None when that finds nothing more."""
        wanted = self._wanted
        terms = [[word] for phrase in wanted.phrases for word in phrase]
        more = False
        most = max(FEWEST_PIECE_WORDS, PIECE_WORDS // max(1, len(wanted.pieces) + len(wanted.phrases)) ** 2)
        for piece in wanted.pieces:
            if len(piece) < MIN_PIECE:
                terms.append([piece, *(self._beginning(piece, 1) if piece == wanted.prefix else [])])
                continue
            words = self._vocabulary.containing(piece, most)
            if not words:
                return None
            terms.append(words)
            more = more or any(not self._is_whole(word, piece) for word in words)
        return terms if more else None

    def _is_whole(self, word: str, piece: str) -> bool:
        return word.startswith(piece) if piece == self._wanted.prefix else word == piece
