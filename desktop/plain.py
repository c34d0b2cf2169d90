"""Text from other people, made harmless for display: no control or direction marks, no markup, no mnemonics. Pure."""

import html
import re
import unicodedata

_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
_JOINERS = {"\u200c", "\u200d"}  # Persian, Hindi and emoji need them, and they turn nothing around
LIMIT = 500
_RUNNABLE = re.compile(
    r"appimage|apk|app|bat|bin|cmd|com|command|cpl|deb|desktop|dmg|exe|hta|jar|jse?|lnk|ms[ip]|pif|pkg|pl|ps1|pyw?|rb|reg|"
    r"rpm|run|scf|scr|sh|url|vb[es]?|workflow|wsf|wsh"
)


def plain(text: str) -> str:
    """One line without anything invisible, cut at LIMIT characters."""
    kept = (" " if c in "\t\n\r" else c for c in text if c in "\t\n\r" or not _is_hidden(c))
    line = "".join(kept)
    return line if len(line) <= LIMIT else line[: LIMIT - 1] + "…"


def _is_hidden(character: str) -> bool:
    return unicodedata.category(character) in _HIDDEN and character not in _JOINERS


def as_tooltip(text: str) -> str:
    """Qt guesses whether a tooltip is HTML; this always is, with the text escaped."""
    return f"<qt>{html.escape(plain(text))}</qt>" if text else ""


def as_label(text: str) -> str:
    """For buttons and menus, where & would underline a letter."""
    return plain(text).replace("&", "&&")


def runs_when_opened(name: str) -> bool:
    """True for a file that is a program or a script: opening it would run what somebody else wrote."""
    stem, _, extension = name.rstrip(" .").rpartition(".")
    return bool(stem) and _RUNNABLE.fullmatch(extension.lower()) is not None
