"""What another peer shares, asked of it page by page. Any thread; everything that comes back is hostile.

A listing must go forward: rows grow from one to the next and over the pages, so that none is endless by going round.
"""

import json
import re
import time
from itertools import pairwise
from typing import Any
from urllib.parse import quote, urlencode

from peer_core.content import MAX_SIZE
from peer_core.directory.peer_http import PeerHttp
from peer_core.directory.types import PeerRecord
from peer_core.errors import BadInputError, BarrioError, NotFoundError, PeerMisbehavedError, PeerUnreachableError
from peer_core.library.browsing import SharedFile, SharedRoot, SubFolder, TreePage
from peer_core.library.index import joined
from protos.agreed import decode_id

MAX_ANSWER = 4 << 20
MAX_SHARES = 1000
MAX_NAME = 1024
_NO_PART = re.compile("[/\0\ud800-\udfff]")
MAX_PATH = 5000
PAGE = 1000
ANSWER_SECONDS = 12.0
ALL_SECONDS = 25.0
# Dates beyond the year 9999 are no dates.
_LAST_MOMENT = 253_402_300_799


class RemoteTree:
    """Raises PeerUnreachableError, PeerMisbehavedError, NotFoundError (nothing of that name is shared there)."""

    def __init__(self, http: PeerHttp) -> None:
        self._http = http

    def shares(self, peer: PeerRecord) -> list[SharedRoot]:
        value = self._get(peer, "/v1/shares")
        rows = _list(value, "shares", MAX_SHARES, peer)
        return [
            SharedRoot(row["name"], row["files"], row["bytes"]) for row in rows if _is_name(row) and _is_counted(row)
        ]

    def page(self, peer: PeerRecord, path: str, after: str, limit: int) -> TreePage:
        """One folder, or a file as a page of one."""
        value = self._get(peer, _target(path, {"after": after, "limit": limit}))
        folders = tuple(
            SubFolder(row["name"], row["files"], row["bytes"])
            for row in _list(value, "folders", limit, peer)
            if _is_name(row) and _is_counted(row)
        )
        files = tuple(
            file for row in _list(value, "files", limit, peer) if (file := _file(row, with_folder=False)) is not None
        )
        following = _text(value, "next_after", peer)
        marks = [(0, f.name) for f in folders] + [(1, f.name) for f in files]
        _check_forward([_page_mark(after)] if after else [], marks, _page_mark(following) if following else None, peer)
        return TreePage(folders, files, following, value.get("kind") == "file")

    def all_below(self, peer: PeerRecord, path: str, most: int) -> TreePage:
        """Every file below a folder. Raises BadInputError when there are more than `most`."""
        deadline = time.monotonic() + ALL_SECONDS
        files: list[SharedFile] = []
        after = ""
        while True:
            value = self._get(peer, _target(path, {"after": after, "limit": PAGE, "below": "true"}))
            rows = [
                file for row in _list(value, "files", PAGE, peer) if (file := _file(row, with_folder=True)) is not None
            ]
            following = _text(value, "next_after", peer)
            _check_forward(
                [_tree_mark(after)] if after else [],
                [_tree_mark(joined(f.folder, f.name)) for f in rows],
                _tree_mark(following) if following else None,
                peer,
            )
            files += rows
            if len(files) > most:
                raise BadInputError(
                    "That folder holds more than {most} files; download the folders inside it.",
                    "folder-too-many",
                    most=most,
                )
            if following is None:
                return TreePage((), tuple(files), None, value.get("kind") == "file")
            if not rows or time.monotonic() > deadline:
                raise PeerUnreachableError(
                    "{name} lists that folder too slowly; download the folders inside it.",
                    "listing-slow",
                    name=peer.name,
                )
            after = following

    def _get(self, peer: PeerRecord, target: str) -> dict[str, Any]:
        status, _, body = self._http.request(
            peer.peer_id,
            peer.addresses,
            "GET",
            target,
            timeout=ANSWER_SECONDS,
            max_bytes=MAX_ANSWER,
            name=peer.name,
        )
        if status == 404:
            raise NotFoundError(
                "{name} shares nothing of that name now; look at the folder around it.",
                "name-not-shared-by",
                name=peer.name,
            )
        if status != 200:
            raise _refusal(status, peer)
        try:
            value = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise _wrong(peer) from error
        if not isinstance(value, dict):
            raise _wrong(peer)
        return value


