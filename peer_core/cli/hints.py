"""What to type next, with the data folder and settings file that were named this time. Pure."""

import argparse
import re
import shlex

PROGRAM = "barrio-peer"


def command(arguments: argparse.Namespace, verb: str) -> str:
    """`verb` as it is to be typed for the same data folder."""
    return f"{program(arguments)} {verb}"


def program(arguments: argparse.Namespace) -> str:
    """The program with `--data-dir` and `--config`, where they were given as options."""
    given = ((option, getattr(arguments, option, None)) for option in ("data_dir_given", "config"))
    options = [
        f" --{option.removesuffix('_given').replace('_', '-')} {shlex.quote(str(v))}" for option, v in given if v
    ]
    return PROGRAM + "".join(options)


def reworded(arguments: argparse.Namespace, sentence: str) -> str:
    """A sentence of the peer, which does not know how this program was called, with its commands as they are typed."""
    return re.sub(rf"\b{PROGRAM} (?=(?:run|join|share) ?)", lambda _: program(arguments) + " ", sentence)
