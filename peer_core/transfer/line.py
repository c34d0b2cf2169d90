"""Which transfer starts next: units (files by themselves, folders) by priority and position. Pure.

Nothing is sorted: heaps whose stale entries are dropped when they come up, so each step costs the logarithm of all.
"""

import heapq

Key = tuple[int, float]


class Line:
    """A unit that is not placed, or was closed, keeps its members and gives none."""

    def __init__(self) -> None:
        self._keys: dict[str, Key] = {}
        self._heap: list[tuple[Key, str]] = []
        # A unit's members as a heap; an entry counts while `_units` says that it is there.
        self._members: dict[str, list[tuple[int, str]]] = {}
        self._units: dict[str, str] = {}

    def place(self, unit: str, key: Key) -> None:
        """Opens a unit, or moves it. The least key is first."""
        if self._keys.get(unit) == key:
            return
        self._keys[unit] = key
        if unit in self._members:
            heapq.heappush(self._heap, (key, unit))

    def close(self, unit: str) -> None:
        self._keys.pop(unit, None)

    def join(self, unit: str, number: int, member: str) -> None:
        if member in self._units:
            return
        self._units[member] = unit
        members = self._members.get(unit)
        if members is None:
            members = self._members[unit] = []
            if unit in self._keys:
                heapq.heappush(self._heap, (self._keys[unit], unit))
        heapq.heappush(members, (number, member))

    def leave(self, member: str) -> None:
        self._units.pop(member, None)

    def first(self) -> str | None:
        """The member that is to start next; it stays until it leaves."""
        while self._heap:
            key, unit = self._heap[0]
            if self._keys.get(unit) == key:
                members = self._members.get(unit, [])
                while members and self._units.get(members[0][1]) != unit:
                    heapq.heappop(members)
                if members:
                    return members[0][1]
                self._members.pop(unit, None)
            heapq.heappop(self._heap)
        return None
