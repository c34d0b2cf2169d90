"""The table of search results and how its cells look. Qt's thread only."""

from desktop.api import ACTIVE
from desktop.context import Context
from desktop.look import Look
from desktop.models.contents import C, ContentModel
from desktop.models.search import SearchModel
from desktop.widgets.delegates import Cell, IconTextCell, MiniProgressCell, NameCell
from desktop.widgets.table import Table

_WIDTHS = {"folder": 180, "kind": 100, "size": 84, "holders": 88, "have": 124, "modified": 108}
_YIELDS = ("modified", "kind", "folder", "holders")


def kind_icon(kind: str) -> tuple[str, str]:
    """Icon and colour of a kind; both carry its name."""
    known = kind if kind in ("audio", "video", "image", "document", "archive", "code") else "other"
    return known, known


def have_cell(look: Look, table: Table, model: ContentModel[C]) -> MiniProgressCell:
    """Whether it is here already, or how far it is."""

    def state_icon(row: C) -> tuple[str, str]:
        transfer = model.transfer_for(row)
        if model.has(row):
            return "done", "ok"
        if transfer is not None and transfer.state == "failed":
            return "alert", "danger"
        return "", "accent"

    def fraction(row: C) -> float | None:
        transfer = model.transfer_for(row)
        if transfer is None or not transfer.size or transfer.state not in ACTIVE | {"paused"}:
            return None
        return transfer.fraction

    return MiniProgressCell(look, table, state_icon, fraction)


def make_search_table(context: Context, model: SearchModel) -> Table:
    table = Table(context.words("page.search"))
    table.show_model(model, "name", _WIDTHS, _YIELDS)
    table.setSortingEnabled(True)
    look = context.look
    cells = {
        "name": NameCell(look, table, lambda result: kind_icon(result.kind)),
        "holders": IconTextCell(look, table, lambda result: ("people", "muted"), right=True),
        "have": have_cell(look, table, model),
    }
    plain_cell = Cell(look, table)
    for position, column in enumerate(model.columns):
        table.setItemDelegateForColumn(position, cells.get(column.key, plain_cell))
    look.changed.connect(table.viewport().update)
    return table
