"""How the command line reads arguments: what was mistyped is said in one line, with what may be meant. Pure."""

import argparse
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from typing import Any, NoReturn

from peer_core.errors import BadInputError


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message} (try {self.prog} --help)\n")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if isinstance(action, argparse._SubParsersAction) and value not in action.choices:
            self.error(f"“{value}” is no verb{maybe(str(value), action.choices)}")
        super()._check_value(action, value)


def maybe(text: str, known: Iterable[str]) -> str:
    """Which one may be meant, as the end of a sentence; nothing when none is near."""
    near = get_close_matches(text.lower(), list(known), 1)
    return f"; did you mean “{near[0]}”?" if near else ""


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
