"""The gRPC client of the central: the one wrapper of the channel. Any thread; each call has a deadline."""

import math
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import grpc
from cryptography.hazmat.primitives import serialization

from peer_core.addresses import format_host_port
from peer_core.central_words import told_by_central
from peer_core.directory.messages import records
from peer_core.directory.reconciling import Compared
from peer_core.directory.types import Pace, PeerRecord
from peer_core.errors import (
    BadInputError,
    BarrioError,
    CentralMisbehavedError,
    CentralUnreachableError,
    NotRegisteredError,
    RevokedError,
)
from peer_core.identity.store import Identity
from peer_core.library.types import Change
from protos.agreed import DIRECTORY_NAME
from protos.barrio.v1 import directory_pb2 as pb
from protos.barrio.v1 import directory_pb2_grpc
from protos.sentences import say

DEADLINE_SECONDS = 10.0
LEAST_DEADLINE_SECONDS = 3.0
QUERY_DEADLINE_SECONDS = 6.0
MAX_MESSAGE = 4 << 20
# The year 9999.
MAX_TIME = 253_402_300_800


@dataclass(frozen=True)
class Registration:
    """What the central answers to a registration. `mark` is this peer's name for the state that it holds, with
    `entries` entries; `compares`: it knows marks and comparing at all. `clock` as in Beat."""

    pace: Pace
    acknowledged_sequence: int
    revocations: "RevocationList | None"
    mark: bytes = b""
    entries: int = 0
    compares: bool = False
    clock: float = 0.0


@dataclass(frozen=True)
class Beat:
    """What the central answers to a heartbeat. `clock`: its time, seconds since 1970; 0: not told."""

    pace: Pace
    revocations: "RevocationList | None"
    clock: float


@dataclass(frozen=True)
class RevocationList:
    number: int
    peer_ids: tuple[str, ...]
    signature: bytes


@dataclass(frozen=True)
class Publication:
    acknowledged_sequence: int
    resync: bool
    pace: Pace
    mark: bytes = b""


@dataclass(frozen=True)
class Heard:
    """Whether calls are answered, be it with a refusal, and since when; `trouble`: of the first that was not."""

    since: datetime
    trouble: BarrioError | None = None


class CentralClient:
    """Calls the directory as this peer. After `renew_channel`, calls use the identity's new certificate."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self._lock = threading.Lock()
        self._channel: grpc.Channel | None = None
        self._last_answer = 0.0
        # Written under the lock, read by any.
        self.heard = Heard(datetime.now(UTC))
        self._closed = False

    @property
    def address(self) -> str:
        return format_host_port(*self._identity.membership.directory)

    def register(self, addresses: Sequence[str], version: str, index_id: bytes, last_sequence: int) -> Registration:
        request = pb.RegisterRequest(
            addresses=addresses, version=version, index_id=index_id, last_sequence=last_sequence
        )
        answer = self._call("Register", request)
        return Registration(
            _pace(answer.pace),
            answer.acknowledged_sequence,
            _revocations(answer),
            answer.mark,
            answer.entries,
            answer.compares,
            _time(answer.clock),
        )

    def heartbeat(self, revocations_number: int, new_addresses: Sequence[str], patience: float) -> Beat:
        """`new_addresses`: only when they changed. `patience`: seconds; a beat that takes longer than that is lost.

        Raises NotRegisteredError when the lease is gone.
        """
        request = pb.HeartbeatRequest(revocations_number=revocations_number, addresses=new_addresses)
        answer = self._call("Heartbeat", request, min(DEADLINE_SECONDS, max(LEAST_DEADLINE_SECONDS, patience)))
        return Beat(_pace(answer.pace), _revocations(answer), _time(answer.clock))

    def publish(
        self,
        index_id: bytes,
        previous: int,
        last: int,
        changes: Sequence[Change],
        *,
        held_mark: bytes = b"",
        mark: bytes = b"",
        repair: bool = False,
        removed: Sequence[int] = (),
    ) -> Publication:
        request = pb.PublishRequest(
            index_id=index_id,
            previous=previous,
            last=last,
            held_mark=held_mark,
            mark=mark,
            repair=repair,
            removed=removed,
        )
        for change in changes:
            request.changes.add(
                sequence=change.sequence,
                share=change.share,
                path=change.path,
                deleted=change.deleted,
                content_id=change.content_id,
                size=change.size,
                modified=change.modified,
            )
        answer = self._call("Publish", request, 30.0)
        return Publication(answer.acknowledged_sequence, answer.resync, _pace(answer.pace), answer.mark)

    def compare(self, first: int, last: int, digest: bytes) -> Compared:
        """One range of this peer's entries, keys inclusive, against what the central holds."""
        answer = self._call("Compare", pb.CompareRequest(first=first, last=last, digest=digest))
        return Compared(answer.same, answer.entries, answer.through)

    def leave(self) -> None:
        self._call("Leave", pb.LeaveRequest(), 1.0)

    def neighbours(self, count: int, avoid: Sequence[str]) -> list[PeerRecord]:
        request = pb.NeighboursRequest(count=count, except_peer_ids=avoid[:64])
        return records(self._call("Neighbours", request, 3.0).peers[:16])

    def query(self, sealed: bytes) -> bytes:
        """Passes a question on as it is, and its answer back."""
        return bytes(self._call("Query", pb.QueryRequest(sealed=sealed), QUERY_DEADLINE_SECONDS).sealed)

    def renew_channel(self) -> None:
        with self._lock:
            old, self._channel = self._channel, None
        if old is not None:
            old.close()

    def close(self) -> None:
        self._closed = True
        self.renew_channel()

    def _call(self, method: str, request: Any, deadline: float = DEADLINE_SECONDS) -> Any:
        began = time.monotonic()
        with _converted():
            channel = self._open()
            call: Callable[..., Any] = getattr(directory_pb2_grpc.DirectoryStub(channel), method)
            try:
                answer = call(request, timeout=deadline)
            except grpc.RpcError as error:
                self._note_failure(error, channel, began)
                raise
            self._last_answer = time.monotonic()
            self._note(None)
            return answer

    def _note_failure(self, error: Any, channel: grpc.Channel, began: float) -> None:
        match error.code():
            case grpc.StatusCode.CANCELLED:
                # This end closed the channel under it.
                return
            case grpc.StatusCode.UNAVAILABLE:
                self._note(_error(error))
            case grpc.StatusCode.DEADLINE_EXCEEDED:
                # A slow central that answered others meanwhile is there.
                if self._last_answer < began:
                    self._note(_error(error))
                    self._give_up(channel)
            case _:
                self._note(None)

    def _note(self, trouble: BarrioError | None) -> None:
        with self._lock:
            if (trouble is None) != (self.heard.trouble is None):
                self.heard = Heard(datetime.now(UTC), trouble)

    def _give_up(self, channel: grpc.Channel) -> None:
        """Nothing came over a whole deadline: the connection may lead nowhere, which TCP would notice in minutes."""
        with self._lock:
            if self._channel is not channel:
                return
            self._channel = None
        channel.close()

    def _open(self) -> grpc.Channel:
        with self._lock:
            if self._closed:
                raise CentralUnreachableError("This peer is stopping.", "stopping")
            if self._channel is None:
                self._channel = _channel(self._identity)
            return self._channel


