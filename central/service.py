"""Between messages and the domain, for both services. The one file that imports the generated messages.

Each method takes the bytes of a request and gives the bytes of the answer, so that the gate needs no messages.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

from google.protobuf.message import DecodeError, Message

from central.directory import DEFAULT_ROWS, Directory, join_path
from central.domain import (
    Batch,
    Change,
    FileFacts,
    Location,
    Member,
    Pace,
    PeerRecord,
    PeersQuestion,
    Range,
    RevocationList,
    SearchPage,
    SearchQuestion,
)
from central.enrolment import Enrolment, Membership
from central.errors import BadInputError, BadQuestionError
from central.metrics import Metrics
from protos.barrio.v1 import directory_pb2, enrolment_pb2

DIRECTORY = directory_pb2.DESCRIPTOR.services_by_name["Directory"].full_name
ENROLMENT = enrolment_pb2.DESCRIPTOR.services_by_name["Enrolment"].full_name

MAX_QUESTION = 64 * 1024
MAX_VERSION = 64

M = TypeVar("M", bound=Message)


@dataclass(frozen=True)
class Answered:
    """An answer's bytes, and what the log may say about the call: never what was asked for."""

    data: bytes
    log: str = ""


def _read(kind: type[M], data: bytes) -> M:
    message = kind()
    try:
        message.ParseFromString(data)
    except DecodeError as error:
        raise BadInputError(f"the bytes are no {kind.__name__}") from error
    return message


class DirectoryService:
    """`methods` by name: (member, request) → answer."""

    def __init__(self, directory: Directory, metrics: Metrics) -> None:
        self._directory = directory
        self._metrics = metrics
        self.methods: dict[str, Callable[[Member, bytes], Answered]] = {
            "Register": self._register,
            "Heartbeat": self._heartbeat,
            "Leave": self._leave,
            "Publish": self._publish,
            "Compare": self._compare,
            "Neighbours": self._neighbours,
            "Query": self._query,
        }

    def _register(self, member: Member, data: bytes) -> Answered:
        request = _read(directory_pb2.RegisterRequest, data)
        if len(request.version.encode()) > MAX_VERSION:
            raise BadInputError(f"a version has at most {MAX_VERSION} bytes")
        told = self._directory.register(member, tuple(request.addresses), request.index_id, request.last_sequence)
        response = directory_pb2.RegisterResponse(
            pace=_pace(told.pace),
            acknowledged_sequence=told.acknowledged,
            revocations=_revocations(told.revocations),
            name=member.name,
            network_name=self._directory.network_name,
            mark=told.mark,
            entries=told.entries,
            compares=True,
            clock=time.time(),
        )
        return Answered(response.SerializeToString(), f"acknowledged={told.acknowledged} last={request.last_sequence}")

    def _heartbeat(self, member: Member, data: bytes) -> Answered:
        request = _read(directory_pb2.HeartbeatRequest, data)
        pace, revocations = self._directory.beat(member, tuple(request.addresses), request.revocations_number)
        response = directory_pb2.HeartbeatResponse(pace=_pace(pace), clock=time.time())
        if revocations is not None:
            response.revocations.CopyFrom(_revocations(revocations))
        return Answered(response.SerializeToString())

    def _leave(self, member: Member, data: bytes) -> Answered:
        _read(directory_pb2.LeaveRequest, data)
        self._directory.leave(member)
        return Answered(directory_pb2.LeaveResponse().SerializeToString())

    def _publish(self, member: Member, data: bytes) -> Answered:
        request = _read(directory_pb2.PublishRequest, data)
        batch = Batch(
            request.index_id,
            request.previous,
            request.last,
            tuple(_changes(request.changes)),
            request.held_mark,
            request.mark,
            request.repair,
            tuple(request.removed),
        )
        result = self._directory.publish(member, batch)
        self._metrics.published(len(batch.changes) + len(batch.removed), result.resync)
        response = directory_pb2.PublishResponse(
            acknowledged_sequence=result.acknowledged,
            resync=result.resync,
            pace=_pace(self._directory.pace()),
            mark=result.mark,
        )
        notes = f"{' resync' if result.resync else ''}{' repair' if batch.repair else ''}"
        log = f"changes={len(batch.changes) + len(batch.removed)} acknowledged={result.acknowledged}{notes}"
        return Answered(response.SerializeToString(), log)

    def _compare(self, member: Member, data: bytes) -> Answered:
        request = _read(directory_pb2.CompareRequest, data)
        found = self._directory.compare(member, Range(request.first, request.last, request.digest))
        response = directory_pb2.CompareResponse(same=found.same, entries=found.entries, through=found.through)
        return Answered(response.SerializeToString(), "same" if found.same else f"entries={len(found.entries) // 16}")

    def _neighbours(self, member: Member, data: bytes) -> Answered:
        request = _read(directory_pb2.NeighboursRequest, data)
        peers = self._directory.neighbours(member, request.count, tuple(request.except_peer_ids))
        response = directory_pb2.NeighboursResponse(peers=map(_record, peers))
        return Answered(response.SerializeToString(), f"peers={len(peers)}")

    def _query(self, member: Member, data: bytes) -> Answered:
        started = time.monotonic()
        sealed = _read(directory_pb2.QueryRequest, data).sealed
        if len(sealed) > MAX_QUESTION:
            raise BadInputError(f"a question has at most {MAX_QUESTION} bytes")
        try:
            answer, kind, log = self._answer(sealed)
            answer.members_returning = self._directory.members_returning
        except BadQuestionError as error:
            answer, kind, log = directory_pb2.Answer(error=error.message), "refused", ""
            self._metrics.refused(error.reason)
        response = directory_pb2.QueryResponse(sealed=answer.SerializeToString())
        took = time.monotonic() - started
        self._metrics.queried(kind, took)
        return Answered(response.SerializeToString(), f"kind={kind}{log} ms={took * 1000:.1f}")

    def _answer(self, sealed: bytes) -> tuple[directory_pb2.Answer, str, str]:
        """The answer, the question's kind, and what the log may say of the answer."""
        try:
            question = _read(directory_pb2.Question, sealed)
        except BadInputError as error:
            raise BadQuestionError(
                "the question cannot be read; the program that asked may be of another age"
            ) from error
        match question.WhichOneof("question"):
            case "search":
                page = self._directory.search(_search(question.search))
                return directory_pb2.Answer(search=_page(page)), "search", f" rows={len(page.rows)}"
            case "locate":
                locations = self._directory.locate(tuple(question.locate.content_ids))
                answer = directory_pb2.LocateAnswer(locations=map(_location, locations))
                return directory_pb2.Answer(locate=answer), "locate", f" contents={len(locations)}"
            case "peers":
                asked = question.peers
                found = self._directory.peers(
                    PeersQuestion(tuple(asked.peer_ids), asked.text, asked.limit or DEFAULT_ROWS, asked.cursor)
                )
                answered = directory_pb2.PeersAnswer(peers=map(_record, found.peers), next_cursor=found.next_cursor)
                return directory_pb2.Answer(peers=answered), "peers", f" rows={len(found.peers)}"
            case _:
                raise BadQuestionError("the question is of a kind that is not known here")


