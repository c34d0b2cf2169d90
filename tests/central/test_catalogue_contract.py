"""What every implementation of the catalogue must do: all that its interface says, and what people search for."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from catalogues import IMPLEMENTATIONS, Opened
from central_kit import INDEX, batch, content_id

from central.catalogue.interface import Catalogue
from central.domain import Batch, Change, FileFacts, SearchPage, SearchQuestion
from central.errors import BadQuestionError, OverloadedError

Open = Callable[..., Opened]


@pytest.fixture(params=IMPLEMENTATIONS)
def open_it(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens the catalogue of this test; what was opened before is closed first."""
    opened: list[Opened] = []

    def close() -> None:
        while opened:
            opened.pop().close()

    def make(window: int = 1000) -> Opened:
        close()
        opened.append(IMPLEMENTATIONS[request.param](tmp_path, window))
        return opened[-1]

    yield make
    close()


@pytest.fixture
def catalogue(open_it: Open) -> Catalogue:
    return open_it().catalogue


def share(catalogue: Catalogue, member: int, files: dict[str, int], size: int = 100) -> None:
    """The member is live and shares exactly these."""
    catalogue.publish(member, batch(0, list(files.items()), size))
    catalogue.set_live(member, True)


def share_facts(catalogue: Catalogue, member: int, files: dict[str, tuple[int, int, int]]) -> None:
    """As `share`, with content, size and time of change of each."""
    changes = tuple(
        Change(place, path, FileFacts(content_id(number), size, modified))
        for place, (path, (number, size, modified)) in enumerate(files.items(), 1)
    )
    catalogue.publish(member, Batch(INDEX, 0, len(changes), changes))
    catalogue.set_live(member, True)


def gone(before: int, start: str, numbers: Iterable[int]) -> list[Change]:
    return [Change(before + place, f"{start}{n}.mp3", None) for place, n in enumerate(numbers, 1)]


def names(catalogue: Catalogue, text: str, **more: Any) -> list[str]:
    return [row.name for row in catalogue.search(SearchQuestion(text, **more)).rows]


def all_pages(catalogue: Catalogue, question: SearchQuestion) -> list[SearchPage]:
    pages = [catalogue.search(question)]
    while pages[-1].next_cursor:
        more = {**question.__dict__, "cursor": pages[-1].next_cursor}
        pages.append(catalogue.search(SearchQuestion(**more)))
    return pages


def test_extensions_kinds_sizes_and_dates_narrow(catalogue: Catalogue) -> None:
    files = {
        "b/plaza.pdf": (1, 10, 1000),
        "b/plaza.epub": (2, 2000, 2000),
        "b/plaza.mp3": (3, 300_000, 3000),
        "b/otra.PDF": (4, 40_000_000, 4000),
    }
    share_facts(catalogue, 1, files)
    assert sorted(names(catalogue, "plaza", extensions=("pdf", "EPUB"))) == ["plaza.epub", "plaza.pdf"]
    assert sorted(names(catalogue, "", extensions=(".pdf",))) == ["otra.PDF", "plaza.pdf"]
    assert names(catalogue, "", extensions=("pdf",), min_size=11) == ["otra.PDF"]
    assert names(catalogue, "", extensions=("pdf",), min_size=11, max_size=39_999_999) == []
    assert sorted(names(catalogue, "", changed_since=3000)) == ["otra.PDF", "plaza.mp3"]
    assert names(catalogue, "plaza", changed_since=2001) == ["plaza.mp3"]
    assert names(catalogue, "", kind="audio", changed_since=3001) == []
    with pytest.raises(BadQuestionError):
        catalogue.search(SearchQuestion("", extensions=("p/df",)))


def test_a_changed_date_is_the_one_that_counts(catalogue: Catalogue) -> None:
    share_facts(catalogue, 1, {"b/plaza.pdf": (1, 10, 1000)})
    catalogue.publish(1, Batch(INDEX, 1, 2, (Change(2, "b/plaza.pdf", FileFacts(content_id(1), 10, 5000)),)))
    assert names(catalogue, "plaza", changed_since=4000) == ["plaza.pdf"]


