"""Text from other people, made harmless for display: no control or direction marks, no markup, no mnemonics. Pure."""

import html
import unicodedata

_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
_JOINERS = {"\u200c", "\u200d"}  # Persian, Hindi and emoji need them, and they turn nothing around
LIMIT = 500
# Ends of names of what systems run, install, mount or obey when it is opened.
_RUNNABLE_BY_SYSTEM = {
    "any": "jar js jse php pl ps1 psm1 py pyc pyo pyw rb",
    "windows programs": "appinstaller application appref-ms appx appxbundle bat cmd com cpl diagcab exe gadget inf msi "
    "msix msixbundle msp mst msu pif reg scr wsb xbap xll",
    "windows scripts and links": "chm hlp hta jnlp library-ms lnk msc rdp scf sct search-ms searchconnector-ms "
    "settingcontent-ms shb shs theme themepack udl url vb vbe vbs website wsc wsf wsh",
    "macos": "action app applescript command dmg fileloc inetloc mpkg pkg scpt scptd terminal tool webloc workflow",
    "linux and android": "apk appimage bash bin csh deb desktop flatpak flatpakref flatpakrepo ksh rpm run sh snap zsh",
    "images of disks": "img iso vhd vhdx",
    "documents with macros": "docm dotm potm ppam ppsm pptm xlam xlsb xlsm xltm",
}
_RUNNABLE = frozenset(" ".join(_RUNNABLE_BY_SYSTEM.values()).split())


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
    _, dot, extension = name.rstrip(" .").rpartition(".")
    return bool(dot) and extension.lower() in _RUNNABLE
