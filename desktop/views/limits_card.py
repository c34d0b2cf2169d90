"""The part of the settings page about limits: usual rates beside those of slow mode, slots, hours. Qt's thread only."""

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QGridLayout, QVBoxLayout

from desktop.api import Status
from desktop.context import Context
from desktop.session import Session
from desktop.views.limit_fields import HoursField, LimitField
from desktop.widgets.basics import Button, Label, column, row

_RATES = ("download_rate", "upload_rate", "download_rate_per_peer", "upload_rate_per_peer")
_SLOTS = ("download_slots", "upload_slots")


class LimitsCard(QVBoxLayout):
    """`fields` by key of the setting; `slow_wanted` carries whether slow mode shall be on."""

    slow_wanted = Signal(bool)

    def __init__(self, context: Context, session: Session) -> None:
        super().__init__()
        self.setSpacing(10)
        words = context.words
        self._words = words
        self.message = Label("", "small", wrap=True)
        self.fields: dict[str, LimitField | HoursField] = {}
        grid = QGridLayout()
        grid.setHorizontalSpacing(16)
        grid.setVerticalSpacing(8)
        grid.setColumnStretch(0, 1)
        grid.addWidget(Label(words("limits.usual"), "muted"), 0, 1)
        grid.addWidget(Label(words("limits.slow"), "muted"), 0, 2)
        for line, key in enumerate((*_RATES, *_SLOTS), 1):
            name = words(f"limits.{key}")
            grid.addWidget(Label(name, "strong"), line, 0)
            self._add(context, grid, line, 1, key, name)
            if key in _RATES:
                self._add(context, grid, line, 2, f"slow_{key}", f"{name}, {words('limits.slow')}")
        self.slow = Button(context.look, words("limits.slow"), "turtle", "chip")
        self.slow.clicked.connect(lambda checked: self.slow_wanted.emit(checked))
        self.state = Label("", "small")
        hours = HoursField(context, self.message)
        self.fields["slow_schedule"] = hours
        self.addLayout(grid)
        self.addWidget(Label(words("limits.help"), "small", wrap=True))
        self.addSpacing(8)
        self.addLayout(row(self.slow, self.state, None, spacing=12))
        self.addLayout(column(Label(words("limits.hours"), "strong"), hours, spacing=6))
        self.addWidget(self.message)
        session.status_changed.connect(self._status_changed)
        if session.status is not None:
            self._status_changed(session.status)

    def _add(self, context: Context, grid: QGridLayout, line: int, place: int, key: str, name: str) -> None:
        field = LimitField(context, name, self.message)
        self.fields[key] = field
        grid.addWidget(field, line, place)

    def _status_changed(self, status: Status) -> None:
        self.slow.setChecked(status.slow)
        self.state.setText(self._words.slow_state(status.slow, status.slow_scheduled, status.slow_until))