def test_phrases_words_to_miss_pieces_and_accents(catalogue: Catalogue) -> None:
    share(catalogue, 1, {"m/Canción de la Plaza.mp3": 1, "m/la canción, plaza.mp3": 2, "m/emplazar.mp3": 3})
    assert names(catalogue, '"de la plaza"') == ["Canción de la Plaza.mp3"]
    assert names(catalogue, 'cancion -"de la"') == ["la canción, plaza.mp3"]
    assert names(catalogue, "CANCION -de") == ["la canción, plaza.mp3"]
    assert sorted(names(catalogue, "plaza ")[:2]) == ["Canción de la Plaza.mp3", "la canción, plaza.mp3"]
    assert names(catalogue, "plaza")[2:] == ["emplazar.mp3"]
    assert names(catalogue, "mplaz") == ["emplazar.mp3"]
    assert names(catalogue, "plazas ") == []


def test_whole_words_come_before_words_inside_others(catalogue: Catalogue) -> None:
    for member in range(1, 6):
        share(catalogue, member, {"m/emplazar.mp3": 3} | ({"m/plaza.mp3": 1} if member == 1 else {}))
    catalogue.build_tiers()
    assert names(catalogue, "plaza") == ["plaza.mp3", "emplazar.mp3"]


@pytest.mark.parametrize("limit", [1, 7, 50])
def test_pages_show_each_content_once_through_all_tiers(open_it: Open, limit: int) -> None:
    catalogue = open_it(5).catalogue
    everybody = {f"m/song {n}.mp3": n for n in range(1, 30)}
    for member in range(1, 5):
        files = {path: n for path, n in everybody.items() if n % member == 0}
        files |= {f"copies/song {n} by {member}.mp3": n for n in files.values()}
        share(catalogue, member, files)
    catalogue.build_tiers()
    share(catalogue, 9, {f"late/songs {n}.mp3": n for n in range(20, 60)} | {"m/mysong.mp3": 99})
    catalogue.raise_popular()
    rows = [row for page in all_pages(catalogue, SearchQuestion("song", limit=limit)) for row in page.rows]
    assert sorted(row.content_id for row in rows) == [content_id(n) for n in [*range(1, 60), 99]]
    assert rows[-1].content_id == content_id(99)


def test_what_becomes_popular_meanwhile_costs_no_row_of_a_list_that_is_read(open_it: Open) -> None:
    catalogue = open_it(5).catalogue
    share(catalogue, 1, {f"m/song {n}.mp3": n for n in range(1, 40)})
    catalogue.build_tiers()
    first = catalogue.search(SearchQuestion("song", limit=10))
    share(catalogue, 2, {f"m/song {n}.mp3": n for n in range(30, 40)})
    catalogue.raise_popular()
    seen = [row.content_id for row in first.rows]
    cursor = first.next_cursor
    while cursor:
        page = catalogue.search(SearchQuestion("song", limit=10, cursor=cursor))
        seen += [row.content_id for row in page.rows]
        cursor = page.next_cursor
    assert len(seen) == len(set(seen))
    assert set(seen) >= {content_id(n) for n in range(1, 30)}


def test_a_newly_popular_file_is_on_the_first_page(open_it: Open) -> None:
    catalogue = open_it(10).catalogue
    for member in (1, 2):
        share(catalogue, member, {f"m/song {n}.mp3": n for n in range(1, 100)})
    catalogue.build_tiers()
    for member in (3, 4, 5):
        share(catalogue, member, {"new/song of today.mp3": 1000})
    while catalogue.raise_popular():
        pass
    assert names(catalogue, "song", limit=5)[0] == "song of today.mp3"