class EnrolmentService:
    """`methods` by name: request → answer. Whoever calls has no certificate yet."""

    def __init__(self, enrolment: Enrolment) -> None:
        self._enrolment = enrolment
        self.methods: dict[str, Callable[[bytes], Answered]] = {"Enrol": self._enrol, "Renew": self._renew}

    def _enrol(self, data: bytes) -> Answered:
        request = _read(enrolment_pb2.EnrolRequest, data)
        return _membership(self._enrolment.enrol(request.token, request.signing_request, request.name))

    def _renew(self, data: bytes) -> Answered:
        request = _read(enrolment_pb2.RenewRequest, data)
        return _membership(self._enrolment.renew(request.signing_request))


def _membership(membership: Membership) -> Answered:
    response = enrolment_pb2.EnrolResponse(
        certificate=membership.certificate,
        authority=membership.authority,
        network_name=membership.network_name,
        directory_port=membership.directory_port,
    )
    return Answered(response.SerializeToString())


def _changes(changes: Iterable[directory_pb2.Change]) -> Iterable[Change]:
    for change in changes:
        file = None if change.deleted else FileFacts(change.content_id, change.size, change.modified)
        yield Change(change.sequence, join_path(change.share, change.path), file)


def _pace(pace: Pace) -> directory_pb2.Pace:
    return directory_pb2.Pace(
        heartbeat_seconds=pace.heartbeat_seconds,
        lease_seconds=pace.lease_seconds,
        publish_batch=pace.publish_batch,
        retry_seconds=pace.retry_seconds,
    )


def _revocations(revocations: RevocationList) -> directory_pb2.Revocations:
    return directory_pb2.Revocations(
        number=revocations.number, peer_ids=revocations.peer_ids, signature=revocations.signature
    )


def _search(search: directory_pb2.Search) -> SearchQuestion:
    question = SearchQuestion(
        text=search.text,
        kind=search.kind,
        min_size=search.min_size,
        max_size=search.max_size,
        limit=search.limit,
        cursor=search.cursor,
        extensions=tuple(search.extensions),
        changed_since=search.changed_since,
    )
    return question if question.limit else replace(question, limit=DEFAULT_ROWS)


def _page(page: SearchPage) -> directory_pb2.SearchAnswer:
    rows = (
        directory_pb2.SearchRow(
            content_id=row.content_id,
            name=row.name,
            path=row.path,
            size=row.size,
            kind=row.kind,
            holders=row.holders,
            names=row.names,
            modified=row.modified,
        )
        for row in page.rows
    )
    albums = (
        directory_pb2.Album(path=album.path, files=album.files, bytes=album.bytes, holders=album.holders)
        for album in page.albums
    )
    return directory_pb2.SearchAnswer(rows=rows, next_cursor=page.next_cursor, albums=albums)


def _record(record: PeerRecord) -> directory_pb2.PeerRecord:
    return directory_pb2.PeerRecord(peer_id=record.peer_id, name=record.name, addresses=record.addresses)


def _location(location: Location) -> directory_pb2.Location:
    return directory_pb2.Location(
        content_id=location.content_id,
        size=location.size,
        name=location.name,
        holders=map(_record, location.holders),
    )
