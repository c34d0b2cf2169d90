"""The order of the members' names, in memory: who comes next, and whose name or id begins with a text. Any thread."""

import threading
import unicodedata
from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass

from central.domain import Member
from central.errors import BadQuestionError, StrangerError
from central.members import Members

MIN_ID = 6
# Members looked at for one answer, live or not: what a question may cost.
LOOKED_AT = 5000
_LAST = "\U0010ffff"


@dataclass(frozen=True)
class Candidates:
    """Members in order, live or not. `next_cursor`: where to go on when none of them was left out, "" at the end."""

    members: tuple[Member, ...]
    next_cursor: str


def fold(name: str) -> str:
    """Accents and case do not count."""
    decomposed = unicodedata.normalize("NFKD", name).casefold()
    return "".join(c for c in decomposed if not unicodedata.combining(c))


class Roster:
    """Read from the database at the first question, and kept up to date from then on."""

    def __init__(self, members: Members) -> None:
        self._members = members
        self._lock = threading.Lock()
        # Under _lock: (folded name, peer id), sorted; peer ids, sorted; the folded name of each id.
        self._names: list[tuple[str, str]] = []
        self._ids: list[str] = []
        self._name_of: dict[str, str] = {}
        self._complete = False
        members.listen(self._changed)

    def named(self, peer_ids: Sequence[str]) -> Candidates:
        """Those of them that are members."""
        found = []
        for peer_id in dict.fromkeys(peer_ids):
            try:
                found.append(self._members.find(peer_id))
            except StrangerError:
                continue
        return Candidates(tuple(found), "")

    def beginning_with(self, text: str, cursor: str) -> Candidates:
        """By name; those whose id begins so come first. `cursor`: the last peer id. Raises BadQuestionError."""
        wanted = fold(text.strip())
        with self._lock:
            self._complete_it()
            start = (wanted, "")
            by_id: list[str] = []
            if cursor:
                if cursor not in self._name_of:
                    raise BadQuestionError("the place to go on from is not known any more; list the members again")
                start = max(start, (self._name_of[cursor], cursor + _LAST))
            elif len(wanted) >= MIN_ID:
                by_id = self._ids[bisect_left(self._ids, wanted) : bisect_right(self._ids, wanted + _LAST)][:LOOKED_AT]
            first = bisect_left(self._names, start)
            end = bisect_right(self._names, (wanted + _LAST, _LAST)) if wanted else len(self._names)
            by_name = [peer_id for _, peer_id in self._names[first : min(end, first + LOOKED_AT)]]
        more = first + LOOKED_AT < end
        members = tuple(self._members.find(peer_id) for peer_id in dict.fromkeys([*by_id, *by_name]))
        return Candidates(members, by_name[-1] if more else "")

    def _complete_it(self) -> None:
        if self._complete:
            return
        self._name_of = {member.peer_id: fold(member.name) for member in self._members.all()}
        self._names = sorted((name, peer_id) for peer_id, name in self._name_of.items())
        self._ids = sorted(self._name_of)
        self._complete = True

    def _changed(self, member: Member) -> None:
        with self._lock:
            if not self._complete:
                return
            old = self._name_of.get(member.peer_id)
            if old is None:
                insort(self._ids, member.peer_id)
            else:
                del self._names[bisect_left(self._names, (old, member.peer_id))]
            name = fold(member.name)
            self._name_of[member.peer_id] = name
            insort(self._names, (name, member.peer_id))
