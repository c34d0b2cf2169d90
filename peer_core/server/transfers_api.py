"""The part of the local API about transfers: the list, files of a folder, order, choice. In waitress workers."""

from collections.abc import Collection, Iterable
from enum import Enum
from typing import Any, Protocol, TypeVar

from flask import Response, jsonify, request

from peer_core.errors import BadInputError, NotFoundError
from peer_core.server import problems, shapes
from peer_core.server.openapi import Route
from peer_core.server.people_api import OtherPeople
from peer_core.transfer.quarantine import Quarantined
from peer_core.transfer.types import Move, Priority, Receipt, Transfer
from protos.agreed import decode_id

MOST_ROWS = 1000
FILE_ROWS = 200
E = TypeVar("E", bound=Enum)


class Quarantine(Protocol):
    def all(self) -> list[Quarantined]: ...
    def lift(self, peer_ids: Iterable[str]) -> list[str]: ...


class Queue(Protocol):
    """What is asked of the transfers. All may raise BarrioError."""

    def listed(self) -> list[Transfer]: ...
    def page(self, limit: int, cursor: str) -> tuple[list[Transfer], str]: ...
    def files(self, folder_id: str, limit: int, after: int) -> tuple[list[Transfer], int | None]: ...
    def find(self, content_ids: Iterable[bytes]) -> list[Transfer]: ...
    def get(self, transfer_id: str) -> Transfer: ...
    def receipt(self, transfer_id: str) -> Receipt: ...
    @property
    def quarantine(self) -> Quarantine: ...
    def pause(self, transfer_id: str) -> Transfer: ...
    def resume(self, transfer_id: str) -> Transfer: ...
    def pause_all(self) -> None: ...
    def resume_all(self) -> None: ...
    def clear_done(self) -> None: ...
    def cancel(self, transfer_id: str, keep: bool) -> None: ...
    def move(self, transfer_id: str, where: Move) -> Transfer: ...
    def set_priority(self, transfer_id: str, priority: Priority) -> Transfer: ...
    def choose(self, folder_id: str, wanted: bool, ids: Collection[str] | None, have: bool) -> Transfer: ...


class HasTransfers(Protocol):
    @property
    def queue(self) -> Queue: ...
    @property
    def people(self) -> OtherPeople: ...
    def download(self, content_id: bytes, name: str | None, folder: str | None, paused: bool) -> Transfer: ...


