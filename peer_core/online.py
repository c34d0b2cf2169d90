"""The half of a peer that needs a barrio: its server for other peers, its presence, its directory."""

import logging
from collections.abc import Sequence
from typing import Any

from peer_core import __version__
from peer_core.addresses import format_host_port, parse_listen
from peer_core.directory.callback import CallBack, Tried
from peer_core.directory.directory import Directory
from peer_core.directory.types import Location
from peer_core.errors import BarrioError, InUseError, NotReachedError
from peer_core.identity.revocations import Revocations
from peer_core.identity.store import Identity
from peer_core.library.browsing import Browsing
from peer_core.library.library import Library
from peer_core.library.types import HeldFile
from peer_core.limits.line import UploadLine
from peer_core.limits.policy import Policy
from peer_core.meter import Meter
from peer_core.nearby import Announcer, Barrio
from peer_core.offers.offers import Offers
from peer_core.offers.terms import MAX_OFFER
from peer_core.offers.types import OfferState
from peer_core.own_addresses import Whereabouts, choose, interface_addresses
from peer_core.server.hosting import HostedServer
from peer_core.server.peer_api import peer_api
from peer_core.server.relay_slots import RelaySlots
from peer_core.settings import Settings
from peer_core.transfer.exchange import Exchange, Shown
from peer_core.transfer.types import Holder, Located

THREADS = 16
CONNECTIONS = 1000
CONNECTIONS_PER_ADDRESS = 200
CONNECTIONS_PER_PEER = 64
IDLE_SECONDS = 60
DRAIN_SECONDS = 2.0
log = logging.getLogger("barrio")


