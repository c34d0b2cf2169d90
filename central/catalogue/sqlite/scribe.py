"""Everything that is written into the catalogue's tables, one step after the other, each in one transaction.

It needs nothing that is in memory, so it may live in a process of its own (`scribe_process.py`), where its work takes
nothing from those who search.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from central.catalogue.sqlite.accepting import acknowledged, refusal, within_quota
from central.catalogue.sqlite.cleaning import forget_orphans, merge_words, reclaim
from central.catalogue.sqlite.live import Delta
from central.catalogue.sqlite.tier_writing import TierPlan, write_tiers
from central.catalogue.sqlite.writing import BatchWriter, give_up_parts
from central.catalogue.words import split_words
from central.database import Database
from central.domain import Batch, PublishResult, Quota


@dataclass(frozen=True)
class Written:
    """What became of a batch. Without a `delta`, it did not follow on what was held, and nothing was written."""

    result: PublishResult
    delta: Delta | None = None
    words: tuple[str, ...] = ()
    # Names that were there before have lower numbers than those after.
    last_name: int = 0
    gave_up: bool = False


class Writes(Protocol):
    """What a catalogue asks of its scribe, in whatever process. Raises OverloadedError when it cannot write now."""

    def publish(self, member: int, batch: Batch) -> Written: ...

    def withdraw(self, member: int) -> bool: ...

    def reclaim(self, number: int, member: int) -> bool: ...

    def forget_orphans(self, names: Sequence[int]) -> None: ...

    def merge_words(self, begun: bool) -> bool: ...

    def build_tiers(self, plan: TierPlan) -> None: ...

    def rest(self) -> None: ...

    def check(self) -> None: ...

    def hurry(self) -> None: ...

    def close(self) -> None: ...


class Scribe:
    """In the process that has the database open."""

    def __init__(self, database: Database, secret: bytes, quota: Quota) -> None:
        self._database = database
        self._secret = secret
        self._quota = quota

    def publish(self, member: int, batch: Batch) -> Written:
        """Raises QuotaError, and BadInputError when the member would claim two sizes of one content."""
        with self._database.write() as connection:
            held = acknowledged(connection, member)
            refused = refusal(held, batch)
            if refused is not None:
                return Written(refused)
            writer = BatchWriter(connection, member, batch.anew, self._secret)
            writer.apply(batch.changes, batch.removed)
            delta = writer.delta()
            entries, text_bytes = within_quota(connection, member, batch.anew, writer, self._quota)
            connection.execute(
                "INSERT INTO publication (member, index_id, sequence, entries, mark, text_bytes)"
                " VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
                " ON CONFLICT (member) DO UPDATE SET index_id = ?2, sequence = ?3, entries = ?4, mark = ?5,"
                " text_bytes = ?6",
                (member, batch.index_id, batch.last, entries, batch.mark, text_bytes),
            )
        words = dict.fromkeys(word for path in writer.texts for word in split_words(path))
        result = PublishResult(batch.last, resync=False, mark=batch.mark)
        return Written(result, delta, tuple(words), writer.last_name, writer.gave_up)

    def withdraw(self, member: int) -> bool:
        """Takes all that a member published; True when it leaves rows to reclaim."""
        with self._database.write() as connection:
            gave_up = give_up_parts(connection, member)
            connection.execute("DELETE FROM publication WHERE member = ?", (member,))
        return gave_up

    def reclaim(self, number: int, member: int) -> bool:
        """Removes the rows of one piece of what the member gave up; True when it left more."""
        with self._database.write() as connection:
            return reclaim(connection, self._secret, number, member)

    def forget_orphans(self, names: Sequence[int]) -> None:
        """Removes those of `names` that nobody has any more."""
        with self._database.write() as connection:
            forget_orphans(connection, self._secret, names)

    def merge_words(self, begun: bool) -> bool:
        """Merges a little of the index of words; True when there is more."""
        with self._database.write() as connection:
            return merge_words(connection, begun)

    def build_tiers(self, plan: TierPlan) -> None:
        """Writes the file of a new generation; seconds for millions of names."""
        write_tiers(self._database, plan)

    def rest(self) -> None:
        """To be called now and then; gives back what is not needed for the moment. Nothing, in this process."""

    def check(self) -> None:
        """Raises OverloadedError when it cannot write now. In this process it can."""

    def hurry(self) -> None:
        """Ends the building of tiers that runs, unfinished. In this process it is ended by nobody."""

    def close(self) -> None:
        """Ends writing. Nothing to do here: the database is its opener's."""
