"""How many calls of one kind a member may have under way. For all threads; waits only in those that receive."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from central.errors import OverloadedError


class Turns:
    """`most` at a time for each member; `waiting` more may wait up to `seconds` for their turn."""

    def __init__(self, what: str, most: int, waiting: int = 0, seconds: float = 0.0) -> None:
        """`what` names the calls, in the plural, for the sentence of a refusal."""
        self._what = what
        self._most = most
        self._all = most + waiting
        self._seconds = seconds
        self._changed = threading.Condition()  # guards the two below
        self._here: Counter[int] = Counter()
        self._working: Counter[int] = Counter()

    @contextmanager
    def of(self, member: int) -> Iterator[None]:
        """Raises OverloadedError when the member has too many under way."""
        with self._changed:
            if self._here[member] >= self._all:
                raise self._refusal()
            self._here[member] += 1
            if not self._changed.wait_for(lambda: self._working[member] < self._most, self._seconds):
                self._leave(self._here, member)
                raise self._refusal()
            self._working[member] += 1
        try:
            yield
        finally:
            with self._changed:
                self._leave(self._working, member)
                self._leave(self._here, member)
                self._changed.notify_all()

    @staticmethod
    def _leave(counter: Counter[int], member: int) -> None:
        counter[member] -= 1
        if not counter[member]:
            del counter[member]

    def _refusal(self) -> OverloadedError:
        return OverloadedError(f"too many {self._what} of yours are under way; try again when they are answered")
