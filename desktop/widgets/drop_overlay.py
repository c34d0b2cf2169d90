"""What covers the window while folders are dragged over it. Qt's thread only."""

from PySide6.QtCore import QEvent, QObject, QPoint, QRect, Qt
from PySide6.QtWidgets import QWidget

from desktop.context import Context
from desktop.widgets.basics import Frame, Label, Picture, column

_MARGIN = 16


class DropOverlay(Frame):
    def __init__(self, context: Context, parent: QWidget) -> None:
        super().__init__("overlay")
        self.setParent(parent)
        self._ground = self._area = parent
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        layout = column(None, spacing=8)
        layout.addWidget(Picture(context.look, "library", 240, 150), alignment=Qt.AlignmentFlag.AlignHCenter)
        for text, role in ((context.words("drop.title"), "title"), (context.words("drop.text"), "muted")):
            layout.addWidget(Label(text, role), alignment=Qt.AlignmentFlag.AlignHCenter)
        layout.addStretch(1)
        self.setLayout(layout)
        parent.installEventFilter(self)
        self.hide()

    def cover(self, area: QWidget) -> None:
        """Covers one widget of the window."""
        self._area = area
        self._place()
        self.show()
        self.raise_()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Resize and self.isVisible():
            self._place()
        return super().eventFilter(watched, event)

    def _place(self) -> None:
        area = QRect(self._area.mapTo(self._ground, QPoint()), self._area.size())
        self.setGeometry(area.adjusted(_MARGIN, _MARGIN, -_MARGIN, -_MARGIN))
