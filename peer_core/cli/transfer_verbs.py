"""The verbs about the list of transfers. Each prints, and returns the exit status."""

import argparse
from fnmatch import fnmatchcase
from pathlib import PurePath
from typing import Any
from urllib.parse import quote

from peer_core.cli import naming, output
from peer_core.cli.client import LocalClient
from peer_core.cli.output import as_json, count, plain, say, table, when
from peer_core.cli.parsing import UsageError
from peer_core.errors import BadInputError
from peer_core.sizes import human as size
from protos.operating.usage import maybe

PAGE = 1000
# So many ids fit into one request.
MOST_IDS = 5000
SHOWN_RUNS = 8
ALL = "all"
WHAT = ("files", "receipt", "clear")
Arguments = argparse.Namespace


def transfers(client: LocalClient, arguments: Arguments) -> int:
    match arguments.what:
        case None:
            return _list(client, arguments)
        case "clear":
            if arguments.id is not None:
                raise UsageError(
                    "“transfers clear” takes all that is done off the list; one is taken off with "
                    f"“{client.program} cancel {plain(arguments.id)}”."
                )
            client.call("DELETE", "/v1/transfers", state="done")
            as_json({"cleared": True}) if arguments.json else say("what was done is off the list; the files stay")
            return 0
        case "files":
            return _files(client, arguments, _id(client, arguments))
        case "receipt":
            return _receipt(client, arguments, _id(client, arguments))
        case given if arguments.id is not None:
            raise UsageError(f"“{plain(given)}” is none of files, receipt and clear{maybe(given, WHAT)}.")
        case given:
            return _one(client, arguments, naming.transfer_id(client, given))


def _id(client: LocalClient, arguments: Arguments) -> str:
    if arguments.id is None:
        raise UsageError(f"Say which transfer: {client.program} transfers {arguments.what} ID.")
    return naming.transfer_id(client, arguments.id)


def _one(client: LocalClient, arguments: Arguments, transfer_id: str) -> int:
    told = client.call("GET", f"/v1/transfers/{transfer_id}")
    if arguments.json:
        as_json(told)
        return 0
    place = f", place {_place(told)}" if told["place"] is not None else ""
    say(f"{_named(told)}: {told['state']}{place}")
    error = told["error"]
    rows = [
        ("done", _done(told)),
        ("now", _speed_or_reason(told)),
        ("why", error["detail"] if error else ""),
        ("where", told["path"]),
        ("begun", when(told["created"])),
        ("ended", when(told["finished"])),
        ("id", told["id"]),
    ]
    for head, text in rows:
        if text:
            say(f"{head:<6} {plain(text)}")
    if told["sources"]:
        sources = [(s["name"], s["state"], size(s["bytes"]), s["reason"] or "") for s in told["sources"]]
        table(sources, ("HOLDER", "STATE", "BYTES", "REASON"))
    if told["files"]:
        say(f"its files: {client.program} transfers files {told['id']}")
    return 0


def _list(client: LocalClient, arguments: Arguments) -> int:
    listed = naming.all_transfers(client)
    if arguments.json:
        as_json(listed)
    elif not listed:
        say("no transfers")
    else:
        rows = [
            (
                _named(t),
                t["state"],
                _done(t),
                _speed_or_reason(t),
                _place(t),
                t["folder"],
                t["id"],
            )
            for t in listed
        ]
        table(rows, ("NAME", "STATE", "DONE", "SPEED OR REASON", "PLACE", "FOLDER", "ID"))
    return 0


def _named(transfer: dict[str, Any]) -> str:
    return plain(transfer["name"]) + ("/" if transfer["files"] else "")


def _done(transfer: dict[str, Any]) -> str:
    return f"{size(transfer['bytes_done'])} of {size(transfer['size'])}"


def _place(transfer: dict[str, Any]) -> str:
    if transfer["place"] is None:
        return ""
    priority = "" if transfer["priority"] == "normal" else f" {transfer['priority']}"
    return f"{transfer['place']}{priority}"


def _speed_or_reason(transfer: dict[str, Any]) -> str:
    line = output.in_line_at(transfer)
    if line:
        return f"in line at {', '.join(line)}"
    files = transfer["files"]
    many = f", {files['done']} of {count(files['total'] - files['skipped'], 'file')}" if files else ""
    if transfer["state"] == "running":
        return f"{size(transfer['rate'])}/s{many}"
    return str((transfer["error"] or {}).get("title", "")) or many.removeprefix(", ")


def files_of(client: LocalClient, transfer_id: str) -> list[dict[str, Any]]:
    """All files of a folder's transfer."""
    files: list[dict[str, Any]] = []
    after = None
    while True:
        page = client.call("GET", f"/v1/transfers/{transfer_id}/files", limit=PAGE, after=after)
        files += page["files"]
        after = page["next_after"]
        if after is None:
            return files


def _files(client: LocalClient, arguments: Arguments, transfer_id: str) -> int:
    files = files_of(client, transfer_id)
    if arguments.json:
        as_json(files)
        return 0
    root = client.call("GET", f"/v1/transfers/{transfer_id}")["path"]
    rows = [(_below(root, f), f["state"], size(f["size"]), "you have it" if f["have"] else "", f["id"]) for f in files]
    table(rows, ("NAME", "STATE", "SIZE", "", "ID"))
    return 0


