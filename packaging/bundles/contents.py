"""What belongs into the bundles, and what does not. Used by barrio.spec and by the test of the bundles. Pure."""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import PurePath


@dataclass(frozen=True)
class Program:
    """`packages`: ours that it holds. `is_windowed`: opens no console on Windows."""

    name: str
    script: str
    packages: tuple[str, ...]
    is_windowed: bool = False


BARRIO = Program("barrio", "start_barrio.py", ("desktop", "peer_core", "protos"), is_windowed=True)
PEER = Program("barrio-peer", "start_barrio_peer.py", ("peer_core", "protos"))
CENTRAL = Program("barrio-central", "start_barrio_central.py", ("central", "protos"))

# The window starts a central of its own, and its peer answers to the command line too.
BUNDLES = {"barrio": (BARRIO, PEER, CENTRAL), "barrio-peer": (PEER,), "barrio-central": (CENTRAL,)}

# Compiled, so that PyInstaller does not see what they import.
COMPILED = ("zeroconf",)

# What an import somewhere would bring, and nobody here calls.
UNUSED_MODULES = [
    "PIL",
    "_pytest",
    "_tkinter",
    "code",
    "doctest",
    "ensurepip",
    "grpc_tools",
    "idlelib",
    "lib2to3",
    "markdown_it",
    "multiprocessing",
    "numpy",
    "pdb",
    "pkg_resources",
    "pydoc_data",
    "pygments",
    "pytest",
    "readline",
    "rich",
    "setuptools",
    "tkinter",
    "turtle",
    "unittest",
    "watchdog.tricks",
    "werkzeug.debug",
    "yaml",
]

# Of Qt, by the names of its libraries and plugins on every system; all else of Qt is left out.
QT_LIBRARIES = frozenset({"Core", "DBus", "Gui", "Network", "Svg", "WaylandClient", "Widgets", "XcbQpa"})
QT_PLUGINS = frozenset(
    {
        "iconengines/qsvgicon",
        "imageformats/qico",
        "imageformats/qsvg",
        "platforminputcontexts/composeplatforminputcontextplugin",
        "platforminputcontexts/ibusplatforminputcontextplugin",
        "platforms/qcocoa",
        "platforms/qoffscreen",
        "platforms/qwayland",
        "platforms/qwindows",
        "platforms/qxcb",
        "platformthemes/qxdgdesktopportal",
        "styles/qmacstyle",
        "styles/qmodernwindowsstyle",
        "wayland-decoration-client/adwaita",
        "wayland-decoration-client/bradient",
        "wayland-shell-integration/xdg-shell",
    }
)
QT_MODULES = frozenset({"QtCore", "QtDBus", "QtGui", "QtNetwork", "QtSvg", "QtWidgets"})

_LIBRARY = re.compile(r"^(?:lib)?Qt6?([A-Z][A-Za-z0-9]*?)(?:\.so[.0-9]*|\.dll|\.dylib|)$")
_OF_THE_SYSTEM = re.compile(r"^libwayland-.*\.so")
_BINDING = re.compile(r"^(Qt[A-Z][A-Za-z0-9]*)\.(?:.*\.)?(?:so|pyd)$")


def is_unused(name: str) -> bool:
    """Whether a file, by its path in a bundle, is a part of Qt that is not used, gRPC's list of authorities, or what
    the system that draws the screen must bring."""
    path = PurePath(name.replace("\\", "/"))
    if "PySide6" not in path.parts:
        return path.name == "roots.pem" or bool(_OF_THE_SYSTEM.match(path.name)) or _is_other_library(path.name)
    if "plugins" in path.parts:
        kind = path.parts[path.parts.index("plugins") + 1]
        plugin = path.name.split(".")[0].removeprefix("lib")
        return f"{kind}/{plugin}" not in QT_PLUGINS
    if "translations" in path.parts:
        return not path.name.startswith("qtbase_es")
    if "qml" in path.parts or path.name.startswith(("opengl32sw", "d3dcompiler", "libEGL", "libGLES")):
        return True
    binding = _BINDING.match(path.name)
    if binding is not None:
        return binding[1] not in QT_MODULES
    return _is_other_library(path.name)


def _is_other_library(name: str) -> bool:
    found = _LIBRARY.match(name)
    return found is not None and found[1] not in QT_LIBRARIES


def orphans(needs: Mapping[str, Iterable[str]], loose: Collection[str]) -> set[str]:
    """Of `loose`, libraries that are there only for others to load: what nothing else needs, however indirectly.

    `needs`: for each file, the names of the files that it loads at its start."""
    reached: set[str] = set()
    waiting = [name for name in needs if name not in loose]
    while waiting:
        for needed in needs.get(waiting.pop(), ()):
            if needed in loose and needed not in reached:
                reached.add(needed)
                waiting.append(needed)
    return set(loose) - reached


def unused(names: Iterable[str]) -> list[str]:
    return sorted(name for name in names if is_unused(name))
