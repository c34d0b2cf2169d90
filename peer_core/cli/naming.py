"""Who and what is meant by what a person types: names without case and accents, beginnings, near misses."""

import unicodedata
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Any
from urllib.parse import quote

from peer_core.cli.client import ApiError, LocalClient
from peer_core.cli.output import plain
from peer_core.errors import BadInputError, NotFoundError
from protos.agreed import ID_LENGTH

MIN_PREFIX = 6
MIN_ID = 4
SHOWN = 5
SHORT_ID = 12
# Of the ids of transfers and offers.
LENGTH = 12
PAGE = 1000
# Of this many a near miss is looked for, in a large barrio.
MOST_LOOKED_AT = 2000
_MOST_TEXT = 64


def fold(text: str) -> str:
    """Accents and case do not count."""
    decomposed = unicodedata.normalize("NFKD", text.strip()).casefold()
    return "".join(c for c in decomposed if not unicodedata.combining(c))


def all_members(client: LocalClient, text: str, most: int | None = None) -> list[dict[str, Any]]:
    """Who is here, of those whose name or id begins with `text`."""
    listed: list[dict[str, Any]] = []
    cursor = None
    while True:
        page = client.call("GET", "/v1/members", q=text, limit=200, cursor=cursor)
        listed += page["members"]
        cursor = page["next_cursor"]
        if cursor is None or (most is not None and len(listed) >= most):
            return listed


def peer_id(client: LocalClient, text: str, away: bool = False) -> str:
    """The one member meant by an id, the beginning of one, a name, or the beginning of one.

    `away`: also one who is not here, and is known from offers. Raises NotFoundError, BadInputError.
    """
    if len(text) == ID_LENGTH and text.isascii() and text.isalnum():
        return text.lower()
    shown = plain(text[:_MOST_TEXT])
    here = {m["peer_id"]: m["name"] for m in all_members(client, text[:_MOST_TEXT])}
    # Those who are away count, too: else their name would be taken for the beginning of another one.
    known = client.call("GET", "/v1/offers")["offers"] + client.call("GET", "/v1/offer-rules")["rules"]
    people = {o["peer_id"]: o["peer_name"] or "" for o in known} | here
    meant = _meant([(name, each) for each, name in people.items()], text)
    if not meant:
        raise NotFoundError(_nobody(client, shown))
    if not away and not any(each in here for _, each in meant):
        raise NotFoundError(
            f"“{plain(meant[0][0]) or shown}” is not here now; “{client.program} members” lists who is."
        )
    if not away:
        meant = [one for one in meant if one[1] in here]
    if len(meant) > 1:
        some = ", ".join(f"{plain(name)} ({each[:SHORT_ID]})" for name, each in meant[:SHOWN])
        more = ", …" if len(meant) > SHOWN else ""
        raise BadInputError(
            f"“{shown}” may be several members: {some}{more}; give the whole name, or the beginning of an id."
        )
    return str(meant[0][1])


def _meant(people: Sequence[tuple[str, str]], text: str) -> list[tuple[str, str]]:
    """Name and id of those who fit best: by the name as it is, without case and accents, then by a beginning."""
    wanted = fold(text)
    if not wanted:
        return []
    fits: tuple[Callable[[str, str], bool], ...] = (
        lambda name, _: name == text,
        lambda name, _: fold(name) == wanted,
        lambda name, each: fold(name).startswith(wanted) or (len(text) >= MIN_PREFIX and each.startswith(text.lower())),
    )
    found = ([one for one in people if fit(*one)] for fit in fits)
    return next(filter(None, found), [])


def _nobody(client: LocalClient, shown: str) -> str:
    names = [m["name"] for m in all_members(client, "", MOST_LOOKED_AT)]
    near = _near(shown, names)
    if near is not None:
        return f"Nobody is called “{shown}”; did you mean “{plain(near)}”?"
    return f"Nobody called “{shown}” is known here; “{client.program} members” lists who is here now."


def _near(text: str, names: Sequence[str]) -> str | None:
    """By the whole name, or by its first word."""
    by_text: dict[str, str] = {}
    for name in names:
        for form in (fold(name), *fold(name).replace("'", " ").replace("’", " ").split()[:1]):
            by_text.setdefault(form, name)
    near = get_close_matches(fold(text), list(by_text), 1)
    return by_text[near[0]] if near else None


def shared_path(client: LocalClient, peer: str, path: str) -> str:
    """SHARE/FOLDERS with the name of the share as that member writes it. Raises NotFoundError."""
    path = path.strip("/")
    share, slash, below = path.partition("/")
    names = [s["name"] for s in client.call("GET", f"/v1/peers/{peer}/shares")["shares"]]
    if not share or share in names:
        return path
    meant = [name for name in names if fold(name) == fold(share)]
    if len(meant) == 1:
        return f"{meant[0]}{slash}{below}"
    if len(meant) > 1:
        raise BadInputError(f"“{plain(share)}” may be several shares: {', '.join(map(plain, meant[:SHOWN]))}.")
    near = _near(share, names)
    hint = f"did you mean “{plain(near)}”?" if near else f"“{client.program} browse PEER” lists what is."
    raise NotFoundError(f"Nothing called “{plain(share[:_MOST_TEXT])}” is shared there; {hint}")


def all_transfers(client: LocalClient) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = []
    cursor = None
    while True:
        page = client.call("GET", "/v1/transfers", limit=PAGE, cursor=cursor)
        listed += page["transfers"]
        cursor = page["next_cursor"]
        if cursor is None:
            return listed


def transfer_id(client: LocalClient, text: str) -> str:
    """The id of the one transfer whose id is `text`, or begins so; also of a file of a folder, by its whole id.

    Raises NotFoundError, BadInputError.
    """
    found = None
    if len(text) == LENGTH:
        try:
            found = str(client.call("GET", f"/v1/transfers/{quote(text.lower(), safe='')}")["id"])
        except ApiError as error:
            if error.status != NotFoundError.status:
                raise
    else:
        found = _id_beginning(text, {t["id"]: t["name"] for t in all_transfers(client)}, "transfers")
    if found is None:
        shown = plain(text[:_MOST_TEXT])
        raise NotFoundError(f"There is no transfer “{shown}”; “{client.program} transfers” lists the ids.")
    return found


def offer_id(client: LocalClient, text: str) -> str:
    """The id of the one offer whose id is `text`, or begins so. Raises NotFoundError, BadInputError."""
    listed = {o["id"]: ", ".join(o["names"]) for o in client.call("GET", "/v1/offers")["offers"]}
    found = _id_beginning(text, listed, "offers")
    if found is None:
        raise NotFoundError(f"There is no offer “{plain(text[:_MOST_TEXT])}”; “{client.program} offers” lists the ids.")
    return found


def _id_beginning(text: str, named: dict[str, str], what: str) -> str | None:
    """`named`: what each id stands for."""
    if text in named:
        return text
    meant = [each for each in named if text and each.startswith(text.lower())]
    if meant and len(text) < MIN_ID:
        raise BadInputError(f"“{text}” is too short; give at least the first {MIN_ID} characters of the id.")
    if len(meant) > 1:
        some = ", ".join(f"{each} ({plain(named[each])})" for each in meant[:SHOWN])
        raise BadInputError(f"“{text}” may be several {what}: {some}; give more of the id.")
    return meant[0] if meant else None
