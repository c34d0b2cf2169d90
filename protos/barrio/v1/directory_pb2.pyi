from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class RegisterRequest(_message.Message):
    __slots__ = ("addresses", "version", "index_id", "last_sequence")
    ADDRESSES_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    INDEX_ID_FIELD_NUMBER: _ClassVar[int]
    LAST_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    addresses: _containers.RepeatedScalarFieldContainer[str]
    version: str
    index_id: bytes
    last_sequence: int
    def __init__(self, addresses: _Optional[_Iterable[str]] = ..., version: _Optional[str] = ..., index_id: _Optional[bytes] = ..., last_sequence: _Optional[int] = ...) -> None: ...

class RegisterResponse(_message.Message):
    __slots__ = ("pace", "acknowledged_sequence", "revocations", "name", "network_name", "mark", "entries", "compares", "clock")
    PACE_FIELD_NUMBER: _ClassVar[int]
    ACKNOWLEDGED_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    REVOCATIONS_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    NETWORK_NAME_FIELD_NUMBER: _ClassVar[int]
    MARK_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    COMPARES_FIELD_NUMBER: _ClassVar[int]
    CLOCK_FIELD_NUMBER: _ClassVar[int]
    pace: Pace
    acknowledged_sequence: int
    revocations: Revocations
    name: str
    network_name: str
    mark: bytes
    entries: int
    compares: bool
    clock: float
    def __init__(self, pace: _Optional[_Union[Pace, _Mapping]] = ..., acknowledged_sequence: _Optional[int] = ..., revocations: _Optional[_Union[Revocations, _Mapping]] = ..., name: _Optional[str] = ..., network_name: _Optional[str] = ..., mark: _Optional[bytes] = ..., entries: _Optional[int] = ..., compares: _Optional[bool] = ..., clock: _Optional[float] = ...) -> None: ...

class Pace(_message.Message):
    __slots__ = ("heartbeat_seconds", "lease_seconds", "publish_batch", "retry_seconds")
    HEARTBEAT_SECONDS_FIELD_NUMBER: _ClassVar[int]
    LEASE_SECONDS_FIELD_NUMBER: _ClassVar[int]
    PUBLISH_BATCH_FIELD_NUMBER: _ClassVar[int]
    RETRY_SECONDS_FIELD_NUMBER: _ClassVar[int]
    heartbeat_seconds: float
    lease_seconds: float
    publish_batch: int
    retry_seconds: float
    def __init__(self, heartbeat_seconds: _Optional[float] = ..., lease_seconds: _Optional[float] = ..., publish_batch: _Optional[int] = ..., retry_seconds: _Optional[float] = ...) -> None: ...

class HeartbeatRequest(_message.Message):
    __slots__ = ("addresses", "revocations_number")
    ADDRESSES_FIELD_NUMBER: _ClassVar[int]
    REVOCATIONS_NUMBER_FIELD_NUMBER: _ClassVar[int]
    addresses: _containers.RepeatedScalarFieldContainer[str]
    revocations_number: int
    def __init__(self, addresses: _Optional[_Iterable[str]] = ..., revocations_number: _Optional[int] = ...) -> None: ...

class HeartbeatResponse(_message.Message):
    __slots__ = ("pace", "revocations", "clock")
    PACE_FIELD_NUMBER: _ClassVar[int]
    REVOCATIONS_FIELD_NUMBER: _ClassVar[int]
    CLOCK_FIELD_NUMBER: _ClassVar[int]
    pace: Pace
    revocations: Revocations
    clock: float
    def __init__(self, pace: _Optional[_Union[Pace, _Mapping]] = ..., revocations: _Optional[_Union[Revocations, _Mapping]] = ..., clock: _Optional[float] = ...) -> None: ...

class Revocations(_message.Message):
    __slots__ = ("number", "peer_ids", "signature")
    NUMBER_FIELD_NUMBER: _ClassVar[int]
    PEER_IDS_FIELD_NUMBER: _ClassVar[int]
    SIGNATURE_FIELD_NUMBER: _ClassVar[int]
    number: int
    peer_ids: _containers.RepeatedScalarFieldContainer[str]
    signature: bytes
    def __init__(self, number: _Optional[int] = ..., peer_ids: _Optional[_Iterable[str]] = ..., signature: _Optional[bytes] = ...) -> None: ...

