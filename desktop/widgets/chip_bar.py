"""Chips of which one is chosen; where the room is short, they show their icons only. Qt's thread only."""

from collections.abc import Mapping

from PySide6.QtCore import QSize, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QSizePolicy, QWidget

from desktop.look import Look
from desktop.widgets.basics import Button, row

_SPACING = 6
_ICON_CHIP_WIDTH = 44


class ChipBar(QWidget):
    """`options`: key to text; a key is the name of its icon too, the empty key has none. `chosen` carries a key."""

    chosen = Signal(str)

    def __init__(self, look: Look, options: Mapping[str, str]) -> None:
        super().__init__()
        self._texts = dict(options)
        self.chips = {key: Button(look, text, key, "chip") for key, text in options.items()}
        self._widths = {key: chip.sizeHint().width() for key, chip in self.chips.items()}
        self._compact = False
        for key, chip in self.chips.items():
            chip.setAutoExclusive(True)
            chip.setAccessibleName(self._texts[key])
            chip.toggled.connect(lambda on, wanted=key: self.chosen.emit(wanted) if on else None)
        next(iter(self.chips.values())).setChecked(True)
        self.setLayout(row(*self.chips.values(), None, spacing=_SPACING))
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    @property
    def value(self) -> str:
        return next(key for key, chip in self.chips.items() if chip.isChecked())

    def minimumSizeHint(self) -> QSize:
        return QSize((_ICON_CHIP_WIDTH + _SPACING) * len(self.chips), super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        needed = sum(self._widths.values()) + _SPACING * len(self.chips)
        compact = needed > event.size().width()
        if compact != self._compact:
            self._compact = compact
            for key, chip in self.chips.items():
                chip.setText("" if compact and key else self._texts[key])
                chip.setToolTip(self._texts[key] if compact else "")
        super().resizeEvent(event)
