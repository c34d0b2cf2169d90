"""The verb `settings`: shows them, or changes one. Returns the exit status."""

import argparse
import sys
import textwrap
from typing import Any

from peer_core.cli.client import LocalClient
from peer_core.cli.output import as_json, columns, plain, say, table, width
from peer_core.errors import BadInputError
from protos.operating.usage import maybe

_HEADS = ("SETTING", "VALUE", "WHAT IT IS", "APPLIES")
Arguments = argparse.Namespace


def settings(client: LocalClient, arguments: Arguments) -> int:
    key = arguments.key
    changed = key is not None and arguments.value is not None
    everything = client.call("GET", "/v1/settings")["settings"]
    known = [s["key"] for s in everything]
    if key is not None and key not in known:
        near = maybe(key, known)
        raise BadInputError(f"There is no setting “{plain(key)}”{near or f'; “{client.program} settings” lists them.'}")
    if changed:
        client.call("PATCH", "/v1/settings", {key: arguments.value})
        everything = client.call("GET", "/v1/settings")["settings"]
    listed = everything if key is None else [s for s in everything if s["key"] == key]
    if arguments.json:
        as_json(listed)
    else:
        _show([(s["key"], _value(s["value"]), s["help"], _applies(s)) for s in listed])
    if changed and key == "name":
        _tell_name(client)
    return 0


def _show(rows: list[tuple[str, str, str, str]]) -> None:
    """As a table; what each is stands below it where the terminal is too narrow."""
    room = columns()
    wide = sum(max(width(row[i]) for row in (_HEADS, *rows)) + 2 for i in range(len(_HEADS))) - 2
    if room is None or wide <= room:
        table(rows, _HEADS)
        return
    for key, value, text, applies in rows:
        say(f"{plain(key)}  {plain(value) or '-'}  ({applies})")
        say(textwrap.fill(text, room, initial_indent="    ", subsequent_indent="    "))


def _tell_name(client: LocalClient) -> None:
    """The name is part of the certificate that the barrio gave."""
    now = client.call("GET", "/v1/status")
    if now["joined"]:
        # While it is not online, the status tells the setting.
        known = f"as “{plain(now['name'])}”" if now["peer_id"] else "by the name it joined with"
        said = f"barrio-peer: this device stays known {known} in its barrio; the new name counts when it joins one."
        print(said, file=sys.stderr)


def _applies(setting: dict[str, Any]) -> str:
    return {"restart": "after a restart", "join": "when joining"}.get(setting["applies"], "at once")


def _value(value: Any) -> str:
    return " ".join(value) if isinstance(value, list) else str(value)