def test_folders_are_results_too(catalogue: Catalogue) -> None:
    album = {f"Music/Los Plaza/Noche (1999)/{n:02} - Tema.flac": n for n in range(1, 11)}
    share(catalogue, 1, album)
    share(catalogue, 2, dict(list(album.items())[:4]))
    share(catalogue, 3, {"Noche/otra.flac": 99})
    page = catalogue.search(SearchQuestion("noche"))
    (found,) = page.albums
    assert (found.path, found.files, found.bytes) == ("Music/Los Plaza/Noche (1999)", 10, 1000)
    assert found.holders == 2
    catalogue.set_live(2, False)
    assert catalogue.search(SearchQuestion("noche")).albums[0].holders == 1
    catalogue.set_live(1, False)
    assert catalogue.search(SearchQuestion("noche")).albums == ()
    later = catalogue.search(SearchQuestion("noche", limit=1))
    if later.next_cursor:
        assert catalogue.search(SearchQuestion("noche", limit=1, cursor=later.next_cursor)).albums == ()


def test_a_lapse_hides_and_a_return_shows_at_once(catalogue: Catalogue) -> None:
    share(catalogue, 1, {f"m/song {n}.mp3": n for n in range(1, 2000)})
    for _ in range(3):
        began = time.monotonic()
        catalogue.set_live(1, False)
        assert names(catalogue, "song") == []
        catalogue.set_live(1, True)
        assert len(names(catalogue, "song")) == 50
        assert time.monotonic() - began < 2


def test_a_removed_member_is_gone_at_once_and_its_rows_later(catalogue: Catalogue) -> None:
    share(catalogue, 1, {f"m/song {n}.mp3": n for n in range(1, 3000)})
    share(catalogue, 2, {"m/song 7.mp3": 7, "own.mp3": 5000})
    catalogue.withdraw(1)
    assert names(catalogue, "song") == ["song 7.mp3"]
    assert [set(found.holders) for found in catalogue.locate((content_id(7), content_id(8)), 9)] == [{2}, set()]
    while catalogue.clean():
        pass
    totals = catalogue.totals()
    assert (totals.entries, totals.contents, totals.names) == (2, 2, 2)


def test_beginning_anew_never_shows_what_was_given_up(catalogue: Catalogue) -> None:
    share(catalogue, 1, {"m/old.mp3": 1, "m/both.mp3": 2})
    share(catalogue, 2, {"m/old.mp3": 1})
    share(catalogue, 1, {"m/both.mp3": 2, "m/new.mp3": 3})
    found = catalogue.locate((content_id(1), content_id(2), content_id(3)), 9)
    assert [set(f.holders) for f in found] == [{2}, {1}, {1}]
    while catalogue.clean():
        pass
    found = catalogue.locate((content_id(1), content_id(2), content_id(3)), 9)
    assert [set(f.holders) for f in found] == [{2}, {1}, {1}]
    assert catalogue.totals().names == 3


@pytest.mark.parametrize("files", [10, 300])
def test_entries_that_are_given_up_one_by_one_are_gone_at_once_and_their_rows_later(open_it: Open, files: int) -> None:
    catalogue = open_it().catalogue
    share(catalogue, 1, {f"m/song {n}.mp3": n for n in range(files)})
    share(catalogue, 2, {"m/song 3.mp3": 3})
    catalogue.publish(1, Batch(INDEX, files, files + 8, tuple(gone(files, "m/song ", range(1, 9)))))
    # One comes back before anything was removed, and one is another file now.
    facts = FileFacts(content_id(5), 100, 1000), FileFacts(content_id(5000), 100, 1000)
    again = Change(files + 9, "m/song 5.mp3", facts[0]), Change(files + 10, "m/song 0.mp3", facts[1])
    catalogue.publish(1, Batch(INDEX, files + 8, files + 10, again))

    def held(catalogue: Catalogue) -> list[set[int]]:
        return [set(f.holders) for f in catalogue.locate(tuple(map(content_id, (0, 1, 3, 5, 9, 5000))), 9)]

    expected: list[set[int]] = [set(), set(), {2}, {1}, {1}, {1}]
    assert held(catalogue) == expected
    catalogue = open_it().catalogue
    for member in (1, 2):
        catalogue.set_live(member, True)
    assert held(catalogue) == expected
    while catalogue.clean():
        pass
    assert held(catalogue) == expected
    assert catalogue.totals().names == files - 7 + 1
    assert catalogue.totals().entries == files - 7 + 1