def _channel(identity: Identity) -> grpc.Channel:
    key = identity.private_key().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    credentials = grpc.ssl_channel_credentials(
        identity.authority_file.read_bytes(), key, identity.certificate_file.read_bytes()
    )
    options = [
        ("grpc.ssl_target_name_override", DIRECTORY_NAME),
        ("grpc.enable_http_proxy", 0),
        ("grpc.max_receive_message_length", MAX_MESSAGE),
        # A central that comes back is found soon, not after gRPC's default of two minutes.
        ("grpc.initial_reconnect_backoff_ms", 200),
        ("grpc.min_reconnect_backoff_ms", 200),
        ("grpc.max_reconnect_backoff_ms", 3000),
    ]
    return grpc.secure_channel(format_host_port(*identity.membership.directory), credentials, options)


@contextmanager
def _converted() -> Any:
    try:
        yield
    except grpc.RpcError as error:
        raise _error(error) from error
    except ValueError as error:  # grpc: the channel was closed under the call
        raise CentralUnreachableError(
            "The connection to the central was closed; try again.", "central-closed"
        ) from error


def _error(error: Any) -> BarrioError:
    code, details = error.code(), told_by_central(error)
    match code:
        case grpc.StatusCode.PERMISSION_DENIED | grpc.StatusCode.UNAUTHENTICATED:
            return RevokedError(
                details or say("The barrio has removed this device; ask its keeper for a new invite.", "device-removed")
            )
        case grpc.StatusCode.FAILED_PRECONDITION:
            return NotRegisteredError(details or say("The central has no lease of this peer.", "no-lease"))
        case grpc.StatusCode.INVALID_ARGUMENT:
            return BadInputError(details or say("The central does not take that.", "central-refused"))
        case grpc.StatusCode.UNAVAILABLE | grpc.StatusCode.DEADLINE_EXCEEDED | grpc.StatusCode.CANCELLED:
            return CentralUnreachableError(
                "The central does not answer; it is tried again by itself.", "central-silent"
            )
        case grpc.StatusCode.RESOURCE_EXHAUSTED:
            busy = say("The central is busy; it is tried again by itself.", "central-busy")
            return CentralUnreachableError(details if details.code else busy)
        case _:
            return CentralMisbehavedError(
                "The central failed ({status}); its log says why.", "central-failed", status=code.name
            )


def _pace(message: pb.Pace) -> Pace:
    """Bounds what the central dictates: a wrong value must neither flood it nor silence this peer."""
    return Pace(
        heartbeat_seconds=_bounded(message.heartbeat_seconds, 30.0),
        publish_batch=min(max(message.publish_batch, 1), 5000) if message.publish_batch else 1000,
        retry_seconds=_bounded(message.retry_seconds, 5.0),
    )


def _bounded(seconds: float, otherwise: float) -> float:
    return min(max(seconds, 0.2), 600.0) if math.isfinite(seconds) and seconds else otherwise


def _time(seconds: float) -> float:
    return seconds if math.isfinite(seconds) and 0 < seconds < MAX_TIME else 0.0


def _revocations(answer: Any) -> RevocationList | None:
    if not answer.HasField("revocations"):
        return None
    message = answer.revocations
    return RevocationList(message.number, tuple(message.peer_ids), message.signature)
