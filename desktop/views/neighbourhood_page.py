"""The neighbourhood page: who is here, and what each one shares. Qt's thread only."""

import asyncio

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from desktop.api import ApiError, Member
from desktop.context import Context
from desktop.session import Session
from desktop.views.folder_view import FolderView, Place
from desktop.views.members_list import MembersList
from desktop.widgets.basics import Label, column, row

_AT_A_TIME = 6
_PATIENCE_SECONDS = 8.0


async def find_holder(session: Session, path: tuple[str, ...]) -> Place | None:
    """Asks the members, a few at a time and this device last, until one shows that folder."""
    client = session.client
    members = sorted((await client.members()).members, key=lambda member: member.me)

    async def shown_by(member: Member) -> Place | None:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await client.listing(member.peer_id, path)
        except (ApiError, TimeoutError):
            return None
        return Place(member, path)

    for first in range(0, len(members), _AT_A_TIME):
        places = await asyncio.gather(*map(shown_by, members[first : first + _AT_A_TIME]))
        if found := next(filter(None, places), None):
            return found
    return None


class NeighbourhoodPage(QWidget):
    """Its signals are those of its folder view; `send_wanted`: a Member, and the paths of what to send."""

    say = Signal(str)
    started = Signal(str)
    open_wanted = Signal(object)
    show_transfers = Signal()
    send_wanted = Signal(object, object)

    def __init__(self, context: Context, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("page")
        self._context, self._session = context, session
        self._sought: tuple[str, ...] = ()
        self.members = MembersList(context, session)
        self.folder = FolderView(context, session)
        body = row(spacing=18)
        body.addWidget(self.members)
        body.addWidget(self.folder, 1)
        layout = column(spacing=14, margins=(28, 24, 28, 20))
        layout.addWidget(Label(context.words("page.neighbourhood"), "title"))
        layout.addLayout(body, 1)
        self.setLayout(layout)
        self.members.chosen.connect(self._chosen)
        self.members.counted.connect(self._counted)
        self.folder.say.connect(self.say)
        self.folder.started.connect(self.started)
        self.folder.open_wanted.connect(self.open_wanted)
        self.folder.show_transfers.connect(self.show_transfers)
        self.folder.send_wanted.connect(self.send_wanted)
        self.members.send_wanted.connect(self.send_wanted)

    def visit(self, place: Place) -> None:
        """Shows a folder of a member, whoever that is."""
        self._sought = ()
        self.members.mark(place.member.peer_id)
        self.folder.visit(place)

    def focus(self) -> None:
        (self.folder.table if self.folder.model.rowCount() else self.members.field).setFocus()

    def look_for(self, path: tuple[str, ...]) -> None:
        """Shows a folder of whoever shares it: a search says which folders there are, not whose they are."""
        self._sought = path
        self.members.table.clearSelection()
        self.folder.seek(path)
        self._session.do(
            find_holder(self._session, path),
            done=lambda place: self._found(path, place),
            failed=lambda error: self._found(path, None),
        )

    def _found(self, path: tuple[str, ...], place: Place | None) -> None:
        if path != self._sought:
            return
        if place is None:
            self.folder.miss(path)
        else:
            self.visit(place)

    def _chosen(self, member: Member) -> None:
        self._sought = ()
        self.folder.visit(Place(member))

    def _counted(self, others: bool) -> None:
        words, which = self._context.words, "welcome" if others else "alone"
        self.folder.welcome.say(words(f"people.{which}.title"), words(f"people.{which}.text"))
