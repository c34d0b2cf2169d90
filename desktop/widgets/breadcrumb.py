"""Where one is in somebody's folders: a button for each step back. Qt's thread only."""

from collections.abc import Sequence

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QFontMetrics
from PySide6.QtWidgets import QWidget

from desktop.look import Look
from desktop.plain import as_label, plain
from desktop.widgets.basics import Button, ElidedLabel, Label, clear, row

_WIDEST = 150
_SHOWN = 3
_GAP = "…"
_ARROW = "›"


class Breadcrumb(QWidget):
    """`chosen` carries how many of the names lead there: 1 is the first one. Of a long way the middle is left out."""

    chosen = Signal(int)

    def __init__(self, look: Look) -> None:
        super().__init__()
        self._look = look
        self._layout = row(spacing=2)
        self.setLayout(self._layout)

    def show_way(self, names: Sequence[str]) -> None:
        clear(self._layout)
        if not names:
            return
        steps = list(range(len(names) - 1))
        cut = len(steps) > _SHOWN
        for step in [steps[0], *steps[1 - _SHOWN :]] if cut else steps:
            self._layout.addWidget(self._step(names[step], step + 1))
            self._layout.addWidget(Label(f"{_ARROW} {_GAP} {_ARROW}" if cut and step == 0 else _ARROW, "muted"))
        self._layout.addSpacing(6)
        self._layout.addWidget(ElidedLabel(names[-1], "heading"), 1)

    def _step(self, name: str, count: int) -> Button:
        button = Button(self._look, "", variant="quiet", hint=name)
        metrics = QFontMetrics(button.font())
        button.setText(as_label(metrics.elidedText(plain(name), Qt.TextElideMode.ElideMiddle, _WIDEST)))
        button.setAccessibleName(plain(name))
        button.clicked.connect(lambda: self.chosen.emit(count))
        return button
