"""Registers with the central, beats, and keeps the certificate fresh. Owns one thread.

It never gives up: whatever fails is tried again at the central's pace, with jitter.
"""

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from peer_core import __version__
from peer_core.directory.central import CentralClient, Heard, Registration, RevocationList
from peer_core.directory.types import Pace
from peer_core.errors import BarrioError, CentralUnreachableError, NotRegisteredError, RevokedError
from peer_core.identity import enrolment
from peer_core.identity.revocations import Revocations
from peer_core.identity.store import Identity
from peer_core.loops import Loop
from peer_core.own_addresses import Whereabouts

FIRST_PACE = Pace(heartbeat_seconds=30.0, publish_batch=1000, retry_seconds=2.0)
RENEW_BELOW_SECONDS = 10 * 86_400.0
RENEW_RETRY_BEATS = 20
REVOKED_RETRY_SECONDS = 60.0
# A laptop that moves is found at its new address this soon.
LOOK_SECONDS = 2.0
log = logging.getLogger("barrio.directory")


@dataclass(frozen=True)
class Standing:
    """How it is with the central, since when (None before the first attempt), and why it is out of reach."""

    reachable: bool
    since: datetime | None
    trouble: BarrioError | None


class Presence:
    """`journal` gives (index id, last sequence).

    `on_registered` gets what the central says that it holds; `on_moved` is told that the addresses of this computer
    changed: connections made before lead nowhere; `on_back`: that the central answers again.
    """

    def __init__(
        self,
        identity: Identity,
        central: CentralClient,
        revocations: Revocations,
        whereabouts: Whereabouts,
        journal: Callable[[], tuple[bytes, int]],
        on_registered: Callable[[Registration], None],
        on_moved: Callable[[], None],
        on_back: Callable[[], None],
    ) -> None:
        self._identity = identity
        self._central = central
        self._revocations = revocations
        self._whereabouts = whereabouts
        self._told_addresses: tuple[str, ...] = ()
        self._journal = journal
        self._on_registered = on_registered
        self._on_moved = on_moved
        self._on_back = on_back
        self._loop = Loop("presence", self._step)
        self._registered = False
        self._beats_to_renewal = 0
        self._next_beat = 0.0
        self._noticed: Heard | None = None
        # Written by the thread alone, read by any.
        self.pace = FIRST_PACE
        self._by_beats = Standing(False, None, None)
        # Seconds by which the central's clock is ahead of this one, None before it told.
        self.clock_offset: float | None = None

    def standing(self) -> Standing:
        """By the last attempt of any call, a question too: the next heartbeat may be half a minute away."""
        beats, heard = self._by_beats, self._central.heard
        if not beats.reachable or beats.since is None:
            return beats
        if heard.trouble is not None:
            return Standing(False, heard.since, heard.trouble)
        return Standing(True, max(beats.since, heard.since), None)

    @property
    def reachable(self) -> bool:
        return self.standing().reachable

    @property
    def trouble(self) -> BarrioError | None:
        return self.standing().trouble

    @property
    def had_beat(self) -> bool:
        """Whether the last registration or heartbeat was answered: the central holds a lease, whatever came after."""
        return self._by_beats.reachable

    def start(self) -> None:
        self._loop.start()

    def stop_soon(self) -> None:
        """No registration or heartbeat begins any more."""
        self._loop.stop_soon()

    def stop(self) -> None:
        """Waits for the thread; quick once the channel is closed."""
        self._loop.stop()

    def _step(self) -> float:
        """Looks where this computer is, and beats when it is time or it moved; returns the seconds until the next."""
        if self._whereabouts.look():
            log.info("the addresses are %s now", ", ".join(self._whereabouts.current))
            self._central.renew_channel()
            self._on_moved()
        elif self._registered:
            self._notice_silence()
            if time.monotonic() < self._next_beat:
                return self._until_next()
        seconds = self._speak()
        self._next_beat = time.monotonic() + seconds
        return self._until_next() if self._registered else seconds

    def _notice_silence(self) -> None:
        """A question found the central silent since the last heartbeat: the next one comes as soon as a retry would."""
        heard = self._central.heard
        if self._by_beats.reachable and heard.trouble is not None and heard is not self._noticed:
            self._noticed = heard
            self._next_beat = min(self._next_beat, time.monotonic() + self._until_retry())

    def _until_retry(self) -> float:
        return self.pace.retry_seconds * random.uniform(0.5, 1.5)

    def _until_next(self) -> float:
        return max(0.0, min(LOOK_SECONDS, self._next_beat - time.monotonic()))

    def _speak(self) -> float:
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
            return self._until_retry()
        self._set_reachable(True, None)
        return self.pace.heartbeat_seconds

    def _register(self) -> None:
        index_id, last_sequence = self._journal()
        addresses = self._whereabouts.current
        asked = time.time()
        answer = self._central.register(addresses, __version__, index_id, last_sequence)
        self._compare_clocks(asked, answer.clock)
        self.pace = answer.pace
        self._registered, self._told_addresses = True, addresses
        self._take(answer.revocations)
        self._on_registered(answer)

    def _beat(self) -> None:
        addresses = self._whereabouts.current
        new = addresses if addresses != self._told_addresses else ()
        asked = time.time()
        answer = self._central.heartbeat(self._revocations.number, new, self.pace.heartbeat_seconds)
        self._compare_clocks(asked, answer.clock)
        self.pace = answer.pace
        self._told_addresses = addresses
        self._take(answer.revocations)

    def _compare_clocks(self, asked: float, theirs: float) -> None:
        """`theirs`: what the central's clock showed between `asked` and now; 0 from one that does not tell."""
        if theirs:
            self.clock_offset = theirs - (asked + time.time()) / 2

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
        since = self._by_beats.since
        if reachable != self._by_beats.reachable or since is None:
            before, since = self.standing(), datetime.now(UTC)
            if before.since is not None and not before.reachable and not reachable:
                # A question noticed it first.
                since = before.since
            log.info(
                "the central %s",
                "answers" if reachable else f"is out of reach{f': {trouble.logged}' if trouble else ''}",
            )
        back = reachable and not self._by_beats.reachable
        self._by_beats = Standing(reachable, since, trouble)
        if back:
            self._on_back()
