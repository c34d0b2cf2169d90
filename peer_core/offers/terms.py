"""Offers as they travel between members, and the checks of what comes in: all of it is hostile. Pure.

An offer: `{id, message, expires_in, files: [{folder, name, size, content_id}]}`; news of one: `{state, files_done,
bytes_done}`.
"""

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from peer_core.content import MAX_SIZE
from peer_core.errors import BadInputError
from peer_core.offers.types import OfferedFile, OfferState
from protos.agreed import decode_id, encode_id

MAX_OFFER = 4 << 20
MAX_NEWS = 4 << 10
MAX_FILES = 10_000
MAX_MESSAGE = 1000
MAX_NAME = 1024
MAX_FOLDER = 4096
MAX_DEPTH = 100
MAX_EXPIRY = 90 * 86_400
_NUMBER = re.compile(r"[0-9a-f]{32}", re.ASCII)


@dataclass(frozen=True)
class Terms:
    """What a member offers; `expires_in` in seconds from now, so that both ends may have their own clocks."""

    number: str
    message: str
    expires_in: float
    files: tuple[OfferedFile, ...]


@dataclass(frozen=True)
class News:
    state: OfferState
    files_done: int = 0
    bytes_done: int = 0


def offer_bytes(terms: Terms) -> bytes:
    """Raises BadInputError when it would be longer than what a recipient takes."""
    files = [
        {"folder": f.folder, "name": f.name, "size": f.size, "content_id": encode_id(f.content_id)} for f in terms.files
    ]
    value = {
        "id": terms.number,
        "message": terms.message,
        "expires_in": max(1, round(terms.expires_in)),
        "files": files,
    }
    data = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    if len(data) > MAX_OFFER:
        raise BadInputError(
            "The names of all these files are too long for one offer; send fewer at once.", "offer-names-long"
        )
    return data


def news_bytes(news: News) -> bytes:
    value = {"state": news.state.value, "files_done": news.files_done, "bytes_done": news.bytes_done}
    return json.dumps(value).encode()


def read_offer(data: bytes) -> Terms:
    """Raises BadInputError for what is no offer, or one that is too large."""
    if len(data) > MAX_OFFER:
        raise BadInputError("An offer has at most {most} MiB.", "offer-most-size", most=MAX_OFFER >> 20)
    # Before millions of empty values are made of it.
    if data.count(b"{") > 2 * MAX_FILES or data.count(b"[") > 2 * MAX_FILES:
        raise BadInputError(
            "An offer has at most {most} files; send the folders one by one.", "offer-most-files", most=MAX_FILES
        )
    value = _object(data)
    number, message, expires_in, files = (value.get(key) for key in ("id", "message", "expires_in", "files"))
    if not isinstance(number, str) or not _NUMBER.fullmatch(number):
        raise BadInputError("The id of an offer has 32 hexadecimal digits.", "offer-id")
    if not isinstance(message, str) or len(message) > MAX_MESSAGE or not _is_text(message):
        raise BadInputError(
            "The message of an offer is a text of at most {most} characters.", "offer-message-most", most=MAX_MESSAGE
        )
    if not _is_count(expires_in, 1 << 53) or expires_in == 0:
        raise BadInputError("An offer says in how many seconds it expires.", "offer-expires")
    if not isinstance(files, list) or not 1 <= len(files) <= MAX_FILES:
        raise BadInputError("An offer has 1 to {most} files.", "offer-files", most=MAX_FILES)
    offered = tuple(map(_file, files))
    if sum(file.size for file in offered) > MAX_SIZE:
        raise BadInputError("The files of that offer are larger than any disk.", "offer-larger-than-disks")
    return Terms(number, message, float(min(int(expires_in or 0), MAX_EXPIRY)), offered)


def read_news(data: bytes) -> News:
    """Raises BadInputError."""
    if len(data) > MAX_NEWS:
        raise BadInputError("News of an offer is shorter.", "news-long")
    value = _object(data)
    try:
        state = OfferState(value.get("state"))
    except ValueError as error:
        raise BadInputError("There is no such state of an offer.", "offer-state") from error
    done = [value.get(key, 0) for key in ("files_done", "bytes_done")]
    if not all(_is_count(count, 1 << 60) for count in done):
        raise BadInputError("What is done is counted in files and bytes.", "news-done")
    return News(state, *done)


def is_part(name: Any, most: int = MAX_NAME) -> bool:
    """Whether it names one thing inside a folder. What it lands as is up to `safe_name`."""
    return (
        isinstance(name, str)
        and 0 < len(name) <= most
        and name not in (".", "..")
        and "/" not in name
        and "\0" not in name
        and _is_text(name)
    )


def parts_of(files: Iterable[OfferedFile]) -> list[str]:
    """The first of what is offered as the person chose it: folders with a "/" at the end."""
    return list(dict.fromkeys(f.folder.split("/")[0] + "/" if f.folder else f.name for f in files))


def _file(value: Any) -> OfferedFile:
    if not isinstance(value, dict):
        raise BadInputError("A file of an offer is an object.", "offer-file-object")
    folder, name, size = value.get("folder"), value.get("name"), value.get("size")
    if not is_part(name):
        raise BadInputError("A file of that offer has a name that is none.", "offer-file-name")
    parts = folder.split("/") if isinstance(folder, str) and folder else []
    # As many as the sender's own program takes; each one costs the recipient a look at its disk.
    if (
        not isinstance(folder, str)
        or len(folder) > MAX_FOLDER
        or len(parts) > MAX_DEPTH
        or not all(map(is_part, parts))
    ):
        raise BadInputError("A file of that offer lies in a folder that cannot be.", "offer-file-folder")
    if not _is_count(size, MAX_SIZE):
        raise BadInputError("A file of that offer has a size that cannot be.", "offer-file-size")
    try:
        content_id = decode_id(value.get("content_id", ""))
    except (ValueError, TypeError, AttributeError) as error:
        raise BadInputError("A file of that offer has no content id.", "offer-file-content") from error
    return OfferedFile(folder, str(name), int(size or 0), content_id)


def _object(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BadInputError("That is not JSON.", "json-not") from error
    if not isinstance(value, dict):
        raise BadInputError("That is no JSON object.", "json-no-object")
    return value


def _is_text(text: str) -> bool:
    return not any("\ud800" <= c <= "\udfff" for c in text)


def _is_count(value: Any, most: int) -> bool:
    return type(value) is int and 0 <= value <= most
