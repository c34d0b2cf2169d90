"""Wrong usage of a program in one line, and its commands as they are to be typed again. Pure."""

import argparse
import difflib
import re
import shlex
from collections.abc import Iterable, Mapping
from typing import Any, NoReturn


class Parser(argparse.ArgumentParser):
    """Ends the process with status 2 and one line on standard error when the usage is wrong."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {' '.join(message.split())} (try {self.prog} --help)\n")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if isinstance(action, argparse._SubParsersAction) and value not in action.choices:
            self.error(f"“{value}” is no verb{maybe(str(value), action.choices)}")
        super()._check_value(action, value)


def maybe(text: str, known: Iterable[str]) -> str:
    """Which one may be meant, as the end of a sentence; nothing when none is near."""
    near = difflib.get_close_matches(text.lower(), list(known), 1)
    return f"; did you mean “{near[0]}”?" if near else ""


def typed_again(sentence: str, program: str, options: Mapping[str, object]) -> str:
    """`sentence` with `options` (by name, None where they were not given) in each command “PROGRAM VERB” in it."""
    given = "".join(f" --{name} {shlex.quote(str(value))}" for name, value in options.items() if value is not None)
    return re.sub(rf"\b{program} (?=[a-z])", lambda _: f"{program}{given} ", sentence)
