"""What lying members can and cannot do to what others find in a catalogue."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from catalogues import open_sqlite
from central_kit import INDEX, batch, content_id

from central.catalogue.cursor import LAST, Cursor
from central.catalogue.sqlite import searching
from central.catalogue.sqlite.store import SqliteCatalogue
from central.database import Database
from central.domain import Batch, Change, FileFacts, Quota, SearchQuestion
from central.errors import BadInputError, BadQuestionError, OverloadedError, QuotaError

MALLORY = 9


@pytest.fixture
def catalogue(tmp_path: Path) -> Iterator[SqliteCatalogue]:
    opened = open_sqlite(tmp_path)
    assert isinstance(opened.catalogue, SqliteCatalogue)
    yield opened.catalogue
    opened.close()


def share(catalogue: SqliteCatalogue, member: int, files: dict[str, int], size: int = 100) -> None:
    catalogue.publish(member, batch(0, list(files.items()), size))
    catalogue.set_live(member, True)


@pytest.mark.parametrize("liar_first", [False, True])
def test_another_size_hides_no_honest_holder(catalogue: SqliteCatalogue, liar_first: bool) -> None:
    if liar_first:
        share(catalogue, MALLORY, {"s/film.mkv": 1}, size=999)
    for member in (1, 2):
        share(catalogue, member, {"s/film.mkv": 1}, size=1000)
    if not liar_first:
        share(catalogue, MALLORY, {"s/film.mkv": 1}, size=999)
    (found,) = catalogue.locate((content_id(1),), 64)
    assert (found.size, found.name, set(found.holders)) == (1000, "film.mkv", {1, 2, MALLORY})
    (row,) = catalogue.search(SearchQuestion("film")).rows
    assert (row.size, row.holders) == (1000, 2)


def test_of_equally_held_sizes_the_older_one_is_shown(catalogue: SqliteCatalogue) -> None:
    share(catalogue, 1, {"s/film.mkv": 1}, size=1000)
    share(catalogue, MALLORY, {"s/film.mkv": 1, "s/other film.mkv": 1}, size=999)
    (found,) = catalogue.locate((content_id(1),), 64)
    assert (found.size, set(found.holders)) == (1000, {1, MALLORY})
    assert [row.size for row in catalogue.search(SearchQuestion("film")).rows] == [1000]
    assert [row.size for row in catalogue.search(SearchQuestion("other film")).rows] == [1000]
    catalogue.set_live(1, False)
    assert catalogue.locate((content_id(1),), 64)[0].size == 999


def test_many_liars_leave_room_for_the_honest(catalogue: SqliteCatalogue) -> None:
    for member in range(10, 60):
        share(catalogue, member, {"s/film.mkv": 1}, size=999)
    for member in (1, 2, 3):
        share(catalogue, member, {"s/film.mkv": 1}, size=1000)
    (found,) = catalogue.locate((content_id(1),), 8)
    assert {1, 2, 3} < set(found.holders)
    assert len(set(found.holders)) == len(found.holders) == 8


def test_a_member_claims_one_size_of_a_content(catalogue: SqliteCatalogue) -> None:
    share(catalogue, MALLORY, {"s/a.mkv": 1, "s/b.mkv": 2}, size=10)

    def publish(previous: int, *files: tuple[str, int, int]) -> None:
        changes = tuple(
            Change(previous + place, path, FileFacts(content_id(number), size, 1))
            for place, (path, number, size) in enumerate(files, 1)
        )
        catalogue.publish(MALLORY, Batch(INDEX, previous, previous + len(changes), changes))

    with pytest.raises(BadInputError, match="one size"):
        publish(2, ("s/c.mkv", 1, 11))
    with pytest.raises(BadInputError, match="one size"):
        publish(2, ("s/c.mkv", 3, 11), ("s/d.mkv", 3, 12))
    # A size that was wrong can be put right.
    publish(2, ("s/a.mkv", 1, 11))
    assert catalogue.locate((content_id(1),), 64)[0].size == 11
    assert catalogue.totals().entries == 2


@pytest.mark.parametrize("length", [10, 900])
def test_long_names_end_a_page_early_and_lose_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, length: int
) -> None:
    monkeypatch.setattr(searching, "READ_TEXT", 100_000)
    opened = open_sqlite(tmp_path, window=4)
    long = "/".join(["\u1e69\u0323" * (length // 2)] * 4)
    files = [(f"s/{long} {content} {place}", content) for content in range(5) for place in range(100)]
    for half in (1, 2):
        files += [(f"s/sol {content} {half}", content) for content in range(5)]
        opened.catalogue.publish(1, batch(0 if half == 1 else 505, list(files)))
        files = []
    opened.catalogue.set_live(1, True)
    found, pages, cursor = [], 0, ""
    while pages == 0 or cursor:
        page = opened.catalogue.search(SearchQuestion("sol", limit=200, cursor=cursor))
        found += [row.content_id for row in page.rows]
        pages, cursor = pages + 1, page.next_cursor
    assert set(found) == {content_id(number) for number in range(5)}
    assert pages == 1 if length == 10 else pages > 1
    opened.close()


def test_many_names_of_one_member_do_not_outvote_one_name_of_three(catalogue: SqliteCatalogue) -> None:
    share(catalogue, MALLORY, {f"s/x{number} holiday.exe": 1 for number in range(1, 1400)})
    for member in (1, 2, 3):
        share(catalogue, member, {"s/Holiday 2024.mp4": 1, "s/other": 2})
    for _ in range(5):
        (found,) = catalogue.locate((content_id(1),), 64)
        assert (found.name, set(found.holders)) == ("Holiday 2024.mp4", {1, 2, 3, MALLORY})
    (row,) = catalogue.search(SearchQuestion("holiday")).rows
    assert row.name == "Holiday 2024.mp4"
    (row,) = catalogue.search(SearchQuestion("x7")).rows
    assert row.names[0] == "Holiday 2024.mp4"
    for member in (1, 2, 3):
        catalogue.set_live(member, False)
    assert catalogue.locate((content_id(1),), 64)[0].name.endswith(".exe")
    assert catalogue.search(SearchQuestion("x7")).rows[0].names[0].endswith(".exe")


def test_a_member_publishes_no_more_than_one_may(tmp_path: Path) -> None:
    database = Database.create(tmp_path / "central.sqlite")
    catalogue = SqliteCatalogue(database, quota=Quota(entries=3, text_bytes=40), cleaning_patience=-1)

    def text_bytes() -> int:
        return int(database.read().execute("SELECT text_bytes FROM publication WHERE member = 1").fetchone()[0])

    catalogue.publish(1, batch(0, [("s/a", 1), ("s/b", 2)]))
    assert text_bytes() == 6
    with pytest.raises(QuotaError, match="3 files"):
        catalogue.publish(1, batch(2, [("s/c", 3), ("s/d", 4)]))
    with pytest.raises(QuotaError, match="40 bytes"):
        catalogue.publish(1, batch(2, [("s/" + "\u00e9" * 17, 3)]))
    # Each place once, whatever it holds; and what goes makes room.
    catalogue.publish(1, batch(2, [("s/a", None), ("s/b", 3), ("s/" + "e" * 34, 3)]))
    assert text_bytes() == 39
    catalogue.publish(1, batch(5, [("s/" + "e" * 34, None), ("s/c", 3), ("s/d", 4)]))
    assert (text_bytes(), catalogue.totals().entries) == (9, 3)
    catalogue.publish(2, batch(0, [("s/a", 1)]))
    # What it gave up counts until it is removed.
    with pytest.raises(OverloadedError, match="still being removed"):
        catalogue.publish(1, batch(0, [("s/x", 1), ("s/y", 2), ("s/z", 2)]))
    while catalogue.clean():
        pass
    catalogue.publish(1, batch(0, [("s/x", 1), ("s/y", 2), ("s/z", 2)]))
    with pytest.raises(OverloadedError, match="still being removed"):
        catalogue.publish(1, batch(0, [("s/x", 1)]))
    assert text_bytes() == 9
    catalogue.close()
    database.close()


def test_a_cursor_cannot_be_made_by_others(catalogue: SqliteCatalogue) -> None:
    share(catalogue, 1, {f"s/song {number}": number for number in range(9)})
    question = SearchQuestion("song", limit=2)
    real = catalogue.search(question).next_cursor
    assert catalogue.search(SearchQuestion("song", limit=2, cursor=real)).rows
    for made in (Cursor(0, 0, 0, 0, LAST), Cursor((1 << 32) - 1, 1, -(1 << 63), LAST, 1, 1, (1 << 64) - 1)):
        for secret in (b"", b"guessed"):
            with pytest.raises(BadQuestionError):
                catalogue.search(SearchQuestion("song", limit=2, cursor=made.write(question, secret)))


def test_a_window_that_grew_after_it_was_shown_is_read_in_parts(
    catalogue: SqliteCatalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    share(catalogue, 1, {f"s/song {number}": number for number in range(9)})
    cursor = catalogue.search(SearchQuestion("song", limit=2)).next_cursor
    monkeypatch.setattr(searching, "SCAN_LIMIT", 10)
    share(catalogue, 2, {f"s/song {number}": number for number in range(9, 200)})
    found = set()
    while cursor:
        page = catalogue.search(SearchQuestion("song", limit=50, cursor=cursor))
        found |= {row.content_id for row in page.rows}
        cursor = page.next_cursor
    assert len(found) == 198
