"""What could not be shared in one folder: a line that opens into a list. Qt's thread only."""

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QScrollArea, QWidget

from desktop.api import FileProblem, Share
from desktop.context import Context
from desktop.plain import plain
from desktop.widgets.basics import Button, ElidedLabel, Frame, Label, Picture, clear, column, row

_MOST_HEIGHT = 180


class ProblemsPanel(Frame):
    """Hidden while there is nothing to tell."""

    def __init__(self, context: Context) -> None:
        super().__init__("card")
        self._context = context
        self._shown: tuple[FileProblem, ...] = ()
        self._title = Label("", "strong")
        self._toggle = Button(context.look, context.words("action.show-all"), "chevron-down", "quiet")
        self._toggle.clicked.connect(self._turn)
        self._list = column(spacing=10)
        inside = QWidget()
        inside.setObjectName("inset")
        inside.setLayout(self._list)
        self._scroll = QScrollArea()
        self._scroll.setFrameShape(QScrollArea.Shape.NoFrame)
        self._scroll.setWidgetResizable(True)
        self._scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._scroll.setWidget(inside)
        self._scroll.setObjectName("inset")
        self._scroll.hide()
        layout = column(spacing=6, margins=(16, 8, 10, 8))
        layout.addLayout(row(Picture(context.look, "alert", 18, colour="warning"), self._title, None, self._toggle))
        layout.addWidget(self._scroll)
        self.setLayout(layout)
        self.hide()

    def show_share(self, share: Share | None) -> None:
        problems = share.problems if share is not None else ()
        self.setVisible(bool(problems))
        if share is None or problems == self._shown:
            return
        self._shown = problems
        self._title.setText(self._context.words("share.problems-in", count=len(problems), name=plain(share.name)))
        clear(self._list)
        for problem in problems:
            entry = QWidget()
            entry.setLayout(
                column(ElidedLabel(problem.path), Label(self._reason(problem), "small", wrap=True), spacing=1)
            )
            self._list.addWidget(entry)
        self._list.addStretch(1)
        self._scroll.setFixedHeight(min(_MOST_HEIGHT, self._list.sizeHint().height() + 4))

    def _reason(self, problem: FileProblem) -> str:
        return plain(self._context.words.said(problem.reason))

    def _turn(self) -> None:
        opened = self._scroll.isHidden()
        self._scroll.setVisible(opened)
        self._toggle.set_icon("chevron-up" if opened else "chevron-down")
        self._toggle.setText(self._context.words("action.show-less" if opened else "action.show-all"))
