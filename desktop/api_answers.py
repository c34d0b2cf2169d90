"""Makes the values of `desktop.api` out of the local API's JSON (docs/local-api.md). Pure.

What is missing or of another type raises KeyError, TypeError, ValueError or AttributeError.
"""

from datetime import datetime
from typing import Any

from desktop.api import (
    Album,
    Answer,
    Entry,
    FileProblem,
    FilesPage,
    FolderFiles,
    Library,
    Listing,
    Member,
    Members,
    Neighbour,
    PatternFault,
    Problem,
    Row,
    Setting,
    Share,
    Source,
    Status,
    Transfer,
)
from protos.sentences import Sentence, from_json


def time_from(text: Any) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def problem_from(data: dict[str, Any], detail: str = "detail") -> Problem:
    return Problem(data["title"], from_json(data, detail), data.get("code") or "")


def _reason(data: dict[str, Any]) -> Sentence:
    return from_json({**data, "reason_code": data.get("code"), "params": data.get("params") or {}}, "reason")


def status_from(data: dict[str, Any]) -> Status:
    central, queries, moved = data["central"], data["queries"], data["bytes"]
    rates, shares = data.get("rates") or {}, data["shares"]
    indexing, limits = data.get("indexing") or {}, data.get("limits") or {}
    return Status(
        peer_id=data.get("peer_id"),
        name=data.get("name") or "",
        version=data.get("version") or "",
        joined=bool(data["joined"]),
        network_name=data.get("network_name") or "",
        addresses=tuple(data.get("addresses") or ()),
        central_reachable=bool(central["reachable"]),
        central_since=time_from(central.get("since")),
        central_address=central.get("address") or "",
        neighbours=tuple(
            Neighbour(n["peer_id"], n.get("name") or "", n["role"], bool(n["reachable"])) for n in data["neighbours"]
        ),
        through_neighbour=queries["through_neighbour"],
        direct=queries["direct"],
        relayed=data.get("relayed") or 0,
        sent=moved["sent"],
        received=moved["received"],
        rate_sent=rates.get("sent") or 0,
        rate_received=rates.get("received") or 0,
        files=shares["files"],
        bytes=shares["bytes"],
        pending=shares["pending"],
        key_store=data.get("key_store"),
        data_dir=data.get("data_dir") or "",
        notices=tuple(problem_from(n, "message") for n in data.get("notices") or ()),
        offers_revision=(data.get("offers") or {}).get("revision", -1),
        paused=bool(indexing.get("paused")),
        rate_indexing=indexing.get("rate") or 0,
        limit_sent=limits.get("upload_rate") or 0,
        limit_received=limits.get("download_rate") or 0,
        slow=bool(limits.get("slow")),
        slow_scheduled=bool(limits.get("scheduled")),
        slow_until=time_from(limits.get("until")),
    )


def row_from(data: dict[str, Any]) -> Row:
    return Row(
        content_id=data["content_id"],
        name=data["name"],
        path=data.get("path") or "",
        size=data["size"],
        kind=data["kind"],
        holders=data["holders"],
        names=tuple(data.get("names") or ()),
        have=bool(data.get("have")),
        modified=time_from(data.get("modified")),
    )


def answer_from(data: dict[str, Any]) -> Answer:
    via = data["via"]
    rows = tuple(row_from(row) for row in data["rows"])
    albums = tuple(Album(a["path"], a["files"], a["bytes"], a["holders"]) for a in data.get("albums") or ())
    returning = bool(data.get("members_returning"))
    return Answer(rows, data.get("next_cursor"), via["kind"], via.get("name") or "", albums, returning)


def share_from(data: dict[str, Any]) -> Share:
    progress = data.get("progress") or {}
    return Share(
        name=data["name"],
        path=data["path"],
        state=data["state"],
        files=data["files"],
        bytes=data["bytes"],
        pending=data.get("pending") or 0,
        files_done=progress.get("files_done"),
        files_total=progress.get("files_total") or 0,
        bytes_done=progress.get("bytes_done") or 0,
        bytes_total=progress.get("bytes_total") or 0,
        eta_seconds=progress.get("eta_seconds"),
        exclude=tuple(data.get("exclude") or ()),
        hidden=bool(data.get("hidden")),
        problems=tuple(FileProblem(p["path"], _reason(p)) for p in data.get("problems") or ()),
    )


def library_from(data: dict[str, Any]) -> Library:
    copies = data.get("duplicates") or {}
    return Library(tuple(map(share_from, data["shares"])), copies.get("files") or 0, copies.get("bytes") or 0)


def pattern_faults_from(data: dict[str, Any]) -> tuple[PatternFault, ...]:
    """Of the patterns with something wrong, in their order."""
    wrong = ((p["pattern"], p["fault"]) for p in data["patterns"] if p.get("fault"))
    return tuple(PatternFault(text, f["code"], f["reason"], bool(f["refused"])) for text, f in wrong)


def transfer_from(data: dict[str, Any]) -> Transfer:
    error = data.get("error")
    return Transfer(
        id=str(data["id"]),
        content_id=data["content_id"] or "",
        name=data["name"],
        path=data.get("path") or "",
        folder=data.get("folder") or "",
        size=data.get("size"),
        pieces=data.get("pieces") or 0,
        pieces_done=data.get("pieces_done") or 0,
        bytes_done=data.get("bytes_done") or 0,
        state=data["state"],
        rate=data.get("rate") or 0,
        eta_seconds=data.get("eta_seconds"),
        error=problem_from(error) if error else None,
        created=time_from(data.get("created")),
        finished=time_from(data.get("finished")),
        sources=tuple(
            Source(
                peer_id=s["peer_id"],
                name=s.get("name") or "",
                state=s["state"],
                pieces=s["pieces"],
                bytes=s["bytes"],
                rate=s.get("rate") or 0,
                failures=s.get("failures") or 0,
                reason=from_json(s, "reason", "reason_params"),
                wasted=s.get("wasted") or 0,
                retries=s.get("retries") or 0,
                quarantined_until=time_from(s.get("quarantined_until")),
            )
            for s in data.get("sources") or ()
        ),
        priority=data.get("priority") or "normal",
        place=data.get("place"),
        have=bool(data.get("have")),
        files=FolderFiles(**files) if (files := data.get("files")) else None,
    )


def files_page_from(data: dict[str, Any]) -> FilesPage:
    return FilesPage(tuple(map(transfer_from, data["files"])), data.get("next_after"))


def members_from(data: dict[str, Any]) -> Members:
    members = (Member(m["peer_id"], m.get("name") or "", bool(m.get("me"))) for m in data["members"])
    return Members(tuple(members), data.get("next_cursor"))


def shared_folder_from(data: dict[str, Any]) -> Entry:
    return Entry(data["name"], True, data["bytes"], data["files"])


def listing_from(data: dict[str, Any]) -> Listing:
    files = (
        Entry(
            name=f["name"],
            is_folder=False,
            size=f["size"],
            kind=f.get("kind") or "other",
            content_id=f["content_id"],
            have=bool(f.get("have")),
            modified=time_from(f.get("modified")),
        )
        for f in data["files"]
    )
    return Listing((*map(shared_folder_from, data["folders"]), *files), data.get("next_after"))


def setting_from(data: dict[str, Any]) -> Setting:
    return Setting(
        key=data["key"],
        type=data["type"],
        value=data["value"],
        default=data["default"],
        help=data["help"],
        applies=data["applies"],
        locked=bool(data["locked"]),
        environment=data.get("environment") or "",
    )
