"""The verbs that speak to a running peer. Each prints, and returns the exit status."""

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from peer_core.cli import output
from peer_core.cli.client import LocalClient
from peer_core.cli.output import as_json, count, plain, say, table
from peer_core.cli.output_folder import output_folder
from peer_core.cli.parsing import UsageError
from peer_core.errors import BadInputError, BarrioError, NotJoinedError
from peer_core.links import parse_content
from peer_core.sizes import human as size
from protos.agreed import ID_LENGTH

POLL_SECONDS = 0.2
PATIENCE_SECONDS = 12.0
# Fewer found than this is little.
FEW_ROWS = 5
Arguments = argparse.Namespace


def status(client: LocalClient, arguments: Arguments) -> int:
    now = client.call("GET", "/v1/status")
    if arguments.json:
        as_json(now)
        return 0
    central, shares = now["central"], now["shares"]
    people = ", ".join(plain(n["name"]) for n in now["neighbours"]) or "none"
    if now["joined"]:
        say(f"{plain(now['name'])} in “{plain(now['network_name'] or '?')}”  ({now['peer_id']})")
        say(f"central     {central['address']}: {'reachable' if central['reachable'] else 'out of reach'}")
        say(f"neighbours  {people}")
        say(f"addresses   {', '.join(now['addresses'])}")
    else:
        say(f"not in a barrio yet: {client.program} join INVITE")
    paused = " (indexing is paused)" if now["indexing"]["paused"] else ""
    say(f"shares      {count(shares['files'], 'file')}, {size(shares['bytes'])}; {shares['pending']} pending{paused}")
    say(f"traffic     {size(now['bytes']['sent'])} sent, {size(now['bytes']['received'])} received")
    for notice in now["notices"]:
        say(f"note        {plain(notice['title'])}: {plain(notice['message'])}")
    return 0


def health(client: LocalClient, arguments: Arguments) -> int:
    found = client.call("GET", "/v1/health")
    if arguments.json:
        as_json(found)
    else:
        for part, state in found["parts"].items():
            say(f"{part:<8} {plain(state)}")
    return 0 if found["ready"] or not arguments.ready else 1


def search(client: LocalClient, arguments: Arguments) -> int:
    found = client.call(
        "GET",
        "/v1/search",
        q=" ".join(arguments.words),
        kind=arguments.kind,
        min_size=arguments.min_size,
        max_size=arguments.max_size,
        limit=arguments.limit,
        ext=arguments.ext,
        changed_since=arguments.changed_since,
    )
    rows = found["rows"]
    if arguments.json:
        as_json(rows)
        return 0
    for album in found["albums"]:
        below = f"{count(album['files'], 'file')}, {size(album['bytes'])}"
        say(f"{plain(album['path'])}/  ·  {below}  ·  {_people(album['holders'])}")
    if found["albums"]:
        say(_fetch_folder(client))
    for row in rows:
        mine = "  (you have it)" if row["have"] else ""
        say(f"{plain(row['name'])}  ·  {size(row['size'])}  ·  {_people(row['holders'])}{mine}")
        say(f"    {plain(row['path'])}")
        say(f"    {row['content_id']}")
    via = found["via"]
    how = (
        f"through {plain(via['name'] or '?')}"
        if via["kind"] == "neighbour"
        else "from the central: no neighbour is here"
    )
    say(f"{len(rows)} found{', there are more' if found['next_cursor'] else ''}, {how}")
    if found["members_returning"] and len(rows) < FEW_ROWS:
        say("the central has just started; members are still coming back – search again in a few seconds")
    return 0


def _people(number: int) -> str:
    return count(number, "holder")


def _content(client: LocalClient, given: str) -> tuple[str, str | None]:
    """Content id and name, if any. Raises BadInputError."""
    try:
        return parse_content(given)
    except BadInputError as error:
        if ":" in given or (len(given.strip()) == ID_LENGTH and "/" not in given):
            raise
        if "/" in given:
            raise BadInputError(f"“{plain(given[:60])}” is a path. {_fetch_folder(client)}") from error
        raise BadInputError(f"{error.message} {_fetch_folder(client)}") from error


def _fetch_folder(client: LocalClient) -> str:
    return f"What somebody shares is fetched by its path with: {client.program} get --from PERSON SHARE/FOLDER"


def get(client: LocalClient, arguments: Arguments) -> int:
    content_id, name = _content(client, arguments.content)
    if arguments.skip_have:
        raise UsageError("--skip-have belongs to --from: it leaves out files of a folder.")
    folder = output_folder(arguments, name)
    body = {"content_id": content_id, "name": name, "output": folder, "paused": arguments.paused or None}
    transfer = client.call("POST", "/v1/transfers", {k: v for k, v in body.items() if v is not None})
    if arguments.paused:
        as_json(transfer) if arguments.json else say(
            f"{plain(transfer['name'])}: {transfer['state']} ({transfer['id']})"
        )
        return 0
    progress = output.TransferProgress(quiet=arguments.json)
    try:
        transfer = _follow(client, transfer, progress)
    except KeyboardInterrupt:
        progress.end(f"it goes on in the peer: see “{client.program} transfers”")
        raise
    if transfer["state"] == "done":
        progress.end(f"{plain(transfer['name'])}: done, verified: {plain(transfer['path'])}")
    else:
        progress.end(f"{plain(transfer['name'])}: {transfer['state']}")
    if arguments.json:
        as_json(transfer)
    if transfer["state"] == "done":
        return 0
    error = transfer["error"] or {
        "title": "The transfer rests",
        "detail": f"Go on with “{client.program} resume {transfer['id']}”.",
    }
    stays = " It stays in the list of transfers." if transfer["state"] == "waiting" else ""
    raise BarrioError(f"{error['title']}: {error['detail']}{stays}")


