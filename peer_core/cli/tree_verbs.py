"""The verbs about other members: `members`, `browse`, and `get`, also of folders. Each returns the exit status."""

import argparse
import time
from typing import Any
from urllib.parse import quote

from peer_core.cli import naming, output, transfer_verbs, verbs
from peer_core.cli.client import LocalClient
from peer_core.cli.output import as_json, count, plain, say, table
from peer_core.cli.output_folder import output_folder
from peer_core.cli.parsing import UsageError
from peer_core.errors import BarrioError
from peer_core.sizes import human as size

PAGE = 1000
FOLLOW_SECONDS = 0.5
Arguments = argparse.Namespace


def members(client: LocalClient, arguments: Arguments) -> int:
    listed = naming.all_members(client, arguments.text)
    if arguments.json:
        as_json(listed)
    elif not listed:
        say("nobody of that name is here now" if arguments.text else "nobody is here now")
    else:
        table([(m["name"], "this device" if m["me"] else "", m["peer_id"]) for m in listed], ("NAME", "", "PEER"))
    return 0


def browse(client: LocalClient, arguments: Arguments) -> int:
    if arguments.limit is not None and arguments.limit < 1:
        raise UsageError("The limit is a number of rows, 1 at least.")
    peer = naming.peer_id(client, arguments.peer)
    address = f"/v1/peers/{peer}/shares"
    if not arguments.path.strip("/"):
        shares = client.call("GET", address)["shares"]
        if arguments.json:
            as_json({"shares": shares})
        elif shares:
            table([(s["name"], str(s["files"]), size(s["bytes"])) for s in shares], ("SHARE", "FILES", "SIZE"))
        else:
            say("nothing is shared there")
        return 0
    path = naming.shared_path(client, peer, arguments.path)
    tree = _whole(client, f"{address}/{quote(path, safe='/')}", arguments.limit)
    if arguments.json:
        as_json(tree)
        return 0
    rows = [(f["name"] + "/", count(f["files"], "file"), size(f["bytes"]), "") for f in tree["folders"]]
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
    peer = naming.peer_id(client, arguments.peer)
    path = naming.shared_path(client, peer, arguments.content)
    body = {"peer_id": peer, "path": path, "output": output_folder(arguments, path.rpartition("/")[2])}
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
        say(f"{len(wanted) - len(resting)} of {count(len(wanted), 'file')} done, {size(ended['size'] or 0)}, verified")
    if not resting:
        return 0
    told = next((file for file in resting if file["error"]), resting[0])
    first = told["error"] or {"title": "It rests", "detail": f"Go on with “{client.program} resume {made['id']}”."}
    raise BarrioError(
        f"{count(len(resting), 'file')} {'is' if len(resting) == 1 else 'are'} not here, "
        f"first {told['name']}: {first['title']}: {first['detail']}"
        " They stay in the list of transfers."
    )


def _announce(made: dict[str, Any]) -> None:
    files = made["files"]
    if files is None:
        say(f"{plain(made['name'])}, {size(made['size'] or 0)}  ({made['id']})")
        return
    here = f"; {_so_many(files['have'])} on this device already, {size(files['have_bytes'])}" if files["have"] else ""
    skipped = f"; {_so_many(files['skipped'])} left out" if files["skipped"] else ""
    say(f"{plain(made['name'])}: {count(files['total'], 'file')}{here}{skipped}  ({made['id']})")


def _so_many(number: int) -> str:
    return f"{number} {'is' if number == 1 else 'are'}"


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
            output.say(f"{done} of {count(wanted, 'file')}")
        if (now["bytes_done"], done) != before:
            before, moved = (now["bytes_done"], done), time.monotonic()
        patient = time.monotonic() - moved < verbs.PATIENCE_SECONDS
        if now["state"] in ("done", "failed", "paused") or not (patient or now["state"] == "running"):
            return dict(now)
        time.sleep(FOLLOW_SECONDS)
