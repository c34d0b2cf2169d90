"""One setting of the peer: its name, a field for its type, what it means, and the peer's word on a wrong value."""

from typing import Any

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QLineEdit, QWidget

from desktop.api import Setting
from desktop.context import Context
from desktop.plain import plain
from desktop.widgets.basics import Button, Label, column, row
from desktop.widgets.dialogs import choose_folder

_SAVED_MS = 2500


class SettingField(QWidget):
    """`changed` carries the new value when the person leaves the field with something new in it."""

    changed = Signal(object)

    def __init__(self, context: Context, setting: Setting) -> None:
        super().__init__()
        self._context, self._setting = context, setting
        words, key = context.words, setting.key
        name = words(f"setting.{key}") if words.has(f"setting.{key}") else plain(key)
        self.edit = QLineEdit()
        self.edit.setAccessibleName(name)
        self.message = Label("", "small", wrap=True)
        line = row(self.edit)
        if setting.type == "folder":
            choose = Button(context.look, words("action.choose"), "folder")
            choose.setEnabled(not setting.locked)
            choose.clicked.connect(self._choose)
            line.addWidget(choose)
        layout = column(spacing=6)
        layout.addWidget(Label(name, "strong"))
        layout.addLayout(line)
        layout.addWidget(self.message)
        self.setLayout(layout)
        self._calm = QTimer(self)
        self._calm.setSingleShot(True)
        self._calm.timeout.connect(self._say_help)
        self.edit.editingFinished.connect(self._finished)
        self.show_setting(setting)

    def show_setting(self, setting: Setting) -> None:
        self._setting = setting
        if not self.edit.hasFocus() or not self._is_wrong():
            self.edit.setText(self._as_text(setting.value))
        self.edit.setEnabled(not setting.locked)
        self.edit.setPlaceholderText(self._as_text(setting.default))
        if not self._is_wrong():
            self._say_help()

    def fix(self, text: str, sentence: str) -> None:
        """It is what it is: shown, with a sentence why, and not to be changed."""
        self.edit.setText(plain(text))
        self.edit.setEnabled(False)
        self._say(sentence, "small")

    def saved(self) -> None:
        self._mark(False)
        self.edit.setText(self._as_text(self._setting.value))
        key = {"restart": "setting.saved-restart", "join": "setting.saved-join"}.get(
            self._setting.applies, "setting.saved"
        )
        self._say(self._context.words(key), "ok")
        if self._setting.applies == "now":
            self._calm.start(_SAVED_MS)

    def refuse(self, sentence: str) -> None:
        """What was typed stays, with the peer's sentence below."""
        self._mark(True)
        self._say(plain(sentence), "error")

    def _finished(self) -> None:
        text = self.edit.text().strip()
        if text == self._as_text(self._setting.value):
            if self._is_wrong():
                self._mark(False)
                self._say_help()
            return
        self.changed.emit(self._as_value(text))

    def _as_value(self, text: str) -> Any:
        if self._setting.type == "integer" and text.isascii() and text.isdigit():
            return int(text)
        return text.replace(",", " ").split() if self._setting.type == "list" else text

    def _as_text(self, value: Any) -> str:
        return " ".join(map(str, value)) if isinstance(value, list) else str(value if value is not None else "")

    def _choose(self) -> None:
        choose_folder(self, self.edit.accessibleName(), self.edit.text(), self._chosen)

    def _chosen(self, folder: str) -> None:
        self.edit.setText(folder)
        self._finished()

    def _say_help(self) -> None:
        words, setting = self._context.words, self._setting
        known = f"setting.{setting.key}.help"
        text = words(known) if words.has(known) else plain(setting.help)
        if setting.locked:
            text = words("setting.locked", name=setting.environment)
        elif setting.applies in ("restart", "join"):
            text = f"{text} {words(f'setting.applies-{setting.applies}')}"
        self._say(text, "small")

    def _say(self, text: str, role: str) -> None:
        self._calm.stop()
        self.message.setText(text)
        self.message.set_role(role)

    def _is_wrong(self) -> bool:
        return str(self.edit.property("wrong")) == "true"

    def _mark(self, wrong: bool) -> None:
        self.edit.setProperty("wrong", "true" if wrong else "false")
        self.edit.style().unpolish(self.edit)
        self.edit.style().polish(self.edit)
