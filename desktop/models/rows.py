"""A table model over immutable rows: sorted by column, brought up to date by differences. Qt's thread only."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, Qt

R = TypeVar("R")
Index = QModelIndex | QPersistentModelIndex
NO_INDEX = QModelIndex()
ROW_ROLE = int(Qt.ItemDataRole.UserRole)
_DISPLAY, _TOOLTIP, _ALIGN = Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole, Qt.ItemDataRole.TextAlignmentRole
_SPOKEN = Qt.ItemDataRole.AccessibleTextRole


@dataclass(frozen=True)
class Column(Generic[R]):
    """`text`: what the cell says, also to a screen reader. `sort`: the value to order by; None: cannot be sorted."""

    key: str
    title: str
    text: Callable[[R], str]
    sort: Callable[[R], Any] | None = None
    right: bool = False
    tooltip: Callable[[R], str] | None = None


class RowModel(QAbstractTableModel, Generic[R]):
    """Rows with a key each. `update` changes only what differs, so that selection and scroll position stay."""

    def __init__(self, columns: Sequence[Column[R]], key: Callable[[R], str], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.columns = tuple(columns)
        self._key = key
        self._rows: list[R] = []
        self._order: tuple[int, bool] | None = None

    @property
    def rows(self) -> Sequence[R]:
        return self._rows

    def row_of(self, key: str) -> int | None:
        return next((i for i, row in enumerate(self._rows) if self._key(row) == key), None)

    def replace(self, rows: Iterable[R]) -> None:
        """Everything anew: for another question."""
        self.beginResetModel()
        self._rows = list(rows)
        self._arrange(self._rows)
        self.endResetModel()

    def append(self, rows: Iterable[R]) -> None:
        """More rows of the same question."""
        new = list(rows)
        if not new:
            return
        first = len(self._rows)
        self.beginInsertRows(NO_INDEX, first, first + len(new) - 1)
        self._rows.extend(new)
        self.endInsertRows()
        if self._order is not None:
            self._reorder()

    def update(self, rows: Iterable[R]) -> None:
        """Brings the table to `rows`: removals, insertions and changes in runs, a new order only where there is one."""
        target = list(rows)
        self._arrange(target)
        wanted = {self._key(row): row for row in target}
        self._remove([i for i, row in enumerate(self._rows) if self._key(row) not in wanted])
        present = {self._key(row) for row in self._rows}
        kept = [self._key(row) for row in target if self._key(row) in present]
        if kept != [self._key(row) for row in self._rows]:
            self._move(kept)
        self._change([wanted[key] for key in kept])
        self._insert(target, present)

    def update_some(self, changed: dict[int, R]) -> None:
        """New values at known positions; their order stays."""
        for first, last in _runs(sorted(changed)):
            for position in range(first, last + 1):
                self._rows[position] = changed[position]
            self.dataChanged.emit(self.index(first, 0), self.index(last, len(self.columns) - 1))

    def repaint_all(self) -> None:
        if self._rows:
            self.dataChanged.emit(self.index(0, 0), self.index(len(self._rows) - 1, len(self.columns) - 1))

    def rowCount(self, parent: Index = NO_INDEX) -> int:
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: Index = NO_INDEX) -> int:
        return 0 if parent.isValid() else len(self.columns)

    def data(self, index: Index, role: int = _DISPLAY) -> Any:
        if not index.isValid():
            return None
        row = self._rows[index.row()]
        if role == ROW_ROLE:
            return row
        column = self.columns[index.column()]
        if role in (_DISPLAY, _SPOKEN):
            return column.text(row)
        if role == _TOOLTIP and column.tooltip is not None:
            return column.tooltip(row)
        if role == _ALIGN:
            side = Qt.AlignmentFlag.AlignRight if column.right else Qt.AlignmentFlag.AlignLeft
            return int(side | Qt.AlignmentFlag.AlignVCenter)
        return None

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = _DISPLAY) -> Any:
        if orientation != Qt.Orientation.Horizontal:
            return None
        column = self.columns[section]
        if role == _DISPLAY:
            return column.title
        if role == _ALIGN:
            side = Qt.AlignmentFlag.AlignRight if column.right else Qt.AlignmentFlag.AlignLeft
            return int(side | Qt.AlignmentFlag.AlignVCenter)
        return None

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """A column of -1 keeps the order in which rows arrive from now on."""
        sortable = 0 <= column < len(self.columns) and self.columns[column].sort is not None
        self._order = (column, order == Qt.SortOrder.DescendingOrder) if sortable else None
        if self._order is not None:
            self._reorder()

    def _arrange(self, rows: list[R]) -> None:
        if self._order is not None:
            column, backwards = self._order
            by = self.columns[column].sort
            assert by is not None
            rows.sort(key=by, reverse=backwards)

    def _reorder(self) -> None:
        arranged = list(self._rows)
        self._arrange(arranged)
        self._move([self._key(row) for row in arranged])

    def _move(self, keys: list[str]) -> None:
        """Puts the present rows into the order of `keys`, keeping what is selected selected."""
        self.layoutAboutToBeChanged.emit()
        old = self.persistentIndexList()
        old_keys = [self._key(self._rows[index.row()]) for index in old]
        by_key = {self._key(row): row for row in self._rows}
        self._rows = [by_key[key] for key in keys]
        if old:
            place = {key: position for position, key in enumerate(keys)}
            new = [self.index(place[k], index.column()) for k, index in zip(old_keys, old, strict=True)]
            self.changePersistentIndexList(old, new)
        self.layoutChanged.emit()

    def _remove(self, positions: list[int]) -> None:
        for first, last in reversed(_runs(positions)):
            self.beginRemoveRows(NO_INDEX, first, last)
            del self._rows[first : last + 1]
            self.endRemoveRows()

    def _change(self, rows: list[R]) -> None:
        self.update_some({i: new for i, (old, new) in enumerate(zip(self._rows, rows, strict=True)) if old != new})

    def _insert(self, target: list[R], present: set[str]) -> None:
        for first, last in _runs([i for i, row in enumerate(target) if self._key(row) not in present]):
            self.beginInsertRows(NO_INDEX, first, last)
            self._rows[first:first] = target[first : last + 1]
            self.endInsertRows()


def _runs(positions: Sequence[int]) -> list[tuple[int, int]]:
    """Ascending positions as (first, last) of each unbroken run."""
    runs: list[tuple[int, int]] = []
    for position in positions:
        if runs and runs[-1][1] == position - 1:
            runs[-1] = (runs[-1][0], position)
        else:
            runs.append((position, position))
    return runs
