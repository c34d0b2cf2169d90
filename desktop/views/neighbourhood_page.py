"""The neighbourhood page: who is here, and what each one shares. Qt's thread only."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QWidget

from desktop.api import Member
from desktop.context import Context
from desktop.session import Session
from desktop.views.folder_view import FolderView, Place
from desktop.views.members_list import MembersList
from desktop.widgets.basics import Label, column, row


class NeighbourhoodPage(QWidget):
    """Its signals are those of its folder view."""

    say = Signal(str)
    started = Signal(str)
    open_wanted = Signal(object)
    show_transfers = Signal()

    def __init__(self, context: Context, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("page")
        self._context = context
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

    def visit(self, place: Place) -> None:
        """Shows a folder of a member, whoever that is."""
        self.members.mark(place.member.peer_id)
        self.folder.visit(place)

    def focus(self) -> None:
        (self.folder.table if self.folder.model.rowCount() else self.members.field).setFocus()

    def _chosen(self, member: Member) -> None:
        self.folder.visit(Place(member))

    def _counted(self, others: bool) -> None:
        words, which = self._context.words, "welcome" if others else "alone"
        self.folder.welcome.say(words(f"people.{which}.title"), words(f"people.{which}.text"))