def _receipt(client: LocalClient, arguments: Arguments, transfer_id: str) -> int:
    receipt = client.call("GET", f"/v1/transfers/{transfer_id}/receipt")
    if arguments.json:
        as_json(receipt)
        return 0
    moved = receipt["bytes"]
    say(f"{plain(receipt['name'])}: {receipt['state']}, verified {when(receipt['verified']) or 'not yet'}")
    wasted = f"{size(moved['wasted'])} wasted, {receipt['retries']} retries"
    say(f"{size(moved['verified'])} of {size(receipt['size'])} kept; {size(moved['received'])} came in, {wasted}")
    rows = [
        (
            h["name"],
            str(h["pieces"]),
            ", ".join(f"{first}-{last}" if last > first else str(first) for first, last in h["runs"][:SHOWN_RUNS])
            + (" …" if len(h["runs"]) > SHOWN_RUNS else ""),
            size(h["bytes"]),
            size(h["wasted"]),
            str(h["retries"]),
            f"until {when(h['quarantined_until'])}" if h["quarantined_until"] else "",
            h["reason"] or "",
        )
        for h in receipt["holders"]
    ]
    table(rows, ("HOLDER", "PIECES", "WHICH", "BYTES", "WASTED", "RETRIES", "QUARANTINE", "REASON"))
    return 0


def quarantine(client: LocalClient, arguments: Arguments) -> int:
    if arguments.peer:
        client.call("DELETE", f"/v1/quarantine/{quote(arguments.peer, safe='')}")
    holders = client.call("GET", "/v1/quarantine")["holders"]
    if arguments.json:
        as_json(holders)
    elif not holders:
        say("nobody is in quarantine")
    else:
        rows = [(h["name"], when(h["until"]), h["reason"], h["peer_id"]) for h in holders]
        table(rows, ("NAME", "UNTIL", "REASON", "PEER"))
    return 0


def _below(root: str, file: dict[str, Any]) -> str:
    try:
        return PurePath(file["path"]).relative_to(root).as_posix()
    except ValueError:
        return str(file["name"])


def choose(client: LocalClient, arguments: Arguments) -> int:
    if not (arguments.want or arguments.skip or arguments.skip_have):
        raise UsageError("Say what to choose: --want PATTERN, --skip PATTERN or --skip-have.")
    transfer_id = naming.transfer_id(client, arguments.id)
    address = f"/v1/transfers/{transfer_id}/files"
    if arguments.want or arguments.skip:
        root = client.call("GET", f"/v1/transfers/{transfer_id}")["path"]
        files = [(_below(root, file), file["id"]) for file in files_of(client, transfer_id)]
        for patterns, wanted in ((arguments.want, True), (arguments.skip, False)):
            ids = [each for path, each in files if any(_fits(path, pattern) for pattern in patterns or ())]
            if patterns and not ids:
                raise BadInputError(f"No file of it fits “{plain(patterns[0])}”; “transfers files ID” lists them.")
            for start in range(0, len(ids), MOST_IDS):
                client.call("PATCH", address, {"wanted": wanted, "ids": ids[start : start + MOST_IDS]})
    if arguments.skip_have:
        client.call("PATCH", address, {"wanted": False, "have": True})
    now = client.call("GET", f"/v1/transfers/{transfer_id}")
    files_now = now["files"]
    said = f"{files_now['total'] - files_now['skipped']} of {count(files_now['total'], 'file')}, {size(now['size'])}"
    as_json(now) if arguments.json else say(f"{plain(now['name'])}: {said}")
    return 0


def _fits(path: str, pattern: str) -> bool:
    """By the whole path below the folder, or by the name alone."""
    return fnmatchcase(path, pattern) or fnmatchcase(path.rpartition("/")[2], pattern)


def pause(client: LocalClient, arguments: Arguments) -> int:
    return _set_state(client, arguments, "paused")


def resume(client: LocalClient, arguments: Arguments) -> int:
    return _set_state(client, arguments, "running")


def _set_state(client: LocalClient, arguments: Arguments, state: str) -> int:
    everything = arguments.all or arguments.id == ALL
    if (arguments.id is None and not everything) or (arguments.all and arguments.id not in (None, ALL)):
        raise UsageError("Name one transfer, or --all.")
    if not everything:
        return _change(client, arguments, {"state": state})
    client.call("PATCH", "/v1/transfers", {"state": state})
    as_json({"state": state}) if arguments.json else say("all are paused" if state == "paused" else "all go on")
    return 0


def move(client: LocalClient, arguments: Arguments) -> int:
    return _change(client, arguments, {"move": arguments.where})


def priority(client: LocalClient, arguments: Arguments) -> int:
    return _change(client, arguments, {"priority": arguments.priority})


def _change(client: LocalClient, arguments: Arguments, body: dict[str, str]) -> int:
    transfer = client.call("PATCH", f"/v1/transfers/{naming.transfer_id(client, arguments.id)}", body)
    place = f", place {_place(transfer)}" if transfer["place"] is not None else ""
    as_json(transfer) if arguments.json else say(f"{plain(transfer['name'])}: {transfer['state']}{place}")
    return 0


def cancel(client: LocalClient, arguments: Arguments) -> int:
    if arguments.id == ALL:
        raise UsageError(
            f"Cancel each by its id; “{client.program} pause --all” stops all, and “{client.program} transfers clear” "
            "takes what is done off the list."
        )
    transfer_id = naming.transfer_id(client, arguments.id)
    before = client.call("GET", f"/v1/transfers/{transfer_id}")
    client.call("DELETE", f"/v1/transfers/{transfer_id}", keep="true" if arguments.keep else None)
    if arguments.json:
        as_json({"id": transfer_id, "cancelled": True})
    elif before["state"] == "done":
        say(f"{plain(before['name'])}: off the list; {'the files stay' if before['files'] else 'the file stays'}")
    else:
        say(f"{plain(before['name'])}: cancelled{', the partial file stays' if arguments.keep else ''}")
    return 0
