"""`./barrio package`: bundles, Debian packages and a tarball for this kind of machine, in `dist/`."""

import argparse
import sys
from pathlib import Path

from packages.make import make
from packages.places import ROOT, BuildError

UNIT = 1_000_000


def main() -> int:
    parser = argparse.ArgumentParser(prog="./barrio package", description=__doc__)
    parser.add_argument("--output", type=Path, default=ROOT / "dist", help="where to put them; emptied first")
    parser.add_argument("--quick", action="store_true", help="the same contents, hardly compressed")
    arguments = parser.parse_args()
    try:
        made = make(arguments.output, ROOT / "build" / "packages", quick=arguments.quick)
    except BuildError as error:
        print(f"package: {error}", file=sys.stderr)
        return 1
    for path in made.artefacts:
        print(f"{path.stat().st_size / UNIT:8.1f} MB  {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
