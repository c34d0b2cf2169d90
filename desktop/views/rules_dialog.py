"""What one share leaves out: patterns, checked by the peer while they are typed, and hidden files. Qt's thread only."""

from PySide6.QtCore import Qt, QTimer
from PySide6.QtGui import QFontDatabase
from PySide6.QtWidgets import QCheckBox, QDialog, QPlainTextEdit, QWidget

from desktop.api import ApiError, PatternFault, Share
from desktop.context import Context
from desktop.plain import plain
from desktop.session import Session
from desktop.widgets.basics import Button, Label, column, row
from desktop.widgets.states import Banner

_WIDTH = 540
_EDIT_HEIGHT = 110
_MESSAGE_HEIGHT = 52
_HEIGHT = 500
_DEBOUNCE_MS = 200
_MOST_FAULTS = 2
_PATTERN_CHARACTERS = 24


class RulesDialog(QDialog):
    """What the peer refuses keeps the dialog open."""

    def __init__(self, context: Context, session: Session, parent: QWidget, share: Share) -> None:
        super().__init__(parent)
        self._context, self._session, self._share = context, session, share
        self._asked: tuple[str, ...] = ()
        # An answer may come when the dialog is gone.
        self._gone = False
        words, look = context.words, context.look
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        title = words("rules.title", name=plain(share.name))
        self.setWindowTitle(title)
        self.setMinimumWidth(_WIDTH)
        self.edit = QPlainTextEdit("\n".join(share.exclude))
        self.edit.setAccessibleName(words("rules.patterns"))
        self.edit.setFont(QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont))
        self.edit.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self.edit.setTabChangesFocus(True)
        self.edit.setMinimumHeight(_EDIT_HEIGHT)
        self.message = Label("", "small", wrap=True)
        # Room for what may be wrong, so that nothing jumps while somebody types.
        self.message.setFixedHeight(_MESSAGE_HEIGHT)
        self.message.setAlignment(Qt.AlignmentFlag.AlignTop)
        self.hidden_too = QCheckBox(words("rules.hidden"))
        self.hidden_too.setChecked(share.hidden)
        self.banner = Banner(context, "danger")
        self.save = Button(look, words("action.save"), variant="primary")
        back = Button(look, words("action.back"))
        layout = column(spacing=8, margins=(26, 24, 26, 22))
        layout.addWidget(Label(title, "title", wrap=True))
        layout.addWidget(Label(words("rules.text"), "muted", wrap=True))
        layout.addSpacing(6)
        layout.addWidget(Label(words("rules.patterns"), "strong"))
        layout.addWidget(self.edit, 1)
        layout.addWidget(self.message)
        layout.addSpacing(6)
        layout.addWidget(self.hidden_too)
        layout.addWidget(Label(words("rules.hidden.text"), "small", wrap=True))
        layout.addWidget(self.banner)
        layout.addSpacing(10)
        layout.addLayout(row(None, back, self.save))
        self.setLayout(layout)
        self.resize(_WIDTH, _HEIGHT)
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.timeout.connect(self._check)
        self.edit.textChanged.connect(lambda: self._pause.start(_DEBOUNCE_MS))
        self.save.clicked.connect(lambda: self._save())
        back.clicked.connect(self.reject)
        self._check()

    def done(self, result: int) -> None:
        self._gone = True
        super().done(result)

    def patterns(self) -> tuple[str, ...]:
        """The lines with something in them."""
        return tuple(line for line in self.edit.toPlainText().split("\n") if line.strip())

    def _check(self) -> None:
        self._asked = patterns = self.patterns()
        client = self._session.client
        self._session.do(client.pattern_faults(patterns), lambda faults: self._checked(patterns, faults), self._refused)

    def _checked(self, patterns: tuple[str, ...], faults: tuple[PatternFault, ...]) -> None:
        if self._gone or patterns != self._asked:
            return
        self.save.setEnabled(not any(fault.refused for fault in faults))
        words = self._context.words
        if not faults:
            self.message.set_role("small")
            self.message.setText(words("rules.good"))
            return
        lines = [self._said(fault) for fault in faults[:_MOST_FAULTS]]
        if len(faults) > _MOST_FAULTS:
            lines.append(words("rules.more", count=len(faults) - _MOST_FAULTS))
        self.message.set_role("small" if self.save.isEnabled() else "error")
        self.message.setText("\n".join(lines))

    def _said(self, fault: PatternFault) -> str:
        words, known = self._context.words, f"pattern.{fault.code}"
        line = self.edit.toPlainText().split("\n").index(fault.pattern) + 1
        reason = words(known) if words.has(known) else fault.reason
        return words("rules.fault", line=line, pattern=plain(fault.pattern)[:_PATTERN_CHARACTERS], reason=reason)

    def _save(self) -> None:
        self.banner.say("")
        work = self._session.client.change_share(self._share.name, self.patterns(), self.hidden_too.isChecked())
        self._session.do(work, self._done, self._refused)

    def _done(self, share: Share) -> None:
        if not self._gone:
            self.accept()

    def _refused(self, error: ApiError) -> None:
        if not self._gone:
            self.banner.say(*self._context.words.problem(error.code, error.title, error.detail))
