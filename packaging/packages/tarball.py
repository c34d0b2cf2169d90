"""The tarball: all three programs in one folder that runs wherever it is unpacked."""

import shutil
from pathlib import Path

from packages.debian import metainfo
from packages.frozen import BILL
from packages.places import LINUX, ROOT, epoch, processor, version
from packages.trees import copy, copy_tree, pack, put, settle


def folder_name() -> str:
    return f"barrio-{version()}-linux-{processor()}"


def build(bundle: Path, work: Path, output: Path, level: int) -> Path:
    """`level`: of gzip, 1 to 9."""
    tree = work / "tarball" / folder_name()
    shutil.rmtree(tree, ignore_errors=True)
    copy_tree(bundle, tree / "app")
    for name in ("licences", BILL):
        shutil.move(tree / "app" / name, tree / name)
    copy(ROOT / "LICENSE", tree / "LICENSE")
    copy(LINUX / "TARBALL.md", tree / "README.md")
    put(tree / "org.barrio.Barrio.metainfo.xml", metainfo())
    copy(LINUX / "barrio.desktop", tree / "barrio.desktop")
    copy(ROOT / "desktop/resources/app.svg", tree / "barrio.svg")
    for script in ("start.sh", "install-menu.sh"):
        copy(LINUX / script, tree / script, executable=True)
    settle(tree, epoch())
    target = output / f"{tree.name}.tar.gz"
    pack(tree, target, epoch(), level)
    return target
