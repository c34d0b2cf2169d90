"""Pages that a busy central ends early reach the person whole: a real central that takes no time at all for a page."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from central_kit import Central, change, content_id

from peer_core.directory.messages import read_search, search_bytes
from peer_core.directory.types import SearchPage, SearchQuestion, Via, ViaKind
from peer_core.directory.whole_page import FILL_SECONDS, MOST_PARTS, whole_page
from peer_core.errors import CentralUnreachableError

FILES = 150
DIRECT = Via(ViaKind.DIRECT)


class Asker:
    """Asks the central itself, and counts."""

    def __init__(self, caller: Any) -> None:
        self._caller = caller
        self.asked = 0
        self.limit = 10_000
        self.now = 0.0

    def __call__(self, question: SearchQuestion) -> tuple[SearchPage, Via]:
        self.asked += 1
        self.now += FILL_SECONDS / 4
        if self.asked > self.limit:
            raise CentralUnreachableError("The central does not answer.", "central-silent")
        answer = self._caller.ask(search_bytes(question))
        return read_search(answer.SerializeToString(), question.limit), DIRECT


@pytest.fixture
def asker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Asker]:
    monkeypatch.setattr("central.catalogue.sqlite.searching.LOOKING_SECONDS", 0.0)
    central = Central(tmp_path / "central")
    try:
        ana = central.member("Ana")
        ana.register()
        ana.publish(0, FILES, [change(n, f"song {n}.mp3", n) for n in range(1, FILES + 1)])
        yield Asker(ana)
    finally:
        central.stop()


def test_a_page_is_as_long_as_it_was_asked_for(asker: Asker) -> None:
    found: list[bytes] = []
    cursor, calls = "", 0
    while cursor or not calls:
        page, via = whole_page(asker, SearchQuestion("song", limit=30, cursor=cursor), lambda: 0.0)
        assert via == DIRECT
        assert len(page.rows) == 30 or not page.next_cursor
        found += [row.content_id for row in page.rows]
        cursor, calls = page.next_cursor, calls + 1
    assert asker.asked >= 2 * calls - 1, "the central ended pages early"
    assert sorted(found) == [content_id(n) for n in range(1, FILES + 1)], "each once"


def test_one_question_is_not_asked_without_end(asker: Asker) -> None:
    page, _ = whole_page(asker, SearchQuestion("song", limit=200), lambda: 0.0)
    assert asker.asked == MOST_PARTS
    assert 0 < len(page.rows) < FILES
    assert page.next_cursor


def test_nobody_waits_long_for_the_rest(asker: Asker) -> None:
    page, _ = whole_page(asker, SearchQuestion("song", limit=100), lambda: asker.now)
    assert 0 < len(page.rows) < 100
    assert page.next_cursor
    assert asker.asked == 5


def test_what_is_here_stands_when_asking_on_fails(asker: Asker) -> None:
    asker.limit = 2
    page, _ = whole_page(asker, SearchQuestion("song", limit=100), lambda: 0.0)
    assert asker.asked == 3
    assert 0 < len(page.rows) < 100
    asker.limit = 10_000
    after, _ = whole_page(asker, SearchQuestion("song", limit=100, cursor=page.next_cursor), lambda: 0.0)
    assert after.rows and not {row.content_id for row in page.rows} & {row.content_id for row in after.rows}
    asker.limit = 0
    with pytest.raises(CentralUnreachableError):
        whole_page(asker, SearchQuestion("song"))
