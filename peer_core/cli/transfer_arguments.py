"""Arguments of the verbs about transfers."""

import argparse
from typing import Protocol

from peer_core.cli import transfer_verbs, verbs

_ID = "as “transfers” lists it, or at least the first 4 characters of it"


class MakeVerb(Protocol):
    def __call__(self, name: str, text: str, call: verbs.Verb | None = None) -> argparse.ArgumentParser: ...


def add(verb: MakeVerb) -> None:
    """`verb` makes a parser of a verb."""
    listed = verb("transfers", "List transfers, or show one", transfer_verbs.transfers)
    what = (
        "the id of one, or its beginning; files ID: what is in a folder; receipt ID: who gave which pieces; "
        "clear: take what is done off the list"
    )
    listed.add_argument("what", metavar="WHAT", nargs="?", help=what)
    listed.add_argument(
        "id", metavar="ID", nargs="?", help="with files, receipt; one is taken off the list with “cancel”"
    )
    for name, text, call in (
        ("pause", "Pause a transfer", transfer_verbs.pause),
        ("resume", "Go on with a transfer, or try it again", transfer_verbs.resume),
    ):
        made = verb(name, text, call)
        made.add_argument("id", metavar="ID", nargs="?", help=_ID)
        made.add_argument("--all", action="store_true", help="all that can be")
    cancel = verb("cancel", "Cancel a transfer, or take it off the list", transfer_verbs.cancel)
    cancel.add_argument("id", metavar="ID", help=_ID)
    cancel.add_argument("--keep", action="store_true", help="leave the partial file")
    caught = verb("quarantine", "Holders that were caught lying, or ask one again", transfer_verbs.quarantine)
    caught.add_argument("--lift", dest="peer", metavar="PEER_ID", help="ask that member again")
    move = verb("move", "Move a transfer in the queue, among those of its priority", transfer_verbs.move)
    move.add_argument("id", metavar="ID", help=_ID)
    move.add_argument("where", choices=("up", "down", "top", "bottom"), help="where to")
    priority = verb("priority", "Which transfers go first", transfer_verbs.priority)
    priority.add_argument("id", metavar="ID", help=_ID)
    priority.add_argument("priority", choices=("high", "normal", "low"), help="high ones go first")
    choose = verb("choose", "Choose files of a folder's transfer", transfer_verbs.choose)
    choose.add_argument("id", metavar="ID", help=_ID)
    pattern = "by path below the folder or by name, with * and ?; may be repeated"
    choose.add_argument("--want", metavar="PATTERN", action="append", help=pattern)
    choose.add_argument("--skip", metavar="PATTERN", action="append", help=pattern)
    choose.add_argument("--skip-have", action="store_true", help="leave out what is on this device already")
