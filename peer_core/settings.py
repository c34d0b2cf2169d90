"""Settings of a peer: each is declared once, with key, type, default, help and environment variable.

A value comes from what was given at the start (option, environment, settings file), else from the file `settings.json`,
which holds what was changed while the peer ran, else it is the default.
"""

import functools
import os
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from peer_core.addresses import parse_listen, parse_url
from peer_core.data_folder import read_json, write_json
from peer_core.errors import BadInputError
from peer_core.limits.parsing import parse_moment, parse_rate, parse_schedule, parse_slots, parse_switch
from protos.agreed import BLANKS, decode_id
from protos.sentences import say

Value = str | int | list[str]
DEFAULT_PORT = 51020


@dataclass(frozen=True)
class Setting:
    """`parse` takes what a person or program wrote and raises BadInputError with a sentence."""

    key: str
    type: str
    help: str
    applies: str
    default: Callable[[], Value]
    parse: Callable[[Any], Value]

    @property
    def environment(self) -> str:
        return f"BARRIO_{self.key.upper()}"


def parse_name(value: Any) -> str:
    """Raises BadInputError."""
    text = str(value).strip() if isinstance(value, str) else ""
    if not 1 <= len(text) <= 64 or not text.isprintable() or not BLANKS.isdisjoint(text):
        raise BadInputError("The name has 1 to 64 characters and no control or invisible characters.", "name-most")
    return text


def _listen(value: Any) -> str:
    if not isinstance(value, str):
        raise BadInputError("The address to listen on is a text, HOST:PORT.", "listen-text")
    parse_listen(value)
    return value.strip()


def _http(value: Any) -> str:
    return _listen(value) if value != "" else ""


def _advertise(value: Any) -> list[str]:
    items = value.split() if isinstance(value, str) else value
    if not isinstance(items, list) or len(items) > 16 or not all(isinstance(i, str) for i in items):
        raise BadInputError("The addresses to advertise are at most 16 texts, https://HOST:PORT.", "advertise-texts")
    for item in items:
        parse_url(item)
    return list(items)


def parse_folder(value: Any) -> str:
    """A full path. Raises BadInputError."""
    example = say("for example /home/ana/Downloads", "folder-example")
    if not isinstance(value, str) or not value.strip() or "\0" in value:
        raise BadInputError("The folder is a path, {example}.", "folder-path", example=example)
    try:
        value.encode()
        path = Path(value.strip()).expanduser()
    except (UnicodeEncodeError, RuntimeError) as error:
        raise BadInputError(
            "That folder cannot be found by its name; write the full path, {example}.",
            "folder-unknown-user",
            example=example,
        ) from error
    if not path.is_absolute():
        raise BadInputError("The folder is a full path, {example}.", "folder-full-path", example=example)
    if path.exists() and not path.is_dir():
        raise BadInputError("{path} is a file; choose a folder.", "folder-is-file", path=path)
    return str(path)


def _seconds(value: Any) -> int:
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        number = -1
    if isinstance(value, bool) or not 10 <= number <= 604_800:
        raise BadInputError(
            "The time between two looks is a number of seconds from 10 to 604800 (a week).", "rescan-number"
        )
    return number


def parse_peer_id(value: str) -> str:
    """Raises BadInputError."""
    try:
        decode_id(value)
    except ValueError as error:
        raise BadInputError("“{text}” is no peer id: {reason}.", "peer-id-of", text=value[:60], reason=error) from error
    return value


def _peer_ids(value: Any) -> list[str]:
    items = value.split() if isinstance(value, str) else value
    if not isinstance(items, list) or len(items) > 16 or not all(isinstance(i, str) for i in items):
        raise BadInputError("Preferred neighbours are at most 16 peer ids of 52 characters.", "neighbours-preferred")
    return [parse_peer_id(item) for item in items]


@functools.cache
def _everywhere() -> str:
    """All addresses of this computer, those of IPv6 too where the system has them."""
    try:
        # Trying is what tells: IPv6 may be there for programs, and be switched off all the same.
        with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True):
            return f"[::]:{DEFAULT_PORT}"
    except (OSError, ValueError):
        return f"0.0.0.0:{DEFAULT_PORT}"


def _default_downloads() -> str:
    return str(Path(platformdirs.user_downloads_path()) / "Barrio")


def _rate(key: str, text: str, default: int = 0) -> Setting:
    return Setting(key, "rate", text, "now", lambda: default, parse_rate)