class TransferHandlers:
    def __init__(self, peer: HasTransfers) -> None:
        self._peer = peer

    def routes(self) -> list[Route]:
        one = "/v1/transfers/<transfer_id>"
        download = {
            "content_id": "52 characters",
            "name": "file name to give",
            "peer_id": "instead of a content: whose folder or file to download",
            "path": "with peer_id: SHARE/FOLDERS",
            "output": "folder, a full path",
            "paused": "true: it starts when it is resumed",
            "skip_have": "with peer_id, true: contents that a share of this device holds are left out",
        }
        page = {"limit": "rows, 1 to 1000; all without it", "cursor": "next_cursor of the page before"}
        files = {"after": "next_after of the page before", "limit": "rows, 1 to 1000; 200 without it"}
        change = {
            "state": "“paused” or “running”",
            "priority": "“high”, “normal” or “low”",
            "move": "“up”, “down”, “top” or “bottom”, among those of its priority",
        }
        choice = {
            "wanted": "true or false",
            "ids": "which files; all without it",
            "have": "true: only those whose content was here already",
        }
        return [
            Route("GET", "/v1/transfers", "Transfers, newest first; a folder is one", self.listed, query=page),
            Route("POST", "/v1/transfers", "Downloads a content", self.download, fields=download, status=201),
            Route(
                "PATCH",
                "/v1/transfers",
                "Pauses or resumes all",
                self.change_all,
                fields={"state": change["state"]},
                status=204,
            ),
            Route(
                "DELETE",
                "/v1/transfers",
                "Takes what is done off the list",
                self.clear,
                query={"state": "“done”"},
                status=204,
            ),
            Route(
                "POST",
                "/v1/transfers/find",
                "Which contents are being fetched, or were",
                self.find,
                fields={"content_ids": "1,000 at most"},
            ),
            Route("GET", one, "One transfer, or its receipt", self.one),
            Route("PATCH", one, "Pauses, resumes, or orders", self.change, fields=change),
            Route(
                "DELETE",
                one,
                "Cancels, or takes off the list",
                self.cancel,
                query={"keep": "true leaves the partial file"},
                status=204,
            ),
            Route("GET", f"{one}/receipt", "Who gave which pieces", self.receipt),
            Route("GET", "/v1/quarantine", "Holders that were caught lying", self.quarantine),
            Route("DELETE", "/v1/quarantine/<peer_id>", "Asks a holder again", self.lift, status=204),
            Route("GET", f"{one}/files", "Files of a folder's transfer", self.files, query=files),
            Route("PATCH", f"{one}/files", "Chooses files of a folder", self.choose, fields=choice),
        ]

    def listed(self) -> Response:
        limit = problems.number_argument("limit", 0, 1, MOST_ROWS)
        cursor = request.args.get("cursor", "")[:100]
        if not limit and not cursor:
            shown, following = self._peer.queue.listed(), ""
        else:
            shown, following = self._peer.queue.page(limit or MOST_ROWS, cursor)
        return jsonify(transfers=[shapes.transfer(t) for t in shown], next_cursor=following or None)

    def find(self) -> Response:
        ids = problems.texts_field(problems.body({"content_ids"}, {"content_ids"}), "content_ids") or []
        if len(ids) > MOST_ROWS:
            raise BadInputError("Ask for {most} contents at most.", "find-most", most=MOST_ROWS)
        found = self._peer.queue.find(dict.fromkeys(map(_content_id, ids)))
        return jsonify(transfers=[shapes.transfer(t) for t in found])

    def download(self) -> tuple[Response, int]:
        value = problems.body({"content_id", "name", "output", "peer_id", "path", "paused", "skip_have"})
        paused = bool(problems.truth_field(value, "paused"))
        if value.get("peer_id") is not None:
            return self._download_tree(value, paused), 201
        if value.get("content_id") is None:
            raise BadInputError("The field “content_id” is missing.", "content-id-missing")
        if value.get("skip_have") is not None:
            raise BadInputError("The field “skip_have” belongs to a peer_id and a path.", "skip-have-alone")
        content_id = _content_id(problems.text_field(value, "content_id") or "")
        transfer = self._peer.download(
            content_id, problems.text_field(value, "name"), problems.text_field(value, "output"), paused
        )
        return jsonify(shapes.transfer(transfer)), 201

    def _download_tree(self, value: dict[str, Any], paused: bool) -> Response:
        peer_id, path = problems.text_field(value, "peer_id", 100), problems.text_field(value, "path", 5000)
        if not path or value.get("content_id") is not None or value.get("name") is not None:
            raise BadInputError(
                "Name either a content_id, or a peer_id and a path of what that peer shares.", "what-to-fetch"
            )
        skip_have = bool(problems.truth_field(value, "skip_have"))
        output = problems.text_field(value, "output")
        made = self._peer.people.download(peer_id or "", path, output, skip_have, paused)
        return jsonify(transfers=[shapes.transfer(made)])

    def one(self, transfer_id: str) -> Response:
        return jsonify(shapes.transfer(self._peer.queue.get(transfer_id)))

    def receipt(self, transfer_id: str) -> Response:
        return jsonify(shapes.receipt(self._peer.queue.receipt(transfer_id)))

    def quarantine(self) -> Response:
        return jsonify(holders=[shapes.quarantined(each) for each in self._peer.queue.quarantine.all()])

    def lift(self, peer_id: str) -> tuple[str, int]:
        if not self._peer.queue.quarantine.lift([peer_id]):
            raise NotFoundError("That member is in no quarantine.", "not-quarantined")
        return "", 204

    def files(self, transfer_id: str) -> Response:
        limit = problems.number_argument("limit", FILE_ROWS, 1, MOST_ROWS)
        after = problems.number_argument("after", 0, 0, 10**9)
        shown, following = self._peer.queue.files(transfer_id, limit, after)
        return jsonify(files=[shapes.transfer(t) for t in shown], next_after=following)

    def choose(self, transfer_id: str) -> Response:
        value = problems.body({"wanted", "ids", "have"}, {"wanted"})
        wanted, have = problems.truth_field(value, "wanted"), problems.truth_field(value, "have")
        ids = problems.texts_field(value, "ids")
        return jsonify(shapes.transfer(self._peer.queue.choose(transfer_id, bool(wanted), ids, bool(have))))

    def change(self, transfer_id: str) -> Response:
        value = problems.body({"state", "priority", "move"})
        state = value.get("state")
        if state not in (None, "paused", "running"):
            raise BadInputError("The state to set is “paused” or “running”.", "transfer-state-to-set")
        priority, move = _one_of(value, "priority", Priority), _one_of(value, "move", Move)
        if state is None and priority is None and move is None:
            raise BadInputError("Say what to change: “state”, “priority” or “move”.", "what-to-change")
        queue = self._peer.queue
        if priority is not None:
            queue.set_priority(transfer_id, priority)
        if move is not None:
            queue.move(transfer_id, move)
        if state is not None:
            return jsonify(shapes.transfer((queue.pause if state == "paused" else queue.resume)(transfer_id)))
        return jsonify(shapes.transfer(queue.get(transfer_id)))

    def change_all(self) -> tuple[str, int]:
        match problems.body({"state"}, {"state"})["state"]:
            case "paused":
                self._peer.queue.pause_all()
            case "running":
                self._peer.queue.resume_all()
            case _:
                raise BadInputError("The state to set is “paused” or “running”.", "transfer-state-to-set")
        return "", 204

    def clear(self) -> tuple[str, int]:
        if request.args.get("state") != "done":
            raise BadInputError(
                "Only what is done can be taken off at once: DELETE /v1/transfers?state=done.", "clear-only-done"
            )
        self._peer.queue.clear_done()
        return "", 204

    def cancel(self, transfer_id: str) -> tuple[str, int]:
        keep = request.args.get("keep", "false")
        if keep not in ("true", "false"):
            raise BadInputError("“keep” is true or false.", "keep-truth")
        self._peer.queue.cancel(transfer_id, keep == "true")
        return "", 204


def _one_of(value: dict[str, Any], key: str, kind: type[E]) -> E | None:
    given = value.get(key)
    if given is None:
        return None
    for each in kind:
        if each.value == given:
            return each
    raise BadInputError(
        "The field “{key}” is one of: {choices}.",
        "field-choice",
        key=key,
        choices=", ".join(str(each.value) for each in kind),
    )


def _content_id(text: str) -> bytes:
    try:
        return decode_id(text)
    except ValueError as error:
        raise BadInputError(
            "“{text}” is no content id: {reason}.", "content-id-of", text=text[:60], reason=error
        ) from error