class PublishRequest(_message.Message):
    __slots__ = ("index_id", "previous", "last", "changes", "held_mark", "mark", "repair", "removed")
    INDEX_ID_FIELD_NUMBER: _ClassVar[int]
    PREVIOUS_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    CHANGES_FIELD_NUMBER: _ClassVar[int]
    HELD_MARK_FIELD_NUMBER: _ClassVar[int]
    MARK_FIELD_NUMBER: _ClassVar[int]
    REPAIR_FIELD_NUMBER: _ClassVar[int]
    REMOVED_FIELD_NUMBER: _ClassVar[int]
    index_id: bytes
    previous: int
    last: int
    changes: _containers.RepeatedCompositeFieldContainer[Change]
    held_mark: bytes
    mark: bytes
    repair: bool
    removed: _containers.RepeatedScalarFieldContainer[int]
    def __init__(self, index_id: _Optional[bytes] = ..., previous: _Optional[int] = ..., last: _Optional[int] = ..., changes: _Optional[_Iterable[_Union[Change, _Mapping]]] = ..., held_mark: _Optional[bytes] = ..., mark: _Optional[bytes] = ..., repair: _Optional[bool] = ..., removed: _Optional[_Iterable[int]] = ...) -> None: ...

class CompareRequest(_message.Message):
    __slots__ = ("first", "last", "digest")
    FIRST_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    DIGEST_FIELD_NUMBER: _ClassVar[int]
    first: int
    last: int
    digest: bytes
    def __init__(self, first: _Optional[int] = ..., last: _Optional[int] = ..., digest: _Optional[bytes] = ...) -> None: ...

class CompareResponse(_message.Message):
    __slots__ = ("same", "entries", "through")
    SAME_FIELD_NUMBER: _ClassVar[int]
    ENTRIES_FIELD_NUMBER: _ClassVar[int]
    THROUGH_FIELD_NUMBER: _ClassVar[int]
    same: bool
    entries: bytes
    through: int
    def __init__(self, same: _Optional[bool] = ..., entries: _Optional[bytes] = ..., through: _Optional[int] = ...) -> None: ...

class Change(_message.Message):
    __slots__ = ("sequence", "share", "path", "deleted", "content_id", "size", "modified")
    SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    SHARE_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    DELETED_FIELD_NUMBER: _ClassVar[int]
    CONTENT_ID_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    MODIFIED_FIELD_NUMBER: _ClassVar[int]
    sequence: int
    share: str
    path: str
    deleted: bool
    content_id: bytes
    size: int
    modified: int
    def __init__(self, sequence: _Optional[int] = ..., share: _Optional[str] = ..., path: _Optional[str] = ..., deleted: _Optional[bool] = ..., content_id: _Optional[bytes] = ..., size: _Optional[int] = ..., modified: _Optional[int] = ...) -> None: ...

class PublishResponse(_message.Message):
    __slots__ = ("acknowledged_sequence", "resync", "pace", "mark")
    ACKNOWLEDGED_SEQUENCE_FIELD_NUMBER: _ClassVar[int]
    RESYNC_FIELD_NUMBER: _ClassVar[int]
    PACE_FIELD_NUMBER: _ClassVar[int]
    MARK_FIELD_NUMBER: _ClassVar[int]
    acknowledged_sequence: int
    resync: bool
    pace: Pace
    mark: bytes
    def __init__(self, acknowledged_sequence: _Optional[int] = ..., resync: _Optional[bool] = ..., pace: _Optional[_Union[Pace, _Mapping]] = ..., mark: _Optional[bytes] = ...) -> None: ...

class LeaveRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class LeaveResponse(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class NeighboursRequest(_message.Message):
    __slots__ = ("count", "except_peer_ids")
    COUNT_FIELD_NUMBER: _ClassVar[int]
    EXCEPT_PEER_IDS_FIELD_NUMBER: _ClassVar[int]
    count: int
    except_peer_ids: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, count: _Optional[int] = ..., except_peer_ids: _Optional[_Iterable[str]] = ...) -> None: ...

