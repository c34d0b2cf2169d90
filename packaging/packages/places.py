"""What is built, from where, and the one time that every file in it carries."""

import os
import platform
import subprocess
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
LINUX = ROOT / "packaging" / "linux"
BUNDLES = ("barrio", "barrio-peer", "barrio-central")

# Of a checkout without its history: the first day of this format.
_NO_HISTORY = 1_767_225_600


class BuildError(Exception):
    """One sentence for whoever builds."""


def version() -> str:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return str(project["version"])


def processor() -> str:
    """As in the names of tarballs: x86_64, aarch64."""
    return platform.machine()


def debian_architecture() -> str:
    return {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "armhf", "i686": "i386"}.get(processor(), processor())


def epoch() -> int:
    """Seconds since 1970: SOURCE_DATE_EPOCH, else when the last commit was made."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given:
        return int(given)
    done = subprocess.run(["git", "log", "-1", "--format=%ct"], cwd=ROOT, capture_output=True, text=True, check=False)
    return int(done.stdout) if done.returncode == 0 and done.stdout.strip() else _NO_HISTORY
