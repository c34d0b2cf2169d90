"""The part of the settings page that looks whether everything works, and says what to do. Qt's thread only."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QVBoxLayout, QWidget
from shiboken6 import isValid

from desktop.api import ApiError
from desktop.api_reach import Check, CheckUp
from desktop.context import Context
from desktop.plain import plain
from desktop.session import Session
from desktop.widgets.basics import Button, Label, Picture, clear, column, row

_ICONS = {
    "good": ("done", "ok"),
    "note": ("info", "accent"),
    "bad": ("alert", "danger"),
    "skipped": ("clock", "muted"),
}


class CheckUpCard(QVBoxLayout):
    def __init__(self, context: Context, session: Session) -> None:
        super().__init__()
        self.setSpacing(10)
        self._context, self._session = context, session
        words = context.words
        self.button = Button(context.look, words("doctor.start"), "shield")
        self.button.clicked.connect(lambda: self.start())
        self.outcome = Label("", "strong", wrap=True)
        self._lines = column(spacing=8)
        self.addWidget(Label(words("doctor.text"), "muted", wrap=True))
        across = row(self.button, self.outcome, spacing=12)
        across.setStretch(1, 1)
        self.addLayout(across)
        self.addLayout(self._lines)

    def start(self) -> None:
        self.button.setEnabled(False)
        self.outcome.setText(self._context.words("doctor.running"))
        self.outcome.set_role("muted")
        self._session.do(self._session.client.check_up(), done=self._show, failed=self._failed)

    def sentence(self, check: Check) -> str:
        """In the window's language where it knows the outcome, else as the peer says it."""
        words = self._context.words
        if words.has(f"doctor.{check.code}"):
            try:
                return words(f"doctor.{check.code}", **{k: self._inside(v) for k, v in check.details.items()})
            except KeyError:
                # A peer of another version may tell other details.
                return check.message
        return check.message

    def _inside(self, value: str | int) -> str | int:
        """A sentence inside another one; without its full stop where the peer left that out."""
        if not isinstance(value, str):
            return value
        said = self._context.words.said(value)
        return said if value.endswith(".") else said.rstrip(".")

    def _show(self, found: CheckUp) -> None:
        if not isValid(self):
            # The window was built anew meanwhile, as for another language.
            return
        words = self._context.words
        self.button.setEnabled(True)
        self.outcome.setText(words("doctor.good") if found.good else words("doctor.bad", count=found.bad))
        self.outcome.set_role("ok" if found.good else "error")
        clear(self._lines)
        order = ("bad", "note", "good", "skipped")
        for check in sorted(found.checks, key=lambda c: order.index(c.state) if c.state in order else len(order)):
            self._lines.addWidget(self._line(check))

    def _line(self, check: Check) -> QWidget:
        icon, colour = _ICONS.get(check.state, _ICONS["skipped"])
        text = Label(plain(self.sentence(check)), "strong" if check.state == "bad" else "body", True, True)
        line = QWidget()
        layout = row(spacing=10)
        layout.addWidget(Picture(self._context.look, icon, 18, colour=colour), alignment=Qt.AlignmentFlag.AlignTop)
        layout.addWidget(text, 1)
        line.setLayout(layout)
        return line

    def _failed(self, error: ApiError) -> None:
        if not isValid(self):
            return
        title, detail = self._context.words.problem(error.code, error.title, error.detail)
        self.button.setEnabled(True)
        self.outcome.setText(plain(f"{title}. {detail}"))
        self.outcome.set_role("error")
