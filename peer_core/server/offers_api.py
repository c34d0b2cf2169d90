"""The part of the local API about offers: what members send each other. Handlers run in waitress workers."""

from collections.abc import Sequence
from typing import Any, Protocol

from flask import Response, jsonify

from peer_core.content import MAX_SIZE
from peer_core.errors import BadInputError
from peer_core.offers.terms import MAX_EXPIRY, MAX_FILES
from peer_core.offers.types import Direction, Offer, OfferedFile, OfferState, Rule
from peer_core.server import problems, shapes
from peer_core.server.openapi import Route
from protos.agreed import encode_id, kind_of

MAX_PAGE = 1000


class OffersBothWays(Protocol):
    """What is asked about offers. All may raise BarrioError."""

    def all(self) -> list[Offer]: ...
    def get(self, offer_id: str) -> Offer: ...
    def files(self, offer_id: str, after: int, limit: int) -> list[OfferedFile]: ...
    def hashed(self, offer: Offer) -> tuple[int, int]: ...
    def revision(self) -> int: ...
    def send(
        self, paths: Sequence[str], recipients: Sequence[str], message: str, expires_in: float | None
    ) -> list[Offer]: ...
    def accept(self, offer_id: str, folder: str | None) -> Offer: ...
    def decline(self, offer_id: str) -> Offer: ...
    def withdraw(self, offer_id: str) -> Offer: ...
    def forget(self, offer_id: str) -> None: ...
    def rules(self) -> list[Rule]: ...
    def set_rule(self, peer_id: str, folder: str | None, max_bytes: int | None) -> Rule: ...
    def remove_rule(self, peer_id: str) -> None: ...


class HasOffers(Protocol):
    @property
    def offers(self) -> OffersBothWays: ...


class OffersHandlers:
    def __init__(self, peer: HasOffers) -> None:
        self._peer = peer

    def routes(self) -> list[Route]:
        offer = "/v1/offers/<offer_id>"
        sent = {
            "paths": "files and folders, full paths",
            "to": "ids of the members to offer them to",
            "message": "a text of at most 1,000 characters",
            "expires_in": "seconds, 1 to 7776000 (90 days); a week without it",
        }
        page = {"after": "files to leave out at the beginning", "limit": "files, 1 to 1000; 200 without it"}
        change = {
            "state": "“accepted”, “declined” or “withdrawn”",
            "output": "with accepted: folder, a full path",
        }
        rule = {"output": "folder, a full path; where downloads land without it", "max_bytes": "of one offer"}
        return [
            Route("GET", "/v1/offers", "Offers both ways, newest first", self.offers),
            Route("POST", "/v1/offers", "Offers files and folders", self.send, fields=sent, status=201),
            Route("GET", offer, "One offer, with its files", self.offer, query=page),
            Route("PATCH", offer, "Accepts, declines or withdraws an offer", self.change, fields=change),
            Route("DELETE", offer, "Takes an ended offer off the list", self.forget, status=204),
            Route("GET", "/v1/offer-rules", "Whose offers are accepted without asking", self.rules),
            Route("PUT", "/v1/offer-rules/<peer_id>", "Accepts a member's offers always", self.set_rule, fields=rule),
            Route(
                "DELETE",
                "/v1/offer-rules/<peer_id>",
                "Asks again about a member's offers",
                self.remove_rule,
                status=204,
            ),
        ]

    def offers(self) -> Response:
        # Before the offers, so that what changes meanwhile is asked for again.
        revision = self._peer.offers.revision()
        return jsonify(offers=[self._shape(offer) for offer in self._peer.offers.all()], revision=revision)

    def send(self) -> tuple[Response, int]:
        value = problems.body({"paths", "to", "message", "expires_in"}, {"paths", "to"})
        made = self._peer.offers.send(
            problems.texts_field(value, "paths") or [],
            problems.texts_field(value, "to") or [],
            problems.text_field(value, "message") or "",
            _number(value, "expires_in", 1, MAX_EXPIRY),
        )
        return jsonify(offers=[self._shape(offer) for offer in made]), 201

    def offer(self, offer_id: str) -> Response:
        after = problems.number_argument("after", 0, 0, MAX_FILES)
        limit = problems.number_argument("limit", 200, 1, MAX_PAGE)
        offer, files = self._peer.offers.get(offer_id), self._peer.offers.files(offer_id, after, limit)
        listed = [
            {
                "folder": f.folder,
                "name": f.name,
                "size": f.size,
                "kind": kind_of(f.name),
                "content_id": encode_id(f.content_id),
            }
            for f in files
        ]
        following = after + len(files)
        # The files of one that has ended may be gone, while it still tells how many they were.
        more = len(files) == limit and following < offer.files
        return jsonify(self._shape(offer) | {"listed": listed, "next_after": following if more else None})

    def change(self, offer_id: str) -> Response:
        value = problems.body({"state", "output"}, {"state"})
        folder = problems.text_field(value, "output")
        if folder is not None and value["state"] != OfferState.ACCEPTED.value:
            raise BadInputError("Only what is accepted lands in a folder.", "output-only-accepted")
        match value["state"]:
            case OfferState.ACCEPTED.value:
                offer = self._peer.offers.accept(offer_id, folder)
            case OfferState.DECLINED.value:
                offer = self._peer.offers.decline(offer_id)
            case OfferState.WITHDRAWN.value:
                offer = self._peer.offers.withdraw(offer_id)
            case _:
                raise BadInputError("The state to set is “accepted”, “declined” or “withdrawn”.", "offer-state-to-set")
        return jsonify(self._shape(offer))

    def forget(self, offer_id: str) -> tuple[str, int]:
        self._peer.offers.forget(offer_id)
        return "", 204

    def rules(self) -> Response:
        return jsonify(rules=[shapes.offer_rule(rule) for rule in self._peer.offers.rules()])

    def set_rule(self, peer_id: str) -> Response:
        value = problems.body({"output", "max_bytes"})
        rule = self._peer.offers.set_rule(
            peer_id, problems.text_field(value, "output"), _number(value, "max_bytes", 1, MAX_SIZE)
        )
        return jsonify(shapes.offer_rule(rule))

    def remove_rule(self, peer_id: str) -> tuple[str, int]:
        self._peer.offers.remove_rule(peer_id)
        return "", 204

    def _shape(self, offer: Offer) -> dict[str, Any]:
        preparing = offer.state is OfferState.PREPARING and offer.direction is Direction.OUT
        return shapes.offer(offer, self._peer.offers.hashed(offer) if preparing else None)


def _number(value: dict[str, Any], key: str, least: int, most: int) -> int | None:
    """Raises BadInputError unless the field is absent, null, or a whole number within bounds."""
    number = value.get(key)
    if number is None:
        return None
    if type(number) is not int or not least <= number <= most:
        raise BadInputError(
            "The field “{key}” is a whole number from {least} to {most}.",
            "field-number",
            key=key,
            least=least,
            most=most,
        )
    return number
