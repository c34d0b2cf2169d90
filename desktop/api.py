"""What the local API says, as immutable values (docs/local-api.md), and the one error of talking to it. Pure."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from protos.sentences import Sentence, from_json

ACTIVE = frozenset({"queued", "locating", "running", "waiting"})
ENDED = frozenset({"done", "failed"})


class ApiError(Exception):
    """`title` names the trouble, `detail` says what to do, `code` is stable for programs."""

    def __init__(self, title: str, detail: str, code: str, status: int = 0) -> None:
        super().__init__(f"{title}: {detail}")
        self.title = title
        self.detail = detail
        self.code = code
        self.status = status


@dataclass(frozen=True)
class Problem:
    """`code`: of its title; the detail has its own, so that `Words.problem` can say both."""

    title: str
    detail: Sentence
    code: str


@dataclass(frozen=True)
class Neighbour:
    peer_id: str
    name: str
    role: str
    reachable: bool


@dataclass(frozen=True)
class Status:
    """`pending`: files that wait to be hashed or published. Rates are bytes a second. `offers_revision`: grows with
    whatever is new among the offers; -1 where there are none."""

    peer_id: str | None
    name: str
    version: str
    joined: bool
    network_name: str
    addresses: tuple[str, ...]
    central_reachable: bool
    central_since: datetime | None
    central_address: str
    neighbours: tuple[Neighbour, ...]
    through_neighbour: int
    direct: int
    relayed: int
    sent: int
    received: int
    rate_sent: float
    rate_received: float
    files: int
    bytes: int
    pending: int
    key_store: str | None
    data_dir: str
    notices: tuple[Problem, ...]
    paused: bool
    rate_indexing: float
    # The limits in force, 0 for none; whether they are those of slow mode, by the schedule, and until when at most.
    limit_sent: int = 0
    limit_received: int = 0
    slow: bool = False
    slow_scheduled: bool = False
    slow_until: datetime | None = None
    offers_revision: int = -1

    @property
    def primary(self) -> Neighbour | None:
        """The neighbour that answers now."""
        reachable = [n for n in self.neighbours if n.reachable]
        return next((n for n in reachable if n.role == "primary"), reachable[0] if reachable else None)


@dataclass(frozen=True)
class Row:
    """One content that somebody shares."""

    content_id: str
    name: str
    path: str
    size: int
    kind: str
    holders: int
    names: tuple[str, ...]
    have: bool
    modified: datetime | None


@dataclass(frozen=True)
class Album:
    """A folder whose name has what was asked for; `path`: share and folders."""

    path: str
    files: int
    bytes: int
    holders: int


@dataclass(frozen=True)
class Answer:
    """One page of a search. `via`: "neighbour" or "direct"; `via_name`: that neighbour's name. `albums`: of the first
    page only."""

    rows: tuple[Row, ...]
    next_cursor: str | None
    via: str
    via_name: str
    albums: tuple[Album, ...] = ()


@dataclass(frozen=True)
class FileProblem:
    """What cannot be shared, and why; the reason is without a code where the peer has it from its system."""

    path: str
    reason: Sentence


@dataclass(frozen=True)
class Share:
    name: str
    path: str
    state: str
    files: int
    bytes: int
    pending: int
    files_done: int | None
    files_total: int
    bytes_done: int
    bytes_total: int
    eta_seconds: float | None
    exclude: tuple[str, ...]
    hidden: bool
    problems: tuple[FileProblem, ...]


@dataclass(frozen=True)
class Library:
    """All that I share. `duplicate_files` are copies of another shared file, and have `duplicate_bytes` together."""

    shares: tuple[Share, ...]
    duplicate_files: int
    duplicate_bytes: int


@dataclass(frozen=True)
class PatternFault:
    """What is wrong with an exclude pattern. `refused`: the peer does not take it; else it only leaves nothing out."""

    pattern: str
    code: str
    reason: str
    refused: bool


@dataclass(frozen=True)
class Source:
    """What one holder gave to one transfer."""

    peer_id: str
    name: str
    state: str
    pieces: int
    bytes: int
    rate: float
    failures: int
    reason: Sentence
    wasted: int = 0
    retries: int = 0
    quarantined_until: datetime | None = None


@dataclass(frozen=True)
class FolderFiles:
    """Numbers of files of a folder's transfer; `have`: their contents were here already."""

    total: int
    done: int
    failed: int
    skipped: int
    have: int
    have_bytes: int

    @property
    def wanted(self) -> int:
        return self.total - self.skipped


@dataclass(frozen=True)
class Transfer:
    """`files` is set for a folder; `place`: in the queue, from 1."""

    id: str
    content_id: str
    name: str
    path: str
    folder: str
    size: int | None
    pieces: int
    pieces_done: int
    bytes_done: int
    state: str
    rate: float
    eta_seconds: float | None
    error: Problem | None
    created: datetime | None
    finished: datetime | None
    sources: tuple[Source, ...] = field(default=())
    priority: str = "normal"
    place: int | None = None
    have: bool = False
    files: FolderFiles | None = None

    @property
    def fraction(self) -> float:
        """Between 0 and 1."""
        if self.state == "done":
            return 1.0
        return self.bytes_done / self.size if self.size else 0.0

    @property
    def in_line(self) -> tuple["Source", ...]:
        """The holders at which it waits in line; none while anybody gives something."""
        if self.state != "running" or any(s.state in ("active", "connecting") for s in self.sources):
            return ()
        return tuple(s for s in self.sources if s.state == "in-line")


@dataclass(frozen=True)
class FilesPage:
    """Some files of a folder's transfer, and the number to go on from."""

    files: tuple[Transfer, ...]
    next_after: int | None


@dataclass(frozen=True)
class Member:
    """Somebody who is here now; `me`: this device."""

    peer_id: str
    name: str
    me: bool


@dataclass(frozen=True)
class Members:
    members: tuple[Member, ...]
    next_cursor: str | None


@dataclass(frozen=True)
class Entry:
    """A folder or a file of what somebody shares; `files` and `size` of a folder are all below it."""

    name: str
    is_folder: bool
    size: int
    files: int = 1
    kind: str = "other"
    content_id: str = ""
    have: bool = False
    modified: datetime | None = None


@dataclass(frozen=True)
class Listing:
    """One page of one folder."""

    entries: tuple[Entry, ...]
    next_after: str | None


@dataclass(frozen=True)
class Setting:
    key: str
    type: str
    value: Any
    default: Any
    help: str
    applies: str
    locked: bool
    environment: str


def _time(text: Any) -> datetime | None:
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
        central_since=_time(central.get("since")),
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
        slow_until=_time(limits.get("until")),
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
        modified=_time(data.get("modified")),
    )


def answer_from(data: dict[str, Any]) -> Answer:
    via = data["via"]
    rows = tuple(row_from(row) for row in data["rows"])
    albums = tuple(Album(a["path"], a["files"], a["bytes"], a["holders"]) for a in data.get("albums") or ())
    return Answer(rows, data.get("next_cursor"), via["kind"], via.get("name") or "", albums)


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
        created=_time(data.get("created")),
        finished=_time(data.get("finished")),
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
                quarantined_until=_time(s.get("quarantined_until")),
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
            modified=_time(f.get("modified")),
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
