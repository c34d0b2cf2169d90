"""The JSON shapes of docs/local-api.md, made from the rooms' plain values. Pure."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from peer_core.checks import Check
from peer_core.directory.callback import Tried
from peer_core.directory.types import Album, Neighbour, PeerRecord, SearchRow, Via
from peer_core.library.browsing import SharedFile, SharedRoot, TreePage
from peer_core.library.reasons import code_of
from peer_core.library.rules import FaultKind, PatternFault
from peer_core.library.types import Share, ShareState
from peer_core.limits.policy import Limits
from peer_core.nearby import Barrio
from peer_core.offers.types import Offer, Rule
from peer_core.server.problems import problem_fields
from peer_core.settings import SETTINGS, Settings
from peer_core.transfer.quarantine import Quarantined
from peer_core.transfer.types import Receipt, SourceState, Transfer, TransferState, Trouble
from protos.agreed import encode_id, kind_of
from protos.sentences import Sentence, as_json

MAX_PROBLEMS = 100


def health(parts: Mapping[str, str | None]) -> dict[str, Any]:
    """`parts`: what is wrong with each, None when it can do its work."""
    return {"ready": not any(parts.values()), "parts": {part: trouble or "ok" for part, trouble in parts.items()}}


def moment(seconds: float | None) -> str | None:
    """ISO 8601 in UTC, or None for what is no date."""
    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
    except (ValueError, OverflowError, OSError):
        return None


def row(value: SearchRow, held: Collection[bytes]) -> dict[str, Any]:
    return {
        "content_id": encode_id(value.content_id),
        "name": value.name,
        "path": value.path,
        "size": value.size,
        "kind": value.kind,
        "holders": value.holders,
        "names": list(value.names),
        "have": value.content_id in held,
        "modified": moment(value.modified) if value.modified else None,
    }


def album(value: Album) -> dict[str, Any]:
    return {"path": value.path, "files": value.files, "bytes": value.bytes, "holders": value.holders}


def via(value: Via) -> dict[str, Any]:
    return {
        "kind": value.kind.value,
        "peer_id": value.peer.peer_id if value.peer else None,
        "name": value.peer.name if value.peer else None,
    }


def neighbour(value: Neighbour) -> dict[str, Any]:
    return {
        "peer_id": value.peer.peer_id,
        "name": value.peer.name,
        "role": value.role.value,
        "reachable": value.reachable,
        "addresses": list(value.peer.addresses),
    }


def member(value: PeerRecord, own_id: str) -> dict[str, Any]:
    return {
        "peer_id": value.peer_id,
        "name": value.name,
        "addresses": list(value.addresses),
        "me": value.peer_id == own_id,
    }


def tried(value: Tried) -> dict[str, Any]:
    return {"address": value.address, "reached": value.reached, "why": value.why.value if value.why else None}


def check(value: Check) -> dict[str, Any]:
    return {
        "name": value.name,
        "state": value.state.value,
        "code": value.code,
        "details": {k: as_json(v) if isinstance(v, Sentence) else v for k, v in value.details.items()},
        "message": value.message,
    }


def barrio(value: Barrio) -> dict[str, Any]:
    return asdict(value)


def shared_root(value: SharedRoot) -> dict[str, Any]:
    return {"name": value.name, "files": value.files, "bytes": value.bytes}


def tree(value: TreePage, with_folder: bool = False, held: Collection[bytes] | None = None) -> dict[str, Any]:
    """`with_folder`: each file tells its folder. `held`: for this peer's own user, each file tells `have`, and the
    time is a date; for other peers it is in seconds since 1970."""
    return {
        "kind": "file" if value.is_file else "folder",
        "folders": [{"name": f.name, "files": f.files, "bytes": f.bytes} for f in value.folders],
        "files": [_shared_file(f, with_folder, held) for f in value.files],
        "next_after": value.after,
    }


def _shared_file(value: SharedFile, with_folder: bool, held: Collection[bytes] | None) -> dict[str, Any]:
    shown: dict[str, Any] = {"folder": value.folder} if with_folder else {}
    shown |= {"name": value.name, "size": value.size, "content_id": encode_id(value.content_id)}
    if held is None:
        return shown | {"modified": value.modified}
    return shown | {
        "kind": kind_of(value.name),
        "have": value.content_id in held,
        "modified": moment(value.modified) if value.modified else None,
    }


def share(value: Share) -> dict[str, Any]:
    progress = value.progress
    return {
        "name": value.name,
        "path": str(value.path),
        "state": value.state.value,
        "files": value.files,
        "bytes": value.bytes,
        "indexed": value.state is ShareState.READY and value.pending == 0,
        "pending": value.pending,
        "unavailable": value.unavailable,
        "exclude": list(value.exclude),
        "hidden": value.hidden,
        "progress": None
        if progress is None
        else {
            "files_done": progress.files_done,
            "files_total": progress.files_total,
            "bytes_done": progress.bytes_done,
            "bytes_total": progress.bytes_total,
            "rate": round(progress.rate),
            "eta_seconds": None if progress.eta_seconds is None else round(progress.eta_seconds, 1),
        },
        "problems": [
            {"path": p.path, "reason": p.reason, "code": code_of(p.reason), "params": as_json(p.reason)["params"]}
            for p in value.problems[:MAX_PROBLEMS]
        ],
    }


def pattern(text: str, fault: PatternFault | None) -> dict[str, Any]:
    shown = None
    if fault is not None:
        refused = fault.kind is not FaultKind.NOTHING
        shown = {"code": fault.kind.value, "reason": fault.reason, "refused": refused}
    return {"pattern": text, "fault": shown}


def transfer(value: Transfer) -> dict[str, Any]:
    return {
        "id": value.id,
        "content_id": encode_id(value.content_id) if value.content_id else None,
        "kind": "file" if value.files is None else "folder",
        "name": value.path.name,
        "path": str(value.path),
        "folder": str(value.folder),
        "parent": value.parent or None,
        "priority": value.priority.value,
        "place": value.place,
        "have": value.have,
        "files": None if value.files is None else asdict(value.files),
        "size": value.size,
        "pieces": value.pieces,
        "pieces_done": value.pieces_done,
        "bytes_done": value.bytes_done,
        "state": value.state.value,
        "rate": round(value.rate),
        "eta_seconds": None if value.eta_seconds is None else round(value.eta_seconds, 1),
        "error": _trouble(value.trouble),
        "created": moment(value.created),
        "finished": moment(value.finished),
        "sources": [
            {
                "peer_id": s.peer_id,
                "name": s.name,
                "state": s.state.value,
                "pieces": s.pieces,
                "bytes": s.bytes,
                "rate": round(s.rate),
                "failures": s.failures,
                **as_json(s.reason, "reason", "reason_params"),
                "wasted": s.wasted,
                "retries": s.retries,
                "verified": moment(s.verified),
                "quarantined_until": moment(s.until),
            }
            for s in value.sources
        ],
    }


def offer(value: Offer, hashed: tuple[int, int] | None = None) -> dict[str, Any]:
    """`hashed`: bytes that are hashed, and that are to be in all, while it is prepared."""
    return {
        "id": value.id,
        "direction": value.direction.value,
        "peer_id": value.peer_id,
        "peer_name": value.peer_name,
        "state": value.state.value,
        "message": value.message,
        "names": list(value.names),
        "files": value.files,
        "bytes": value.bytes,
        "files_done": value.files_done,
        "bytes_done": value.bytes_done,
        "changed": value.changed,
        "hashed": None if hashed is None else {"bytes_done": hashed[0], "bytes_total": hashed[1]},
        "folder": value.folder or None,
        "error": _trouble(value.trouble),
        "created": moment(value.created),
        "expires": moment(value.expires),
        "ended": moment(value.ended),
    }


def offer_rule(value: Rule) -> dict[str, Any]:
    return {
        "peer_id": value.peer_id,
        "peer_name": value.peer_name,
        "output": value.folder or None,
        "max_bytes": value.max_bytes,
    }


def receipt(value: Receipt) -> dict[str, Any]:
    transfer = value.transfer
    return {
        "id": transfer.id,
        "content_id": encode_id(transfer.content_id) if transfer.content_id else None,
        "name": transfer.path.name,
        "path": str(transfer.path),
        "state": transfer.state.value,
        "size": transfer.size,
        "pieces": transfer.pieces,
        "started": moment(transfer.created),
        "verified": moment(transfer.finished) if transfer.state is TransferState.DONE else None,
        "bytes": {
            "verified": sum(s.bytes for s in transfer.sources),
            "received": sum(s.received for s in transfer.sources),
            "wasted": sum(s.wasted for s in transfer.sources),
        },
        "retries": sum(s.retries for s in transfer.sources),
        "holders": [
            {
                "peer_id": s.peer_id,
                "name": s.name,
                "pieces": s.pieces,
                "runs": value.given.get(s.peer_id, []),
                "bytes": s.bytes,
                "received": s.received,
                "wasted": s.wasted,
                "retries": s.retries,
                "verified": moment(s.verified),
                "caught": s.state is SourceState.BANNED,
                **as_json(s.reason, "reason", "reason_params"),
                "quarantined_until": moment(s.until),
            }
            for s in transfer.sources
        ],
    }


def quarantined(value: Quarantined) -> dict[str, Any]:
    return {
        **asdict(value),
        **as_json(value.reason, "reason", "reason_params"),
        "since": moment(value.since),
        "until": moment(value.until),
    }


def _trouble(value: Trouble | None) -> dict[str, Any] | None:
    if value is None:
        return None
    return problem_fields(value.code, value.title, value.message, value.fault, 0)


def limits(value: Limits) -> dict[str, Any]:
    """What is in force now."""
    return {
        "upload_rate": value.upload_rate,
        "download_rate": value.download_rate,
        "slow": value.slow,
        "scheduled": value.scheduled,
        "until": moment(value.until),
    }


def settings(values: Settings) -> dict[str, Any]:
    shown: Sequence[dict[str, Any]] = [
        {
            "key": s.key,
            "type": s.type,
            "value": values[s.key],
            "default": s.default(),
            "help": s.help,
            "environment": s.environment,
            "applies": s.applies,
            "locked": values.locked(s.key),
        }
        for s in SETTINGS
    ]
    return {"settings": list(shown)}
