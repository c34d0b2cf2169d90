"""Runs PyInstaller, and lays licences and a bill of materials into each bundle."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from packages import materials
from packages.places import ROOT, BuildError, epoch
from packages.trees import put, settle

SPEC = ROOT / "packaging" / "bundles" / "barrio.spec"
BILL = "sbom.cdx.json"


def freeze(names: list[str], work: Path) -> dict[str, Path]:
    """The folders of the bundles, inside `work`. Raises BuildError."""
    made, left = work / "bundles", work / "pyinstaller"
    shutil.rmtree(made, ignore_errors=True)
    left.mkdir(parents=True, exist_ok=True)
    options = ["--noconfirm", "--log-level", "ERROR", "--distpath", str(made), "--workpath", str(left)]
    done = subprocess.run(
        [sys.executable, "-m", "PyInstaller", *options, str(SPEC)],
        cwd=ROOT,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "LD_"))},
            "BARRIO_BUNDLES": " ".join(names),
            # Sets and dictionaries of names in compiled code come out in the same order.
            "PYTHONHASHSEED": "0",
            # Compiled code without columns, which only tracebacks show: less in memory.
            "PYTHONNODEBUGRANGES": "1",
            "SOURCE_DATE_EPOCH": str(epoch()),
            "PYINSTALLER_CONFIG_DIR": str(left / "cache"),
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise BuildError(f"PyInstaller failed:\n{(done.stdout + done.stderr)[-4000:]}")
    folders = {name: made / name for name in names}
    for name, folder in folders.items():
        sources = json.loads((left / SPEC.stem / f"{name}.sources.json").read_text("utf-8"))
        parts = materials.parts_of([Path(source) for _, _, source in sources if source])
        materials.lay_licences(parts, folder / "licences")
        put(folder / BILL, materials.bill(name, parts, epoch()))
        settle(folder, epoch())
    return folders
