"""The folder that `--output` names: said when it is made, refused when a file's name was meant."""

import argparse
import os
import re
from pathlib import Path, PurePath

from peer_core.cli.output import plain, say
from peer_core.cli.parsing import UsageError
from protos.agreed import kind_of

_SHORT_ENDING = re.compile(r"\.[a-z][a-z0-9]{0,4}", re.ASCII)


def output_folder(arguments: argparse.Namespace, name: str | None = None) -> str | None:
    """The full path; None without the option. `name`: the file that lands there, where it is known.

    Raises UsageError.
    """
    given: str | None = arguments.output
    if not given:
        return None
    try:
        folder = Path(given).expanduser().resolve()
    except RuntimeError as error:
        raise UsageError(f"There is no user of that name: {plain(given)}") from error
    if folder.is_file():
        raise UsageError(f"--output names a folder, and “{plain(given)}” is a file; a file keeps its own name.")
    if not folder.exists():
        if not given.endswith(("/", os.sep)) and _looks_like_a_file(folder.name, name):
            raise UsageError(
                f"--output names a folder, and “{plain(given)}” looks like a file; a file keeps its own name. "
                f"If a folder of that name is meant, write “{plain(given)}/”."
            )
        if not arguments.json:
            say(f"a new folder: {plain(str(folder))}")
    return str(folder)


def _looks_like_a_file(folder: str, name: str | None) -> bool:
    """By its ending: that of the file, one that files of a known kind have, or where no file is known a short one."""
    ending = PurePath(folder).suffix.lower()
    if kind_of(folder) != "other":
        return True
    if name is None:
        return _SHORT_ENDING.fullmatch(ending) is not None
    return bool(ending) and ending == PurePath(name).suffix.lower()
