"""How the command line reads arguments: what was mistyped is said in one line, with what may be meant. Pure."""

import argparse
from collections.abc import Callable
from typing import Any

from peer_core.errors import BadInputError


class UsageError(BadInputError):
    """Arguments that do not go together, or cannot mean anything whatever the peer holds: exit status 2."""


def checked(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """A value that `parse` makes; its sentence is shown where it makes none."""

    def check(text: str) -> Any:
        try:
            return parse(text)
        except BadInputError as error:
            raise argparse.ArgumentTypeError(error.message) from error

    return check


def text_that(parse: Callable[[str], Any]) -> Callable[[str], str]:
    """A text that `parse` takes, as it is."""

    def check(text: str) -> str:
        checked(parse)(text)
        return text

    return check


def number(least: int, most: int) -> Callable[[str], int]:
    def check(text: str) -> int:
        if not text.isascii() or not text.isdigit() or len(text) > 18 or not least <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"“{text}” is no whole number from {least} to {most}")
        return int(text)

    return check
