"""Makes artefacts from the checkout, in one folder, with their sums and bills of materials."""

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from packages import debian, tarball
from packages.frozen import BILL, freeze
from packages.places import BUNDLES, version
from packages.trees import copy, digest, put

SUMS = "SHA256SUMS"


@dataclass(frozen=True)
class Made:
    """`bundles`: the folder of each; `artefacts`: files in the output folder, by name."""

    bundles: dict[str, Path]
    artefacts: list[Path]

    def artefact(self, start: str, end: str) -> Path:
        """The one that is called so."""
        (found,) = (path for path in self.artefacts if path.name.startswith(start) and path.name.endswith(end))
        return found


def make(output: Path, work: Path, *, quick: bool) -> Made:
    """`quick`: the same contents, hardly compressed. Raises BuildError."""
    shutil.rmtree(output, ignore_errors=True)
    output.mkdir(parents=True)
    _say("freezing the programs")
    bundles = freeze(list(BUNDLES), work)
    artefacts = []
    for name in BUNDLES:
        _say(f"packing {name}.deb")
        compression = ("-Zgzip", "-z1") if quick else ("-Zxz",)
        artefacts.append(debian.build(name, bundles[name], work, output, compression))
        bill = output / f"{name}-{version()}.{BILL}"
        copy(bundles[name] / BILL, bill)
        artefacts.append(bill)
    _say("packing the tarball")
    artefacts.append(tarball.build(bundles["barrio"], work, output, 1 if quick else 9))
    lines = [f"{digest(path)}  {path.name}\n" for path in sorted(artefacts)]
    put(output / SUMS, "".join(lines))
    return Made(bundles, [*artefacts, output / SUMS])


def _say(text: str) -> None:
    print(f"package: {text}", file=sys.stderr, flush=True)