SETTINGS = (
    Setting(
        "name", "text", "How others see this device", "join", lambda: socket.gethostname()[:64] or "Barrio", parse_name
    ),
    Setting("listen", "address", "Where other peers reach this one", "restart", _everywhere, _listen),
    Setting(
        "advertise",
        "list",
        "Addresses to tell others, when they are not found by themselves",
        "restart",
        list,
        _advertise,
    ),
    Setting("download_dir", "folder", "Where downloads land", "now", _default_downloads, parse_folder),
    Setting(
        "rescan_seconds",
        "integer",
        "Seconds between two full looks at the shared folders",
        "restart",
        lambda: 900,
        _seconds,
    ),
    Setting(
        "http",
        "address",
        "Where metrics and health are served to whoever asks; nowhere without it",
        "restart",
        str,
        _http,
    ),
    Setting("neighbour", "list", "Peers to prefer as neighbours", "restart", list, _peer_ids),
    Setting(
        "announce",
        "switch",
        "Whether devices on the same network see that this barrio is here; nothing of you is told",
        "now",
        lambda: True,
        parse_switch,
    ),
    _rate("upload_rate", "Most that is sent, in bytes a second; 0: no limit"),
    _rate("download_rate", "Most that is received, in bytes a second; 0: no limit"),
    _rate("upload_rate_per_peer", "Most that is sent to one peer"),
    _rate("download_rate_per_peer", "Most that is received from one peer"),
    Setting("upload_slots", "integer", "Peers served at a time; 0: no limit", "now", lambda: 0, parse_slots),
    Setting("download_slots", "integer", "Transfers at a time; 0: no limit", "now", lambda: 4, parse_slots),
    Setting("slow_mode", "switch", "Whether the limits of slow mode hold", "now", lambda: False, parse_switch),
    _rate("slow_upload_rate", "Most that is sent in slow mode", 100_000),
    _rate("slow_download_rate", "Most that is received in slow mode", 500_000),
    _rate("slow_upload_rate_per_peer", "Most that is sent to one peer in slow mode"),
    _rate("slow_download_rate_per_peer", "Most that is received from one peer in slow mode"),
    Setting(
        "slow_schedule",
        "schedule",
        "When slow mode comes and goes by itself, such as mon-fri 09:00-18:00",
        "now",
        str,
        parse_schedule,
    ),
    Setting(
        "slow_since",
        "integer",
        "When slow mode was last switched by hand, in seconds since 1970",
        "now",
        lambda: 0,
        parse_moment,
    ),
)
_BY_KEY = {s.key: s for s in SETTINGS}


class Settings:
    """The values in force. Any thread."""

    def __init__(self, folder: Path, overrides: Mapping[str, Value | None] | None = None) -> None:
        self._file = folder / "settings.json"
        self._lock = threading.Lock()
        stored = read_json(self._file) or {}
        self._stored = {k: self._checked(k, v, str(self._file)) for k, v in stored.items() if k in _BY_KEY}
        fixed: dict[str, Value] = {}
        for setting in SETTINGS:
            if (overrides or {}).get(setting.key) is not None:
                fixed[setting.key] = setting.parse((overrides or {})[setting.key])
            elif os.environ.get(setting.environment):
                fixed[setting.key] = self._checked(setting.key, os.environ[setting.environment], setting.environment)
        self._fixed = fixed

    @staticmethod
    def _checked(key: str, value: Any, where: str) -> Value:
        try:
            return _BY_KEY[key].parse(value)
        except BadInputError as error:
            raise BadInputError(
                "{where}: {key}: {reason}", "setting-stored-wrong", where=where, key=key, reason=error.message
            ) from error

    def __getitem__(self, key: str) -> Value:
        with self._lock:
            if key in self._fixed:
                return self._fixed[key]
            if key in self._stored:
                return self._stored[key]
        return _BY_KEY[key].default()

    def text(self, key: str) -> str:
        value = self[key]
        assert isinstance(value, str)
        return value

    def number(self, key: str) -> int:
        value = self[key]
        assert isinstance(value, int)
        return value

    def texts(self, key: str) -> list[str]:
        value = self[key]
        assert isinstance(value, list)
        return value

    def is_default(self, key: str) -> bool:
        return key not in self._fixed and key not in self._stored

    def locked(self, key: str) -> bool:
        return key in self._fixed

    def change(self, values: Mapping[str, Any]) -> None:
        """Keeps new values; nothing changes when one of them is wrong. Raises BadInputError."""
        parsed: dict[str, Value] = {}
        for key, value in values.items():
            if key not in _BY_KEY:
                raise BadInputError(
                    "There is no setting “{key}”; there are: {keys}.",
                    "setting-unknown",
                    key=key[:40],
                    keys=", ".join(_BY_KEY),
                )
            if key in self._fixed:
                raise BadInputError(
                    "“{key}” was given at the start (option, {variable} or settings file); change it there.",
                    "setting-locked",
                    key=key,
                    variable=_BY_KEY[key].environment,
                )
            parsed[key] = _BY_KEY[key].parse(value)
        with self._lock:
            stored = {**self._stored, **parsed}
            write_json(self._file, stored)
            self._stored = stored
