"""Which parts of a share are to be looked at: folders, each alone or with all below it. Pure; any thread."""

from collections.abc import Iterable, Mapping

# By folder ("" is the root): True for all below it, False for its own entries. None: the whole share.
Marks = Mapping[str, bool] | None

MOST_FOLDERS = 256


def merged(one: Marks, other: Marks) -> Marks:
    """What covers both."""
    if one is None or other is None:
        return None
    return {**one, **{folder: deep or one.get(folder, False) for folder, deep in other.items()}}


def reduced(marks: Marks, most: int = MOST_FOLDERS) -> Marks:
    """The same without what lies below another mark; of too many, the folders around them, at last the whole share."""
    if marks is None or marks.get(""):
        return None
    kept = {folder: deep for folder, deep in marks.items() if not any(marks.get(a) for a in above(folder))}
    depth = max((folder.count("/") for folder in kept), default=0)
    while len(kept) > most:
        if not depth:
            return None
        cut = {"/".join(folder.split("/", depth)[:depth]) for folder in kept if folder.count("/") >= depth}
        kept = {folder: deep for folder, deep in kept.items() if folder.count("/") < depth}
        kept.update(dict.fromkeys(cut, True))
        kept = {folder: deep for folder, deep in kept.items() if not any(kept.get(a) for a in above(folder))}
        depth -= 1
    return kept


def covers(marks: Marks, path: str) -> bool:
    """Whether something with this path within its share, or its entry in its folder, is looked at."""
    if marks is None or path in marks or path.rpartition("/")[0] in marks:
        return True
    return any(marks.get(folder) for folder in above(path))


def above(folder: str) -> Iterable[str]:
    """The folders around this one, the root apart."""
    while "/" in folder:
        folder = folder.rpartition("/")[0]
        yield folder


class Quiet:
    """Gathers marks until a share has been quiet for a while, or has not been quiet for too long.

    The clock is the caller's, in seconds.
    """

    def __init__(self, quiet: float, longest: float) -> None:
        self._quiet = quiet
        self._longest = longest
        self._marks: dict[int, dict[str, bool] | None] = {}
        self._first: dict[int, float] = {}
        self._last: dict[int, float] = {}

    def mark(self, share: int, folder: str, deep: bool, now: float) -> None:
        self._last[share] = now
        self._first.setdefault(share, now)
        marks = self._marks.setdefault(share, {})
        if marks is None:
            return
        marks[folder] = deep or marks.get(folder, False)
        if len(marks) > 8 * MOST_FOLDERS:
            fewer = reduced(marks)
            self._marks[share] = None if fewer is None else dict(fewer)

    def mark_whole(self, share: int, now: float) -> None:
        self._last[share] = now
        self._first.setdefault(share, now)
        self._marks[share] = None

    def forget(self, share: int) -> None:
        for kept in (self._marks, self._first, self._last):
            kept.pop(share, None)

    def due(self) -> float | None:
        """When the next share is to be taken; None while there is nothing."""
        return min((self._due(share) for share in self._marks), default=None)

    def take(self, now: float) -> dict[int, Marks]:
        """What is due, and is forgotten here."""
        taken: dict[int, Marks] = {}
        for share in [share for share in self._marks if self._due(share) <= now]:
            taken[share] = reduced(self._marks[share])
            self.forget(share)
        return taken

    def _due(self, share: int) -> float:
        return min(self._last[share] + self._quiet, self._first[share] + self._longest)