class NeighboursResponse(_message.Message):
    __slots__ = ("peers",)
    PEERS_FIELD_NUMBER: _ClassVar[int]
    peers: _containers.RepeatedCompositeFieldContainer[PeerRecord]
    def __init__(self, peers: _Optional[_Iterable[_Union[PeerRecord, _Mapping]]] = ...) -> None: ...

class PeerRecord(_message.Message):
    __slots__ = ("peer_id", "name", "addresses")
    PEER_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    ADDRESSES_FIELD_NUMBER: _ClassVar[int]
    peer_id: str
    name: str
    addresses: _containers.RepeatedScalarFieldContainer[str]
    def __init__(self, peer_id: _Optional[str] = ..., name: _Optional[str] = ..., addresses: _Optional[_Iterable[str]] = ...) -> None: ...

class QueryRequest(_message.Message):
    __slots__ = ("sealed",)
    SEALED_FIELD_NUMBER: _ClassVar[int]
    sealed: bytes
    def __init__(self, sealed: _Optional[bytes] = ...) -> None: ...

class QueryResponse(_message.Message):
    __slots__ = ("sealed",)
    SEALED_FIELD_NUMBER: _ClassVar[int]
    sealed: bytes
    def __init__(self, sealed: _Optional[bytes] = ...) -> None: ...

class Question(_message.Message):
    __slots__ = ("search", "locate", "peers")
    SEARCH_FIELD_NUMBER: _ClassVar[int]
    LOCATE_FIELD_NUMBER: _ClassVar[int]
    PEERS_FIELD_NUMBER: _ClassVar[int]
    search: Search
    locate: Locate
    peers: Peers
    def __init__(self, search: _Optional[_Union[Search, _Mapping]] = ..., locate: _Optional[_Union[Locate, _Mapping]] = ..., peers: _Optional[_Union[Peers, _Mapping]] = ...) -> None: ...

class Search(_message.Message):
    __slots__ = ("text", "kind", "min_size", "max_size", "limit", "cursor", "extensions", "changed_since")
    TEXT_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    MIN_SIZE_FIELD_NUMBER: _ClassVar[int]
    MAX_SIZE_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    EXTENSIONS_FIELD_NUMBER: _ClassVar[int]
    CHANGED_SINCE_FIELD_NUMBER: _ClassVar[int]
    text: str
    kind: str
    min_size: int
    max_size: int
    limit: int
    cursor: str
    extensions: _containers.RepeatedScalarFieldContainer[str]
    changed_since: int
    def __init__(self, text: _Optional[str] = ..., kind: _Optional[str] = ..., min_size: _Optional[int] = ..., max_size: _Optional[int] = ..., limit: _Optional[int] = ..., cursor: _Optional[str] = ..., extensions: _Optional[_Iterable[str]] = ..., changed_since: _Optional[int] = ...) -> None: ...

class Locate(_message.Message):
    __slots__ = ("content_ids",)
    CONTENT_IDS_FIELD_NUMBER: _ClassVar[int]
    content_ids: _containers.RepeatedScalarFieldContainer[bytes]
    def __init__(self, content_ids: _Optional[_Iterable[bytes]] = ...) -> None: ...

class Peers(_message.Message):
    __slots__ = ("peer_ids", "text", "limit", "cursor")
    PEER_IDS_FIELD_NUMBER: _ClassVar[int]
    TEXT_FIELD_NUMBER: _ClassVar[int]
    LIMIT_FIELD_NUMBER: _ClassVar[int]
    CURSOR_FIELD_NUMBER: _ClassVar[int]
    peer_ids: _containers.RepeatedScalarFieldContainer[str]
    text: str
    limit: int
    cursor: str
    def __init__(self, peer_ids: _Optional[_Iterable[str]] = ..., text: _Optional[str] = ..., limit: _Optional[int] = ..., cursor: _Optional[str] = ...) -> None: ...

