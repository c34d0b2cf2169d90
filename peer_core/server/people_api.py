"""The part of the local API about other members: who is here, and what they share. Handlers run in waitress workers."""

from typing import Protocol

from flask import Response, jsonify, request

from peer_core.directory.messages import MAX_LIMIT
from peer_core.directory.types import MembersPage, Via
from peer_core.library.browsing import MAX_PAGE, SharedRoot, TreePage
from peer_core.server import problems, shapes
from peer_core.server.openapi import Route
from peer_core.transfer.types import Transfer


class OtherPeople(Protocol):
    """What is asked about other members. All may raise BarrioError."""

    def members(self, text: str, limit: int, cursor: str) -> tuple[MembersPage, Via, str]: ...
    def shares(self, peer_id: str) -> list[SharedRoot]: ...
    def tree(self, peer_id: str, path: str, after: str, limit: int) -> tuple[TreePage, set[bytes]]: ...
    def download(self, peer_id: str, path: str, folder: str | None, skip_have: bool, paused: bool) -> Transfer: ...


class KnowsPeople(Protocol):
    @property
    def people(self) -> OtherPeople: ...


class PeopleHandlers:
    def __init__(self, peer: KnowsPeople) -> None:
        self._peer = peer

    def routes(self) -> list[Route]:
        members = {
            "q": "beginning of a name, or of an id (6 characters at least)",
            "limit": "members, 1 to 200; 50 without it",
            "cursor": "next_cursor of the page before",
        }
        tree = {"after": "next_after of the page before", "limit": "rows, 1 to 1000; 200 without it"}
        shares = "/v1/peers/<peer_id>/shares"
        return [
            Route("GET", "/v1/members", "Who is here", self.members, query=members),
            Route("GET", shares, "What a member shares", self.shares),
            Route("GET", f"{shares}/<path:path>", "One folder of a member's share", self.tree, query=tree),
        ]

    def members(self) -> Response:
        limit = problems.number_argument("limit", 50, 1, MAX_LIMIT)
        text, cursor = request.args.get("q", "").strip(), request.args.get("cursor", "")[:100]
        page, via, own_id = self._peer.people.members(text, limit, cursor)
        return jsonify(
            members=[shapes.member(record, own_id) for record in page.members],
            next_cursor=page.next_cursor or None,
            via=shapes.via(via),
        )

    def shares(self, peer_id: str) -> Response:
        return jsonify(shares=[shapes.shared_root(root) for root in self._peer.people.shares(peer_id)])

    def tree(self, peer_id: str, path: str) -> Response:
        limit = problems.number_argument("limit", 200, 1, MAX_PAGE)
        page, held = self._peer.people.tree(peer_id, path, request.args.get("after", ""), limit)
        return jsonify(shapes.tree(page, held=held))
