"""One setting of the peer that is on or off. Qt's thread only."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QWidget

from desktop.api import Setting
from desktop.context import Context
from desktop.plain import plain
from desktop.widgets.basics import Label, column


class SwitchField(QWidget):
    """`changed` carries the new value when the person switches it."""

    changed = Signal(object)

    def __init__(self, context: Context, setting: Setting) -> None:
        super().__init__()
        self._context, self._setting = context, setting
        words, key = context.words, setting.key
        name = words(f"setting.{key}") if words.has(f"setting.{key}") else plain(key)
        self.edit = QCheckBox(name)
        self.message = Label("", "small", wrap=True)
        layout = column(spacing=6)
        layout.addWidget(self.edit)
        layout.addWidget(self.message)
        self.setLayout(layout)
        self.edit.clicked.connect(lambda checked: self.changed.emit(bool(checked)))
        self.show_setting(setting)

    def show_setting(self, setting: Setting) -> None:
        self._setting = setting
        self.edit.setChecked(setting.value is True)
        self.edit.setEnabled(not setting.locked)
        words, known = self._context.words, f"setting.{setting.key}.help"
        text = words(known) if words.has(known) else plain(setting.help)
        self._say(words("setting.locked", name=setting.environment) if setting.locked else text, "small")

    def saved(self) -> None:
        self._say(self._context.words("setting.saved"), "ok")

    def refuse(self, sentence: str) -> None:
        """It goes back to what it was, with the peer's sentence below."""
        self.edit.setChecked(self._setting.value is True)
        self._say(plain(sentence), "error")

    def _say(self, text: str, role: str) -> None:
        self.message.setText(text)
        self.message.set_role(role)
