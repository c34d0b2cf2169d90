"""The verbs about other members: `members`, `browse`, and `get`, also of folders. Each returns the exit status."""

import argparse
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

from peer_core.cli import output, transfer_verbs, verbs
from peer_core.cli.client import LocalClient
from peer_core.cli.output import as_json, plain, say, table
from peer_core.errors import BadInputError, BarrioError, NotFoundError
from peer_core.sizes import human as size
from protos.agreed import ID_LENGTH

MIN_PREFIX = 6
PAGE = 1000
FOLLOW_SECONDS = 0.5
Arguments = argparse.Namespace


def members(client: LocalClient, arguments: Arguments) -> int:
    listed = _all_members(client, arguments.text)
    if arguments.json:
        as_json(listed)
    elif not listed:
        say("nobody of that name is here now" if arguments.text else "nobody is here now")
    else:
        table([(m["name"], "this device" if m["me"] else "", m["peer_id"]) for m in listed], ("NAME", "", "PEER"))
    return 0


def _all_members(client: LocalClient, text: str) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = []
    cursor = None
    while True:
        page = client.call("GET", "/v1/members", q=text, limit=200, cursor=cursor)
        listed += page["members"]
        cursor = page["next_cursor"]
        if cursor is None:
            return listed


def peer_id(client: LocalClient, text: str) -> str:
    """The one member meant by an id, the beginning of one, or a name. Raises NotFoundError, BadInputError."""
    if len(text) == ID_LENGTH and text.isascii() and text.isalnum():
        return text.lower()
    found = _all_members(client, text[:64])
    named = [m for m in found if m["name"] == text]
    meant = named or [m for m in found if len(text) >= MIN_PREFIX and m["peer_id"].startswith(text.lower())]
    if not meant:
        raise NotFoundError(f"Nobody called “{plain(text[:64])}” is here now; “barrio-peer members” lists who is.")
    if len(meant) > 1:
        ids = ", ".join(m["peer_id"][:12] for m in meant[:5])
        raise BadInputError(f"“{plain(text[:64])}” may be several members; give the beginning of an id: {ids}.")
    return str(meant[0]["peer_id"])


def browse(client: LocalClient, arguments: Arguments) -> int:
    if arguments.limit is not None and arguments.limit < 1:
        raise BadInputError("The limit is a number of rows, 1 at least.")
    address = f"/v1/peers/{peer_id(client, arguments.peer)}/shares"
    path = arguments.path.strip("/")
    if not path:
        shares = client.call("GET", address)["shares"]
        if arguments.json:
            as_json({"shares": shares})
        elif shares:
            table([(s["name"], str(s["files"]), size(s["bytes"])) for s in shares], ("SHARE", "FILES", "SIZE"))
        else:
            say("nothing is shared there")
        return 0
    tree = _whole(client, f"{address}/{quote(path, safe='/')}", arguments.limit)
    if arguments.json:
        as_json(tree)
        return 0
    rows = [(f["name"] + "/", f"{f['files']} files", size(f["bytes"]), "") for f in tree["folders"]]
    rows += [(f["name"], "you have it" if f["have"] else "", size(f["size"]), f["content_id"]) for f in tree["files"]]
    if rows:
        table(rows, ("NAME", "", "SIZE", "CONTENT"))
    say(f"{len(rows)} shown{', there are more' if tree['next_after'] else ''}")
    return 0


def _whole(client: LocalClient, address: str, limit: int | None) -> dict[str, Any]:
    """The pages of one folder put together, up to `limit` rows."""
    whole: dict[str, Any] = {"kind": "folder", "folders": [], "files": [], "next_after": None}
    while True:
        shown = len(whole["folders"]) + len(whole["files"])
        wanted = PAGE if limit is None else min(PAGE, limit - shown)
        page = client.call("GET", address, after=whole["next_after"], limit=wanted)
        whole["folders"] += page["folders"]
        whole["files"] += page["files"]
        whole |= {"kind": page["kind"], "next_after": page["next_after"]}
        done = limit is not None and len(whole["folders"]) + len(whole["files"]) >= limit
        if whole["next_after"] is None or done:
            return whole


def get(client: LocalClient, arguments: Arguments) -> int:
    if arguments.peer is None:
        return verbs.get(client, arguments)
    folder = str(Path(arguments.output).expanduser().resolve()) if arguments.output else None
    body = {"peer_id": peer_id(client, arguments.peer), "path": arguments.content.strip("/"), "output": folder}
    body = {k: v for k, v in body.items() if v is not None}
    # Told before it starts.
    body |= {"skip_have": arguments.skip_have, "paused": arguments.skip_have or arguments.paused}
    (made,) = client.call("POST", "/v1/transfers", body)["transfers"]
    if not arguments.json:
        _announce(made)
    if arguments.paused:
        if arguments.json:
            as_json([made])
        return 0
    if arguments.skip_have and made["state"] == "paused":
        client.call("PATCH", f"/v1/transfers/{made['id']}", {"state": "running"})
    ended = _follow_one(client, made["id"], quiet=arguments.json)
    files = transfer_verbs.files_of(client, made["id"]) if made["files"] else [ended]
    wanted = [file for file in files if file["state"] != "skipped"]
    resting = [file for file in wanted if file["state"] != "done"]
    if arguments.json:
        as_json(wanted)
    else:
        say(f"{len(wanted) - len(resting)} of {len(wanted)} files done, {size(ended['size'] or 0)}, verified")
    if not resting:
        return 0
    told = next((file for file in resting if file["error"]), resting[0])
    first = told["error"] or {"title": "It rests", "detail": "Go on with “barrio-peer resume”."}
    raise BarrioError(
        f"{len(resting)} files are not here, first {told['name']}: {first['title']}: {first['detail']}"
        " They stay in the list of transfers."
    )


def _announce(made: dict[str, Any]) -> None:
    count = made["files"]
    if count is None:
        say(f"{plain(made['name'])}, {size(made['size'] or 0)}  ({made['id']})")
        return
    here = f"; {count['have']} are on this device already, {size(count['have_bytes'])}" if count["have"] else ""
    skipped = f"; {count['skipped']} are left out" if count["skipped"] else ""
    say(f"{plain(made['name'])}: {count['total']} files{here}{skipped}  ({made['id']})")


def _follow_one(client: LocalClient, transfer_id: str, quiet: bool) -> dict[str, Any]:
    """Until it is done or rests, or has not moved for a while."""
    told, moved = -1, time.monotonic()
    before: tuple[int, int] | None = None
    while True:
        now = client.call("GET", f"/v1/transfers/{transfer_id}")
        done = now["files"]["done"] if now["files"] else int(now["state"] == "done")
        if not quiet and done != told:
            told = done
            wanted = now["files"]["total"] - now["files"]["skipped"] if now["files"] else 1
            output.say(f"{done} of {wanted} files")
        if (now["bytes_done"], done) != before:
            before, moved = (now["bytes_done"], done), time.monotonic()
        patient = time.monotonic() - moved < verbs.PATIENCE_SECONDS
        if now["state"] in ("done", "failed", "paused") or not (patient or now["state"] == "running"):
            return dict(now)
        time.sleep(FOLLOW_SECONDS)
