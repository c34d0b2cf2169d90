"""Who is here, and one folder of what somebody shares, as tables. Qt's thread only."""

from PySide6.QtCore import QObject

from desktop.api import Entry, Member
from desktop.models.contents import ContentModel
from desktop.models.rows import Column, RowModel
from desktop.plain import as_tooltip, plain
from desktop.words import Words

_SHORT_ID = 12


def member_name(member: Member) -> str:
    return plain(member.name) or member.peer_id[:_SHORT_ID]


class MembersModel(RowModel[Member]):
    """By name, as the central lists them."""

    def __init__(self, words: Words, parent: QObject | None = None) -> None:
        def name(member: Member) -> str:
            shown = member_name(member)
            return words("people.me", name=shown) if member.me else shown

        columns: tuple[Column[Member], ...] = (
            Column("name", words("column.name"), name, tooltip=lambda m: as_tooltip(m.peer_id)),
        )
        super().__init__(columns, lambda m: m.peer_id, parent)


class EntriesModel(ContentModel[Entry]):
    """Folders before files, each by name, until it is sorted by another column."""

    def __init__(self, words: Words, parent: QObject | None = None) -> None:
        columns: tuple[Column[Entry], ...] = (
            Column("name", words("column.name"), _name, _by_name, tooltip=lambda e: as_tooltip(e.name)),
            Column("size", words("column.size"), lambda e: words.size(e.size), lambda e: e.size, right=True),
            Column(
                "files",
                words("column.files"),
                lambda e: words.number(e.files) if e.is_folder else "",
                lambda e: e.files,
                right=True,
            ),
            Column("modified", words("column.modified"), lambda e: words.moment(e.modified), _modified, right=True),
            Column("have", words("column.have"), self.state_text, self.state_rank),
        )
        super().__init__(words, columns, _key, parent)


def _key(entry: Entry) -> str:
    return f"{entry.name}/" if entry.is_folder else entry.name


def _name(entry: Entry) -> str:
    return plain(entry.name)


def _by_name(entry: Entry) -> tuple[bool, str]:
    return not entry.is_folder, plain(entry.name).casefold()


def _modified(entry: Entry) -> float:
    return entry.modified.timestamp() if entry.modified else 0.0
