"""What members ask of the central: presence, publishing, neighbours, questions. Called from the threads of its port.

Knows neither gRPC nor SQL. The gate has already made sure that the caller is a member.
"""

import ipaddress
import random
import re
import threading
from urllib.parse import urlsplit

from central.catalogue.interface import Catalogue
from central.domain import (
    MAX_HOLDERS,
    MAX_SIZE,
    PUBLISH_BATCH,
    Batch,
    Comparison,
    Location,
    Member,
    Pace,
    PeerRecord,
    PeersPage,
    PeersQuestion,
    PublishResult,
    Range,
    Registration,
    RevocationList,
    SearchPage,
    SearchQuestion,
)
from central.errors import (
    BadInputError,
    BadQuestionError,
    NoLeaseError,
    OverloadedError,
    RevokedError,
    StrangerError,
)
from central.leases import Lease
from central.members import Members, Revocations
from central.presence import Presence
from central.roster import Roster
from protos.agreed import MARK_BYTES, MAX_KEY

MAX_ADDRESSES = 16
MAX_ADDRESS = 256
MAX_NEIGHBOURS = 16
MAX_EXCEPT = 64
MAX_LOCATE = 256
MAX_PEERS = 64
MAX_PEERS_TEXT = 64
MAX_ROWS = 200
DEFAULT_ROWS = 50
# Comparisons at a time: they leave most threads to everybody else.
COMPARERS = 4
MAX_PATH = 4096
MAX_SHARE = 1024
INDEX_ID_BYTES = 16
CONTENT_ID_BYTES = 32
MAX_SEQUENCE = (1 << 63) - 1
# A beat that comes late, or one that is lost, does not end a lease.
LEASE_BEATS = 2.5
JITTER = 0.1
# Bytes of all peer records in one answer; with the rest it stays under 1 MiB.
ANSWER_BYTES = 800_000
_RECORD_BYTES = 80
_HOST_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")
# A name that ends so is an IPv4 address in another form to the system (WHATWG URL, “ends in a number”).
_NUMBER = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*")


