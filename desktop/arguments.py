"""The command line of `barrio` and its environment; links. Pure, but for reading the token's file."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import platformdirs

from desktop import __version__
from protos.agreed import Invite, decode_id
from protos.operating.usage import Parser

ALREADY_OPEN = "Barrio is already open; it was brought to the front"
_GOOD_LINKS = "barrio://192.168.1.20:51016/join#TOKEN.FINGERPRINT or barrio://content/CONTENT_ID?name=Song.flac"


@dataclass(frozen=True)
class Options:
    """`connect` and `token` are both given or both None."""

    data_dir: Path
    link: str | None = None
    connect: str | None = None
    token: str | None = None


@dataclass(frozen=True)
class ContentLink:
    """A file to fetch; an empty name where the link has none."""

    content_id: str
    name: str


def parse_link(text: str) -> Invite | ContentLink:
    """An invite, or `barrio://content/CONTENT_ID?name=NAME`. Raises ValueError."""
    given = text.strip()
    url = urlsplit(given)
    if url.scheme != "barrio" or url.netloc != "content":
        return Invite.parse(given)
    content_id = url.path.strip("/")
    decode_id(content_id)
    return ContentLink(content_id, parse_qs(url.query, max_num_fields=10).get("name", [""])[0])


def parse(argv: Sequence[str], environment: Mapping[str, str] | None = None) -> Options:
    """Ends the process with status 2 and one sentence on wrong usage."""
    env = os.environ if environment is None else environment
    parser = Parser(
        prog="barrio",
        description="Find and fetch what the people around you share.",
        epilog="Each option has an environment variable: BARRIO_DATA_DIR, BARRIO_CONNECT, BARRIO_TOKEN_FILE.",
    )
    parser.add_argument("link", nargs="?", metavar="LINK", help=f"an invite or a file: {_GOOD_LINKS}")
    parser.add_argument("--version", action="version", version=f"barrio {__version__}")
    parser.add_argument(
        "--data-dir",
        type=Path,
        metavar="DIR",
        default=env.get("BARRIO_DATA_DIR") or None,
        help="settings, database and keys (default: the platform's user data folder)",
    )
    parser.add_argument(
        "--connect",
        metavar="URL",
        default=env.get("BARRIO_CONNECT") or None,
        help="drive a peer that already runs, instead of hosting one",
    )
    parser.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        default=env.get("BARRIO_TOKEN_FILE") or None,
        help="that peer's local-api.json, or a file that holds its token",
    )
    given = parser.parse_args(argv)
    if given.link is not None and not given.link.lower().startswith("barrio:"):
        # A mangled one is for the window to tell: who opens a link does not see this terminal.
        parser.error(f"LINK begins with barrio:, for example {_GOOD_LINKS}")
    data_dir = Path(given.data_dir).expanduser() if given.data_dir else default_data_dir()
    if given.connect is None:
        if given.token_file is not None:
            parser.error("--token-file goes with --connect")
        return Options(data_dir, given.link)
    if not given.connect.startswith(("http://", "https://")):
        parser.error("--connect wants a URL, for example http://127.0.0.1:51021")
    if given.token_file is None:
        parser.error("--connect wants --token-file, the local-api.json of that peer")
    try:
        token = read_token(Path(given.token_file).expanduser())
    except (OSError, ValueError) as error:
        parser.error(f"the token file cannot be used: {error}")
    return Options(data_dir, given.link, given.connect.rstrip("/"), token)


def default_data_dir() -> Path:
    return platformdirs.user_data_path("barrio", appauthor=False)


def read_token(path: Path) -> str:
    """The token in a `local-api.json` or alone in a file. Raises OSError and ValueError."""
    text = path.read_text("utf-8").strip()
    if text.startswith("{"):
        text = str(json.loads(text).get("token") or "")
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError(f"{path} holds no token")
    return text
