"""One build for all tests here."""

import os
from pathlib import Path

import pytest
from package_kit import Root, clean_root, why_no_root
from packages.make import SUMS, Made, make
from packages.places import BUNDLES


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The bundles and artefacts, as `./barrio package --quick` makes them. BARRIO_PACKAGES: where to keep them."""
    kept = os.environ.get("BARRIO_PACKAGES")
    folder = Path(kept) if kept else tmp_path_factory.mktemp("packages")
    if (folder / "dist" / SUMS).exists():
        return Made({name: folder / "work/bundles" / name for name in BUNDLES}, sorted((folder / "dist").iterdir()))
    return make(folder / "dist", folder / "work", quick=True)


@pytest.fixture
def root(tmp_path: Path) -> Root:
    """A clean Debian; skipped, and said why, where none can be made."""
    why = why_no_root()
    if why:
        pytest.skip(why)
    return clean_root(tmp_path / "root")
