"""The local API: for the window, the command line and scripts of the same user. Handlers run in waitress workers.

Only loopback, only with the token of this run, never for a page of a browser (`Host` and `Origin` are checked).
"""

import hmac
import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from flask import Flask, Response, jsonify, request

from peer_core.checks import Check, all_good
from peer_core.content import MAX_SIZE
from peer_core.directory.messages import MAX_LIMIT
from peer_core.directory.types import SearchPage, SearchQuestion, Via
from peer_core.errors import BadInputError, BarrioError
from peer_core.library.rules import fault_of
from peer_core.library.types import Share
from peer_core.nearby import Barrio
from peer_core.server import problems, shapes
from peer_core.server.offers_api import OffersBothWays, OffersHandlers
from peer_core.server.openapi import Route, mount
from peer_core.server.people_api import OtherPeople, PeopleHandlers
from peer_core.server.transfers_api import Queue, TransferHandlers
from peer_core.settings import SETTINGS, Settings
from peer_core.transfer.types import Transfer

MAX_BODY = 256 << 10


class LocalPeer(Protocol):
    """What the local API needs of the peer that it belongs to. All may raise BarrioError."""

    @property
    def settings(self) -> Settings: ...
    def status(self) -> dict[str, Any]: ...
    def health(self) -> dict[str, str | None]: ...
    def doctor(self) -> list[Check]: ...
    def barrios_here(self) -> list[Barrio]: ...
    def join(self, invite: str, name: str | None) -> None: ...
    def search(self, question: SearchQuestion) -> tuple[SearchPage, Via, set[bytes]]: ...
    def neighbours(self) -> list[dict[str, Any]]: ...
    def shares(self) -> list[Share]: ...
    def duplicates(self) -> tuple[int, int]: ...
    def add_share(self, path: str, name: str | None, exclude: Sequence[str], hidden: bool) -> Share: ...
    def change_share(self, name: str, exclude: Sequence[str] | None, hidden: bool | None) -> Share: ...
    def pause_indexing(self, paused: bool) -> None: ...
    def indexing(self) -> dict[str, Any]: ...
    def remove_share(self, name: str) -> None: ...
    def rescan(self, name: str | None) -> None: ...
    def download(self, content_id: bytes, name: str | None, folder: str | None, paused: bool) -> Transfer: ...
    @property
    def queue(self) -> Queue: ...
    @property
    def people(self) -> OtherPeople: ...
    @property
    def offers(self) -> OffersBothWays: ...
    def change_settings(self, values: Mapping[str, Any]) -> None: ...


class UnauthorizedError(BarrioError):
    title = "The token is missing or wrong"
    status = 401


class ForeignError(BarrioError):
    title = "Only this computer's own programs may ask"
    status = 403


def local_api(peer: LocalPeer, token: str) -> Flask:
    """The application; `token` is compared in constant time."""
    app = Flask("barrio-local-api")
    app.json.sort_keys = False  # type: ignore[attr-defined]  # of Flask's default provider
    # A path with an empty part names nothing, and is not another path.
    app.url_map.merge_slashes = False
    problems.install(app)
    expected = f"Bearer {token}".encode()

    @app.before_request
    def authenticate() -> None:
        if not _is_own_host(request.host):
            raise ForeignError("The Host header names another machine; use http://127.0.0.1:PORT.", "host-header")
        origin = request.headers.get("Origin")
        if origin is not None and origin != f"http://{request.host}":
            raise ForeignError("A page of a browser may not use the local API.", "browser-origin")
        given = request.headers.get("Authorization", "").encode("utf-8", "replace")
        if not hmac.compare_digest(given, expected):
            raise UnauthorizedError(
                "Send the token from local-api.json as “Authorization: Bearer TOKEN”.", "token-missing"
            )

    mount(
        app,
        "Barrio local API",
        [
            *_Handlers(peer).routes(),
            *PeopleHandlers(peer).routes(),
            *TransferHandlers(peer).routes(),
            *OffersHandlers(peer).routes(),
        ],
    )
    return app


def _is_own_host(host: str) -> bool:
    name = host.rpartition(":")[0] if ":" in host else host
    return name in ("127.0.0.1", "localhost")


