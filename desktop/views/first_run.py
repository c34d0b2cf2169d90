"""The first page of a new device: paste an invite, or start a barrio here. Nothing typed is lost. Qt's thread."""

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QLineEdit, QProgressBar, QScrollArea, QVBoxLayout, QWidget

from desktop.api_reach import FoundBarrio
from desktop.context import Context
from desktop.plain import plain
from desktop.widgets.basics import Button, Frame, Label, Picture, centred, column, row
from desktop.widgets.states import Banner
from protos.agreed import Invite

_CARD_WIDTH = 380
_NAME_LENGTH = 64
_OUTCOME_HEIGHT = 92
_HINT_LINES = 2
_FOUND_NAMES = 4


def check_invite(text: str) -> Invite | str:
    """The invite in a link, or the key of a string that says what is wrong with it."""
    if not text.strip().lower().startswith("barrio://"):
        return "invite.wrong-start"
    try:
        return Invite.parse(text)
    except ValueError:
        return "invite.cut"


class FirstRunPage(QWidget):
    """`join_wanted`: invite, name. `start_wanted`: name, name of the barrio."""

    join_wanted = Signal(str, str)
    start_wanted = Signal(str, str)

    def __init__(self, context: Context, name: str, can_host: bool, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("page")
        self._context = context
        words, look = context.words, context.look
        self.invite = self._field(words("first.invite"), "barrio://…", 2000)
        self.invite_message = Label("", "small", wrap=True)
        self.invite_message.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.invite_message.setMinimumHeight(_HINT_LINES * self.invite_message.fontMetrics().lineSpacing())
        self.found = Label("", "muted", wrap=True)
        self.found.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.found.setMinimumHeight(_HINT_LINES * self.found.fontMetrics().lineSpacing())
        self._found: tuple[FoundBarrio, ...] = ()
        self.name = self._field(words("first.name"), name, _NAME_LENGTH)
        self.name.setText(name)
        self.barrio_name = self._field(words("first.barrio"), words("first.barrio"), _NAME_LENGTH)
        self.join_button = Button(look, words("first.join"), "link", "primary")
        self.start_button = Button(look, words("first.start"), "home", "primary")
        self.banner = Banner(context, "danger")
        self.note = Banner(context, "plain")
        self._joining = False
        self.progress = Frame("banner")
        self.progress.setProperty("tone", "plain")
        self._progress_text = Label("", "strong", wrap=True)
        bar = QProgressBar()
        bar.setRange(0, 0)
        bar.setTextVisible(False)
        self.progress.setLayout(column(self._progress_text, bar, spacing=10, margins=(16, 12, 16, 14)))
        self.progress.hide()
        self._lay_out(can_host)
        self.invite.textChanged.connect(self._invite_changed)
        self.invite.returnPressed.connect(self._join)
        self.join_button.clicked.connect(lambda: self._join())
        self.start_button.clicked.connect(lambda: self._start())
        self.barrio_name.returnPressed.connect(self._start)
        self._invite_changed(self.invite.text())

    def offer(self, link: str) -> None:
        """Fills a link in; joining still takes a click."""
        self.invite.setText(link)
        self.join_button.setFocus()

    def show_found(self, barrios: Sequence[FoundBarrio]) -> None:
        """Barrios that are announced on this network. What they say of themselves proves nothing; an invite does."""
        self._found = tuple(barrios)
        names = list(dict.fromkeys(barrio.name for barrio in barrios))
        listed = ", ".join(f"“{plain(name)}”" for name in names[:_FOUND_NAMES])
        more = "…" if len(names) > _FOUND_NAMES else ""
        self.found.setText(self._context.words("first.found", names=listed + more) if names else "")
        self._invite_changed(self.invite.text())

    def busy(self, text: str) -> None:
        """What happens now; the fields wait."""
        self.banner.say("")
        self.note.say("")
        self._progress_text.setText(text)
        self.progress.show()
        self._enable(False)

    def refuse(self, title: str, detail: str) -> None:
        """An error in place; everything typed is still there, and an invite that was refused waits for another."""
        self.progress.hide()
        self._enable(True)
        self.banner.say(title, detail)
        if self._joining:
            self.invite.setFocus()
            self.invite.selectAll()

    def _field(self, name: str, placeholder: str, length: int) -> QLineEdit:
        field = QLineEdit()
        field.setAccessibleName(name)
        field.setPlaceholderText(placeholder)
        field.setMaxLength(length)
        return field

    def _lay_out(self, can_host: bool) -> None:
        words, look = self._context.words, self._context.look
        centre = Qt.AlignmentFlag.AlignHCenter
        head = column(spacing=0)
        head.addLayout(centred(Picture(look, "houses", 192, 120)))
        head.addSpacing(10)
        for text, role, after in (("first.title", "display", 6), ("first.text", "muted", 16)):
            label = Label(words(text), role, wrap=True)
            label.setAlignment(centre)
            label.setFixedWidth(480)
            head.addLayout(centred(label))
            head.addSpacing(after)
        device = centred(Label(words("first.name"), "strong"), self.name)
        self.name.setFixedWidth(280)
        join = self._card("link", words("first.join.title"), words("first.join.text"))
        join.addWidget(self.invite)
        join.addWidget(self.invite_message)
        join.addWidget(self.found)
        join.addStretch(1)
        join.addWidget(self.join_button)
        start = self._card("home", words("first.start.title"), words("first.start.text"))
        start.addWidget(self.barrio_name)
        start.addStretch(1)
        start.addWidget(self.start_button)
        cards = row(spacing=18)
        for layout in (join, start)[: 2 if can_host else 1]:
            card = Frame("card")
            card.setLayout(layout)
            card.setFixedWidth(_CARD_WIDTH)
            cards.addWidget(card)
        middle = QWidget()
        inside = column(spacing=14)
        inside.addLayout(device)
        inside.addLayout(cards)
        # Room for what comes of it, so that nothing moves when it comes.
        outcome = QWidget()
        outcome.setMinimumHeight(_OUTCOME_HEIGHT)
        outcome.setLayout(column(self.progress, self.banner, self.note, None, spacing=0))
        inside.addWidget(outcome)
        middle.setLayout(inside)
        whole = QWidget()
        whole.setObjectName("scrolled")
        layout = column(None, spacing=0, margins=(24, 12, 24, 12))
        layout.addLayout(head)
        layout.addLayout(centred(middle))
        layout.addStretch(1)
        whole.setLayout(layout)
        scroll = QScrollArea()
        scroll.setFrameShape(QScrollArea.Shape.NoFrame)
        scroll.setWidgetResizable(True)
        scroll.setWidget(whole)
        outer = column(scroll)
        self.setLayout(outer)

    def _card(self, icon: str, title: str, text: str) -> QVBoxLayout:
        top = row(Picture(self._context.look, icon, 22, colour="accent"), Label(title, "heading"), None, spacing=10)
        layout = column(spacing=12, margins=(22, 20, 22, 22))
        layout.addLayout(top)
        layout.addWidget(Label(text, "muted", wrap=True))
        return layout

    def _enable(self, on: bool) -> None:
        for widget in (self.invite, self.name, self.barrio_name, self.start_button):
            widget.setEnabled(on)
        self.join_button.setEnabled(on and isinstance(check_invite(self.invite.text()), Invite))

    def _invite_changed(self, text: str) -> None:
        words = self._context.words
        invite = check_invite(text)
        good = isinstance(invite, Invite)
        self.join_button.setEnabled(good)
        if not text.strip():
            said, role = words("invite.paste"), "small"
        elif isinstance(invite, Invite):
            name = next((b.name for b in self._found if b.fingerprint == invite.fingerprint), None)
            host = plain(f"{invite.host}:{invite.port}")
            said = words("invite.good", host=host) if name is None else words("invite.good-here", name=plain(name))
            role = "ok"
        else:
            said, role = words(invite), "error"
        self.invite_message.setText(said)
        self.invite_message.set_role(role)

    def _start(self) -> None:
        self._joining = False
        self.start_wanted.emit(self._name(), self.barrio_name.text().strip())

    def _name(self) -> str:
        return self.name.text().strip()

    def _join(self) -> None:
        if self.join_button.isEnabled():
            self._joining = True
            self.join_wanted.emit(self.invite.text().strip(), self._name())
