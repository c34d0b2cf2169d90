"""The log of a program: lines for people or JSON for machines, on standard error; rotation is the system's.

Nothing personal and no secret gets through: ids and addresses become names that hold for one run of one program (unless
its operator wants to see them), and of what went wrong only kinds and places in the code are told. The number of a
request is known inside one program alone.
"""

import json
import logging
import os
import re
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType
from typing import TextIO

FORMATS = ("text", "json")
LEVELS = ("debug", "info", "warning", "error")
IDS = ("hidden", "shown")
IDS_VARIABLE = "BARRIO_LOG_IDS"
FORMAT_VARIABLE = "BARRIO_LOG_FORMAT"
LEVEL_VARIABLE = "BARRIO_LOG_LEVEL"
# Loggers of ours; those of libraries are heard from WARNING on, as they know nothing of what must not be told.
OURS = ("barrio", "central", "peer_core", "protos")
MAX_MESSAGE = 4000

_request: ContextVar[str] = ContextVar("request", default="")
# Of this process and those that it starts, and of nobody else: the names of two runs cannot be compared.
_KEY_VARIABLE = "BARRIO_INTERNAL_LOG_KEY"
_LINK = re.compile(r"barrio://\S+", re.IGNORECASE)
_URL = re.compile(r"(https?://)([^\s/<>\"'“”]+)\S*", re.IGNORECASE)
_SECRET = re.compile(r"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{32,}(?![A-Za-z0-9_-])")
_ID = re.compile(r"[a-z2-7]{52}")
_ADDRESS = re.compile(r"(?<![\w.])(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9A-Fa-f]{0,4}(?::[0-9A-Fa-f]{0,4}){2,7})(?![\w.]*\w)")


def parse_format(value: object) -> str:
    """Raises ValueError with a sentence."""
    if value not in FORMATS:
        raise ValueError(f"{value!r} is no format of logs; there are: {', '.join(FORMATS)}")
    return str(value)


def parse_level(value: object) -> str:
    """Raises ValueError with a sentence."""
    level = str(value).lower()
    if level not in LEVELS:
        raise ValueError(f"{value!r} is no level of logs; there are: {', '.join(LEVELS)}")
    return level


def parse_ids(value: object) -> str:
    """Raises ValueError with a sentence."""
    if value not in IDS:
        raise ValueError(f"{value!r} is no way to log ids; there are: {', '.join(IDS)}")
    return str(value)


def set_up(
    level: str, form: str, ids: str = "hidden", *, with_children: bool = False, stream: TextIO | None = None
) -> None:
    """Once, at the start of a program. `with_children`: processes that it starts log alike, by `set_up_child`."""
    key = os.urandom(16).hex()
    if with_children:
        os.environ |= {LEVEL_VARIABLE: level, FORMAT_VARIABLE: form, IDS_VARIABLE: ids, _KEY_VARIABLE: key}
    _handle(level, form, Disguise(key, ids == "shown"), stream)


def set_up_child() -> None:
    """In a process that one of our programs has started."""
    level, form = os.environ.get(LEVEL_VARIABLE, "info").lower(), os.environ.get(FORMAT_VARIABLE, "text")
    if sys.stderr is not None:
        disguise = Disguise(
            os.environ.get(_KEY_VARIABLE) or os.urandom(16).hex(), os.environ.get(IDS_VARIABLE) == "shown"
        )
        _handle(level if level in LEVELS else "info", form, disguise)


def _handle(level: str, form: str, disguise: "Disguise", stream: TextIO | None = None) -> None:
    if logging.getLogger().handlers:
        # Inside another program, whose log is its own.
        return
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines(disguise) if form == "json" else TextLines(disguise))
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    for name in OURS:
        logging.getLogger(name).setLevel(level.upper())
    # Otherwise what a mistake says would be printed as it is.
    sys.excepthook = lambda kind, error, trace: _unforeseen("the program", (kind, error, trace))
    threading.excepthook = lambda told: _unforeseen(
        f"the thread {told.thread.name if told.thread else '?'}",
        (told.exc_type, told.exc_value or told.exc_type(), told.exc_traceback),
    )


