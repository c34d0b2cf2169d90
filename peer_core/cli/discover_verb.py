"""`discover`: barrios on this network. Needs no peer that runs."""

import argparse
from dataclasses import asdict

from peer_core.cli.hints import command
from peer_core.cli.output import as_json, plain, say, table


def discover(arguments: argparse.Namespace) -> int:
    # Only this verb and a peer that runs need it.
    from peer_core import nearby

    found = nearby.find()
    if arguments.json:
        as_json([asdict(barrio) for barrio in found])
        return 0
    join = command(arguments, "join INVITE")
    if not found:
        say(f"no barrio is announced on this network; an invite works all the same: {join}")
        return 0
    table([(plain(b.name), str(b.announcers), b.fingerprint) for b in found], ("BARRIO", "ANNOUNCED BY", "FINGERPRINT"))
    say(f"to join, ask somebody in it for an invite: {join}")
    return 0
