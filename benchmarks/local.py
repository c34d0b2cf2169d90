"""A running peer's local API, as a bench asks it."""

import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "packaging"))

from processes import HeadlessPeer, LocalApi  # noqa: E402

__all__ = ["HeadlessPeer", "LocalApi"]