def _unforeseen(who: str, failure: "Failure") -> None:
    if failure[0] is not None and issubclass(failure[0], KeyboardInterrupt):
        return
    logging.getLogger("protos.operating").critical("%s ended by a mistake in it", who, exc_info=failure)


@contextmanager
def request() -> Iterator[str]:
    """Lines that are logged inside have a random number in common. It is sent nowhere, and taken from nobody."""
    number = os.urandom(4).hex()
    before = _request.set(number)
    try:
        yield number
    finally:
        _request.reset(before)


class Disguise:
    """Takes out of a text what the log must not hold. `shown`: ids and addresses stay; secrets never do."""

    def __init__(self, key: str, shown: bool = False) -> None:
        self._key = key.encode()
        self._shown = shown

    def alias(self, text: str) -> str:
        """The same name for the same text under one key, and nothing that leads back to it."""
        # Loads megabytes, and small processes seldom name anybody; so below.
        import hashlib

        return "~" + hashlib.blake2b(text.encode("utf-8", "replace"), key=self._key, digest_size=4).hexdigest()

    def harmless(self, text: str) -> str:
        """Without ids, tokens, links and addresses, on one line, and not too long."""
        if len(text) > MAX_MESSAGE:
            text = text[:MAX_MESSAGE] + "…"
        text = _LINK.sub("barrio://…", text)
        if not self._shown:
            text = _ADDRESS.sub(self._address, _URL.sub(self._url, text))
        text = _SECRET.sub(self._secret, text)
        return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)

    def _secret(self, found: re.Match[str]) -> str:
        return found[0] if self._shown and _ID.fullmatch(found[0]) else self.alias(found[0])

    def _url(self, found: re.Match[str]) -> str:
        own = found[2].startswith(("127.", "[::1]", "localhost"))
        return found[1] + (found[2] if own else self.alias(found[2]))

    def _address(self, found: re.Match[str]) -> str:
        import ipaddress

        try:
            address = ipaddress.ip_address(found[0])
        except ValueError:
            return found[0]
        # These are the same on every machine.
        return found[0] if address.is_loopback or address.is_unspecified else self.alias(found[0])


def _moment(record: logging.LogRecord) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03}Z"


Failure = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]


def told(failure: Failure | None) -> dict[str, object] | None:
    """Kinds of errors, innermost cause last, and where the last of them arose: what they say may name files."""
    error = failure[1] if failure else None
    if error is None:
        return None
    kinds: list[str] = []
    where = traceback.extract_tb(error.__traceback__)
    cause: BaseException | None = error
    while cause is not None and len(kinds) < 8:
        reason = cause.strerror if isinstance(cause, OSError) and cause.strerror else ""
        kinds.append(f"{type(cause).__name__}{f' ({reason})' if reason else ''}")
        cause = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
    return {"error": " from ".join(kinds), "at": [f"{_module(f.filename)}:{f.lineno} {f.name}" for f in where[-20:]]}


def _module(path: str) -> str:
    """The end of the path of a source file: what stands before it is where somebody keeps the program."""
    return "/".join(path.replace("\\", "/").split("/")[-2:])


class TextLines(logging.Formatter):
    """`2026-01-31T12:00:00.000Z INFO central.gate [5f0c2a91] query from=~1b2c3d4e kind=search rows=3`"""

    def __init__(self, disguise: Disguise) -> None:
        super().__init__()
        self._disguise = disguise

    def format(self, record: logging.LogRecord) -> str:
        number = _request.get()
        line = f"{_moment(record)} {record.levelname} {record.name}{f' [{number}]' if number else ''} "
        line += self._disguise.harmless(record.getMessage())
        failure = told(record.exc_info)
        if failure:
            line += "".join(f"\n    {part}" for part in (failure["error"], *failure["at"]))  # type: ignore[misc]
        return line


class JsonLines(logging.Formatter):
    """One object a line: `time, level, logger, message`, and `request`, `error`, `at` where there are."""

    def __init__(self, disguise: Disguise) -> None:
        super().__init__()
        self._disguise = disguise

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, object] = {
            "time": _moment(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": self._disguise.harmless(record.getMessage()),
        }
        if _request.get():
            fields["request"] = _request.get()
        return json.dumps(fields | (told(record.exc_info) or {}), ensure_ascii=False)