def _follow(client: LocalClient, transfer: dict[str, Any], progress: output.TransferProgress) -> dict[str, Any]:
    """Shows a transfer until it is done, rests, or has waited for a holder for a while."""
    waiting_since: float | None = None
    while True:
        progress.show(transfer)
        if transfer["state"] in ("done", "failed", "paused"):
            return transfer
        if transfer["state"] == "running":
            waiting_since = None
        elif transfer["error"] is not None and waiting_since is None:
            waiting_since = time.monotonic()
        if waiting_since is not None and time.monotonic() - waiting_since > PATIENCE_SECONDS:
            return {**transfer, "state": "waiting"}
        time.sleep(POLL_SECONDS)
        transfer = client.call("GET", f"/v1/transfers/{transfer['id']}")


def neighbours(client: LocalClient, arguments: Arguments) -> int:
    listed = client.call("GET", "/v1/peers")["peers"]
    if arguments.json:
        as_json(listed)
    elif not listed:
        say("no neighbours: this peer asks the central itself")
    else:
        rows = [(n["name"], n["role"], "yes" if n["reachable"] else "no", n["peer_id"]) for n in listed]
        table(rows, ("NAME", "ROLE", "ANSWERS", "PEER"))
    return 0


def share_add(client: LocalClient, arguments: Arguments) -> int:
    path = str(Path(arguments.path).expanduser().absolute())
    body = {"path": path, "name": arguments.name, "exclude": arguments.exclude, "hidden": arguments.hidden}
    share = client.call("POST", "/v1/shares", body)
    as_json(share) if arguments.json else say(f"“{plain(share['name'])}” is shared; indexing has begun")
    return 0


def share_list(client: LocalClient, arguments: Arguments) -> int:
    listed = client.call("GET", "/v1/shares")["shares"]
    if arguments.json:
        as_json(listed)
        return 0
    if not listed:
        say(f"nothing is shared yet: {client.program} share add FOLDER")
        return 0
    rows = [(s["name"], s["state"], str(s["files"]), size(s["bytes"]), str(s["pending"]), s["path"]) for s in listed]
    table(rows, ("NAME", "STATE", "FILES", "SIZE", "PENDING", "FOLDER"))
    for share in listed:
        progress = share["progress"]
        if progress is not None:
            part = f"{size(progress['bytes_done'])} of {size(progress['bytes_total'])}"
            speed = f"{size(progress['rate'])}/s {output.duration(progress['eta_seconds'])}".rstrip()
            say(f"  hashing: {plain(share['name'])}: {part}, {speed}")
        for trouble in share["problems"][:10]:
            say(f"  left out: {plain(share['name'])}/{plain(trouble['path'])}: {plain(trouble['reason'])}")
    return 0


def share_set(client: LocalClient, arguments: Arguments) -> int:
    exclude = [] if arguments.exclude_nothing else arguments.exclude
    body = {"exclude": exclude, "hidden": arguments.hidden}
    share = client.call("PATCH", "/v1/shares", {k: v for k, v in body.items() if v is not None}, name=arguments.name)
    if arguments.json:
        as_json(share)
    else:
        left_out = "  ".join(map(plain, share["exclude"])) or "nothing of its own"
        say(f"“{plain(share['name'])}” leaves out {left_out}; hidden files {'too' if share['hidden'] else 'never'}")
    return 0


def share_pause(client: LocalClient, arguments: Arguments) -> int:
    return _indexing(client, arguments, True)


def share_resume(client: LocalClient, arguments: Arguments) -> int:
    return _indexing(client, arguments, False)


def _indexing(client: LocalClient, arguments: Arguments, paused: bool) -> int:
    now = client.call("PATCH", "/v1/indexing", {"paused": paused})
    as_json(now) if arguments.json else say(f"indexing {'is paused' if now['paused'] else 'goes on'}")
    return 0


def share_remove(client: LocalClient, arguments: Arguments) -> int:
    client.call("DELETE", "/v1/shares", name=arguments.name)
    as_json({"name": arguments.name, "removed": True}) if arguments.json else say("no longer shared; the files stay")
    return 0


def share_rescan(client: LocalClient, arguments: Arguments) -> int:
    client.call("POST", "/v1/rescan", {"name": arguments.name} if arguments.name else {})
    as_json({"asked": True}) if arguments.json else say("looking again")
    return 0


def join_running(client: LocalClient, arguments: Arguments) -> dict[str, Any]:
    """Joins through the peer that runs; returns its status."""
    body = {"invite": arguments.invite, "name": arguments.name}
    joined: dict[str, Any] = client.call("POST", "/v1/join", {k: v for k, v in body.items() if v is not None})
    if not joined["joined"]:
        raise NotJoinedError("The peer did not join.")
    return joined


Verb = Callable[[LocalClient, Arguments], int]
