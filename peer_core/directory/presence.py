"""Registers with the central, beats, and keeps the certificate fresh. Owns one thread.

It never gives up: whatever fails is tried again at the central's pace, with jitter.
"""

import logging
import random
from collections.abc import Callable
from datetime import UTC, datetime

from peer_core import __version__
from peer_core.directory.central import CentralClient, Registration, RevocationList
from peer_core.directory.types import Pace
from peer_core.errors import BarrioError, CentralUnreachableError, NotRegisteredError, RevokedError
from peer_core.identity import enrolment
from peer_core.identity.revocations import Revocations
from peer_core.identity.store import Identity
from peer_core.loops import Loop

FIRST_PACE = Pace(heartbeat_seconds=30.0, publish_batch=1000, retry_seconds=2.0)
RENEW_BELOW_SECONDS = 10 * 86_400.0
RENEW_RETRY_BEATS = 20
REVOKED_RETRY_SECONDS = 60.0
log = logging.getLogger("barrio.directory")


class Presence:
    """`addresses` are looked up at each beat, since a laptop moves; `journal` gives (index id, last sequence).

    `on_registered` gets what the central says that it holds.
    """

    def __init__(
        self,
        identity: Identity,
        central: CentralClient,
        revocations: Revocations,
        addresses: Callable[[], list[str]],
        journal: Callable[[], tuple[bytes, int]],
        on_registered: Callable[[Registration], None],
    ) -> None:
        self._identity = identity
        self._central = central
        self._revocations = revocations
        self._addresses = addresses
        self._told_addresses: list[str] = []
        self._journal = journal
        self._on_registered = on_registered
        self._loop = Loop("presence", self._step)
        self._registered = False
        self._beats_to_renewal = 0
        # Written by the thread alone, read by any.
        self.pace = FIRST_PACE
        self.reachable = False
        self.since: datetime | None = None
        self.trouble: BarrioError | None = None

    def start(self) -> None:
        self._loop.start()

    def stop_soon(self) -> None:
        """No registration or heartbeat begins any more."""
        self._loop.stop_soon()

    def stop(self) -> None:
        """Waits for the thread; quick once the channel is closed."""
        self._loop.stop()

    def _step(self) -> float:
        """One registration or heartbeat; returns the seconds until the next."""
        try:
            self._renew_when_due()
            if self._registered:
                self._beat()
            else:
                self._register()
        except NotRegisteredError:
            self._registered = False
            return 0.0
        except RevokedError as error:
            self._registered = False
            self._set_reachable(False, error)
            return REVOKED_RETRY_SECONDS
        except BarrioError as error:
            self._set_reachable(False, error)
            return self.pace.retry_seconds * random.uniform(0.5, 1.5)
        self._set_reachable(True, None)
        return self.pace.heartbeat_seconds

    def _register(self) -> None:
        index_id, last_sequence = self._journal()
        addresses = self._addresses()
        answer = self._central.register(addresses, __version__, index_id, last_sequence)
        self.pace = answer.pace
        self._registered, self._told_addresses = True, addresses
        self._take(answer.revocations)
        self._on_registered(answer)

    def _beat(self) -> None:
        addresses = self._addresses()
        new = addresses if addresses != self._told_addresses else []
        self.pace, revocations = self._central.heartbeat(self._revocations.number, new)
        self._told_addresses = addresses
        self._take(revocations)

    def _take(self, revocations: RevocationList | None) -> None:
        if revocations is not None:
            self._revocations.take(revocations.number, revocations.peer_ids, revocations.signature)

    def _renew_when_due(self) -> None:
        """Renews in the last third of the certificate's life; a failure is tried again some beats later."""
        if self._beats_to_renewal > 0:
            self._beats_to_renewal -= 1
            return
        self._beats_to_renewal = RENEW_RETRY_BEATS
        if self._identity.seconds_left() > RENEW_BELOW_SECONDS:
            return
        try:
            enrolment.renew(self._identity)
        except CentralUnreachableError as error:
            log.warning("the certificate could not be renewed yet: %s", error.logged)
            return
        self._central.renew_channel()
        log.info("the certificate is renewed")

    def _set_reachable(self, reachable: bool, trouble: BarrioError | None) -> None:
        if reachable != self.reachable or self.since is None:
            self.since = datetime.now(UTC)
            log.info(
                "the central %s",
                "answers" if reachable else f"is out of reach{f': {trouble.logged}' if trouble else ''}",
            )
        self.reachable = reachable
        self.trouble = trouble
