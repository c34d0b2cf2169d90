"""Settings of a program that runs as a service: by option, environment, file, or default, in this order.

The file is TOML without sections. Pure but for `SettingsFile.read`.
"""

import difflib
import os
import sys
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

PREFIX = "BARRIO_"
CONFIG_VARIABLE = PREFIX + "CONFIG"
MAX_FILE = 1 << 20
# Closer than this, one name is taken for a slip of the pen of the other.
SLIP = 0.75


class SettingsError(Exception):
    """Settings that cannot be used; `problems` are sentences for whoever wrote them."""

    def __init__(self, *problems: str) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Known:
    """One setting. `read` takes a text (option, environment) or a value of TOML; it raises ValueError with a sentence.

    `default` gives what holds without a value, ready to be used.
    """

    key: str
    read: Callable[[object], object]
    default: Callable[[], object]

    @property
    def option(self) -> str:
        return "--" + self.key.replace("_", "-")

    @property
    def variable(self) -> str:
        return PREFIX + self.key.upper()


@dataclass(frozen=True)
class Found:
    """A value in force, and where it comes from: an option, a variable, the path of the file, or "default"."""

    value: object
    source: str


@dataclass(frozen=True)
class SettingsFile:
    """What a file holds; `path` is None when there is none."""

    path: Path | None
    values: Mapping[str, object] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> "SettingsFile":
        """Raises SettingsError with what is wrong and where."""
        try:
            with path.open("rb") as file:
                data = file.read(MAX_FILE + 1)
        except OSError as error:
            raise SettingsError(f"the settings file {path} cannot be read ({error.strerror})") from error
        if len(data) > MAX_FILE:
            raise SettingsError(f"the settings file {path} is larger than {MAX_FILE} bytes; give the right one")
        try:
            return cls(path, tomllib.loads(data.decode("utf-8")))
        except (ValueError, RecursionError) as error:
            raise SettingsError(f"the settings file {path} is no TOML: {error}") from error


def default_file(name: str) -> Path:
    """Where the packages put it: `/etc/barrio/NAME.toml`, on Windows below the folder of program data."""
    if sys.platform == "win32":
        return Path(os.environ.get("PROGRAMDATA", r"C:\ProgramData")) / "Barrio" / f"{name}.toml"
    return Path("/etc/barrio") / f"{name}.toml"


def find_file(given: str | None, name: str, environ: Mapping[str, str], needed: bool) -> SettingsFile:
    """The file of `--config`, of BARRIO_CONFIG, or the one at its usual place when there is one.

    `needed`: the usual one must be readable when it is there; otherwise it is left out for users who may not read it.
    Raises SettingsError.
    """
    chosen = given or environ.get(CONFIG_VARIABLE)
    if chosen:
        return SettingsFile.read(Path(chosen).expanduser())
    usual = default_file(name)
    try:
        there = usual.exists()
    except OSError:
        there = False
    if not there or (not needed and not os.access(usual, os.R_OK)):
        return SettingsFile(None)
    try:
        return SettingsFile.read(usual)
    except SettingsError as error:
        raise SettingsError(f"{error}; mend it, or give another with --config") from error


def settle(
    known: Sequence[Known], given: Mapping[str, object], environ: Mapping[str, str], file: SettingsFile
) -> dict[str, Found]:
    """The value of each setting by key. `given`: what was typed as options, None where nothing was.

    Raises SettingsError with all that is wrong at once. What the file says is checked even where an option wins.
    """
    problems = unknown_keys(file, known)
    found: dict[str, Found] = {}
    for setting in known:
        from_file = _read(setting, file.values.get(setting.key), str(file.path), problems)
        from_variable = _read(setting, environ.get(setting.variable) or None, setting.variable, problems)
        typed = _read(setting, given.get(setting.key), setting.option, problems)
        found[setting.key] = typed or from_variable or from_file or Found(setting.default(), "default")
    if problems:
        raise SettingsError(*problems)
    return found


def _read(setting: Known, value: object, source: str, problems: list[str]) -> Found | None:
    if value is None:
        return None
    try:
        return Found(setting.read(value), source)
    except (ValueError, TypeError, OverflowError) as error:
        named = source in (setting.option, setting.variable)
        problems.append(f"{source if named else f'{source}: {setting.key}'}: {error}")
        return None


def unknown_keys(file: SettingsFile, known: Iterable[Known]) -> list[str]:
    """A sentence for each key of the file that is none, with the nearest one that is."""
    keys = [setting.key for setting in known]
    sentences = []
    for key, value in file.values.items():
        if key in keys:
            continue
        if isinstance(value, dict):
            sentences.append(f"{file.path}: there are no sections; write the keys without [{key}]")
            continue
        near = difflib.get_close_matches(key.replace("-", "_").lower(), keys, 1, 0.6)
        hint = f"did you mean {near[0]}?" if near else f"there are: {', '.join(keys)}"
        sentences.append(f"{file.path}: there is no setting {key[:60]!r}; {hint}")
    return sentences


def strange_variables(environ: Iterable[str], known: Iterable[Known], others: Iterable[str] = ()) -> list[str]:
    """A sentence for each variable that looks like a slip of the pen. Others' variables are no mistake here."""
    names = [name.removeprefix(PREFIX) for name in (*(s.variable for s in known), CONFIG_VARIABLE, *others)]
    sentences = []
    for variable in sorted(environ):
        name = variable.removeprefix(PREFIX)
        if variable.startswith(PREFIX) and name not in names:
            near = difflib.get_close_matches(name, names, 1, SLIP)
            if near:
                sentences.append(f"the variable {variable} is not used; did you mean {PREFIX}{near[0]}?")
    return sentences


def explain(found: Mapping[str, Found], show: Callable[[object], object]) -> list[dict[str, object]]:
    """A row for each setting: `key`, `value` (as `show` writes it), `source`."""
    return [{"key": key, "value": show(one.value), "source": one.source} for key, one in found.items()]
