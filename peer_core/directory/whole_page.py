"""Makes whole pages of searches of those that the central ended early, as it does when it is busy."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from peer_core.directory.types import SearchPage, SearchQuestion, Via
from peer_core.errors import BarrioError

# Nobody waits longer for the rest of a page that could be shown already.
FILL_SECONDS = 0.5
# Nor does one question cost the central more.
MOST_PARTS = 10

Ask = Callable[[SearchQuestion], tuple[SearchPage, Via]]


def whole_page(
    ask: Ask, question: SearchQuestion, clock: Callable[[], float] = time.monotonic
) -> tuple[SearchPage, Via]:
    """Asks on until there are `question.limit` rows, or nothing is left, or half a second has passed, or ten times.

    Each content once. What is here stands when asking on fails. Raises what `ask` raises for the first part.
    """
    page, via = ask(question)
    until = clock() + FILL_SECONDS
    rows = {row.content_id: row for row in page.rows}
    with suppress(BarrioError):
        for _ in range(MOST_PARTS - 1):
            if not page.next_cursor or len(rows) >= question.limit or clock() >= until:
                break
            rest = replace(question, limit=question.limit - len(rows), cursor=page.next_cursor)
            following, _ = ask(rest)
            for row in following.rows:
                rows.setdefault(row.content_id, row)
            page = replace(page, next_cursor=following.next_cursor)
    return replace(page, rows=tuple(rows.values())), via
