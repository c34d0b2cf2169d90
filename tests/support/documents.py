"""Commands in documents: fenced blocks of `sh` that say who runs them, in their order.

The word after `sh` tells: `run` as root on a machine where the packages are installed, `package` wherever packages are,
`by-hand` where it takes what no test has (a cloud, a name, an engine of containers).
"""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MARKS = ("run", "package", "by-hand")
_BLOCK = re.compile(r"^```sh(?: +(?P<mark>\S+))? *\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """`line`: where it begins in its document."""

    mark: str
    text: str
    line: int


def blocks(document: Path) -> list[Block]:
    """The blocks of `sh`, in order; `mark` is empty where none is given."""
    text = document.read_text("utf-8")
    return [Block(m["mark"] or "", m["text"], text.count("\n", 0, m.start()) + 2) for m in _BLOCK.finditer(text)]
