"""Settings of a headless peer by option, environment and file, and what `run --check` tells about them."""

import argparse
import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from peer_core.cli.output import as_json, plain, say
from peer_core.data_folder import default_data_dir
from peer_core.errors import BadInputError
from peer_core.settings import SETTINGS, Settings, Value
from protos.operating.logs import parse_format, parse_ids, parse_level
from protos.operating.settings_file import Found, Known, SettingsFile, explain, find_file, settle, strange_variables

OTHERS = ("BARRIO_KEYRING", "BARRIO_KIND", "BARRIO_LIMIT", "BARRIO_OUTPUT", "BARRIO_MIN_SIZE", "BARRIO_MAX_SIZE")


def parse_data_dir(value: object) -> Path:
    """Raises ValueError with a sentence."""
    if not isinstance(value, str | Path):
        raise ValueError(f"{value!r} is no path")
    try:
        folder = Path(value).expanduser().absolute()
    except RuntimeError as error:
        raise ValueError(f"there is no user of that name: {value}") from error
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{value} is not a folder")
    return folder


def _parsed(parse: Callable[[object], Value], value: object) -> Value:
    try:
        return parse(value)
    except BadInputError as error:
        raise ValueError(error.message) from error


KNOWN = (
    Known("data_dir", parse_data_dir, default_data_dir),
    *(Known(setting.key, partial(_parsed, setting.parse), lambda: None) for setting in SETTINGS),
    Known("log_format", parse_format, lambda: "text"),
    Known("log_level", parse_level, lambda: "info"),
    Known("log_ids", parse_ids, lambda: "hidden"),
)


def settle_all(arguments: argparse.Namespace) -> tuple[dict[str, Found], SettingsFile]:
    """Every setting's value; None where none was given at the start. Raises SettingsError."""
    file = find_file(arguments.config, "peer", os.environ, needed=arguments.verb == "run")
    # Elsewhere options with such names mean something else.
    settings = {"run": [one.key for one in KNOWN], "join": ["name"]}.get(arguments.verb, [])
    given = {key: getattr(arguments, key, None) for key in ("data_dir", *settings)}
    return settle(KNOWN, given, os.environ, file), file


def overrides(found: Mapping[str, Found]) -> dict[str, Value | None]:
    """What was given at the start, for `Settings`."""
    keys = {setting.key for setting in SETTINGS}
    return {key: one.value for key, one in found.items() if key in keys}  # type: ignore[misc]  # each was parsed


def check(found: Mapping[str, Found], file: SettingsFile, in_json: bool) -> int:
    """Prints each setting in force and where it comes from. Starts nothing and writes nothing. Raises BarrioError."""
    folder = found["data_dir"].value
    assert isinstance(folder, Path)
    settings = Settings(folder, overrides(found))

    def in_force(key: str, one: Found) -> Found:
        if one.source != "default" or one.value is not None:
            return one
        return Found(settings[key], "default" if settings.is_default(key) else str(folder / "settings.json"))

    rows = explain({key: in_force(key, one) for key, one in found.items()}, _shown)
    notes = strange_variables(os.environ, KNOWN, OTHERS)
    where = str(file.path) if file.path else None
    if in_json:
        as_json({"ok": True, "file": where, "settings": rows, "notes": notes})
        return 0
    say(f"settings file: {where or 'none'}")
    for row in rows:
        say(f"{row['key']:<27} {plain(str(row['value'])) or '-'}  ({row['source']})")
    for note in notes:
        say(f"note: {note}")
    return 0


def _shown(value: object) -> object:
    return str(value) if isinstance(value, Path) else value
