"""Folders as results: of the folders of the contents found, those whose own names have what was asked for."""

from collections import Counter
from collections.abc import Callable

from central.catalogue.sqlite.claims import Read
from central.catalogue.sqlite.live import LiveCounters
from central.catalogue.sqlite.tiers import matching
from central.catalogue.wanted import Wanted, quoted
from central.catalogue.words import split_words
from central.domain import Album, SearchRow

MOST = 3
# Names looked at below one folder; larger folders say less than they hold.
NAMES_READ = 200
_WORDS = 8
_LAST = (1 << 63) - 1


class Albums:
    def __init__(self, read: Read, live: LiveCounters, may_go_on: Callable[[], bool]) -> None:
        """`may_go_on` is asked before each album but the first."""
        self._read = read
        self._live = live
        self._may_go_on = may_go_on

    def among(self, wanted: Wanted, rows: tuple[SearchRow, ...]) -> tuple[Album, ...]:
        """The folders of most of the rows first, with what is below them."""
        if not wanted.has_text:
            return ()
        folders: Counter[str] = Counter()
        for path in {row.path for row in rows}:
            folders[_named_folder(wanted, path)] += sum(1 for row in rows if row.path == path)
        del folders[""]
        albums = [
            self._album(path)
            for place, (path, _) in enumerate(folders.most_common(MOST))
            if not place or self._may_go_on()
        ]
        return tuple(album for album in albums if album.files > 1)

    def _album(self, path: str) -> Album:
        run = self._read().execute
        words = sorted(set(split_words(path)), key=len)[-_WORDS:]
        expression = " AND ".join(map(quoted, words))
        names = self._live.alive(matching(self._read(), "name_words", expression, 0, _LAST, NAMES_READ))
        marks = ",".join("?" * len(names))
        found = run(
            "SELECT n.number, n.content, c.size, n.path FROM name n JOIN content c ON c.number = n.content"
            f" WHERE n.number IN ({marks})",
            names,
        ).fetchall()
        below = [row for row in found if row[3].startswith(path + "/")]
        sizes = {content: size for _, content, size, _ in below}
        holders = max((self._live.name(row[0]) for row in below), default=0)
        return Album(path, len(sizes), sum(sizes.values()), holders)


def _named_folder(wanted: Wanted, path: str) -> str:
    """The folder of `path` whose own name has all words, the innermost one; "" when there is none."""
    while path:
        folder, _, name = path.rpartition("/")
        if wanted.by_words(split_words(name)):
            return path
        path = folder
    return ""