class Online:
    """From `start` to `stop` other peers can ask this one, and it can ask the barrio."""

    def __init__(
        self,
        identity: Identity,
        settings: Settings,
        library: Library,
        offers: Offers,
        exchange: Exchange,
        sent: Meter,
        limits: Policy,
    ) -> None:
        self.identity = identity
        self._exchange = exchange
        self.listens_elsewhere: InUseError | None = None
        self._library = library
        self._offers = offers
        self._sent = sent
        self._limits = limits
        self._line = UploadLine(lambda: limits.now().upload_slots)
        self._settings = settings
        self._relays = RelaySlots()
        self._revocations = Revocations(identity, self._removed)
        towards = identity.membership.directory[0]
        self._whereabouts = Whereabouts(lambda: self._server.address, towards, settings.texts("advertise"))
        self.directory = Directory(identity, self._revocations, library, self._whereabouts, settings.texts("neighbour"))
        self._call_back = CallBack(identity, self.directory.find_peer)
        self._announcer = Announcer(
            Barrio(identity.membership.network_name, identity.authority_fingerprint()),
            lambda: self._server.address[1],
            self._on_networks,
            lambda: bool(settings.number("announce")),
        )
        # Last: whatever fails before leaves no port open.
        self._server = self._bind(settings)
        self._whereabouts.look()

    def addresses(self) -> list[str]:
        """Where others reach this peer now; a laptop moves."""
        return list(self._whereabouts.current)

    def _on_networks(self) -> list[str]:
        """Where this computer is on its own networks, whatever others are told."""
        try:
            return choose(*self._server.address, [], interface_addresses())
        except OSError:
            return []

    def settings_changed(self) -> None:
        self._announcer.look_now()

    @property
    def notices(self) -> list[BarrioError]:
        """What the person should know about being online."""
        closed = None
        if self.directory.reach.closed:
            closed = NotReachedError(
                "Neighbours tried to connect back and could not: open port {port} (TCP) in this device's firewall, or "
                "forward it in the router. The check-up says more.",
                "not-reached",
                port=self.listens[1],
            )
        return [n for n in (self.listens_elsewhere, self._revocations.trouble, closed) if n is not None]

    @property
    def listens(self) -> tuple[str, int]:
        return self._server.address

    @property
    def listens_at(self) -> str:
        return format_host_port(*self._server.address)

    def start(self) -> None:
        self._server.start()
        self.directory.start()
        self._announcer.start()

    def stop(self) -> None:
        self._call_back.close()
        self.directory.stop()
        self._announcer.stop()
        self._server.stop(DRAIN_SECONDS)

    def locate(self, content_id: bytes) -> Located:
        """Live holders, for a transfer."""
        return self.locate_all([content_id])[0]

    def locate_all(self, content_ids: Sequence[bytes]) -> list[Located]:
        """Live holders of each."""
        return [self._located(location) for location in self.directory.locate(content_ids)]

    def _located(self, location: Location) -> Located:
        holders = tuple(
            Holder(p.peer_id, p.name, p.addresses) for p in location.holders if not self.is_revoked(p.peer_id)
        )
        return Located(location.size, location.name, holders, public=bool(holders))

    def find(self, peer_ids: Sequence[str]) -> list[Holder]:
        """Members that download something, for a transfer."""
        wanted = [peer_id for peer_id in peer_ids if not self.is_revoked(peer_id)]
        found = self.directory.find_peers(wanted) if wanted else {}
        return [Holder(p.peer_id, p.name, p.addresses, partial=True) for p in found.values()]

    # What the peer API asks for (the protocol `ServingPeer`).

    def introduction(self) -> dict[str, Any]:
        return {"peer_id": self.identity.peer_id, "name": self.identity.name, "version": __version__}

    def is_revoked(self, peer_id: str) -> bool:
        return self._revocations.is_revoked(peer_id)

    def relay(self, caller: str, sealed: bytes) -> bytes:
        with self._relays.slot(caller):
            return self.directory.relay(sealed)

    def call_back(self, caller: str, calls_from: str, addresses: Sequence[str]) -> list[Tried]:
        return self._call_back.call(caller, calls_from, addresses)

    def held(self, caller: str, content_id: bytes) -> HeldFile | None:
        """What is shared is given to all, and what is offered to those it is offered to."""
        return self._library.find(content_id) or self._offers.held(caller, content_id)

    def offered(self, caller: str, data: bytes) -> OfferState:
        return self._offers.offered(caller, data)

    def offer_told(self, caller: str, number: str, data: bytes) -> OfferState:
        return self._offers.told(caller, number, data)

    def part(self, content_id: bytes) -> Shown | None:
        return self._exchange.part(content_id)

    def meet(self, content_id: bytes, caller: str) -> list[str]:
        return [p for p in self._exchange.meet(content_id, caller) if not self.is_revoked(p)]

    @property
    def browsing(self) -> Browsing:
        return self._library.browsing

    def sent(self, count: int) -> None:
        self._sent.add(count)

    def cut_off(self, peer_id: str) -> None:
        """Ends the connections of that member, with the answers under way."""
        self._server.close_peer(peer_id)

    def _removed(self, peer_ids: set[str]) -> None:
        for peer_id in peer_ids:
            log.info("removed from the barrio: %s", peer_id)
            self.cut_off(peer_id)

    def _bind(self, settings: Settings) -> HostedServer:
        """Listens where it should; only the default port, when taken, gives way to another one."""
        host, port = parse_listen(settings.text("listen"))
        try:
            return self._server_at(host, port)
        except InUseError as error:
            if not settings.is_default("listen"):
                raise
            server = self._server_at(host, 0)
            self.listens_elsewhere = InUseError(
                "{reason} This time Barrio listens on port {port}.",
                "listens-elsewhere",
                reason=error.message,
                port=server.address[1],
            )
            log.warning("it listens on port %d this time: %s", server.address[1], error.logged)
            return server

    def _server_at(self, host: str, port: int) -> HostedServer:
        return HostedServer(
            peer_api(self, self._line),
            (host, port),
            name="peer-api",
            threads=THREADS,
            tls=self.identity.server_context,
            connection_limit=CONNECTIONS,
            per_address_limit=CONNECTIONS_PER_ADDRESS,
            per_peer_limit=CONNECTIONS_PER_PEER,
            max_body_bytes=MAX_OFFER,
            channel_timeout=IDLE_SECONDS,
            limits=self._limits.now,
        )