def test_everything_is_there_after_a_restart(open_it: Open) -> None:
    catalogue = open_it().catalogue
    share(catalogue, 1, {f"m/song {n}.mp3": n for n in range(1, 20)})
    share(catalogue, 2, {"m/song 1.mp3": 1})
    catalogue.build_tiers()
    catalogue.publish(1, batch(0, [("m/song 3.mp3", 3)]))
    catalogue = open_it().catalogue
    assert names(catalogue, "song") == []
    for member in (1, 2):
        catalogue.set_live(member, True)
    assert sorted(names(catalogue, "song")) == ["song 1.mp3", "song 3.mp3"]
    assert sorted(names(catalogue, "ong")) == ["song 1.mp3", "song 3.mp3"]
    held = catalogue.acknowledged(1)
    assert held is not None
    assert held.sequence == 1


def test_sequence_games_change_nothing(catalogue: Catalogue) -> None:
    share(catalogue, 1, {"m/song.mp3": 1})
    top = (1 << 63) - 1
    assert catalogue.publish(1, Batch(INDEX, 5, 9, ())).resync
    assert catalogue.publish(1, Batch(bytes(16), 1, 2, ())).resync
    assert catalogue.publish(2, Batch(INDEX, top - 1, top, ())).resync
    assert names(catalogue, "song") == ["song.mp3"]
    assert not catalogue.publish(1, Batch(INDEX, 1, top, ())).resync
    assert catalogue.publish(1, Batch(INDEX, 1, top, ())).resync
    # Nothing comes after that, but beginning anew.
    assert not catalogue.publish(1, batch(0, [("m/other.mp3", 2)])).resync
    assert names(catalogue, "other") == ["other.mp3"]


def test_one_member_cannot_touch_anothers_entries(catalogue: Catalogue) -> None:
    share(catalogue, 1, {"m/song.mp3": 1})
    share(catalogue, 2, {"m/song.mp3": 1})
    catalogue.publish(2, batch(1, [("m/song.mp3", None), ("m/song.mp3", None), ("m/never.mp3", None)]))
    assert set(catalogue.locate((content_id(1),), 9)[0].holders) == {1}
    catalogue.publish(2, batch(0, []))
    assert names(catalogue, "song") == ["song.mp3"]


def test_names_made_to_hurt_are_kept_and_found(catalogue: Catalogue) -> None:
    hostile = {f"m/{' '.join(f'w{n}x{m}' for m in range(180))}.mp3": n for n in range(5)} | {
        "m/" + "x" * 1000: 10,
        "m/\U0001f600\u202e\u0301\ufeff.mp3": 11,
        'm/" OR "a" NEAR(b).mp3': 12,
        "\ue000audio/\ue003pdf\ue110.txt": 13,
        "m/\ud7ff\uffff.mp3": 14,
    }
    share(catalogue, 1, hostile)
    assert names(catalogue, "w3x177") == [next(p for p, n in hostile.items() if n == 3).rpartition("/")[2]]
    assert names(catalogue, '" OR "a" NEAR(b)') == ['" OR "a" NEAR(b).mp3']
    assert len(names(catalogue, "xxxxxxxx")) == 1
    assert {row.kind for row in catalogue.search(SearchQuestion("", kind="audio")).rows} == {"audio"}
    catalogue.withdraw(1)
    while catalogue.clean():
        pass
    assert catalogue.totals().names == 0


def test_too_many_publishers_are_told_to_come_back(catalogue: Catalogue) -> None:
    told: list[OverloadedError] = []
    done: list[int] = []
    start = threading.Barrier(24)

    def publish(member: int) -> None:
        start.wait()
        try:
            catalogue.publish(member, batch(0, [(f"m/{member} {n}.mp3", member * 1000 + n) for n in range(300)]))
            done.append(member)
        except OverloadedError as error:
            told.append(error)

    threads = [threading.Thread(target=publish, args=(member,)) for member in range(1, 25)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) + len(told) == 24
    assert done
    assert all("try again" in error.message for error in told)
    assert catalogue.totals().entries == 300 * len(done)
