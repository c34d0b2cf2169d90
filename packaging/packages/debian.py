"""The `.deb` packages: what dpkg is told, and which file goes where."""

import hashlib
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from packages.frozen import BILL
from packages.places import LINUX, ROOT, BuildError, debian_architecture, epoch, version
from packages.trees import copy, copy_tree, in_order, put, settle

MAINTAINER = "The developers of Barrio <barrio@localhost>"
# Of the system that draws the screen and has its drivers; what else the window wants is inside the bundle.
DESKTOP_NEEDS = (
    "fontconfig-config",
    "libegl1",
    "libgl1",
    "libwayland-client0",
    "libwayland-cursor0",
    "libxcb1",
    "xkb-data",
)
# They name each other, so each package has all.
PAGES = ("command-line.md", "containers.md", "monitoring.md", "operations.md", "security.md")
_GLIBC = re.compile(rb"GLIBC_2\.(\d+)")


@dataclass(frozen=True)
class Package:
    """`fill` lays its own files into the tree; `settings` names the file in /etc/barrio of a service."""

    name: str
    section: str
    summary: str
    text: str
    needs: tuple[str, ...]
    fill: Callable[[Path], None]
    settings: str = ""


def _desktop(tree: Path) -> None:
    copy(LINUX / "barrio.desktop", tree / "usr/share/applications/barrio.desktop")
    copy(ROOT / "desktop/resources/app.svg", tree / "usr/share/icons/hicolor/scalable/apps/barrio.svg")
    put(tree / "usr/share/metainfo/org.barrio.Barrio.metainfo.xml", metainfo())


def _central(tree: Path) -> None:
    _service("barrio-central", "central.toml")(tree)
    for rules in sorted((ROOT / "packaging/monitoring").iterdir()):
        copy(rules, tree / "usr/share/doc/barrio-central/monitoring" / rules.name)


def _service(name: str, settings: str) -> Callable[[Path], None]:
    def fill(tree: Path) -> None:
        copy(LINUX / "systemd" / f"{name}.service", tree / f"lib/systemd/system/{name}.service")
        copy(LINUX / "etc" / settings, tree / "etc/barrio" / settings)
        put(tree / "DEBIAN/conffiles", f"/etc/barrio/{settings}\n")
        for script in ("postinst", "prerm", "postrm"):
            text = (LINUX / "debian" / f"{script}.sh").read_text("utf-8")
            text = text.replace("@NAME@", name).replace("@SETTINGS@", settings)
            put(tree / "DEBIAN" / script, text, executable=True)

    return fill


PACKAGES = {
    package.name: package
    for package in (
        Package(
            "barrio",
            "net",
            "find and fetch what the people around you share",
            "The window of Barrio, for sharing files inside a community: searches what everybody\n"
            "shares, and downloads straight from those who have it, verified and resumable.",
            DESKTOP_NEEDS,
            _desktop,
        ),
        Package(
            "barrio-peer",
            "net",
            "headless peer of Barrio, and its command line",
            "Shares folders and fetches files inside a community without a window, as a service or\nin a terminal.",
            ("init-system-helpers", "passwd"),
            _service("barrio-peer", "peer.toml"),
            "peer.toml",
        ),
        Package(
            "barrio-central",
            "net",
            "directory service of a Barrio community",
            "Knows who is here and who holds what; no file passes through it. It is the community's\n"
            "certificate authority too, and hands out the invites.",
            ("init-system-helpers", "passwd"),
            _central,
            "central.toml",
        ),
    )
}


def metainfo() -> str:
    """The AppStream data, with this version."""
    text = (LINUX / "org.barrio.Barrio.metainfo.xml").read_text("utf-8")
    day = datetime.fromtimestamp(epoch(), UTC).date().isoformat()
    return text.replace("@VERSION@", version()).replace("@DATE@", day)


def file_name(name: str) -> str:
    return f"{name}_{version()}_{debian_architecture()}.deb"


def build(name: str, bundle: Path, work: Path, output: Path, compression: tuple[str, ...]) -> Path:
    """`compression`: options of dpkg-deb. Raises BuildError."""
    package = PACKAGES[name]
    tree = work / "debian" / name
    shutil.rmtree(tree, ignore_errors=True)
    home = tree / "usr/lib" / name
    copy_tree(bundle, home)
    (tree / "usr/bin").mkdir(parents=True)
    (tree / "usr/bin" / name).symlink_to(f"../lib/{name}/{name}")
    papers = tree / "usr/share/doc" / name
    shutil.move(home / "licences", papers / "licences")
    shutil.move(home / BILL, papers / BILL)
    put(papers / "copyright", _copyright(papers / "licences"))
    for page in PAGES:
        copy(ROOT / "docs" / page, papers / page)
    package.fill(tree)
    size = sum(path.lstat().st_size for path in tree.rglob("*") if path.is_file() and not path.is_symlink()) // 1024
    put(tree / "DEBIAN/md5sums", _sums(tree))
    put(tree / "DEBIAN/control", _control(package, size, home))
    settle(tree, epoch())
    target = output / file_name(name)
    done = subprocess.run(
        ["dpkg-deb", "--root-owner-group", *compression, "--build", str(tree), str(target)],
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "SOURCE_DATE_EPOCH": str(epoch()), "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise BuildError(f"dpkg-deb failed: {done.stderr.strip()}")
    return target


def _control(package: Package, kibibytes: int, home: Path) -> str:
    needs = ", ".join(sorted((f"libc6 (>= 2.{glibc_needed(home)})", *package.needs)))
    text = "".join(f" {line}\n" for line in package.text.splitlines())
    return (
        f"Package: {package.name}\nVersion: {version()}\nArchitecture: {debian_architecture()}\n"
        f"Maintainer: {MAINTAINER}\nInstalled-Size: {kibibytes}\nDepends: {needs}\n"
        f"Section: {package.section}\nPriority: optional\nDescription: {package.summary}\n{text}"
    )


def glibc_needed(folder: Path) -> int:
    """N of the newest GLIBC_2.N that a file in it asks for."""
    newest = 0
    for path in in_order(folder):
        if path.is_symlink() or not path.is_file():
            continue
        data = path.read_bytes()
        if data.startswith(b"\x7fELF"):
            newest = max([newest, *(int(number) for number in _GLIBC.findall(data))])
    return newest


def _sums(tree: Path) -> str:
    lines = []
    for path in in_order(tree):
        name = path.relative_to(tree).as_posix()
        if path.is_file() and not path.is_symlink() and not name.startswith(("DEBIAN/", "etc/")):
            with path.open("rb") as file:
                lines.append(f"{hashlib.file_digest(file, 'md5').hexdigest()}  {name}\n")
    return "".join(lines)


def _copyright(licences: Path) -> str:
    text = (ROOT / "LICENSE").read_text("utf-8")
    names = ", ".join(sorted(path.name for path in licences.iterdir()))
    return (
        "Barrio is distributed under the Apache License 2.0, which follows. What else is in this package, and its\n"
        f"licences, are in the folder licences beside this file: {names}.\n"
        "Qt and PySide are used under the LGPL 3: their libraries lie beside the program, and can be replaced.\n\n"
        + text
    )
