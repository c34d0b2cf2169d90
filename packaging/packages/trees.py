"""Folders that are the same whoever builds them: modes, times and order are fixed, not found."""

import gzip
import hashlib
import os
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path


def put(target: Path, text: str, *, executable: bool = False) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, "utf-8", newline="\n")
    target.chmod(0o755 if executable else 0o644)


def copy(source: Path, target: Path, *, executable: bool = False) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(0o755 if executable else 0o644)


def copy_tree(source: Path, target: Path) -> None:
    """Links stay links; where the file system can, files are shared, since a bundle is in three artefacts."""
    shutil.copytree(source, target, symlinks=True, copy_function=_link, dirs_exist_ok=True)


def _link(source: str, target: str) -> None:
    if Path(source).is_symlink():
        Path(target).symlink_to(Path(source).readlink())
        return
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def in_order(folder: Path) -> Iterator[Path]:
    """All below it, parents first, by name."""
    return iter(sorted(folder.rglob("*"), key=lambda path: path.relative_to(folder).parts))


def settle(folder: Path, epoch: int) -> None:
    """Gives all in it the time `epoch`, and modes that depend on nothing but whether a file is executable."""
    for path in [*in_order(folder), folder]:
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        os.utime(path, (epoch, epoch), follow_symlinks=False)


def pack(folder: Path, target: Path, epoch: int, level: int) -> None:
    """A tar.gz of `folder` with its name as the first part of each path; owned by root, sorted."""

    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        member.uname = member.gname = ""
        member.mtime = epoch
        return member

    with (
        target.open("wb") as file,
        gzip.GzipFile("", "wb", level, file, mtime=epoch) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for path in [folder, *in_order(folder)]:
            # Shared files would otherwise become links to whatever has the same contents.
            tar.inodes = {}
            tar.add(path, f"{folder.name}/{path.relative_to(folder)}", recursive=False, filter=plain)


def digest(path: Path) -> str:
    """SHA-256 in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def contents(folder: Path) -> dict[str, str]:
    """What `folder` holds, to be compared: each path with its mode and its bytes' digest, or where a link leads."""
    found = {}
    for path in in_order(folder):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        else:
            mode = f"{path.stat().st_mode & 0o7777:04o}"
            found[name] = mode if path.is_dir() else f"{mode} {digest(path)}"
    return found
