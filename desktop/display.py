"""Whether there is a display that answers: Qt ends the process, with lines about its plugins, where there is none."""

import ctypes
import os
import socket
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

NONE = "there is no display"
_SECONDS = 3.0
# What the Wayland library takes where none is named.
_USUAL_WAYLAND = "wayland-0"


def display_trouble(environment: Mapping[str, str] | None = None) -> str | None:
    """What is wrong with the display, without an end mark; None: a window can be shown, as far as can be told.

    Raises nothing. Connects to the display and goes again, within seconds; does not load Qt.
    """
    env = os.environ if environment is None else environment
    if not sys.platform.startswith("linux"):
        return None
    platforms = {name.partition(":")[0].strip().partition("-")[0] for name in _chosen(env)}
    if platforms - {"xcb", "wayland"}:
        # Offscreen, VNC and such need none.
        return None
    x11 = env.get("DISPLAY") if not platforms or "xcb" in platforms else None
    wayland = None
    if not platforms or "wayland" in platforms:
        wayland = env.get("WAYLAND_DISPLAY")
        is_wayland = "wayland" in platforms or env.get("XDG_SESSION_TYPE") == "wayland"
        # A socket that whoever started this has opened can be used only once: by Qt.
        if env.get("WAYLAND_SOCKET") or (wayland is None and is_wayland and _wayland_answers(_USUAL_WAYLAND, env)):
            return None
    if (x11 and _x11_answers(x11)) or (wayland and _wayland_answers(wayland, env)):
        return None
    named = " and ".join(name for name in (wayland, x11) if name)
    return f"the display {named} does not answer" if named else NONE


def _chosen(env: Mapping[str, str]) -> list[str]:
    return [name for name in env.get("QT_QPA_PLATFORM", "").split(";") if name.strip()]


def _x11_answers(name: str) -> bool:
    """With the X library, which knows sockets, hosts and permissions. True when it is not here: Qt brings its own."""
    try:
        xcb = ctypes.CDLL("libxcb.so.1")
    except OSError:
        return True
    answered: list[bool] = []
    # The library waits without a limit for a display that takes the connection and says nothing.
    asking = threading.Thread(target=lambda: answered.append(_connects(xcb, name)), name="display", daemon=True)
    asking.start()
    asking.join(_SECONDS)
    return answered == [True]


def _connects(xcb: ctypes.CDLL, name: str) -> bool:
    xcb.xcb_connect.restype = ctypes.c_void_p
    xcb.xcb_connect.argtypes = (ctypes.c_char_p, ctypes.c_void_p)
    xcb.xcb_connection_has_error.argtypes = xcb.xcb_disconnect.argtypes = (ctypes.c_void_p,)
    connection = xcb.xcb_connect(os.fsencode(name), None)
    try:
        return not xcb.xcb_connection_has_error(connection)
    finally:
        xcb.xcb_disconnect(connection)


def _wayland_answers(name: str, env: Mapping[str, str]) -> bool:
    """`name` of a socket in the runtime's folder, or a whole path."""
    path = Path(env.get("XDG_RUNTIME_DIR", "")) / name
    if sys.platform == "win32" or not path.is_absolute():
        return False
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(_SECONDS)
        try:
            probe.connect(str(path))
        except OSError:
            return False
    return True
