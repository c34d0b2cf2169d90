"""What a person sees of a search: order, pages, kinds, sizes, names, and members that lie."""

import random
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from central_kit import INDEX, batch, content_id
from hypothesis import given
from hypothesis import strategies as st

from central.catalogue.sqlite import cleaning, searching
from central.catalogue.sqlite.store import SqliteCatalogue
from central.catalogue.words import indexed_text, split_words
from central.database import Database
from central.domain import Batch, Change, FileFacts, SearchQuestion, SearchRow
from central.errors import BadQuestionError
from protos.agreed import KINDS


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database.create(tmp_path / "central.sqlite")
    yield database
    database.close()


@pytest.fixture
def catalogue(database: Database) -> SqliteCatalogue:
    return SqliteCatalogue(database, cleaning_patience=0)


def share(catalogue: SqliteCatalogue, member: int, files: dict[str, int], size: int = 100) -> None:
    """The member is live and shares exactly these."""
    catalogue.publish(member, batch(0, list(files.items()), size))
    catalogue.set_live(member, True)


def rows(catalogue: SqliteCatalogue, text: str, **more: object) -> list[SearchRow]:
    return list(catalogue.search(SearchQuestion(text, **more)).rows)


def test_the_most_held_come_first_and_names_before_folders(catalogue: SqliteCatalogue) -> None:
    share(catalogue, 1, {"m/plaza one.mp3": 1, "m/plaza two.mp3": 2, "plaza/x.mp3": 3})
    share(catalogue, 2, {"m/plaza two.mp3": 2, "plaza/x.mp3": 3})
    share(catalogue, 3, {"plaza/x.mp3": 3})
    found = rows(catalogue, "plaza")
    assert [(row.content_id, row.holders) for row in found] == [
        (content_id(2), 2),
        (content_id(1), 1),
        (content_id(3), 3),
    ]
    assert (found[2].name, found[2].path) == ("x.mp3", "plaza")


def test_a_popular_content_is_on_the_first_page_however_late_it_came(catalogue: SqliteCatalogue) -> None:
    share(catalogue, 1, {f"m/song {n}.mp3": n for n in range(1, 200)} | {"m/song last.mp3": 999})
    share(catalogue, 2, {"m/song last.mp3": 999})
    assert rows(catalogue, "song", limit=5)[0].content_id == content_id(999)


def test_pages_show_everything_once_while_members_come_and_go(database: Database) -> None:
    catalogue = SqliteCatalogue(database, window=7)
    share(catalogue, 1, {f"m/song {n}.mp3": n for n in range(1, 60)})
    share(catalogue, 2, {f"n/song {n} again.mp3": n for n in range(1, 60, 3)})
    seen: list[bytes] = []
    cursor = ""
    for page_number in range(100):
        page = catalogue.search(SearchQuestion("song", limit=10, cursor=cursor))
        seen += [row.content_id for row in page.rows]
        cursor = page.next_cursor
        # Nothing that member 3 does changes what the others have.
        share(catalogue, 3, {f"o/{page_number}.mp3": 1000 + page_number})
        if not cursor:
            break
    assert sorted(seen) == [content_id(n) for n in range(1, 60)]


def test_a_cursor_is_good_for_its_own_question_only(catalogue: SqliteCatalogue) -> None:
    share(catalogue, 1, {f"m/song {n}.mp3": n for n in range(1, 20)})
    cursor = catalogue.search(SearchQuestion("song", limit=5)).next_cursor
    assert cursor
    assert len(catalogue.search(SearchQuestion("song", limit=50, cursor=cursor)).rows) == 14
    mangled = [cursor[:-1], cursor + "A", cursor[::-1], "A" * len(cursor), "é", "====", cursor.swapcase()]
    for question in [SearchQuestion("song", cursor=text) for text in mangled] + [
        SearchQuestion("songs", cursor=cursor),
        SearchQuestion("song", kind="audio", cursor=cursor),
        SearchQuestion("song", min_size=1, cursor=cursor),
    ]:
        with pytest.raises(BadQuestionError, match="search again"):
            catalogue.search(question)


@given(st.text(max_size=80))
def test_no_text_is_taken_for_a_cursor(text: str) -> None:
    if text:
        with pytest.raises(BadQuestionError):
            searching.Cursor.read(SearchQuestion("song", cursor=text), b"secret")


