"""Questions that never block: opened, answered by a call. Qt's thread only."""

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QFileDialog, QWidget

from desktop.context import Context
from desktop.plain import plain
from desktop.widgets.basics import Button, Label, Picture, column, row


def ask(
    context: Context,
    parent: QWidget,
    title: str,
    text: str,
    yes: str,
    then: Callable[[], object],
    danger: bool = False,
) -> QDialog:
    """Asks before something that cannot be undone; Escape and the first button leave everything as it is."""
    dialog = QDialog(parent)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.setWindowTitle(plain(title))
    no = Button(context.look, context.words("action.back"))
    do = Button(context.look, yes, variant="danger" if danger else "primary")
    no.clicked.connect(dialog.reject)
    do.clicked.connect(dialog.accept)
    dialog.accepted.connect(then)
    heading = Label(plain(title), "heading", wrap=True)
    body = Label(plain(text), "muted", wrap=True)
    for label in (heading, body):
        label.setFixedWidth(380)
    icon = Picture(context.look, "alert" if danger else "info", 28, colour="danger" if danger else "accent")
    top = row(spacing=16)
    top.addWidget(icon, alignment=Qt.AlignmentFlag.AlignTop)
    top.addLayout(column(heading, body, spacing=6))
    layout = column(spacing=22, margins=(24, 24, 24, 20))
    layout.addLayout(top)
    layout.addLayout(row(None, no, do))
    dialog.setLayout(layout)
    no.setDefault(True)
    no.setFocus()
    dialog.open()
    return dialog


def choose_folder(parent: QWidget, title: str, start: str, then: Callable[[str], None]) -> QFileDialog:
    """The system's own dialog for one folder."""
    dialog = QFileDialog(parent, title, start)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.setFileMode(QFileDialog.FileMode.Directory)
    dialog.setOption(QFileDialog.Option.ShowDirsOnly)
    dialog.fileSelected.connect(then)
    dialog.open()
    return dialog