class Answer(_message.Message):
    __slots__ = ("search", "locate", "error", "peers", "members_returning")
    SEARCH_FIELD_NUMBER: _ClassVar[int]
    LOCATE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    PEERS_FIELD_NUMBER: _ClassVar[int]
    MEMBERS_RETURNING_FIELD_NUMBER: _ClassVar[int]
    search: SearchAnswer
    locate: LocateAnswer
    error: str
    peers: PeersAnswer
    members_returning: bool
    def __init__(self, search: _Optional[_Union[SearchAnswer, _Mapping]] = ..., locate: _Optional[_Union[LocateAnswer, _Mapping]] = ..., error: _Optional[str] = ..., peers: _Optional[_Union[PeersAnswer, _Mapping]] = ..., members_returning: _Optional[bool] = ...) -> None: ...

class SearchAnswer(_message.Message):
    __slots__ = ("rows", "next_cursor", "albums")
    ROWS_FIELD_NUMBER: _ClassVar[int]
    NEXT_CURSOR_FIELD_NUMBER: _ClassVar[int]
    ALBUMS_FIELD_NUMBER: _ClassVar[int]
    rows: _containers.RepeatedCompositeFieldContainer[SearchRow]
    next_cursor: str
    albums: _containers.RepeatedCompositeFieldContainer[Album]
    def __init__(self, rows: _Optional[_Iterable[_Union[SearchRow, _Mapping]]] = ..., next_cursor: _Optional[str] = ..., albums: _Optional[_Iterable[_Union[Album, _Mapping]]] = ...) -> None: ...

class Album(_message.Message):
    __slots__ = ("path", "files", "bytes", "holders")
    PATH_FIELD_NUMBER: _ClassVar[int]
    FILES_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    HOLDERS_FIELD_NUMBER: _ClassVar[int]
    path: str
    files: int
    bytes: int
    holders: int
    def __init__(self, path: _Optional[str] = ..., files: _Optional[int] = ..., bytes: _Optional[int] = ..., holders: _Optional[int] = ...) -> None: ...

class SearchRow(_message.Message):
    __slots__ = ("content_id", "name", "path", "size", "kind", "holders", "names", "modified")
    CONTENT_ID_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    HOLDERS_FIELD_NUMBER: _ClassVar[int]
    NAMES_FIELD_NUMBER: _ClassVar[int]
    MODIFIED_FIELD_NUMBER: _ClassVar[int]
    content_id: bytes
    name: str
    path: str
    size: int
    kind: str
    holders: int
    names: _containers.RepeatedScalarFieldContainer[str]
    modified: int
    def __init__(self, content_id: _Optional[bytes] = ..., name: _Optional[str] = ..., path: _Optional[str] = ..., size: _Optional[int] = ..., kind: _Optional[str] = ..., holders: _Optional[int] = ..., names: _Optional[_Iterable[str]] = ..., modified: _Optional[int] = ...) -> None: ...

class PeersAnswer(_message.Message):
    __slots__ = ("peers", "next_cursor")
    PEERS_FIELD_NUMBER: _ClassVar[int]
    NEXT_CURSOR_FIELD_NUMBER: _ClassVar[int]
    peers: _containers.RepeatedCompositeFieldContainer[PeerRecord]
    next_cursor: str
    def __init__(self, peers: _Optional[_Iterable[_Union[PeerRecord, _Mapping]]] = ..., next_cursor: _Optional[str] = ...) -> None: ...

class LocateAnswer(_message.Message):
    __slots__ = ("locations",)
    LOCATIONS_FIELD_NUMBER: _ClassVar[int]
    locations: _containers.RepeatedCompositeFieldContainer[Location]
    def __init__(self, locations: _Optional[_Iterable[_Union[Location, _Mapping]]] = ...) -> None: ...

class Location(_message.Message):
    __slots__ = ("content_id", "size", "holders", "name")
    CONTENT_ID_FIELD_NUMBER: _ClassVar[int]
    SIZE_FIELD_NUMBER: _ClassVar[int]
    HOLDERS_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    content_id: bytes
    size: int
    holders: _containers.RepeatedCompositeFieldContainer[PeerRecord]
    name: str
    def __init__(self, content_id: _Optional[bytes] = ..., size: _Optional[int] = ..., holders: _Optional[_Iterable[_Union[PeerRecord, _Mapping]]] = ..., name: _Optional[str] = ...) -> None: ...