def test_kinds_and_sizes_filter_exactly(catalogue: SqliteCatalogue) -> None:
    for member, size in enumerate((0, 99, 100, 101, 128, 5000), 1):
        share(catalogue, member, {f"m/song {member}.mp3": member, f"m/song {member}.txt": 100 + member}, size)
    assert [row.size for row in sorted(rows(catalogue, "song", kind="audio"), key=lambda r: r.size)] == [
        0,
        99,
        100,
        101,
        128,
        5000,
    ]
    assert {row.size for row in rows(catalogue, "song", min_size=100, max_size=127)} == {100, 101}
    assert {row.size for row in rows(catalogue, "", min_size=101)} == {101, 128, 5000}
    assert {row.size for row in rows(catalogue, "", kind="document", max_size=99)} == {0, 99}
    assert rows(catalogue, "song", min_size=6000) == []
    assert {row.kind for row in rows(catalogue, "", kind="document")} == {"document"}


def test_one_row_for_a_content_with_its_other_names(catalogue: SqliteCatalogue) -> None:
    share(catalogue, 1, {"m/plaza.mp3": 1} | {f"m/copy {n}.mp3": 1 for n in range(20)})
    share(catalogue, 2, {"m/plaza.mp3": 1})
    (row,) = rows(catalogue, "plaza")
    assert (row.name, row.holders, len(row.names), len(set(row.names))) == ("plaza.mp3", 2, 8, 8)
    (row,) = rows(catalogue, "copy 7")
    assert row.name == "copy 7.mp3"
    assert catalogue.locate((content_id(1),), 64)[0].name == "plaza.mp3"


def test_the_commonest_matching_name_is_shown(catalogue: SqliteCatalogue) -> None:
    share(catalogue, 1, {"a/plaza first.mp3": 1})
    share(catalogue, 2, {"a/plaza.mp3": 1})
    share(catalogue, 3, {"a/plaza.mp3": 1})
    assert rows(catalogue, "plaza")[0].name == "plaza.mp3"


def test_a_rename_never_hides_the_content(catalogue: SqliteCatalogue) -> None:
    share(catalogue, 1, {"m/plaza 0.mp3": 1})
    missing = []
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            found = rows(catalogue, "plaza")
            if len(found) != 1 or found[0].holders != 1 or not catalogue.locate((content_id(1),), 4)[0].holders:
                missing.append(found)

    thread = threading.Thread(target=look)
    thread.start()
    sequence = 1
    for turn in range(150):
        step = batch(sequence, [(f"m/plaza {turn}.mp3", None), (f"m/plaza {turn + 1}.mp3", 1)])
        catalogue.publish(1, step)
        sequence = step.last
        catalogue.clean()
    stop.set()
    thread.join()
    assert missing == []


def test_a_lie_about_the_size_does_not_touch_the_others(catalogue: SqliteCatalogue) -> None:
    share(catalogue, 9, {"m/plaza.mp3": 1}, size=7)
    share(catalogue, 1, {"m/plaza.mp3": 1}, size=100)
    share(catalogue, 2, {"m/plaza.mp3": 1}, size=100)
    (row,) = rows(catalogue, "plaza")
    assert (row.size, row.holders) == (100, 2)
    (found,) = catalogue.locate((content_id(1),), 64)
    assert (found.size, sorted(found.holders)) == (100, [1, 2, 9])


def test_a_touched_file_tells_its_new_time(catalogue: SqliteCatalogue) -> None:
    share(catalogue, 1, {"m/plaza.mp3": 1})
    assert rows(catalogue, "plaza")[0].modified == 1000
    touched = Change(2, "m/plaza.mp3", FileFacts(content_id(1), 100, 2000))
    catalogue.publish(1, Batch(INDEX, 1, 2, (touched,)))
    assert rows(catalogue, "plaza")[0].modified == 2000
    assert rows(catalogue, "plaza")[0].holders == 1


def test_holders_are_drawn_fairly_and_not_too_many(database: Database) -> None:
    catalogue = SqliteCatalogue(database, rng=random.Random(5))
    for member in range(1, 101):
        share(catalogue, member, {"m/plaza.mp3": 1})
    for member in range(1, 101, 2):
        catalogue.set_live(member, False)
    even = set(range(2, 101, 2))
    counts = dict.fromkeys(even, 0)
    firsts = set()
    for _ in range(400):
        (found,) = catalogue.locate((content_id(1),), 5)
        assert len(set(found.holders)) == 5
        firsts.add(found.holders[0])
        for holder in found.holders:
            counts[holder] += 1
    assert min(counts.values()) > 10
    assert len(firsts) > 30
    assert set(catalogue.locate((content_id(1),), 64)[0].holders) == even


