"""Search results as a table. Qt's thread only."""

from PySide6.QtCore import QObject

from desktop.api import Row
from desktop.models.contents import ContentModel
from desktop.models.rows import Column
from desktop.plain import as_tooltip, plain
from desktop.words import Words


class SearchModel(ContentModel[Row]):
    def __init__(self, words: Words, parent: QObject | None = None) -> None:
        columns: tuple[Column[Row], ...] = (
            Column("name", words("column.name"), _name, lambda r: plain(r.name).casefold(), tooltip=_all_names),
            Column("folder", words("column.folder"), _path, lambda r: plain(r.path).casefold(), tooltip=_path_tooltip),
            Column("kind", words("column.kind"), self._kind, self._kind),
            Column("size", words("column.size"), lambda r: words.size(r.size), lambda r: r.size, right=True),
            Column(
                "holders",
                words("column.holders"),
                lambda r: words.number(r.holders),
                lambda r: r.holders,
                right=True,
                tooltip=lambda r: words("search.holders", count=r.holders),
            ),
            Column("have", words("column.have"), self.state_text, self.state_rank),
            Column("modified", words("column.modified"), lambda r: words.moment(r.modified), _modified, right=True),
        )
        super().__init__(words, columns, lambda r: r.content_id, parent)

    def _kind(self, row: Row) -> str:
        return self._words.kinds.get(row.kind, self._words.kinds["other"])


def _name(row: Row) -> str:
    return plain(row.name)


def _path(row: Row) -> str:
    return plain(row.path).replace("/", " › ")


def _path_tooltip(row: Row) -> str:
    return as_tooltip(_path(row))


def _all_names(row: Row) -> str:
    return as_tooltip("  ·  ".join(dict.fromkeys((plain(row.name), *map(plain, row.names[:5])))))


def _modified(row: Row) -> float:
    return row.modified.timestamp() if row.modified else 0.0
