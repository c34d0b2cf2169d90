"""The verbs about offers: `send`, `offers`, `accept`, `decline`, `withdraw`, `rule`. Each returns the exit status."""

import argparse
import re
import time
from pathlib import Path
from typing import Any

from peer_core.cli import naming, output
from peer_core.cli.client import LocalClient
from peer_core.cli.output import as_json, count, plain, say, table, when
from peer_core.cli.output_folder import output_folder
from peer_core.cli.parsing import UsageError
from peer_core.errors import BarrioError
from peer_core.sizes import human as size

FOLLOW_SECONDS = 0.3
_DURATION = re.compile(r"([1-9][0-9]{0,8})([smhd])", re.ASCII)
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_ENDED_WELL = ("done",)
_ENDED = ("done", "declined", "withdrawn", "expired", "failed")
Arguments = argparse.Namespace


def duration(text: str) -> int:
    """Seconds of `30m`, `12h`, `7d`; for argparse."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise argparse.ArgumentTypeError(f"“{text}” is no time such as 30m, 12h or 7d")
    return int(match[1]) * _SECONDS[match[2]]


def send(client: LocalClient, arguments: Arguments) -> int:
    body = {
        "paths": [str(Path(path).expanduser().absolute()) for path in arguments.path],
        "to": [naming.peer_id(client, text, away=True) for text in arguments.to],
        "message": arguments.message,
        "expires_in": arguments.expires,
    }
    made = client.call("POST", "/v1/offers", {k: v for k, v in body.items() if v is not None})["offers"]
    offers = _follow(client, [offer["id"] for offer in made], arguments.wait, quiet=arguments.json)
    if arguments.json:
        as_json(offers)
    bad = [o for o in offers if o["state"] in _ENDED and o["state"] not in _ENDED_WELL]
    for offer in offers:
        if not arguments.json and offer not in bad:
            say(f"{_names(offer)}, {size(offer['bytes'])}: {_said(offer)}  ({offer['id']})")
    if not bad:
        return 0
    error = bad[0]["error"]
    why = error["detail"] if error else f"{_who(bad[0])} has it as {bad[0]['state']}"
    raise BarrioError(f"{len(bad)} of {count(len(offers), 'offer')} came to nothing: {why}")


def offers(client: LocalClient, arguments: Arguments) -> int:
    if arguments.id:
        return _one(client, arguments)
    listed = client.call("GET", "/v1/offers")["offers"]
    if arguments.json:
        as_json(listed)
    elif not listed:
        say("no offers")
    else:
        rows = [
            (
                _names(o),
                "from" if o["direction"] == "in" else "to",
                _who(o),
                o["state"],
                f"{o['files_done']} of {count(o['files'], 'file')}, {size(o['bytes'])}",
                (o["error"] or {}).get("title", ""),
                o["id"],
            )
            for o in listed
        ]
        table(rows, ("WHAT", "", "WHOM", "STATE", "HOW MUCH", "REASON", "ID"))
        for offer in listed:
            if _waits_for_me(offer):
                say(f"{_names(offer)} from {_who(offer)} {_waits(client, offer)}")
                _tell_message(offer)
    return 0


def _one(client: LocalClient, arguments: Arguments) -> int:
    offer_id = naming.offer_id(client, arguments.id)
    whole = client.call("GET", f"/v1/offers/{offer_id}", limit=1000)
    while whole["next_after"] is not None:
        page = client.call("GET", f"/v1/offers/{offer_id}", after=whole["next_after"], limit=1000)
        whole["listed"] += page["listed"]
        whole["next_after"] = page["next_after"]
    if arguments.json:
        as_json(whole)
        return 0
    said = _waits(client, whole) if _waits_for_me(whole) else _said(whole)
    until = "" if whole["state"] in _ENDED else f", until {when(whole['expires'])}"
    say(f"{'from' if whole['direction'] == 'in' else 'to'} {_who(whole)}: {said}{until}")
    _tell_message(whole)
    rows = [
        ("/".join(filter(None, (f["folder"], f["name"]))), size(f["size"]), f["content_id"]) for f in whole["listed"]
    ]
    table(rows, ("NAME", "SIZE", "CONTENT"))
    return 0


def _waits_for_me(offer: dict[str, Any]) -> bool:
    return bool(offer["direction"] == "in" and offer["state"] == "delivered")


def _waits(client: LocalClient, offer: dict[str, Any]) -> str:
    return f"waits for you: {client.program} accept {offer['id']}, or decline {offer['id']}"


def _tell_message(offer: dict[str, Any]) -> None:
    if offer["message"]:
        say(f"“{plain(' '.join(offer['message'].split()))}”")


def accept(client: LocalClient, arguments: Arguments) -> int:
    if (arguments.up_to is not None) and not arguments.always:
        raise UsageError("--up-to belongs to --always: how large an offer is accepted without asking.")
    offer_id = naming.offer_id(client, arguments.id)
    folder = output_folder(arguments)
    body = {"state": "accepted", **({"output": folder} if folder else {})}
    offer = client.call("PATCH", f"/v1/offers/{offer_id}", body)
    if arguments.always:
        rule = {"output": folder, "max_bytes": arguments.up_to}
        rule = {k: v for k, v in rule.items() if v is not None}
        client.call("PUT", f"/v1/offer-rules/{offer['peer_id']}", rule)
    if arguments.wait:
        (offer,) = _follow(client, [offer["id"]], True, quiet=arguments.json)
    if arguments.json:
        as_json(offer)
    else:
        say(f"{_names(offer)}: {_said(offer)}; it lands in {plain(offer['folder'] or '?')}")
    if offer["state"] in ("accepted", "done"):
        return 0
    error = offer["error"] or {"detail": f"The offer is {offer['state']}."}
    raise BarrioError(error["detail"])


def decline(client: LocalClient, arguments: Arguments) -> int:
    return _change(client, arguments, "declined")


def withdraw(client: LocalClient, arguments: Arguments) -> int:
    return _change(client, arguments, "withdrawn")


def _change(client: LocalClient, arguments: Arguments, state: str) -> int:
    offer = client.call("PATCH", f"/v1/offers/{naming.offer_id(client, arguments.id)}", {"state": state})
    as_json(offer) if arguments.json else say(f"{_names(offer)}: {offer['state']}")
    return 0


def rule_list(client: LocalClient, arguments: Arguments) -> int:
    rules = client.call("GET", "/v1/offer-rules")["rules"]
    if arguments.json:
        as_json(rules)
    elif not rules:
        say("no rules: you are asked about each offer")
    else:
        rows = [
            (r["peer_name"] or "?", size(r["max_bytes"]), r["output"] or "where downloads land", r["peer_id"])
            for r in rules
        ]
        table(rows, ("MEMBER", "UP TO", "FOLDER", "PEER"))
    return 0


def rule_set(client: LocalClient, arguments: Arguments) -> int:
    peer = naming.peer_id(client, arguments.peer, away=True)
    folder = output_folder(arguments)
    body = {"output": folder, "max_bytes": arguments.up_to}
    rule = client.call("PUT", f"/v1/offer-rules/{peer}", {k: v for k, v in body.items() if v is not None})
    whose = plain(rule["peer_name"]) or peer[: naming.SHORT_PEER_ID]
    said = f"offers of {whose} up to {size(rule['max_bytes'])} are accepted"
    as_json(rule) if arguments.json else say(said)
    return 0


def rule_remove(client: LocalClient, arguments: Arguments) -> int:
    peer = naming.peer_id(client, arguments.peer, away=True)
    client.call("DELETE", f"/v1/offer-rules/{peer}")
    as_json({"peer_id": peer, "removed": True}) if arguments.json else say("you are asked again")
    return 0


def _follow(client: LocalClient, ids: list[str], to_the_end: bool, quiet: bool) -> list[dict[str, Any]]:
    """Until all are prepared, or `to_the_end`."""
    told = ""
    while True:
        by_id = {o["id"]: o for o in client.call("GET", "/v1/offers")["offers"]}
        mine = [by_id[i] for i in ids if i in by_id]
        line = "; ".join(f"{_who(o)}: {_said(o)}" for o in mine)
        if not quiet and to_the_end and line != told:
            told = line
            output.say(line)
        if all(o["state"] in _ENDED if to_the_end else o["state"] != "preparing" for o in mine):
            return mine
        time.sleep(FOLLOW_SECONDS)


def _who(offer: dict[str, Any]) -> str:
    return plain(offer["peer_name"]) or str(offer["peer_id"])[: naming.SHORT_PEER_ID]


def _names(offer: dict[str, Any]) -> str:
    names = ", ".join(plain(name) for name in offer["names"])
    return names or count(offer["files"], "file")


def _said(offer: dict[str, Any]) -> str:
    match offer["state"]:
        case "preparing":
            return "hashing"
        case "waiting":
            return f"waits until {_who(offer)} is here"
        case "delivered":
            return f"{_who(offer)} is asked" if offer["direction"] == "out" else "waits for your answer"
        case "accepted":
            return f"{offer['files_done']} of {count(offer['files'], 'file')}, {size(offer['bytes_done'])} fetched"
        case state:
            return str(state)