class Directory:
    """One for all threads; it holds no state of its own but the order of names."""

    def __init__(
        self,
        members: Members,
        revocations: Revocations,
        presence: Presence,
        catalogue: Catalogue,
        network_name: str,
        heartbeat_seconds: float,
        rng: random.Random | None = None,
    ) -> None:
        self._members = members
        self._revocations = revocations
        self._presence = presence
        self._catalogue = catalogue
        self.network_name = network_name
        self._heartbeat_seconds = heartbeat_seconds
        self._roster = Roster(members)
        self._comparing = threading.BoundedSemaphore(COMPARERS)
        # Spreads peers in time, no more; the system's own numbers cost each beat a change of threads.
        self._rng = rng or random.Random()

    @property
    def members_returning(self) -> bool:
        """Who is not found now may be here in a few seconds."""
        return self._presence.returning

    def pace(self) -> Pace:
        """A little different each time, so that peers that came together do not stay together."""
        base = self._heartbeat_seconds
        return Pace(
            heartbeat_seconds=base * self._rng.uniform(1 - JITTER, 1 + JITTER),
            lease_seconds=base * LEASE_BEATS,
            publish_batch=PUBLISH_BATCH,
            retry_seconds=min(5.0, base / 2),
        )

    def member(self, peer_id: str) -> Member:
        """The caller. Raises StrangerError or RevokedError."""
        self._revocations.check(peer_id)
        return self._members.find(peer_id)

    def register(self, member: Member, addresses: tuple[str, ...], index_id: bytes, last_sequence: int) -> Registration:
        """Takes a lease. Also tells the newest change that is held of this index; 0 asks for all of it."""
        check_addresses(addresses)
        _check_index_id(index_id)
        pace = self.pace()
        self._presence.register(member.number, addresses, pace.lease_seconds)
        self._end_if_revoked(member)
        held = self._catalogue.acknowledged(member.number)
        # A peer whose index went back in time (a restored backup) starts anew.
        known = held is not None and held.index_id == index_id and held.sequence <= last_sequence
        return Registration(
            pace,
            held.sequence if held is not None and known else 0,
            held.mark if held is not None else b"",
            held.entries if held is not None else 0,
            self._revocations.current(),
        )

    def _end_if_revoked(self, member: Member) -> None:
        """Closes the gap between the check of the caller and the lease."""
        try:
            self._revocations.check(member.peer_id)
        except RevokedError:
            self._presence.leave(member.number)
            raise

    def beat(
        self, member: Member, addresses: tuple[str, ...], revocations_number: int
    ) -> tuple[Pace, RevocationList | None]:
        """Renews the lease; the list of revocations comes when the peer's is older. Raises NoLeaseError."""
        check_addresses(addresses)
        pace = self.pace()
        if not self._presence.beat(member.number, addresses, pace.lease_seconds):
            raise NoLeaseError("the lease is not known here; register again")
        # Read already for the check of the caller.
        revocations = self._revocations.latest
        return pace, revocations if revocations_number < revocations.number else None

    def leave(self, member: Member) -> None:
        self._presence.leave(member.number)

    def publish(self, member: Member, batch: Batch) -> PublishResult:
        check_batch(batch)
        return self._catalogue.publish(member.number, batch)

    def compare(self, member: Member, span: Range) -> Comparison:
        """Where what is held of the caller differs from what it has. Raises OverloadedError when too many compare."""
        if not 0 <= span.first <= span.last <= MAX_KEY:
            raise BadInputError("a range goes from a key to a higher one, below 2^63")
        if not self._comparing.acquire(blocking=False):
            raise OverloadedError("many peers compare at this moment; try again after the retry delay")
        try:
            return self._catalogue.compare(member.number, span)
        finally:
            self._comparing.release()

    def neighbours(self, member: Member, count: int, except_peer_ids: tuple[str, ...]) -> list[PeerRecord]:
        if count > MAX_NEIGHBOURS or len(except_peer_ids) > MAX_EXCEPT:
            raise BadInputError(f"at most {MAX_NEIGHBOURS} neighbours, except at most {MAX_EXCEPT} peers")
        without = {member.number}
        for peer_id in except_peer_ids:
            try:
                without.add(self._members.find(peer_id).number)
            except StrangerError:
                continue
        return [self._record(number, lease) for number, lease in self._presence.draw(count, without)]

    def _record(self, number: int, lease: Lease) -> PeerRecord:
        member = self._members.by_number(number)
        return PeerRecord(member.peer_id, member.name, lease.addresses)

    def peers(self, question: PeersQuestion) -> PeersPage:
        """Live members that have an address. Raises BadQuestionError."""
        if len(question.peer_ids) > MAX_PEERS or len(question.text) > MAX_PEERS_TEXT or question.limit > MAX_ROWS:
            raise BadQuestionError(
                f"at most {MAX_PEERS} peers, {MAX_PEERS_TEXT} characters and {MAX_ROWS} rows can be asked for at once"
            )
        self._presence.sweep()
        if question.peer_ids:
            found = self._roster.named(question.peer_ids)
        else:
            found = self._roster.beginning_with(question.text, question.cursor)
        records: list[PeerRecord] = []
        bytes_left = ANSWER_BYTES
        for member in found.members:
            lease = self._presence.lease(member.number)
            if lease is None or not lease.addresses:
                continue
            record = self._record(member.number, lease)
            bytes_left -= _record_size(record)
            if len(records) >= question.limit or bytes_left < 0:
                return PeersPage(tuple(records), records[-1].peer_id)
            records.append(record)
        return PeersPage(tuple(records), found.next_cursor)

    def search(self, question: SearchQuestion) -> SearchPage:
        """Raises BadQuestionError."""
        if question.limit > MAX_ROWS:
            raise BadQuestionError(f"a page has at most {MAX_ROWS} rows")
        if question.min_size > MAX_SEQUENCE or question.max_size > MAX_SEQUENCE:
            raise BadQuestionError("no file is that large")
        self._presence.sweep()
        return self._catalogue.search(question)

    def locate(self, content_ids: tuple[bytes, ...]) -> list[Location]:
        """Raises BadQuestionError."""
        if len(content_ids) > MAX_LOCATE:
            raise BadQuestionError(f"at most {MAX_LOCATE} contents can be located at once")
        if any(len(content_id) != CONTENT_ID_BYTES for content_id in content_ids):
            raise BadQuestionError(f"a content id has {CONTENT_ID_BYTES} bytes")
        self._presence.sweep()
        share = ANSWER_BYTES // max(1, len(content_ids))
        locations = []
        for found in self._catalogue.locate(content_ids, MAX_HOLDERS):
            holders: list[PeerRecord] = []
            bytes_left = share
            for number in found.holders:
                lease = self._presence.lease(number)
                if lease is None:
                    continue
                record = self._record(number, lease)
                size = _record_size(record)
                # One holder at least, with its best address, however little room there is.
                if size > bytes_left and not holders:
                    record = PeerRecord(record.peer_id, record.name, record.addresses[:1])
                elif size > bytes_left:
                    continue
                bytes_left -= size
                holders.append(record)
            locations.append(Location(found.content_id, found.size if holders else 0, found.name, tuple(holders)))
        return locations


