"""How far the whole library is indexed, with a button that pauses it. Qt's thread only."""

from PySide6.QtWidgets import QProgressBar

from desktop.api import Library, Status
from desktop.context import Context
from desktop.session import Session
from desktop.widgets.basics import Button, Frame, Label, Picture, column, row
from desktop.words import LEAST_RATE

_STEPS = 1000


class IndexingBar(Frame):
    """Hidden while nothing waits, unless indexing is paused."""

    def __init__(self, context: Context, session: Session) -> None:
        super().__init__("card")
        self._context, self._session = context, session
        self._title = Label("", "strong")
        self.facts = Label("", "small")
        self._bar = QProgressBar()
        self._bar.setTextVisible(False)
        self._bar.setRange(0, _STEPS)
        self._icon = Picture(context.look, "refresh", 18, colour="accent")
        self.button = Button(context.look, context.words("action.pause"), "pause", "quiet")
        self.button.clicked.connect(lambda: self._turn())
        upper = row(self._icon, self._title, 6, self.facts, None, self.button)
        layout = column(spacing=6, margins=(16, 8, 10, 12))
        layout.addLayout(upper)
        layout.addWidget(self._bar)
        self.setLayout(layout)
        # Methods, not lambdas: these connections must end with the bar when the window is built anew.
        session.status_changed.connect(self._news)
        session.library_changed.connect(self._news)
        self.hide()
        self._show()

    @property
    def title(self) -> str:
        return self._title.text()

    def _turn(self) -> None:
        status = self._session.status
        if status is not None:
            self._session.do(self._session.client.pause_indexing(not status.paused))

    def _news(self, _: object) -> None:
        self._show()

    def _show(self) -> None:
        status, library = self._session.status, self._session.library
        waiting = sum(share.pending for share in library.shares if share.files_done is not None)
        self.setVisible(status is not None and (bool(waiting) or status.paused) and bool(library.shares))
        if status is None:
            return
        words = self._context.words
        self._title.setText(words("indexing.paused" if status.paused else "indexing.title"))
        self._icon.show_icon("pause" if status.paused else "refresh", "warning" if status.paused else "accent")
        self.button.setText(words("action.resume" if status.paused else "action.pause"))
        self.button.set_icon("play" if status.paused else "pause")
        self.facts.setText(self._paused_text(waiting) if status.paused else self._progress_text(status, library))
        done, total = _bytes(library)
        self._bar.setVisible(bool(waiting))
        self._bar.setValue(done * _STEPS // total if total else 0)

    def _paused_text(self, waiting: int) -> str:
        words = self._context.words
        return words("indexing.waiting", count=waiting) if waiting else words("indexing.nothing-waits")

    def _progress_text(self, status: Status, library: Library) -> str:
        words = self._context.words
        files = sum(s.files_done or 0 for s in library.shares), sum(s.files_total for s in library.shares)
        done, total = _bytes(library)
        parts = [
            words("indexing.files", done=files[0], total=files[1]),
            words("indexing.bytes", done=words.size(done), total=words.size(total)),
            words.rate(status.rate_indexing),
        ]
        # They wait for each other, so that their times add up.
        times = [share.eta_seconds for share in library.shares if share.files_done is not None]
        known = [time for time in times if time is not None]
        if known and len(known) == len(times) and status.rate_indexing >= LEAST_RATE:
            parts.append(words("indexing.left", time=words.duration(sum(known))))
        return "  ·  ".join(parts)


def _bytes(library: Library) -> tuple[int, int]:
    """Done, and to do in all."""
    return sum(share.bytes_done for share in library.shares), sum(share.bytes_total for share in library.shares)
