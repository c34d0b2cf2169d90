"""Tables of immutable rows: any change is told as differences, and 100,000 rows stay quick."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from hypothesis import given, settings
from hypothesis import strategies as st
from PySide6.QtCore import QItemSelectionModel, QPersistentModelIndex, Qt
from PySide6.QtTest import QAbstractItemModelTester
from pytestqt.qtbot import QtBot

from desktop.api import Row
from desktop.context import Context
from desktop.models.rows import ROW_ROLE, Column, RowModel
from desktop.models.search import SearchModel
from desktop.views.search_table import make_search_table
from desktop.widgets.table import Table
from desktop.words import Words

MANY = 100_000


@dataclass(frozen=True)
class Thing:
    key: str
    value: int


def make_model() -> RowModel[Thing]:
    columns = (
        Column[Thing]("key", "Key", lambda t: t.key, lambda t: t.key),
        Column[Thing]("value", "Value", lambda t: str(t.value), lambda t: t.value, right=True),
    )
    return RowModel(columns, lambda t: t.key)


things = st.lists(
    st.builds(Thing, st.sampled_from("abcdefghij"), st.integers(0, 3)), max_size=10, unique_by=lambda t: t.key
)


@settings(max_examples=150, deadline=None)
@given(st.lists(things, min_size=1, max_size=4), st.sampled_from([None, 0, 1]))
def test_update_reaches_any_state_by_valid_steps(states: list[list[Thing]], column: int | None) -> None:
    model = make_model()
    tester = QAbstractItemModelTester(model, QAbstractItemModelTester.FailureReportingMode.Fatal)
    if column is not None:
        model.sort(column)
    for state in states:
        watched = [QPersistentModelIndex(model.index(i, 0)) for i in range(model.rowCount())]
        keys = [thing.key for thing in model.rows]
        model.update(state)
        expected = state if column is None else sorted(state, key=lambda t: t.key if column == 0 else t.value)
        assert list(model.rows) == expected
        present = {thing.key for thing in state}
        for key, index in zip(keys, watched, strict=True):
            assert index.isValid() == (key in present)
            assert not index.isValid() or index.data() == key
    tester.deleteLater()


def test_nothing_is_told_when_nothing_changed(qtbot: QtBot) -> None:
    model = make_model()
    rows = [Thing(str(i), i) for i in range(5)]
    model.update(rows)
    with qtbot.assertNotEmitted(model.dataChanged), qtbot.assertNotEmitted(model.layoutChanged):
        model.update(list(rows))
    with qtbot.waitSignal(model.dataChanged) as told:
        model.update([*rows[:3], Thing("3", 99), rows[4]])
    first, last = told.args[:2]
    assert (first.row(), last.row()) == (3, 3)


def test_selection_survives_sorting_and_updates(qtbot: QtBot) -> None:
    model = make_model()
    model.update([Thing("a", 3), Thing("b", 1), Thing("c", 2)])
    table = Table("things")
    qtbot.addWidget(table)
    table.show_model(model, "key", {"value": 80})
    table.selectionModel().select(
        model.index(1, 0), QItemSelectionModel.SelectionFlag.Select | QItemSelectionModel.SelectionFlag.Rows
    )
    model.sort(1, Qt.SortOrder.DescendingOrder)
    model.update([Thing("c", 9), Thing("b", 1), Thing("d", 5)])
    assert [t.key for t in table.selected()] == ["b"]
    assert [t.key for t in model.rows] == ["c", "d", "b"]


def make_rows(count: int) -> list[Row]:
    pick = random.Random(1)
    kinds = ("audio", "video", "image", "document")
    return [
        Row(
            f"{i:052}",
            f"File number {pick.randrange(count)}.ext",
            "Folder/Sub",
            i,
            kinds[i % 4],
            i % 7,
            (),
            False,
            None,
        )
        for i in range(count)
    ]


def test_a_hundred_thousand_rows(qtbot: QtBot) -> None:
    words = Words("en")
    model = SearchModel(words)
    rows = make_rows(MANY)

    def timed(what: str, seconds: float, work: Callable[[], None]) -> None:
        started = time.thread_time()
        work()
        took = time.thread_time() - started
        assert took < seconds, f"{what} took {took:.2f} s"

    timed("filling", 0.5, lambda: model.replace(rows))
    timed(
        "changing one in a hundred",
        1.0,
        lambda: model.update([replace(r, have=i % 100 == 0) for i, r in enumerate(rows)]),
    )
    timed("sorting", 1.5, lambda: model.sort(0, Qt.SortOrder.AscendingOrder))
    timed("no change", 1.0, lambda: model.update(list(model.rows)))
    assert model.rowCount() == MANY


def test_only_visible_rows_cost_when_the_table_is_shown(qtbot: QtBot, make_context: Callable[[], Context]) -> None:
    context = make_context()
    model = SearchModel(context.words)
    table = make_search_table(context, model)
    qtbot.addWidget(table)
    table.resize(1000, 700)
    table.show()
    qtbot.waitExposed(table)
    model.replace(make_rows(MANY))
    started = time.thread_time()
    for step in range(20):
        table.verticalScrollBar().setValue(step * 100_000)
        table.viewport().repaint()
    assert (time.thread_time() - started) / 20 < 0.1
    assert isinstance(model.index(0, 0).data(ROW_ROLE), Row)