class _Handlers:
    def __init__(self, peer: LocalPeer) -> None:
        self._peer = peer

    def routes(self) -> list[Route]:
        search = {
            "q": "what the person typed",
            "kind": "audio, video, image, document, archive, code or other",
            "min_size": "bytes",
            "max_size": "bytes",
            "limit": "rows, 1 to 200; 50 without it",
            "cursor": "next_cursor of the page before",
            "ext": "extensions, one of which the name has, with commas between",
            "changed_since": "time or date, ISO 8601",
        }
        left_out = {"exclude": "patterns in gitignore syntax", "hidden": "whether hidden files are shared too"}
        settings = {s.key: s.help for s in SETTINGS}
        return [
            Route("GET", "/v1/status", "How this peer is", self.status),
            Route("GET", "/v1/health", "Whether each part of this peer can do its work", self.health),
            Route("GET", "/v1/doctor", "What works, and what to do about the rest", self.doctor),
            Route("GET", "/v1/barrios", "Barrios that members announce on this network", self.barrios),
            Route("POST", "/v1/join", "Enrols this device", self.join, fields={"invite": "link", "name": "shown name"}),
            Route("GET", "/v1/search", "Searches through the neighbour", self.search, query=search),
            Route("GET", "/v1/shares", "Shared folders", self.shares),
            Route(
                "POST",
                "/v1/shares",
                "Shares a folder",
                self.add_share,
                fields={"path": "folder, a full path", "name": "shown name", **left_out},
                status=201,
            ),
            Route(
                "PATCH",
                "/v1/shares",
                "Changes what a share leaves out",
                self.change_share,
                query={"name": "share"},
                fields=left_out,
            ),
            Route(
                "POST",
                "/v1/patterns",
                "Says what is wrong with patterns, without using them",
                self.check_patterns,
                fields={"exclude": "patterns in gitignore syntax"},
            ),
            Route("DELETE", "/v1/shares", "Unshares a folder", self.remove_share, query={"name": "share"}, status=204),
            Route(
                "POST", "/v1/rescan", "Looks at the folders again", self.rescan, fields={"name": "share"}, status=202
            ),
            Route(
                "PATCH",
                "/v1/indexing",
                "Pauses or resumes hashing",
                self.change_indexing,
                fields={"paused": "true or false"},
            ),
            Route("GET", "/v1/peers", "Neighbours", self.peers),
            Route("GET", "/v1/settings", "Settings", self.settings),
            Route("PATCH", "/v1/settings", "Changes settings", self.change_settings, fields=settings),
        ]

    def status(self) -> Response:
        return jsonify(self._peer.status())

    def health(self) -> Response:
        return jsonify(shapes.health(self._peer.health()))

    def doctor(self) -> Response:
        checks = self._peer.doctor()
        return jsonify(good=all_good(checks), checks=[shapes.check(c) for c in checks])

    def barrios(self) -> Response:
        return jsonify(barrios=[shapes.barrio(b) for b in self._peer.barrios_here()])

    def join(self) -> Response:
        value = problems.body({"invite", "name"}, {"invite"})
        invite = problems.text_field(value, "invite") or ""
        self._peer.join(invite, problems.text_field(value, "name", 200))
        return jsonify(self._peer.status())

    def search(self) -> Response:
        question = SearchQuestion(
            text=request.args.get("q", ""),
            kind=request.args.get("kind", ""),
            min_size=problems.number_argument("min_size", 0, 0, MAX_SIZE),
            max_size=problems.number_argument("max_size", 0, 0, MAX_SIZE),
            limit=problems.number_argument("limit", 50, 1, MAX_LIMIT),
            cursor=request.args.get("cursor", "")[:4096],
            extensions=problems.list_argument("ext"),
            changed_since=problems.time_argument("changed_since"),
        )
        started = time.monotonic()
        page, via, held = self._peer.search(question)
        return jsonify(
            rows=[shapes.row(r, held) for r in page.rows],
            next_cursor=page.next_cursor or None,
            albums=[shapes.album(album) for album in page.albums],
            via=shapes.via(via),
            members_returning=page.returning,
            took_seconds=round(time.monotonic() - started, 4),
        )

    def shares(self) -> Response:
        shares = [shapes.share(s) for s in self._peer.shares()]
        files, size = self._peer.duplicates()
        return jsonify(shares=shares, duplicates={"files": files, "bytes": size})

    def add_share(self) -> tuple[Response, int]:
        value = problems.body({"path", "name", "exclude", "hidden"}, {"path"})
        share = self._peer.add_share(
            problems.text_field(value, "path") or "",
            problems.text_field(value, "name", 200),
            problems.texts_field(value, "exclude") or [],
            problems.truth_field(value, "hidden") or False,
        )
        return jsonify(shapes.share(share)), 201

    def change_share(self) -> Response:
        value = problems.body({"exclude", "hidden"})
        share = self._peer.change_share(
            _share_argument(), problems.texts_field(value, "exclude"), problems.truth_field(value, "hidden")
        )
        return jsonify(shapes.share(share))

    def check_patterns(self) -> Response:
        patterns = problems.texts_field(problems.body({"exclude"}, {"exclude"}), "exclude") or []
        return jsonify(patterns=[shapes.pattern(text, fault_of(text)) for text in patterns])

    def remove_share(self) -> tuple[str, int]:
        self._peer.remove_share(_share_argument())
        return "", 204

    def change_indexing(self) -> Response:
        paused = problems.truth_field(problems.body({"paused"}, {"paused"}), "paused")
        self._peer.pause_indexing(bool(paused))
        return jsonify(self._peer.indexing())

    def rescan(self) -> tuple[Response, int]:
        value = problems.body({"name"})
        self._peer.rescan(problems.text_field(value, "name", 200))
        return jsonify({}), 202

    def peers(self) -> Response:
        return jsonify(peers=self._peer.neighbours())

    def settings(self) -> Response:
        return jsonify(shapes.settings(self._peer.settings))

    def change_settings(self) -> Response:
        self._peer.change_settings(problems.body({s.key for s in SETTINGS}))
        return jsonify(shapes.settings(self._peer.settings))


def _share_argument() -> str:
    name = request.args.get("name")
    if not name:
        raise BadInputError("Say which share: {method} /v1/shares?name=NAME.", "say-which-share", method=request.method)
    return name
