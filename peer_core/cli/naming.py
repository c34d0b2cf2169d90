"""Who and what is meant by what a person types: names without case and accents, beginnings, near misses."""

import unicodedata
from collections.abc import Callable, Sequence
from difflib import get_close_matches
from typing import Any
from urllib.parse import quote

from peer_core.cli.client import ApiError, LocalClient
from peer_core.cli.output import plain
from peer_core.cli.parsing import UsageError
from peer_core.errors import BadInputError, NotFoundError
from protos.agreed import ID_LENGTH

MIN_PEER_PREFIX = 6
MIN_TRANSFER_PREFIX = 4
SHOWN = 5
SHORT_PEER_ID = 12
# Ids of offers are like those of transfers.
TRANSFER_ID_LENGTH = 12
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

    `away`: who is to get files or trust. Also one who is not here, and is known from offers; never this device; and
    the name has to be whole. Raises NotFoundError, BadInputError.
    """
    if len(text) == ID_LENGTH and text.isascii() and text.isalnum():
        return text.lower()
    shown = plain(text[:_MOST_TEXT])
    listed = all_members(client, text[:_MOST_TEXT])
    here = {m["peer_id"]: m["name"] for m in listed}
    # Those who are away count, too: else their name would be taken for the beginning of another one.
    known = client.call("GET", "/v1/offers")["offers"] + client.call("GET", "/v1/offer-rules")["rules"]
    people = {o["peer_id"]: o["peer_name"] or "" for o in known} | here
    own = {m["peer_id"]: people.pop(m["peer_id"]) for m in listed if away and m["me"]}
    meant = _named(people, text, whole=away) | _by_id(people, text)
    if not meant:
        if _named(own, text, whole=True) or _by_id(own, text):
            raise BadInputError(f"“{shown}” is this device; name another member.")
        begin = list(_named(people, text, whole=False).values())
        raise NotFoundError(_nobody(client, shown, begin, with_me=not away))
    if not away and here.keys().isdisjoint(meant):
        first = plain(next(iter(meant.values())))
        raise NotFoundError(f"“{first or shown}” is not here now; “{client.program} members” lists who is.")
    if not away:
        meant = {each: name for each, name in meant.items() if each in here}
    if len(meant) > 1:
        some = ", ".join(f"{plain(name)} ({each[:SHORT_PEER_ID]})" for each, name in list(meant.items())[:SHOWN])
        more = ", …" if len(meant) > SHOWN else ""
        give = "more of an id" if away else "the whole name, or more of an id"
        raise BadInputError(f"“{shown}” may be several members: {some}{more}; give {give}.")
    return next(iter(meant))


def _named(people: dict[str, str], text: str, whole: bool) -> dict[str, str]:
    """Those of `people`, names by id, whose name fits best. `whole`: one name may not stand for another that only
    differs in case and accents; without it the name as it is goes before that, and that before a beginning."""
    wanted = fold(text)
    if not wanted:
        return {}
    fits: tuple[Callable[[str], bool], ...] = (lambda name: fold(name) == wanted,)
    if not whole:
        fits = (lambda name: name == text, *fits, lambda name: fold(name).startswith(wanted))
    found = ({each: name for each, name in people.items() if fit(name)} for fit in fits)
    return next(filter(None, found), {})


def _by_id(people: dict[str, str], text: str) -> dict[str, str]:
    """Those whose id begins so. They count beside any name: anybody may choose a name that looks like an id."""
    if len(text) < MIN_PEER_PREFIX:
        return {}
    return {each: name for each, name in people.items() if each.startswith(text.lower())}


def _nobody(client: LocalClient, shown: str, begin: Sequence[str], with_me: bool) -> str:
    """`begin`: names that begin so, where that is not enough."""
    if begin:
        some = ", ".join(f"“{plain(name)}”" for name in begin[:SHOWN])
        return f"Nobody is called “{shown}”; did you mean {some}{', …' if len(begin) > SHOWN else ''}?"
    near = _near(shown, [m["name"] for m in all_members(client, "", MOST_LOOKED_AT) if with_me or not m["me"]])
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
    if len(text) == TRANSFER_ID_LENGTH:
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
    if len(text) < MIN_TRANSFER_PREFIX:
        raise UsageError(
            f"“{plain(text)}” is too short; give at least the first {MIN_TRANSFER_PREFIX} characters of the id."
        )
    meant = [each for each in named if each.startswith(text.lower())]
    if len(meant) > 1:
        some = ", ".join(f"{each} ({plain(named[each])})" for each in meant[:SHOWN])
        raise BadInputError(f"“{plain(text)}” may be several {what}: {some}; give more of the id.")
    return meant[0] if meant else None