def _record_size(record: PeerRecord) -> int:
    return _RECORD_BYTES + len(record.name.encode()) + sum(len(a.encode()) + 4 for a in record.addresses)


def check_addresses(addresses: tuple[str, ...]) -> None:
    """Raises BadInputError unless each is https://HOST:PORT and there are not too many."""
    if len(addresses) > MAX_ADDRESSES:
        raise BadInputError(f"a peer has at most {MAX_ADDRESSES} addresses")
    for address in addresses:
        if len(address.encode()) > MAX_ADDRESS or not _is_address(address):
            raise BadInputError(f"an address is https://HOST:PORT, at most {MAX_ADDRESS} bytes")


def _is_address(text: str) -> bool:
    try:
        url = urlsplit(text)
        host, port = url.hostname, url.port
    except ValueError:
        return False
    if not host or not port or not text.isascii():
        return False
    shown = f"[{host}]" if ":" in host else host
    if text.lower() != f"https://{shown}:{port}":
        return False
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        return _HOST_NAME.fullmatch(host) is not None and _NUMBER.fullmatch(host.rpartition(".")[2]) is None
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return not (mapped or ip).is_unspecified


def check_batch(batch: Batch) -> None:
    """Raises BadInputError, naming the change, when something in it is outside the contract's limits."""
    _check_index_id(batch.index_id)
    if len(batch.changes) + len(batch.removed) > PUBLISH_BATCH:
        raise BadInputError(f"a batch has at most {PUBLISH_BATCH} changes")
    if any(len(mark) not in (0, MARK_BYTES) for mark in (batch.mark, batch.held_mark)):
        raise BadInputError(f"a mark has {MARK_BYTES} bytes")
    if (batch.removed and not batch.repair) or any(key > MAX_KEY for key in batch.removed):
        raise BadInputError("only a repair removes by key, and keys are below 2^63")
    if not batch.previous <= batch.last <= MAX_SEQUENCE:
        raise BadInputError("the last change of a batch must not come before its previous one")
    sequence = batch.previous
    for change in batch.changes:
        if not batch.repair and not sequence < change.sequence <= batch.last:
            raise BadInputError(f"change {change.sequence} is out of order: numbers grow from previous to last")
        sequence = change.sequence
        problem = _path_problem(change.path)
        if problem:
            raise BadInputError(f"change {change.sequence}: {problem}")
        if change.file is not None:
            if len(change.file.content_id) != CONTENT_ID_BYTES:
                raise BadInputError(f"change {change.sequence}: a content id has {CONTENT_ID_BYTES} bytes")
            if change.file.size > MAX_SIZE:
                raise BadInputError(f"change {change.sequence}: no file is that large")


def _path_problem(path: str) -> str | None:
    parts = path.split("/")
    if len(path.encode()) > MAX_PATH + MAX_SHARE:
        return f"a path has at most {MAX_PATH} bytes"
    if "\0" in path:
        return "a path holds no NUL character"
    if any(part in ("", ".", "..") or len(part.encode()) > MAX_SHARE for part in parts):
        return f"each part of a path has 1 to {MAX_SHARE} bytes and is neither . nor .."
    return None


def join_path(share: str, path: str) -> str:
    """One text for an entry. Raises BadInputError when the share's name could be taken for folders."""
    if "/" in share or len(share.encode()) > MAX_SHARE or len(path.encode()) > MAX_PATH:
        raise BadInputError(f"a share's name has at most {MAX_SHARE} bytes and no /, a path at most {MAX_PATH} bytes")
    return f"{share}/{path}"


def _check_index_id(index_id: bytes) -> None:
    if len(index_id) != INDEX_ID_BYTES:
        raise BadInputError(f"an index id has {INDEX_ID_BYTES} bytes")