def test_looking_stops_early_and_goes_on_with_the_cursor(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    catalogue = SqliteCatalogue(database, window=10)
    share(catalogue, 1, {f"m/song dead {n}.mp3": n for n in range(1500)})
    share(catalogue, 2, {"m/song alive.mp3": 5000})
    catalogue.set_live(1, False)
    monkeypatch.setattr(searching, "SCAN_LIMIT", 1000)
    first = catalogue.search(SearchQuestion("song"))
    assert first.rows == ()
    assert first.next_cursor
    second = catalogue.search(SearchQuestion("song", cursor=first.next_cursor))
    assert [row.name for row in second.rows] == ["song alive.mp3"]
    assert second.next_cursor == ""


def test_a_page_of_long_names_ends_early(catalogue: SqliteCatalogue) -> None:
    share(catalogue, 1, {f"{'/'.join(['x' * 900] * 4)}/song {n}.mp3": n for n in range(1, 201)})
    page = catalogue.search(SearchQuestion("song", limit=200))
    assert 0 < len(page.rows) < 200
    assert sum(len(row.path) for row in page.rows) < 250_000
    rest = catalogue.search(SearchQuestion("song", limit=200, cursor=page.next_cursor))
    assert {row.content_id for row in page.rows}.isdisjoint(row.content_id for row in rest.rows)


def test_cleaning_leaves_no_trace_in_the_index(catalogue: SqliteCatalogue, database: Database) -> None:
    share(catalogue, 1, {f"m/song {n}.mp3": n for n in range(cleaning.STEP + 100)})
    catalogue.publish(1, batch(0, []))
    assert catalogue.clean()
    while catalogue.clean():
        pass
    assert catalogue.totals().names == 0
    marks = indexed_text("m/song 7.mp3", KINDS.index("audio"), 100).split()[2:]
    assert len(marks) == 4
    for word in [*split_words("m/song 7.mp3"), *marks]:
        left = database.read().execute("SELECT count(*) FROM name_words WHERE name_words MATCH ?", (f'"{word}"',))
        assert left.fetchone() == (0,), word


def test_what_is_published_again_soon_is_kept(database: Database) -> None:
    catalogue = SqliteCatalogue(database)
    share(catalogue, 1, {"m/song.mp3": 1})
    number = database.read().execute("SELECT number FROM name").fetchall()
    catalogue.publish(1, batch(0, []))
    assert not catalogue.clean()
    share(catalogue, 1, {"m/song.mp3": 1})
    assert database.read().execute("SELECT number FROM name").fetchall() == number
    with database.write() as connection:
        # As if the clock had been set back since.
        connection.execute("UPDATE gone SET since = since + 100000")
    assert catalogue.clean()
    catalogue.publish(1, batch(0, []))
    with database.write() as connection:
        connection.execute("UPDATE gone SET since = since + 100000")
    catalogue.clean()
    assert catalogue.totals().names == 0


def test_publishing_and_searching_at_the_same_time(catalogue: SqliteCatalogue) -> None:
    failures: list[BaseException] = []

    def guarded(work: object) -> None:
        try:
            work()
        except BaseException as error:
            failures.append(error)

    def publish(member: int) -> None:
        for turn in range(6):
            catalogue.publish(member, batch(0, [(f"m{member}/song {n}.mp3", n + turn) for n in range(150)]))
            catalogue.set_live(member, turn % 2 == 0)
        catalogue.set_live(member, True)

    def ask() -> None:
        for _ in range(60):
            assert all(0 < row.holders <= 4 for row in rows(catalogue, "song"))
            catalogue.locate(tuple(content_id(n) for n in range(20)), 8)
            catalogue.clean()

    threads = [threading.Thread(target=guarded, args=(lambda m=m: publish(m),)) for m in range(1, 5)]
    threads += [threading.Thread(target=guarded, args=(ask,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert {row.holders for row in rows(catalogue, "song", limit=200)} == {4}
    assert len(rows(catalogue, "song", limit=200)) == 150


def test_pages_that_take_too_long_end_early_and_the_next_ones_go_on(
    catalogue: SqliteCatalogue, monkeypatch: pytest.MonkeyPatch
) -> None:
    share(catalogue, 1, {f"m/song {n}.mp3": n for n in range(150)})
    monkeypatch.setattr("central.catalogue.sqlite.searching.LOOKING_SECONDS", 0.0)
    monkeypatch.setattr("central.catalogue.sqlite.searching.ADDING_SECONDS", 0.0)
    found: list[bytes] = []
    pages, cursor = 0, ""
    while pages == 0 or cursor:
        page = catalogue.search(SearchQuestion("song", limit=100, cursor=cursor))
        assert page.rows
        found += [row.content_id for row in page.rows]
        pages, cursor = pages + 1, page.next_cursor
        assert pages <= 150
    assert pages > 2
    assert sorted(found) == sorted(content_id(n) for n in range(150)), "each once"
