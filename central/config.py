"""Every setting of the central, declared once: option, environment variable, key of the file, default, help."""

import argparse
import ipaddress
import socket
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import platformdirs

from central.data_folder import DATABASE_FILE
from central.errors import BadInputError, StartError
from central.invites import MAX_USES, parse_duration
from central.members import clean_name
from protos.agreed import Invite, encode_id
from protos.operating.logs import parse_format, parse_ids, parse_level
from protos.operating.settings_file import Known

# What the database can count.
MOST = (1 << 63) - 1
MAX_HOST = 253


@dataclass(frozen=True)
class Address:
    """Where to listen; port 0 lets the system choose."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Raises ValueError with a sentence."""
        host, colon, port = text.strip().rpartition(":")
        host = host.removeprefix("[").removesuffix("]")
        if not colon or not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
            raise ValueError(f"{text!r} is not HOST:PORT")
        return cls(host, int(port))

    @property
    def is_wildcard(self) -> bool:
        try:
            return ipaddress.ip_address(self.host).is_unspecified
        except ValueError:
            return False


def _heartbeat(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no number of seconds") from error
    if not 0.05 <= seconds <= 3600:
        raise ValueError("the heartbeat interval is from 0.05 to 3600 seconds")
    return seconds


def _whole(text: str, most: int, meant: str) -> int:
    """From 1 to `most`; otherwise raises ValueError with what is `meant`."""
    digits = text.strip()
    # No longer text than needed: large ones are slow to read.
    number = int(digits) if digits.isascii() and digits.isdigit() and len(digits) <= 19 else 0
    if not 1 <= number <= most:
        raise ValueError(f"{text[:40]!r} is no {meant}")
    return number


def _at_least_one(text: str) -> int:
    return _whole(text, MOST, "whole number of at least 1")


def _host(text: str) -> str:
    host = text.strip()
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    if not _can_be_invited_to(host):
        raise ValueError(
            f"{text[:80]!r} is no name or address of a machine; write it without scheme, port and blanks, "
            "such as central.example.org"
        )
    return host


def _can_be_invited_to(host: str) -> bool:
    """Whether a link that names it is read as what was meant."""
    if len(host) > MAX_HOST or not host.isprintable() or any(char.isspace() for char in host):
        return False
    try:
        if ":" in host:
            ipaddress.IPv6Address(host)
        link = Invite(host, 51016, "token", encode_id(bytes(32)))
        return Invite.parse(str(link)) == replace(link, host=host.lower())
    except ValueError:
        return False


def _network_name(text: str) -> str:
    try:
        return clean_name(text)
    except BadInputError as error:
        raise ValueError(error.message) from error


def _folder(text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise ValueError(f"there is no user of that name: {text}") from error


def _uses(text: str) -> int:
    return _whole(text, MAX_USES, f"whole number from 1 to {MAX_USES}, the peers that an invite is for")


@dataclass(frozen=True)
class Setting:
    """One option with a value. `BARRIO_` and its name in capitals is its environment variable."""

    name: str
    read: Callable[[str], Any]
    default: str | None
    metavar: str
    help: str
    # Whether the file may have it as a number, too.
    counts: bool = False

    @property
    def known(self) -> Known:
        """As `settle` takes it; the key of the file has `_` where the option has `-`."""
        return Known(
            self.name.replace("-", "_"), self._typed, lambda: self.read(self.default) if self.default else None
        )

    def add_to(self, parser: argparse.ArgumentParser, inherited: bool = False) -> None:
        """`inherited`: the option was already offered before the verb, and only a given value replaces that one."""
        shown = f"; default {self.default}" if self.default else ""
        parser.add_argument(
            f"--{self.name}",
            default=argparse.SUPPRESS if inherited else None,
            metavar=self.metavar,
            help=f"{self.help} ({self.known.variable}{shown})",
        )

    def _typed(self, value: object) -> Any:
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise ValueError(f"{value!r} is not {self.metavar}")
        if not isinstance(value, str) and not self.counts:
            raise ValueError(f'a text is expected; in quotes: "{value}"')
        return self.read(str(value))


DATA_DIR = Setting(
    "data-dir",
    _folder,
    str(platformdirs.user_data_path("barrio-central", appauthor=False)),
    "DIR",
    "database, authority and keys",
)
LISTEN = Setting("listen", Address.parse, "0.0.0.0:51015", "HOST:PORT", "where peers reach the directory")
ENROL = Setting(
    "enrol", Address.parse, None, "HOST:PORT", "where new peers join; default: the host of --listen and the next port"
)
HTTP = Setting("http", Address.parse, "127.0.0.1:51017", "HOST:PORT", "metrics and health")
DATABASE = Setting("database", str, None, "URL", "where the database is; default: SQLite inside the data folder")
HEARTBEAT = Setting("heartbeat", _heartbeat, "30", "SECONDS", "how often peers say that they are there", True)
NAME = Setting(
    "name",
    _network_name,
    None,
    "NAME",
    "name of the barrio; default: as it was, at first this machine's",
)
MEMBER_ENTRIES = Setting("member-entries", _at_least_one, "2000000", "N", "how many files one member may publish", True)
MEMBER_TEXT = Setting(
    "member-text", _at_least_one, "536870912", "BYTES", "how many bytes the paths of one member's files may have", True
)
USES = Setting("uses", _uses, "1", "N", "how many peers the invite lets in", True)
EXPIRES = Setting("expires", parse_duration, "7d", "DURATION", "how long the invite holds, such as 30m, 12h or 7d")
HOST = Setting("host", _host, None, "NAME", "how invitees reach this machine; default: a guess")

LOG_FORMAT = Setting("log-format", parse_format, "text", "FORMAT", "lines for people (text) or for machines (json)")
LOG_LEVEL = Setting("log-level", parse_level, "info", "LEVEL", "what is logged: debug, info, warning or error")
LOG_IDS = Setting("log-ids", parse_ids, "hidden", "HOW", "ids and addresses in the log: hidden, or shown to find who")
SETTINGS = (
    DATA_DIR,
    DATABASE,
    LISTEN,
    ENROL,
    HTTP,
    HEARTBEAT,
    NAME,
    MEMBER_ENTRIES,
    MEMBER_TEXT,
    USES,
    EXPIRES,
    HOST,
    LOG_FORMAT,
    LOG_LEVEL,
    LOG_IDS,
)


def enrol_address(listen: Address, enrol: Address | None) -> Address:
    """Where new peers join when nothing else is said: the next port, or any when the directory's is any."""
    if enrol is not None:
        return enrol
    if listen.port == 65535:
        raise StartError("there is no port after 65535 for enrolment; give one with --enrol")
    return Address(listen.host, listen.port + 1 if listen.port else 0)


def database_path(url: str | None, data_dir: Path) -> Path:
    """The file behind --database: `sqlite:///PATH`, a path, or nothing. Raises StartError."""
    if not url:
        return data_dir / DATABASE_FILE
    if url.startswith("sqlite:///"):
        return Path(url.removeprefix("sqlite:///"))
    if "://" in url:
        raise StartError(f"{url.partition('://')[0]} databases are not known; use sqlite:///PATH")
    return Path(url)


def default_network_name() -> str:
    try:
        return clean_name(socket.gethostname()[:64])
    except BadInputError:
        return "Barrio"
