"""Arguments of the verbs about offers."""

import argparse
from collections.abc import Callable
from typing import Protocol

from peer_core.cli import offer_verbs, verbs

_OUTPUT = "the folder it lands in, made when it is missing; default: where downloads land"
# Who gets files or trust is named whole.
_PEER = "a member by the whole name, or an id, at least 6 characters of it"
_OFFER = "as “offers” lists it, or at least the first 4 characters of it"


class MakeVerb(Protocol):
    def __call__(
        self, name: str, text: str, call: verbs.Verb | None = None, under: object = None
    ) -> argparse.ArgumentParser: ...


def add(verb: MakeVerb, rule: object, number: Callable[[str], int], default: Callable[[str], str | None]) -> None:
    """`verb` makes a parser of a verb, below `rule` for those of rules; `number` takes a number of bytes; `default`
    is the value of an option in the environment."""
    send = verb("send", "Offer files and folders to members", offer_verbs.send)
    send.add_argument("path", metavar="PATH", nargs="+", help="a file or a folder, shared or not")
    send.add_argument("--to", metavar="PEER", action="append", required=True, help=f"{_PEER}; may be repeated")
    send.add_argument("--message", metavar="TEXT", default=default("message"), help="a few words with it")
    output = default("output")
    expires = "when the offer ends if nobody accepts it: 30m, 12h, 7d (default: 7d)"
    send.add_argument(
        "--expires", metavar="DURATION", type=offer_verbs.duration, default=default("expires"), help=expires
    )
    send.add_argument("--wait", action="store_true", help="wait until all is fetched, or the offer has ended")

    offers = verb("offers", "List offers both ways, or show one with its files", offer_verbs.offers)
    offers.add_argument("id", metavar="OFFER", nargs="?", help=_OFFER)
    accept = verb("accept", "Fetch what is offered", offer_verbs.accept)
    accept.add_argument("id", metavar="OFFER", help=_OFFER)
    accept.add_argument("--output", metavar="FOLDER", default=output, help=_OUTPUT)
    accept.add_argument(
        "--always", action="store_true", help="accept this member's offers from now on, into the same folder"
    )
    accept.add_argument("--up-to", metavar="BYTES", type=number, help="with --always: how large an offer may be")
    accept.add_argument("--wait", action="store_true", help="wait until all is here")
    for name, text, call in (
        ("decline", "Decline an offer", offer_verbs.decline),
        ("withdraw", "Take back an offer of yours", offer_verbs.withdraw),
    ):
        verb(name, text, call).add_argument("id", metavar="OFFER", help=_OFFER)

    verb("list", "List whose offers are accepted without asking", offer_verbs.rule_list, rule)
    rule_set = verb("set", "Accept a member's offers without asking", offer_verbs.rule_set, rule)
    rule_set.add_argument("peer", metavar="PEER", help=_PEER)
    rule_set.add_argument("--output", metavar="FOLDER", default=output, help=_OUTPUT)
    rule_set.add_argument("--up-to", metavar="BYTES", type=number, help="how large an offer may be")
    verb("remove", "Be asked again", offer_verbs.rule_remove, rule).add_argument("peer", metavar="PEER", help=_PEER)
