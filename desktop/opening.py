"""Hands files and folders to the system's own programs, and asks before running a stranger's. Qt's thread."""

from functools import partial
from pathlib import Path

from PySide6.QtCore import QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QWidget

from desktop.context import Context
from desktop.plain import plain, runs_when_opened
from desktop.widgets.dialogs import ask


def open_file(context: Context, parent: QWidget, path: Path) -> str:
    """Opens a file; returns a sentence when it cannot be, else nothing."""
    if not path.is_file():
        return context.words("open.gone", name=plain(path.name))
    if runs_when_opened(path.name):
        ask(
            context,
            parent,
            context.words("open.program.title", name=plain(path.name)),
            context.words("open.program.text"),
            context.words("open.program.yes"),
            partial(_open, path),
            danger=True,
        )
        return ""
    return "" if _open(path) else context.words("open.nobody", name=plain(path.name))


def open_folder(context: Context, path: Path) -> str:
    """Opens a folder; returns a sentence when it cannot be, else nothing."""
    if not path.is_dir():
        return context.words("open.gone", name=plain(path.name))
    return "" if _open(path) else context.words("open.nobody", name=plain(path.name))


def _open(path: Path) -> bool:
    return QDesktopServices.openUrl(QUrl.fromLocalFile(str(path)))