def _refusal(status: int, peer: PeerRecord) -> BarrioError:
    if status == 400:
        return BadInputError("That is no path of a shared folder.", "path-not-shared")
    return PeerMisbehavedError(
        "{name} does not show what it shares (status {status}).", "tree-refused", name=peer.name, status=status
    )


def _wrong(peer: PeerRecord) -> PeerMisbehavedError:
    return PeerMisbehavedError(
        "{name} sent a listing that cannot be; it is not used.", "listing-impossible", name=peer.name
    )


def _target(path: str, query: dict[str, str | int]) -> str:
    """Raises BadInputError."""
    if not path or len(path) > MAX_PATH or any("\ud800" <= c <= "\udfff" or c == "\0" for c in path):
        raise BadInputError(
            "The path of a shared folder begins with the share's name, for example Music/Albums.", "path-beginning"
        )
    if any(part in ("", ".", "..") for part in path.split("/")):
        raise NotFoundError("Nothing of that name is shared.", "name-not-shared")
    asked = {key: value for key, value in query.items() if value != ""}
    try:
        return f"/v1/shares/{quote(path, safe='/')}?{urlencode(asked)}"
    except UnicodeEncodeError as error:
        raise BadInputError("The place to go on from is not one that was given.", "place-unknown") from error


def _list(value: dict[str, Any], key: str, most: int, peer: PeerRecord) -> list[dict[str, Any]]:
    rows = value.get(key, [])
    if not isinstance(rows, list) or len(rows) > most or not all(isinstance(row, dict) for row in rows):
        raise _wrong(peer)
    return rows


def _text(value: dict[str, Any], key: str, peer: PeerRecord) -> str | None:
    text = value.get(key)
    if text is None:
        return None
    if not isinstance(text, str) or not 0 < len(text) <= MAX_PATH or any("\ud800" <= c <= "\udfff" for c in text):
        raise _wrong(peer)
    return text


def _is_part(name: Any) -> bool:
    return isinstance(name, str) and 0 < len(name) <= MAX_NAME and name not in (".", "..") and not _NO_PART.search(name)


def _is_name(row: dict[str, Any]) -> bool:
    return _is_part(row.get("name"))


def _is_count(value: Any, most: int) -> bool:
    return type(value) is int and 0 <= value <= most


def _is_counted(row: dict[str, Any]) -> bool:
    return _is_count(row.get("files"), MAX_SIZE) and _is_count(row.get("bytes"), 1 << 63)


def _file(row: dict[str, Any], with_folder: bool) -> SharedFile | None:
    """None for a row that names nothing: it is left out, as other rows may be good."""
    folder = row.get("folder", "") if with_folder else ""
    modified, size = row.get("modified"), row.get("size")
    if not _is_name(row) or not _is_count(size, MAX_SIZE) or not isinstance(folder, str) or len(folder) > MAX_PATH:
        return None
    if folder and not all(_is_part(part) for part in folder.split("/")):
        return None
    try:
        content_id = decode_id(row.get("content_id", ""))
    except (ValueError, TypeError):
        return None
    moment = modified if type(modified) is int and abs(modified) <= _LAST_MOMENT else 0
    return SharedFile(folder, row["name"], int(size or 0), content_id, moment)


def _page_mark(after: str) -> tuple[int, str]:
    return (0, after[:-1]) if after.endswith("/") else (1, after)


def _tree_mark(path: str) -> tuple[str, str]:
    """The order of `Browsing.below`: by the folder, then by the name."""
    folder, _, name = path.rpartition("/")
    return folder.replace("/", "\0") + "\0", name


def _check_forward(before: list[Any], rows: list[Any], following: Any, peer: PeerRecord) -> None:
    """Raises PeerMisbehavedError unless all grow, and the place to go on from is not before the last row."""
    marks = [*before, *rows]
    if any(one >= other for one, other in pairwise(marks)):
        raise _wrong(peer)
    if following is not None and (following < marks[-1] if rows else following <= marks[-1] if marks else False):
        raise _wrong(peer)
