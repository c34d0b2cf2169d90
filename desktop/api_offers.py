"""Offers as the local API tells of them (docs/local-api.md), as immutable values. Pure."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from desktop.api import Problem
from desktop.api_answers import problem_from, time_from

UNDECIDED = frozenset({"preparing", "waiting", "delivered"})
OPEN = UNDECIDED | {"accepted"}


@dataclass(frozen=True)
class Offer:
    """Files that one member offers another; `incoming`: to this one. Sizes in bytes."""

    id: str
    incoming: bool
    peer_id: str
    peer_name: str
    state: str
    message: str
    names: tuple[str, ...]
    files: int
    bytes: int
    files_done: int
    bytes_done: int
    changed: int
    hashed: int
    to_hash: int
    folder: str
    error: Problem | None
    created: datetime | None
    expires: datetime | None
    ended: datetime | None

    @property
    def asks(self) -> bool:
        """Waits for the person at this window."""
        return self.incoming and self.state == "delivered"

    @property
    def fraction(self) -> float | None:
        """Between 0 and 1, of what is being hashed or fetched."""
        if self.state == "preparing":
            return self.hashed / self.to_hash if self.to_hash else 0.0
        if self.state == "accepted":
            return self.bytes_done / self.bytes if self.bytes else 0.0
        return None


@dataclass(frozen=True)
class OfferRule:
    """Whose offers are accepted without asking. `folder`: "" where downloads land."""

    peer_id: str
    peer_name: str
    folder: str
    max_bytes: int


@dataclass(frozen=True)
class Offers:
    """`revision`: of the status that this is as new as."""

    offers: tuple[Offer, ...] = ()
    rules: tuple[OfferRule, ...] = ()
    revision: int = -1


def offer_from(data: dict[str, Any]) -> Offer:
    error, hashed = data.get("error"), data.get("hashed") or {}
    return Offer(
        id=data["id"],
        incoming=data["direction"] == "in",
        peer_id=data["peer_id"],
        peer_name=data.get("peer_name") or "",
        state=data["state"],
        message=data.get("message") or "",
        names=tuple(data.get("names") or ()),
        files=data["files"],
        bytes=data["bytes"],
        files_done=data["files_done"],
        bytes_done=data["bytes_done"],
        changed=data.get("changed") or 0,
        hashed=hashed.get("bytes_done") or 0,
        to_hash=hashed.get("bytes_total") or 0,
        folder=data.get("folder") or "",
        error=problem_from(error) if error else None,
        created=time_from(data.get("created")),
        expires=time_from(data.get("expires")),
        ended=time_from(data.get("ended")),
    )


def offers_from(data: dict[str, Any]) -> Offers:
    return Offers(tuple(map(offer_from, data["offers"])), (), data.get("revision") or 0)


def sent_from(data: dict[str, Any]) -> tuple[Offer, ...]:
    return tuple(map(offer_from, data["offers"]))


def rules_from(data: dict[str, Any]) -> tuple[OfferRule, ...]:
    rules = (
        OfferRule(r["peer_id"], r.get("peer_name") or "", r.get("output") or "", r["max_bytes"]) for r in data["rules"]
    )
    return tuple(rules)
