"""Every implementation of the catalogue, for the tests that each of them must pass."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from central.catalogue.interface import Catalogue
from central.catalogue.sqlite.scribe_process import ScribeProcess
from central.catalogue.sqlite.store import SqliteCatalogue
from central.database import Database
from central.domain import Quota

WINDOW = 1000


@dataclass
class Opened:
    """A catalogue, and how to close it with all that it uses; it may be opened again in the same folder."""

    catalogue: Catalogue
    close: Callable[[], None]


def open_sqlite(folder: Path, window: int = WINDOW, alone: bool = False) -> Opened:
    """`alone`: what is written is written in a process of its own, as the central does."""
    database = Database.create(folder / "central.sqlite")
    scribe = (lambda secret: ScribeProcess(database, secret, Quota())) if alone else None
    # Few members make a content popular here, so that small tests see all tiers.
    catalogue = SqliteCatalogue(database, window, cleaning_patience=0, popular=2, known=1, scribe=scribe)

    def close() -> None:
        catalogue.close()
        database.close()

    return Opened(catalogue, close)


IMPLEMENTATIONS: dict[str, Callable[..., Opened]] = {
    "sqlite": open_sqlite,
    "sqlite with a scribe's process": partial(open_sqlite, alone=True),
}
