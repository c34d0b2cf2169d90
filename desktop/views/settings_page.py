"""The settings page: the peer's settings beside the window's own, each saved as it is changed. Qt's thread only."""

from collections.abc import Callable
from functools import partial

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QCheckBox, QComboBox, QGridLayout, QLayout, QScrollArea, QVBoxLayout, QWidget

from desktop import autostart
from desktop.api import ApiError, Setting, Status
from desktop.context import Context
from desktop.look import THEMES
from desktop.session import Session
from desktop.views.check_up_card import CheckUpCard
from desktop.views.limit_fields import HoursField, LimitField
from desktop.views.limits_card import LimitsCard
from desktop.views.setting_field import SettingField
from desktop.views.switch_field import SwitchField
from desktop.widgets.basics import Button, ElidedLabel, Frame, Label, column, row
from desktop.words import LANGUAGES

_WIDTH = 760
_GROUPS = (
    ("device", ("name", "listen", "advertise", "neighbour", "announce", "http")),
    ("files", ("download_dir", "rescan_seconds")),
)


class SettingsPage(QWidget):
    """`language_chosen` and `theme_chosen` carry what the person picked; `invite_wanted` asks for an invite."""

    language_chosen = Signal(str)
    theme_chosen = Signal(str)
    invite_wanted = Signal()

    def __init__(self, context: Context, session: Session, hosting: bool, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("page")
        self._context, self._session = context, session
        self.fields: dict[str, SettingField | SwitchField | LimitField | HoursField] = {}
        self._facts: dict[str, ElidedLabel] = {}
        words = context.words
        self._groups = {name: column(spacing=16) for name, _ in _GROUPS}
        self._trouble = Label("", "error", wrap=True)
        inside = QWidget()
        inside.setObjectName("scrolled")
        inside.setMaximumWidth(_WIDTH)
        body = column(spacing=10)
        body.addWidget(self._trouble)
        self._trouble.hide()
        for name, _ in _GROUPS:
            self._section(body, name, self._groups[name])
        self.limits = LimitsCard(context, session)
        self.limits.slow_wanted.connect(self._switch_slow)
        self._section(body, "limits", self.limits)
        for key, field in self.limits.fields.items():
            field.changed.connect(partial(self.save, key))
        self._section(body, "window", self._window_choices())
        self._section(body, "barrio", self._barrio(hosting))
        self.check_up = CheckUpCard(context, session)
        self._section(body, "check-up", self.check_up)
        body.addStretch(1)
        inside.setLayout(body)
        outside = QWidget()
        outside.setObjectName("scrolled")
        across = row(inside, None, spacing=0)
        across.setStretch(0, 100)
        outside.setLayout(across)
        scroll = QScrollArea()
        self.area = scroll
        scroll.setFrameShape(QScrollArea.Shape.NoFrame)
        scroll.setWidgetResizable(True)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(outside)
        layout = column(spacing=14, margins=(28, 24, 16, 0))
        layout.addWidget(Label(words("page.settings"), "title"))
        layout.addWidget(scroll, 1)
        self.setLayout(layout)
        session.status_changed.connect(self._status_changed)
        if session.status is not None:
            self._status_changed(session.status)

    def load(self) -> None:
        """Asks the peer for its settings."""
        self._session.do(self._session.client.settings(), done=self._show, failed=self._failed)

    def save(self, key: str, value: object) -> None:
        self._session.do(
            self._session.client.change_settings({key: value}),
            done=lambda settings: self._saved(key, settings),
            failed=lambda error: self._refused(key, error),
        )

    def _switch_slow(self, slow: bool) -> None:
        self._session.do(self._session.client.change_settings({"slow_mode": slow}))

    def _section(self, body: QVBoxLayout, name: str, content: QLayout) -> None:
        card = Frame("card")
        content.setContentsMargins(20, 18, 20, 18)
        card.setLayout(content)
        body.addSpacing(6)
        body.addWidget(Label(self._context.words(f"settings.{name}"), "section"))
        body.addWidget(card)

    def _window_choices(self) -> QLayout:
        words, settings = self._context.words, self._context.settings
        languages = {"": words("settings.language.system"), **LANGUAGES}
        themes = {theme: words(f"settings.theme.{theme}") for theme in THEMES}
        self.language = self._choice(
            words("settings.language"), languages, settings.language, self.language_chosen.emit
        )
        self.theme = self._choice(words("settings.theme"), themes, settings.theme, self.theme_chosen.emit)
        layout = column(spacing=12)
        for name, box in (("language", self.language), ("theme", self.theme)):
            layout.addLayout(row(Label(words(f"settings.{name}"), "strong"), None, box))
        self.autostart = QCheckBox(words("settings.autostart"))
        self.autostart.setVisible(autostart.program() is not None)
        self.autostart.setChecked(autostart.is_on())
        self.autostart.clicked.connect(self._switch_autostart)
        layout.addWidget(self.autostart)
        return layout

    def _switch_autostart(self, on: bool) -> None:
        program = autostart.program()
        if program is None:
            return
        try:
            autostart.switch(on, program)
        except OSError as error:
            self._trouble.setText(self._context.words("settings.autostart.failed", reason=str(error)))
            self._trouble.show()
        self.autostart.setChecked(autostart.is_on())

    def _choice(self, name: str, options: dict[str, str], chosen: str, then: Callable[[str], None]) -> QComboBox:
        box = QComboBox()
        box.setAccessibleName(name)
        box.setMinimumWidth(220)
        for key, text in options.items():
            box.addItem(text, key)
        box.setCurrentIndex(max(0, box.findData(chosen)))
        box.activated.connect(lambda position: then(box.itemData(position)))
        return box

    def _barrio(self, hosting: bool) -> QLayout:
        words, look = self._context.words, self._context.look
        grid = QGridLayout()
        grid.setHorizontalSpacing(20)
        grid.setVerticalSpacing(10)
        grid.setColumnStretch(1, 1)
        for position, fact in enumerate(("network", "central", "peer", "data", "key", "version")):
            self._facts[fact] = ElidedLabel("–")
            grid.addWidget(Label(words(f"settings.{fact}"), "muted"), position, 0)
            grid.addWidget(self._facts[fact], position, 1)
        copy = Button(look, "", "copy", "icon", words("action.copy-peer"))
        copy.clicked.connect(self._copy_peer)
        grid.addWidget(copy, 2, 2)
        layout = column(spacing=16)
        layout.addLayout(grid)
        self.invite_button = Button(look, words("action.invite"), "link")
        self.invite_button.clicked.connect(lambda: self.invite_wanted.emit())
        self.invite_button.setVisible(hosting)
        if hosting:
            layout.addLayout(row(self.invite_button, None))
        return layout

    def _status_changed(self, status: Status) -> None:
        words = self._context.words
        self._facts["network"].say(status.network_name or "–")
        self._facts["central"].say(status.central_address or "–")
        self._facts["peer"].say(status.peer_id or "–")
        self._facts["data"].say(status.data_dir)
        self._facts["key"].say(words(f"settings.key.{status.key_store or 'none'}"))
        self._facts["version"].say(f"Barrio {status.version}")

    def _copy_peer(self) -> None:
        if self._session.status is not None and self._session.status.peer_id:
            QGuiApplication.clipboard().setText(self._session.status.peer_id)

    def _show(self, settings: tuple[Setting, ...]) -> None:
        self._trouble.hide()
        known = {setting.key: setting for setting in settings}
        for group, keys in _GROUPS:
            for key in keys:
                if key in known and key not in self.fields:
                    field = (SwitchField if known[key].type == "switch" else SettingField)(self._context, known[key])
                    field.changed.connect(partial(self.save, key))
                    self.fields[key] = field
                    self._groups[group].addWidget(field)
                elif key in known:
                    self.fields[key].show_setting(known[key])
        for key, limit in self.limits.fields.items():
            if key in known:
                self.fields[key] = limit
                limit.show_setting(known[key])
        self._show_name()

    def _show_name(self) -> None:
        """The name that others see was chosen when joining."""
        status = self._session.status
        name = self.fields.get("name")
        if isinstance(name, SettingField) and status is not None and status.joined:
            name.fix(status.name, self._context.words("setting.name.joined"))

    def _saved(self, key: str, settings: tuple[Setting, ...]) -> None:
        for setting in settings:
            if setting.key in self.fields:
                self.fields[setting.key].show_setting(setting)
        self.fields[key].saved()
        self._show_name()

    def _refused(self, key: str, error: ApiError) -> None:
        self.fields[key].refuse(self._context.words.problem(error.code, error.title, error.detail)[1])

    def _failed(self, error: ApiError) -> None:
        title, detail = self._context.words.problem(error.code, error.title, error.detail)
        self._trouble.setText(f"{title}. {detail}")
        self._trouble.show()
