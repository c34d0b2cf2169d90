"""One build for all tests here."""

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from package_kit import NoRootError, Root, clean_root
from packages.make import SUMS, Made, make
from packages.places import BUNDLES


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The bundles and artefacts, as `./barrio package --quick` makes them. BARRIO_PACKAGES: where to keep them."""
    base = tmp_path_factory.getbasetemp()
    # Above the folders of the processes that share the tests out.
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    kept = os.environ.get("BARRIO_PACKAGES")
    folder = Path(kept) if kept else shared / "packages"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "dist" / SUMS).exists():
            return make(folder / "dist", folder / "work", quick=True)
    return Made({name: folder / "work/bundles" / name for name in BUNDLES}, sorted((folder / "dist").iterdir()))


@pytest.fixture
def make_root(tmp_path: Path) -> Callable[..., Root]:
    """`make_root(*packages)`: a clean Debian; skipped, and said why, where none can be made."""

    def make_one(*packages: str) -> Root:
        try:
            return clean_root(tmp_path / "root", packages)
        except NoRootError as error:
            pytest.skip(str(error))

    return make_one


@pytest.fixture
def root(make_root: Callable[..., Root]) -> Root:
    return make_root()
