"""What every part of the window needs: its words, its look, its memory. Qt's thread."""

from dataclasses import dataclass

from desktop.look import Look
from desktop.window_settings import WindowSettings
from desktop.words import Words


@dataclass(frozen=True)
class Context:
    words: Words
    look: Look
    settings: WindowSettings
