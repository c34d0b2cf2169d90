"""Gets a manifest from whichever holder gives it first: the next one is asked when the last ones are slow or fail."""

import http.client
import logging
import threading
import time
from collections.abc import Sequence

from peer_core.content import Manifest, manifest_bytes
from peer_core.errors import BarrioError, NoSourceError, PeerMisbehavedError, PeerUnreachableError
from peer_core.identity.connection import USER_AGENT, PeerConnection, converted, read_bounded
from peer_core.identity.store import Identity
from peer_core.transfer.answers import check_status
from peer_core.transfer.types import Holder
from protos.agreed import encode_id

CONNECT_SECONDS = 5.0
QUIET_SECONDS = 10.0
HEDGE_SECONDS = 1.0
HEAD_SECONDS = 10.0
SLOWEST_BYTES_PER_SECOND = 16 << 10
MAX_AT_ONCE = 2
# Up to this size no word of the central is needed for how long a manifest may be (2 MiB for 1 TiB).
USUAL_SIZE = 1 << 40
log = logging.getLogger("barrio.transfer")


class ManifestRace:
    """`run` in one thread; `stop` from any, which makes `run` raise PeerUnreachableError soon."""

    def __init__(self, identity: Identity, content_id: bytes, located_size: int, holders: Sequence[Holder]) -> None:
        """`located_size`: bytes of the file as the central has it, which a member may have made up."""
        self._identity = identity
        self._most = manifest_bytes(max(located_size, USUAL_SIZE))
        self._content_id = content_id
        self._waiting = list(holders)
        self._condition = threading.Condition()
        # Guarded by _condition.
        self._running: set[PeerConnection] = set()
        self._manifest: Manifest | None = None
        self._failure: BarrioError = NoSourceError("Nobody online has this file now.", "no-source")
        self._over = False

    def run(self) -> Manifest:
        """Raises the last holder's PeerUnreachableError or PeerMisbehavedError when none gives it."""
        threads: list[threading.Thread] = []
        with self._condition:
            while self._manifest is None and not self._over and (self._waiting or self._running):
                if self._waiting and len(self._running) < MAX_AT_ONCE:
                    threads.append(self._ask(self._waiting.pop(0)))
                more = self._waiting and len(self._running) < MAX_AT_ONCE
                self._condition.wait(HEDGE_SECONDS if more else None)
        self.stop()
        for thread in threads:
            thread.join()
        if self._manifest is None:
            raise self._failure
        return self._manifest

    def stop(self) -> None:
        with self._condition:
            self._over = True
            running = list(self._running)
            self._condition.notify_all()
        for connection in running:
            connection.abort()

    def _ask(self, holder: Holder) -> threading.Thread:
        connection = PeerConnection(self._identity, holder.peer_id, holder.name, holder.addresses, QUIET_SECONDS)
        self._running.add(connection)
        thread = threading.Thread(target=self._fetch, args=(connection,), name="manifest")
        thread.start()
        return thread

    def _fetch(self, connection: PeerConnection) -> None:
        manifest, failure = None, None
        try:
            connection.open(CONNECT_SECONDS)
            with converted(connection.who):
                manifest = self._proven(connection.who, self._body(connection))
        except (PeerUnreachableError, PeerMisbehavedError) as error:
            log.info("no manifest: %s", error.logged)
            failure = error
        finally:
            connection.close()
            with self._condition:
                self._running.discard(connection)
                self._manifest = self._manifest or manifest
                if failure is not None and not self._over:
                    self._failure = failure
                self._condition.notify_all()

    def _proven(self, who: str, data: bytes) -> Manifest:
        try:
            return Manifest.from_bytes(data, self._content_id)
        except PeerMisbehavedError as error:
            raise PeerMisbehavedError(
                "{name} sent a list of pieces that is not this file's; nothing of it is kept.",
                "holder-manifest",
                name=who,
            ) from error

    def _body(self, connection: PeerConnection) -> bytes:
        connection.deadline = time.monotonic() + HEAD_SECONDS
        path = f"/v1/contents/{encode_id(self._content_id)}/manifest"
        connection.request("GET", path, headers={"User-Agent": USER_AGENT})
        with connection.getresponse() as response:
            check_status(response, connection.who)
            if response.status != http.client.OK:
                raise PeerMisbehavedError(
                    "{name} answered with status {status}.",
                    "holder-status",
                    name=connection.who,
                    status=response.status,
                )
            length = min(response.length or 0, self._most)
            connection.deadline = time.monotonic() + HEAD_SECONDS + length / SLOWEST_BYTES_PER_SECOND
            return read_bounded(response, self._most, connection.who)
