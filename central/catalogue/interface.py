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
        """Applies a batch whole or not at all. A batch that does not follow on what is held changes nothing."""

    def compare(self, member: int, span: Range) -> Comparison:
        """Whether a member's entries in a range of keys are those that it has. Looks at some thousand at most."""

    def withdraw(self, member: int) -> None:
        """Forgets all that a member published."""

    def set_live(self, member: int, live: bool) -> None:
        """A member's entries count in answers only while it is live. Touches no row. Nobody is live at first."""

    def search(self, question: SearchQuestion) -> SearchPage:
        """Contents with a live holder, the most held first. Raises BadQuestionError."""

    def locate(self, content_ids: tuple[bytes, ...], most: int) -> list[Found]:
        """In the order asked; at most `most` live holders each."""

    def clean(self) -> bool:
        """Does a little of the background work; True when there is more."""

    def totals(self) -> Totals:
        """Counts everything; slow on a large catalogue."""
