"""Whether a batch may be applied: it follows on what is held, and leaves its member within the quota."""

import sqlite3

from central.catalogue.sqlite.writing import BatchWriter, left_to_clean
from central.domain import Acknowledged, Batch, PublishResult, Quota
from central.errors import OverloadedError, QuotaError


def acknowledged(connection: sqlite3.Connection, member: int) -> Acknowledged | None:
    """What is held of a member; None when it never published."""
    row = connection.execute(
        "SELECT index_id, sequence, mark, entries FROM publication WHERE member = ?", (member,)
    ).fetchone()
    return None if row is None else Acknowledged(*row)


def refusal(held: Acknowledged | None, batch: Batch) -> PublishResult | None:
    """The answer to a batch that does not follow on what is held."""
    mark = b"" if held is None else held.mark
    sequence = 0 if held is None else held.sequence
    if batch.held_mark not in (b"", mark):
        return PublishResult(sequence, resync=True, mark=mark)
    if batch.anew or batch.repair:
        return None
    if held is None or held.index_id != batch.index_id:
        return PublishResult(0, resync=True, mark=mark)
    return None if sequence == batch.previous else PublishResult(sequence, resync=True, mark=mark)


def within_quota(
    connection: sqlite3.Connection, member: int, anew: bool, writer: BatchWriter, most: Quota
) -> tuple[int, int]:
    """Entries and bytes of paths after the batch. Raises QuotaError when it makes one of them too many."""
    row = connection.execute("SELECT entries, text_bytes FROM publication WHERE member = ?", (member,)).fetchone()
    entries, text_bytes = (0, 0) if row is None or anew else row
    entries, text_bytes = entries + writer.entries, max(0, text_bytes + writer.text_bytes)
    if entries > most.entries and writer.entries > 0:
        raise QuotaError(f"one member may publish {most.entries:,} files here; share fewer, or ask who runs it")
    if text_bytes > most.text_bytes and writer.text_bytes > 0:
        raise QuotaError(
            f"the names that one member publishes may have {most.text_bytes:,} bytes here;"
            " share fewer files, or ask who runs it"
        )
    # Beginning anew leaves the old entries to the cleaner, and must not be a way around.
    if anew and writer.entries + left_to_clean(connection, member) > 2 * most.entries:
        raise OverloadedError("what you published before is still being removed; try again after the retry delay")
    return entries, text_bytes
