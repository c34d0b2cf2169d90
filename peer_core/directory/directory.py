"""What others have: search and locate through the neighbours, presence and publishing. The room's front door."""

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from peer_core.directory.central import CentralClient, Registration
from peer_core.directory.messages import (
    MAX_LOCATE,
    MAX_PEERS,
    locate_bytes,
    members_bytes,
    peers_bytes,
    read_locate,
    read_members,
    read_search,
    search_bytes,
)
from peer_core.directory.neighbours import Neighbours
from peer_core.directory.peer_http import PeerHttp
from peer_core.directory.presence import Presence
from peer_core.directory.publisher import Journal, Publisher
from peer_core.directory.reach import ReachWatch, Report, ask_all
from peer_core.directory.remote_tree import RemoteTree
from peer_core.directory.types import Location, MembersPage, PeerRecord, SearchPage, SearchQuestion, Via, ViaKind
from peer_core.directory.whole_page import whole_page
from peer_core.errors import BarrioError
from peer_core.identity.revocations import Revocations
from peer_core.identity.store import Identity
from peer_core.own_addresses import Whereabouts

EXCHANGE_SECONDS = 20.0
# A neighbour asks the barrio where this peer is, and then tries for three seconds.
CALL_SECONDS = 10.0
EXCHANGE_BYTES = 64 << 10
# Bytes a second of a body, on a slow line.
EXCHANGE_RATE = 32 << 10
T = TypeVar("T")


@dataclass
class Counters:
    """Questions since the start; changed under the directory's lock."""

    through_neighbour: int = 0
    direct: int = 0
    relayed: int = 0


class Directory:
    """Asks and answers from any thread; `start` begins presence, publishing and looking for neighbours."""

    def __init__(
        self,
        identity: Identity,
        revocations: Revocations,
        journal: Journal,
        whereabouts: Whereabouts,
        preferred_neighbours: Sequence[str] = (),
    ) -> None:
        self.central = CentralClient(identity)
        self._http = PeerHttp(identity)
        self.tree = RemoteTree(self._http)
        self.publisher = Publisher(
            self.central, journal, lambda: (self.presence.pace.publish_batch, self.presence.pace.retry_seconds)
        )
        self.neighbours = Neighbours(
            self.central,
            self._http,
            preferred_neighbours,
            revocations.is_revoked,
            lambda: self.presence.pace.heartbeat_seconds,
        )
        self.presence = Presence(
            identity,
            self.central,
            revocations,
            whereabouts,
            lambda: (journal.index_id, journal.last_sequence()),
            self._registered,
            self._moved,
            self.neighbours.forgive,
        )
        self.reach = ReachWatch(lambda: whereabouts.current, lambda: self.ask_for_calls(list(whereabouts.current)))
        self._lock = threading.Lock()
        self._counters = Counters()

    def start(self) -> None:
        self.presence.start()
        self.publisher.start()
        self.neighbours.start()
        self.reach.start()

    def stop(self) -> None:
        """Says goodbye when the central is there, and ends all threads within a few seconds."""
        self.presence.stop_soon()
        self.reach.stop_soon()
        if self.presence.had_beat:
            with suppress(BarrioError):
                self.central.leave()
        self._http.close()
        self.central.close()
        self.presence.stop()
        self.publisher.stop()
        self.neighbours.stop()
        self.reach.stop()

    def search(self, question: SearchQuestion) -> tuple[SearchPage, Via]:
        """Raises BadInputError, CentralUnreachableError, CentralMisbehavedError, RevokedError."""
        return whole_page(self._search, question)

    def _search(self, question: SearchQuestion) -> tuple[SearchPage, Via]:
        return self._ask(search_bytes(question), lambda data: read_search(data, question.limit))

    def locate(self, content_ids: Sequence[bytes]) -> list[Location]:
        """Live holders of each content, in the order given; any number of ids.

        That nobody has something is believed only when two say so: a neighbour could leave holders out.
        """
        found: list[Location] = []
        for start in range(0, len(content_ids), MAX_LOCATE):
            found += self._locate(content_ids[start : start + MAX_LOCATE])
        return found

    def _locate(self, content_ids: Sequence[bytes]) -> list[Location]:
        sealed = locate_bytes(content_ids)
        found, via = self._ask(sealed, lambda data: read_locate(data, content_ids))
        others = any(n.peer.peer_id != via.peer.peer_id for n in self.neighbours.current()) if via.peer else False
        if via.peer is not None and others and not all(location.holders for location in found):
            again, _ = self._ask(sealed, lambda data: read_locate(data, content_ids), via.peer.peer_id)
            found = [first if first.holders else second for first, second in zip(found, again, strict=True)]
        return found

    def members(self, text: str, limit: int, cursor: str) -> tuple[MembersPage, Via]:
        """Who is here, this peer too: those whose name or id (6 characters at least) begins with `text`."""
        return self._ask(members_bytes(text, limit, cursor), lambda data: read_members(data, limit))

    def find_peer(self, peer_id: str) -> PeerRecord | None:
        """Where a member is now; None when it is not here."""
        return self.find_peers([peer_id]).get(peer_id)

    def find_peers(self, peer_ids: Sequence[str]) -> dict[str, PeerRecord]:
        """Those of the members that are here now, by id; at most 64 are asked for."""
        page, _ = self._ask(peers_bytes(peer_ids[:MAX_PEERS]), lambda data: read_members(data, MAX_PEERS))
        return {record.peer_id: record for record in page.members if record.peer_id in peer_ids}

    def exchange(self, peer: PeerRecord, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        """A small request to another peer: status and body of the answer. Raises PeerUnreachableError,
        PeerMisbehavedError."""
        status, _, data = self._http.request(
            peer.peer_id,
            peer.addresses,
            method,
            path,
            body,
            {"Content-Type": "application/json"},
            timeout=EXCHANGE_SECONDS + len(body) / EXCHANGE_RATE,
            max_bytes=EXCHANGE_BYTES,
            name=peer.name,
        )
        return status, data

    def ask_for_calls(self, addresses: Sequence[str]) -> list[Report]:
        """What each neighbour says about connecting to this peer at `addresses`."""
        return ask_all(self._ask_for_call, [n.peer for n in self.neighbours.current()], addresses)

    def _ask_for_call(self, peer: PeerRecord, body: bytes) -> tuple[int, bytes]:
        status, _, data = self._http.request(
            peer.peer_id,
            peer.addresses,
            "POST",
            "/v1/probe",
            body,
            {"Content-Type": "application/json"},
            timeout=CALL_SECONDS,
            max_bytes=EXCHANGE_BYTES,
            name=peer.name,
            fresh_only=True,
        )
        return status, data

    def relay(self, sealed: bytes) -> bytes:
        """Passes another peer's question on to the central, unread."""
        answer = self.central.query(sealed)
        with self._lock:
            self._counters.relayed += 1
        return answer

    def counters(self) -> Counters:
        with self._lock:
            return Counters(self._counters.through_neighbour, self._counters.direct, self._counters.relayed)

    def _ask(self, sealed: bytes, read: Callable[[bytes], T], avoid: str = "") -> tuple[T, Via]:
        answer, via = self.neighbours.ask(sealed, read, avoid)
        with self._lock:
            if via.kind is ViaKind.NEIGHBOUR:
                self._counters.through_neighbour += 1
            else:
                self._counters.direct += 1
        return answer, via

    def _moved(self) -> None:
        self._http.forget()
        self.neighbours.forgive()
        self.reach.look_again()

    def _registered(self, held: Registration) -> None:
        self.publisher.registered(held)
        self.neighbours.look_now()
