"""The packages in use: programs with no environment but what a test gives them, and a clean Debian to install into."""

import hashlib
import os
import shutil
import subprocess
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from processes import APART, Program, wait_for

SUITE = "bookworm"
# Outside the checkout, which `git clean` and other tests may empty.
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "barrio-tests"
# Of the system around the programs, and nothing of the checkout's.
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


class NoRootError(Exception):
    """No clean Debian can be made now, for example because its packages cannot be fetched."""


def why_no_root() -> str:
    """Why a clean Debian cannot be made here; empty when it can."""
    if os.geteuid() != 0:
        return "only root can install into a clean Debian"
    if shutil.which("debootstrap") is None:
        return "there is no debootstrap"
    tried = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "mount", "-t", "proc", "proc", "/proc"], capture_output=True
    )
    return "" if tried.returncode == 0 else "this machine lets nobody make a mount namespace"


def clean_root(target: Path, extra: Sequence[str] = ()) -> "Root":
    """A Debian of essential packages alone, and `extra` ones; made once on a machine, then unpacked.

    Raises NoRootError."""
    why = why_no_root()
    if why:
        raise NoRootError(why)
    more = f"-{hashlib.sha256(','.join(extra).encode()).hexdigest()[:12]}" if extra else ""
    kept = CACHE / f"{SUITE}-minbase{more}.tar"
    if not kept.exists():
        made = CACHE / f"making-{os.getpid()}"
        shutil.rmtree(made, ignore_errors=True)
        made.parent.mkdir(parents=True, exist_ok=True)
        include = [f"--include={','.join(extra)}"] if extra else []
        command = ["debootstrap", "--variant=minbase", *include, SUITE, str(made)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=900)
        if done.returncode != 0:
            shutil.rmtree(made, ignore_errors=True)
            raise NoRootError(f"debootstrap failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        shutil.rmtree(made / "var/cache/apt/archives", ignore_errors=True)
        fresh = kept.with_suffix(f".{os.getpid()}")
        with tarfile.open(fresh, "w") as tar:
            tar.add(made, ".")
        fresh.replace(kept)
        shutil.rmtree(made)
    target.mkdir(parents=True)
    with tarfile.open(kept) as tar:
        # Our own archive, with devices and links to absolute paths, as a system has them.
        tar.extractall(target, filter="fully_trusted")
    return Root(target)


class Root:
    """A system in a folder. What runs in it has its own /proc, and shares this machine's network."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def command(self, argv: Sequence[str], user: str = "root") -> list[str]:
        """The command line that runs `argv` in there; the process that is started becomes it."""
        inside = (
            'root=$1 user=$2; shift 2; mount -t proc proc "$root/proc"; exec chroot --userspec="$user" "$root" "$@"'
        )
        enter = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", inside, "sh"]
        return [*enter, str(self.path), self.user(user), *argv]

    def user(self, name: str) -> str:
        """ "UID:GID" of one of its users. Raises KeyError."""
        for line in (self.path / "etc/passwd").read_text("utf-8").splitlines():
            fields = line.split(":")
            if fields[0] == name:
                return f"{fields[2]}:{fields[3]}"
        raise KeyError(name)

    def run(self, *argv: str, user: str = "root", env: Mapping[str, str] | None = None, seconds: float = 120) -> str:
        """Its output. Raises RuntimeError when it fails."""
        return run_alone(self.command(argv, user), {"DEBIAN_FRONTEND": "noninteractive", **(env or {})}, seconds, True)

    def install(self, *packages: Path) -> str:
        folder = self.path / "tmp"
        for package in packages:
            shutil.copy(package, folder)
        try:
            return self.run("dpkg", "--install", *(f"/tmp/{package.name}" for package in packages))
        finally:
            for package in packages:
                (folder / package.name).unlink()

    def files(self) -> set[str]:
        """All that is in there but what dpkg, apt and the log say about themselves, and what runs keep for a while."""
        apart = ("proc/", "dev/", "run/", "tmp/", "var/lib/dpkg/", "var/lib/apt/", "var/cache/", "var/log/")
        found = set()
        for folder, folders, names in os.walk(self.path):
            base = Path(folder).relative_to(self.path)
            for name in [*folders, *names]:
                path = (base / name).as_posix()
                if not f"{path}/".startswith(apart):
                    found.add(path)
        return found


def alone(env: Mapping[str, str] | None = None, in_root: bool = False) -> dict[str, str]:
    """An environment of nothing but a path to the system's programs, and `env`. `in_root`: what runs in a system of
    its own reads the settings there, while those of this machine are nobody's business."""
    apart = {"BARRIO_KEYRING": "off"} if in_root else APART
    return {"PATH": PATH, **apart, **(env or {})}


def run_alone(
    argv: Sequence[str], env: Mapping[str, str] | None = None, seconds: float = 60, in_root: bool = False
) -> str:
    """Its output. Raises RuntimeError when it fails."""
    done = subprocess.run(
        list(argv), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds, env=alone(env, in_root)
    )
    if done.returncode != 0:
        raise RuntimeError(
            f"{' '.join(argv)} ended with {done.returncode}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        )
    return done.stdout


class Started(Program):
    """A program of a package, with nothing of this process's environment."""

    def __init__(
        self, argv: Sequence[str], log: Path, env: Mapping[str, str] | None = None, in_root: bool = False
    ) -> None:
        cleared = ["env", "--ignore-environment", *(f"{name}={value}" for name, value in alone(env, in_root).items())]
        super().__init__([*cleared, *argv], log)


def unit_settings(unit: Path) -> dict[str, list[str]]:
    """The lines of a systemd unit by key."""
    found: dict[str, list[str]] = {}
    for line in unit.read_text("utf-8").splitlines():
        key, is_setting, value = line.partition("=")
        if is_setting and not line.startswith("#"):
            found.setdefault(key, []).append(value)
    return found


def same_bytes(first: Path, second: Path) -> bool:
    return first.read_bytes() == second.read_bytes()


def wait_indexed(status: Any, files: int, seconds: float = 60) -> None:
    """Until `status()` says that so many files are indexed and published."""

    def is_done() -> bool:
        shares = status()["shares"]
        return bool(shares["files"] >= files and shares["pending"] == 0)

    wait_for(is_done, seconds, f"{files} files to be indexed")
