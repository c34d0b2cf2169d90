"""Fields of limits, small enough to stand in a table: rates, numbers, the hours of slow mode. Qt's thread only."""

from typing import Any

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QComboBox, QLineEdit, QWidget

from desktop.api import Setting
from desktop.context import Context
from desktop.hours import Hours, hours_from
from desktop.plain import plain
from desktop.widgets.basics import Button, Label, column, row

_WIDTH = 150
_SETTLE_MS = 400
_HALF_HOURS = tuple(f"{half // 2:02}:{half % 2 * 30:02}" for half in range(49))


class LimitField(QWidget):
    """A rate or a number; empty: no limit. `changed` carries a new value; what is wrong with it goes to `message`."""

    changed = Signal(object)

    def __init__(self, context: Context, name: str, message: Label) -> None:
        super().__init__()
        self._context = context
        self.message = message
        self._setting: Setting | None = None
        self._shown = ""
        self.edit = QLineEdit()
        self.edit.setAccessibleName(name)
        self.edit.setPlaceholderText(context.words("limits.none"))
        self.edit.setFixedWidth(_WIDTH)
        self.edit.setEnabled(False)
        self.edit.editingFinished.connect(self._finished)
        self.setLayout(row(self.edit))

    def show_setting(self, setting: Setting) -> None:
        self._setting = setting
        self.edit.setEnabled(not setting.locked)
        if setting.locked:
            self.edit.setToolTip(self._context.words("setting.locked", name=setting.environment))
        if self.edit.property("wrong") != "true" and not (self.edit.hasFocus() and self.edit.text() != self._shown):
            self._shown = self._as_text(setting.value)
            self.edit.setText(self._shown)

    def saved(self) -> None:
        self._mark(False)
        assert self._setting is not None
        self._shown = self._as_text(self._setting.value)
        self.edit.setText(self._shown)
        self._say(self._context.words("setting.saved"), "ok")

    def refuse(self, sentence: str) -> None:
        self._mark(True)
        self._say(plain(sentence), "error")

    def _finished(self) -> None:
        text = self.edit.text().strip()
        if text == self._shown:
            if self.edit.property("wrong") == "true":
                self._mark(False)
                self._say("", "small")
            return
        # A person who writes a bare number means the unit that is shown.
        bare = self._setting is not None and self._setting.type == "rate" and text.isascii() and text.isdigit()
        self.changed.emit(f"{text} kB" if bare and int(text) else text)

    def _as_text(self, value: Any) -> str:
        if not value:
            return ""
        rate = self._setting is not None and self._setting.type == "rate"
        return self._context.words.rate(value) if rate else str(value)

    def _say(self, text: str, role: str) -> None:
        self.message.setText(text)
        self.message.set_role(role)

    def _mark(self, wrong: bool) -> None:
        self.edit.setProperty("wrong", "true" if wrong else "false")
        self.edit.style().unpolish(self.edit)
        self.edit.style().polish(self.edit)


class HoursField(QWidget):
    """Days to choose, and two times. Hours of several parts are shown as they are, to be kept or taken away."""

    changed = Signal(object)

    def __init__(self, context: Context, message: Label) -> None:
        super().__init__()
        self._context = context
        self.message = message
        words, look = context.words, context.look
        # Several clicks in a row are one change; what the peer says meanwhile is about the one before.
        self._settled = QTimer(self)
        self._settled.setSingleShot(True)
        self._settled.setInterval(_SETTLE_MS)
        self._settled.timeout.connect(self._emit)
        self.days = [Button(look, words.day(day), "", "chip") for day in range(7)]
        self.start = _times(words("limits.from"), Hours.start)
        self.end = _times(words("limits.to"), Hours.end)
        for button in self.days:
            button.clicked.connect(lambda: self._settled.start())
        for box in (self.start, self.end):
            box.activated.connect(lambda _: self._settled.start())
        self.simple = QWidget()
        times = row(Label(words("limits.from")), self.start, Label(words("limits.to")), self.end, None)
        chips = row(*self.days, None, spacing=6)
        lines = column(spacing=8)
        lines.addLayout(chips)
        lines.addLayout(times)
        self.simple.setLayout(lines)
        self.several = QWidget()
        self.text = Label("", wrap=True)
        self.remove = Button(look, words("limits.remove-hours"), "close")
        self.remove.clicked.connect(lambda: self.changed.emit(""))
        self.several.setLayout(row(self.text, self.remove, None))
        self.several.hide()
        self.setLayout(column(self.simple, self.several))

    def show_setting(self, setting: Setting) -> None:
        if self._settled.isActive():
            return
        hours = hours_from(str(setting.value))
        self.simple.setVisible(hours is not None)
        self.several.setVisible(hours is None)
        self.setEnabled(not setting.locked)
        if hours is None:
            self.text.setText(plain(str(setting.value)))
            return
        for day, button in enumerate(self.days):
            button.setChecked(day in hours.days)
        if hours.days:
            for box, time in ((self.start, hours.start), (self.end, hours.end)):
                if box.findText(time) < 0:
                    box.addItem(time)
                box.setCurrentText(time)

    def saved(self) -> None:
        self.message.setText(self._context.words("setting.saved"))
        self.message.set_role("ok")

    def refuse(self, sentence: str) -> None:
        self.message.setText(plain(sentence))
        self.message.set_role("error")

    def _emit(self) -> None:
        days = frozenset(day for day, button in enumerate(self.days) if button.isChecked())
        self.changed.emit(str(Hours(days, self.start.currentText(), self.end.currentText())))


def _times(name: str, chosen: str) -> QComboBox:
    box = QComboBox()
    box.setAccessibleName(name)
    box.addItems(_HALF_HOURS)
    box.setCurrentText(chosen)
    return box
