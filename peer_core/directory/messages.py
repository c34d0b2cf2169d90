"""Questions and answers as bytes and back: what is asked of the central. Pure; what comes in is hostile."""

from collections.abc import Iterable, Sequence
from functools import lru_cache

from google.protobuf.message import DecodeError

from peer_core.addresses import parse_url
from peer_core.content import MAX_SIZE
from peer_core.directory.types import Album, Location, MembersPage, PeerRecord, SearchPage, SearchQuestion, SearchRow
from peer_core.errors import BadInputError, CentralMisbehavedError
from protos.agreed import KINDS, decode_id
from protos.barrio.v1 import directory_pb2 as pb

MAX_TEXT = 1024
MAX_LIMIT = 200
MAX_LOCATE = 256
MAX_HOLDERS = 64
MAX_PEERS = 64
MAX_PEERS_TEXT = 64
MAX_EXTENSIONS = 32
MAX_ALBUMS = 8
_MAX_TIME = 1 << 40


def search_bytes(question: SearchQuestion) -> bytes:
    """Raises BadInputError with a sentence for the person."""
    if len(question.text) > MAX_TEXT:
        raise BadInputError(
            "A search has at most {most} characters; type fewer words.", "search-too-long", most=MAX_TEXT
        )
    if question.kind and question.kind not in KINDS:
        raise BadInputError(
            "There is no kind “{kind}”; kinds are {kinds}.",
            "kind-unknown",
            kind=question.kind[:40],
            kinds=", ".join(KINDS),
        )
    if not 1 <= question.limit <= MAX_LIMIT:
        raise BadInputError("A page has 1 to {most} rows.", "page-rows", most=MAX_LIMIT)
    for size in (question.min_size, question.max_size):
        if not 0 <= size <= MAX_SIZE:
            raise BadInputError("A size is a number of bytes from 0 to 9007199254740992 (8 PiB).", "size-number")
    if question.max_size and question.min_size > question.max_size:
        raise BadInputError("The smallest size is larger than the largest; swap them.", "sizes-swapped")
    if len(question.extensions) > MAX_EXTENSIONS:
        raise BadInputError(
            "At most {most} extensions can be asked for at once.", "extensions-most", most=MAX_EXTENSIONS
        )
    if not 0 <= question.changed_since < _MAX_TIME:
        raise BadInputError("The time since when is too far away; give a date such as 2025-04-30.", "since-far")
    try:
        search = pb.Search(
            text=question.text,
            kind=question.kind,
            min_size=question.min_size,
            max_size=question.max_size,
            limit=question.limit,
            cursor=question.cursor,
            extensions=question.extensions,
            changed_since=question.changed_since,
        )
    except UnicodeEncodeError as error:
        raise BadInputError("The search has characters that are no text; type it again.", "search-no-text") from error
    return pb.Question(search=search).SerializeToString()


def locate_bytes(content_ids: Sequence[bytes]) -> bytes:
    """At most 256 ids of 32 bytes."""
    return pb.Question(locate=pb.Locate(content_ids=content_ids)).SerializeToString()


def peers_bytes(peer_ids: Sequence[str]) -> bytes:
    """At most 64 ids."""
    return pb.Question(peers=pb.Peers(peer_ids=peer_ids, limit=MAX_PEERS)).SerializeToString()


def members_bytes(text: str, limit: int, cursor: str) -> bytes:
    """Raises BadInputError."""
    if len(text) > MAX_PEERS_TEXT:
        raise BadInputError(
            "The beginning of a name has at most {most} characters.", "name-beginning", most=MAX_PEERS_TEXT
        )
    if not 1 <= limit <= MAX_LIMIT:
        raise BadInputError("A page has 1 to {most} rows.", "page-rows", most=MAX_LIMIT)
    try:
        peers = pb.Peers(text=text, limit=limit, cursor=cursor)
    except UnicodeEncodeError as error:
        raise BadInputError("The name has characters that are no text; type it again.", "name-no-text") from error
    return pb.Question(peers=peers).SerializeToString()


def read_members(data: bytes, limit: int) -> MembersPage:
    """Raises as `read_search` does."""
    answer = _answer(data, "peers").peers
    return MembersPage(tuple(records(answer.peers[:limit])), answer.next_cursor)


def read_search(data: bytes, limit: int) -> SearchPage:
    """Raises BadInputError (the central says what is wrong with the question), CentralMisbehavedError."""
    whole = _answer(data, "search")
    answer = whole.search
    rows = [row for message in answer.rows[:limit] if (row := _row(message)) is not None]
    albums = tuple(map(_album, answer.albums[:MAX_ALBUMS]))
    return SearchPage(tuple(rows), answer.next_cursor, albums, whole.members_returning)


def read_locate(data: bytes, content_ids: Sequence[bytes]) -> list[Location]:
    """One for each id asked for, in that order; what was not asked for is dropped."""
    answer = _answer(data, "locate").locate
    known = {location.content_id: location for location in answer.locations}
    return [_location(content_id, known.get(content_id)) for content_id in content_ids]


def records(messages: Iterable[pb.PeerRecord]) -> list[PeerRecord]:
    """Peers with a good id and at least one good address."""
    return [record for message in messages if (record := _record(message)) is not None]


def _answer(data: bytes, wanted: str) -> pb.Answer:
    answer = pb.Answer()
    try:
        answer.ParseFromString(data)
    except DecodeError as error:
        raise CentralMisbehavedError(
            "The answer cannot be read; try again, through another neighbour.", "answer-unreadable"
        ) from error
    got = answer.WhichOneof("answer")
    if got == "error":
        raise BadInputError(answer.error[:500])
    if got != wanted:
        raise CentralMisbehavedError("The answer is to another question; try again.", "answer-other")
    return answer


def _row(message: pb.SearchRow) -> SearchRow | None:
    if len(message.content_id) != 32 or message.size > MAX_SIZE:
        return None
    return SearchRow(
        content_id=message.content_id,
        name=message.name,
        path=message.path,
        size=message.size,
        kind=message.kind if message.kind in KINDS else "other",
        holders=message.holders,
        names=tuple(message.names[:8]),
        modified=message.modified,
    )


def _album(message: pb.Album) -> Album:
    return Album(message.path, message.files, message.bytes, message.holders)


def _location(content_id: bytes, message: pb.Location | None) -> Location:
    if message is None or message.size > MAX_SIZE:
        return Location(content_id, 0, "", ())
    return Location(content_id, message.size, message.name, tuple(records(message.holders[:MAX_HOLDERS])))


def _record(message: pb.PeerRecord) -> PeerRecord | None:
    return _checked_record(message.peer_id, message.name, tuple(message.addresses[:16]))


# The same few hold most of what is asked for together.
@lru_cache(256)
def _checked_record(peer_id: str, name: str, told: tuple[str, ...]) -> PeerRecord | None:
    try:
        decode_id(peer_id)
    except ValueError:
        return None
    addresses = []
    for address in told:
        try:
            parse_url(address)
        except BadInputError:
            continue
        addresses.append(address)
    return PeerRecord(peer_id, _shown(name), tuple(addresses)) if addresses else None


def _shown(name: str) -> str:
    """A member's name without what a terminal, a log or a window would act on."""
    return "".join(c for c in name[:64] if c.isprintable()) or "?"
