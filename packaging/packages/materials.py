"""What a bundle is made of: distributions from the lock file, Python itself, and libraries of the system that built it.

From it come the bill of materials (CycloneDX 1.6) and the licences that must go along.
"""

import datetime
import importlib.metadata
import json
import platform
import shutil
import subprocess
import sys
import sysconfig
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from packages.places import ROOT, BuildError, version
from packages.trees import copy, put

# Written in the metadata of each wheel, but not always as an SPDX expression.
_KNOWN = {
    "blake3": "CC0-1.0 OR Apache-2.0 OR Apache-2.0 WITH LLVM-exception",
    "pyside6-essentials": "LGPL-3.0-only",
    "shiboken6": "LGPL-3.0-only",
    "pyinstaller": "GPL-2.0-or-later WITH Bootloader-exception",
}
_LICENCE_NAMES = ("LICENSE", "LICENCE", "COPYING", "NOTICE", "AUTHORS")


@dataclass(frozen=True, order=True)
class Part:
    """`licence`: an SPDX expression, a name, or empty where only the part's own file says it. `files`: (name, path)."""

    kind: str
    name: str
    version: str
    licence: str
    files: tuple[tuple[str, str], ...]

    @property
    def purl(self) -> str:
        """The package URL."""
        kind = {"pypi": "pypi", "deb": "deb/debian", "generic": "generic"}[self.kind]
        return f"pkg:{kind}/{self.name}@{self.version.replace('+', '%2B').replace(':', '%3A')}"


def parts_of(sources: Iterable[Path]) -> list[Part]:
    """Of the files that went into a bundle. Raises BuildError for a file that nobody answers for."""
    # Some come through links of the build's own environment.
    places = {str(source) for source in sources if source.is_absolute() and source.exists()}
    owners = _owners()
    found = {"pyinstaller": _distribution("pyinstaller"), "python": _python()}
    loose = set()
    for place in places:
        path = Path(place).resolve()
        name = owners.get(place) or owners.get(str(path))
        if name is not None:
            found.setdefault(name, _distribution(name))
        elif not (path.name == "base_library.zip" or path.is_relative_to(ROOT) or _is_of_python(path)):
            loose.add(str(path))
    if "pyside6-essentials" in found:
        found["qt"] = replace(found["pyside6-essentials"], kind="generic", name="qt")
    for part in _system_parts(loose):
        found[f"system {part.name}"] = part
    return sorted(found.values())


def _is_of_python(path: Path) -> bool:
    folders = [Path(sysconfig.get_path("stdlib")), Path(sysconfig.get_path("platstdlib"))]
    # One that is installed beside the system's has its library elsewhere too.
    folders += [] if sys.base_prefix == "/usr" else [Path(sys.base_prefix)]
    return any(path.is_relative_to(folder.resolve()) for folder in folders)


def _owners() -> dict[str, str]:
    """For each file that was installed from a wheel, the distribution's name."""
    found = {}
    for distribution in importlib.metadata.distributions():
        name = _plain(distribution.metadata["Name"])
        if name == "barrio":
            continue
        for file in distribution.files or ():
            found[str(distribution.locate_file(file))] = name
    return found


def _plain(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


def _distribution(name: str) -> Part:
    distribution = importlib.metadata.distribution(name)
    metadata = distribution.metadata
    licence = _KNOWN.get(name) or metadata.get("License-Expression") or ""
    if not licence:
        classes = [c for c in metadata.get_all("Classifier") or () if c.startswith("License ::")]
        licence = classes[0].rpartition(" :: ")[2] if classes else ""
    files = [
        (file.name, str(distribution.locate_file(file)))
        for file in distribution.files or ()
        if ".dist-info" in str(file) and file.name.upper().startswith(_LICENCE_NAMES)
    ]
    if licence.startswith("LGPL-3.0"):
        # It adds to the GPL, so both texts go along.
        files += [(path.name, str(path)) for path in sorted((ROOT / "packaging" / "licenses").glob("*.txt"))]
    return Part("pypi", name, distribution.version, licence, tuple(sorted(set(files))))


def _python() -> Part:
    places = [Path(sysconfig.get_path("stdlib"), "LICENSE.txt"), Path("/usr/share/doc/python3/copyright")]
    files = tuple((place.name, str(place)) for place in places if place.is_file())[:1]
    return Part("generic", "python", platform.python_version(), "PSF-2.0", files)


def _system_parts(paths: Iterable[str]) -> list[Part]:
    """The Debian packages that own these libraries."""
    found = {}
    for path in sorted(paths):
        package = _owner_of(path)
        if package is None:
            raise BuildError(f"{path} goes into a bundle, but no package is known that it comes from")
        shown = subprocess.run(
            ["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True, text=True, check=True
        )
        name = package.split(":")[0]
        text = Path("/usr/share/doc") / name / "copyright"
        files = (("copyright", str(text)),) if text.is_file() else ()
        found[name] = Part("deb", name, shown.stdout, "", files)
    return list(found.values())


def _owner_of(path: str) -> str | None:
    """Raises BuildError."""
    if shutil.which("dpkg-query") is None:
        raise BuildError("packages are built on Debian or Ubuntu, which know where their libraries come from")
    # Where /lib is a link to /usr/lib, packages may name either.
    for name in (path, path.removeprefix("/usr")):
        done = subprocess.run(["dpkg-query", "-S", name], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return done.stdout.splitlines()[0].rpartition(": ")[0].split(",")[0]
    return None


def lay_licences(parts: Iterable[Part], folder: Path) -> None:
    copy(ROOT / "LICENSE", folder / "barrio" / "LICENSE")
    copy(ROOT / "desktop" / "resources" / "fonts" / "OFL.txt", folder / "inter" / "OFL.txt")
    for part in parts:
        for number, (name, place) in enumerate(part.files):
            target = folder / part.name / name
            copy(Path(place), target.with_name(f"{number}-{name}") if target.exists() else target)
        if not part.files:
            put(folder / part.name / "LICENSE", f"{part.name} {part.version}: {part.licence or 'see its home page'}\n")


def _licences(licence: str) -> dict[str, Any]:
    """As CycloneDX wants them: an expression, or the name of a licence that is none."""
    if not licence:
        return {}
    words = licence.replace("(", " ").replace(")", " ").split()
    is_expression = len(words) == 1 or all(word in ("OR", "AND", "WITH") for word in words[1::2])
    return {"licenses": [{"expression": licence} if is_expression else {"license": {"name": licence}}]}


def bill(name: str, parts: Iterable[Part], epoch: int) -> str:
    """CycloneDX 1.6, as JSON. The same parts give the same text."""
    when = datetime.datetime.fromtimestamp(epoch, datetime.UTC)
    components = [
        {
            "type": "library",
            "bom-ref": part.purl,
            "name": part.name,
            "version": part.version,
            "purl": part.purl,
        }
        | _licences(part.licence)
        for part in parts
    ]
    about = {"type": "application", "bom-ref": name, "name": name, "version": version()}
    document = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, json.dumps([about, components]))}",
        "version": 1,
        "metadata": {
            "timestamp": when.isoformat().replace("+00:00", "Z"),
            "component": about | {"licenses": [{"license": {"id": "Apache-2.0"}}]},
        },
        "components": components,
        "dependencies": [{"ref": name, "dependsOn": [part["bom-ref"] for part in components]}],
    }
    return json.dumps(document, indent=1) + "\n"
