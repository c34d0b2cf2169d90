"""Whether Barrio starts when its user logs in: a file, or on Windows a value, where the system looks for it.

The setting is what the system has; nothing else keeps it. For an installed Barrio alone.
"""

import os
import plistlib
import sys
from pathlib import Path

_NAME = "barrio.desktop"
_LABEL = "org.barrio.Barrio"
_RUN_KEY = r"Software\Microsoft\Windows\CurrentVersion\Run"


def program() -> Path | None:
    """What is to be started; None where that is not known: from a checkout, or inside a sandbox that hides it."""
    if not getattr(sys, "frozen", False) or "FLATPAK_ID" in os.environ:
        return None
    # An AppImage runs from a place that is gone when it ends.
    return Path(os.environ.get("APPIMAGE") or sys.executable)


def is_on() -> bool:
    if sys.platform == "win32":
        return _windows_value() is not None
    return _place().exists()


def switch(on: bool, target: Path) -> None:
    """Raises OSError."""
    if sys.platform == "win32":
        _switch_windows(on, target)
        return
    place = _place()
    if not on:
        place.unlink(missing_ok=True)
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    fresh = place.with_name(f"{place.name}.new")
    fresh.write_bytes(_agent(target) if sys.platform == "darwin" else desktop_entry(target).encode())
    fresh.replace(place)


def _place() -> Path:
    if sys.platform == "darwin":
        return Path.home() / "Library" / "LaunchAgents" / f"{_LABEL}.plist"
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "autostart" / _NAME


def desktop_entry(target: Path) -> str:
    """As the Desktop Entry Specification quotes: first for the argument, then for the string, and % for its codes."""
    quoted = str(target)
    for sign in ("\\", '"', "`", "$"):
        quoted = quoted.replace(sign, f"\\{sign}")
    quoted = quoted.replace("\\", "\\\\").replace("%", "%%").replace("\n", "\\n")
    return f'[Desktop Entry]\nType=Application\nName=Barrio\nExec="{quoted}"\nIcon=barrio\nTerminal=false\n'


def _agent(target: Path) -> bytes:
    return plistlib.dumps({"Label": _LABEL, "ProgramArguments": [str(target)], "RunAtLoad": True})


if sys.platform == "win32":
    import winreg

    def _windows_value() -> str | None:
        try:
            with winreg.OpenKey(winreg.HKEY_CURRENT_USER, _RUN_KEY) as key:
                return str(winreg.QueryValueEx(key, "Barrio")[0])
        except FileNotFoundError:
            return None

    def _switch_windows(on: bool, target: Path) -> None:
        with winreg.CreateKeyEx(winreg.HKEY_CURRENT_USER, _RUN_KEY, access=winreg.KEY_SET_VALUE) as key:
            if on:
                winreg.SetValueEx(key, "Barrio", 0, winreg.REG_SZ, f'"{target}"')
            elif _windows_value() is not None:
                winreg.DeleteValue(key, "Barrio")
