"""What the directory asks of a catalogue. Each store behind it must pass the same tests (tests/central)."""

from typing import Protocol

from central.domain import (
    Acknowledged,
    Batch,
    Comparison,
    Found,
    PublishResult,
    Range,
    SearchPage,
    SearchQuestion,
    Totals,
)


class Catalogue(Protocol):
    """Members are named by number. Every method may be called from any thread, and blocks."""

    def acknowledged(self, member: int) -> Acknowledged | None:
        """What is held of a member; None when it never published."""

    def publish(self, member: int, batch: Batch) -> PublishResult:
        """Applies a batch whole or not at all. A batch that does not follow on what is held changes nothing.

        Raises OverloadedError when too many publish at once, QuotaError when the member would have too much, and
        BadInputError when it would claim two sizes of one content.
        """

    def compare(self, member: int, span: Range) -> Comparison:
        """Whether a member's entries in a range of keys are those that it has. Looks at some thousand at most."""

    def withdraw(self, member: int) -> None:
        """Forgets all that a member published."""

    def set_live(self, member: int, live: bool) -> None:
        """A member's entries count in answers only while it is live. Touches no row. Nobody is live at first."""

    def search(self, question: SearchQuestion) -> SearchPage:
        """Contents with a live holder, the best matches and the most held first. Raises BadQuestionError.

        A page may be shorter than asked for while there is a next one.
        """

    def locate(self, content_ids: tuple[bytes, ...], most: int) -> list[Found]:
        """In the order asked; at most `most` live holders each."""

    def raise_popular(self) -> bool:
        """Puts what became popular since where searches look first; True when there is more."""

    def build_tiers(self) -> None:
        """Sorts what searches look at first anew; changes no answer but the order of equally good rows."""

    def clean(self) -> bool:
        """Does a little of the background work; True when there is more."""

    def check(self) -> None:
        """Raises CentralError when publishing cannot work now."""

    def totals(self) -> Totals:
        """Counts everything; slow on a large catalogue."""
