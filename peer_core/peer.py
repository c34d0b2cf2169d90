"""The composition root of a peer: builds the rooms, `start()`s and `stop()`s them, and passes between them.

Holds for the desktop and for the headless peer alike. `start` and `stop` block; call them off a window's thread.
"""

import logging
import os
import secrets
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from peer_core import __version__, doctor, nearby
from peer_core.addresses import format_host_port
from peer_core.checks import Check
from peer_core.content import Manifest
from peer_core.data_folder import LOCAL_API_FILE, FolderLock, prepare, write_json
from peer_core.directory.types import SearchPage, SearchQuestion, Via
from peer_core.errors import BarrioError, ConflictError, NotJoinedError, StorageError
from peer_core.identity import enrolment
from peer_core.identity.key_store import KeyStore
from peer_core.identity.store import Identity
from peer_core.library.keeper import Watch
from peer_core.library.library import Library
from peer_core.library.types import Share
from peer_core.limits.intake import Intake
from peer_core.limits.policy import Policy
from peer_core.meter import Meter
from peer_core.nearby import Barrio
from peer_core.offers.offers import Offers
from peer_core.online import Online
from peer_core.people import People
from peer_core.server import shapes
from peer_core.server.hosting import HostedServer
from peer_core.server.local_api import MAX_BODY, local_api
from peer_core.settings import Settings, Value, parse_name
from peer_core.transfer.queue import Transfers
from peer_core.transfer.store import TransferStore
from peer_core.transfer.types import Located, Transfer, TransferState
from protos.sentences import as_json

LOCAL_THREADS = 8
LOCAL_CONNECTIONS = 100
CERTIFICATE_WARNING_SECONDS = 5 * 86_400.0
log = logging.getLogger("barrio")


class NotWatchedError(BarrioError):
    title = "Changes are found late"


class KeyInFileError(BarrioError):
    title = "The key is protected by a file"


class Peer:
    """One member's node. Also what the local API asks (the protocol `LocalPeer`)."""

    def __init__(
        self,
        data_dir: Path,
        overrides: Mapping[str, Value | None] | None = None,
        *,
        strict: bool = False,
        watch: Watch = Watch.APART,
    ) -> None:
        """`overrides`: settings from the command line. `strict`: `start` fails when the peer cannot go online;
        otherwise the local API runs all the same and tells why."""
        self.data_dir = data_dir
        self.token = secrets.token_urlsafe(32)
        self._overrides = overrides
        self._strict = strict
        self._watch = watch
        self._lock = FolderLock(data_dir)
        self._sent, self._received = Meter(), Meter()
        # One join at a time; and nobody goes online while the peer stops. In this order.
        self._joining = threading.Lock()
        self._lifecycle = threading.Lock()
        self._running = False
        self._leaving = threading.Event()
        # Set by start() and join(), read by any thread.
        self._library: Library | None = None
        self._transfers: Transfers | None = None
        self._people: People | None = None
        self._offers: Offers | None = None
        self._local: HostedServer | None = None
        self._monitoring: HostedServer | None = None
        self._online: Online | None = None
        self._offline_because: BarrioError | None = None

    @property
    def local_url(self) -> str:
        assert self._local is not None
        return f"http://{format_host_port(*self._local.address)}"

    @property
    def monitored_at(self) -> str | None:
        """HOST:PORT of metrics and health, when they are served."""
        return format_host_port(*self._monitoring.address) if self._monitoring is not None else None

    @property
    def online(self) -> Online | None:
        """None before joining, or when going online failed."""
        return self._online

    def start(self) -> None:
        """Raises BarrioError with a sentence for the person; nothing is left running then."""
        prepare(self.data_dir)
        self._lock.take()
        self._leaving.clear()
        try:
            self._start_local()
            try:
                identity = Identity.load(self.data_dir)
                if identity is not None:
                    self._go_online(identity)
            except BarrioError as error:
                if self._strict:
                    raise
                self._offline_because = error
                log.warning("not online: %s", error.logged)
        except BaseException:
            self._running = True
            self.stop()
            raise
        self._running = True

    def _start_local(self) -> None:
        self._settings = Settings(self.data_dir, self._overrides)
        self._library = Library(
            self.data_dir / "library.sqlite",
            rescan_seconds=float(self._settings.number("rescan_seconds")),
            excluded=[self.data_dir],
            on_change=self._library_changed,
            watch=self._watch,
        )
        store = TransferStore(self.data_dir / "transfers.sqlite", self.data_dir / "transfers")
        self._limits = Policy(self._settings)
        self._transfers = Transfers(
            store,
            self._download_folder,
            self._received.add,
            Intake(self._limits.now),
            lambda: self._limits.now().download_slots,
        )
        self._people = People(self._joined, self._library, self._transfers)
        self._offers = Offers(
            self.data_dir / "offers.sqlite",
            self._transfers,
            self._download_folder,
            library=self.data_dir / "library.sqlite",
            excluded=[self.data_dir],
        )
        self._local = HostedServer(
            local_api(self, self.token),
            ("127.0.0.1", 0),
            name="local-api",
            threads=LOCAL_THREADS,
            connection_limit=LOCAL_CONNECTIONS,
            max_body_bytes=MAX_BODY,
        )
        self._monitoring = self._monitoring_server()
        self._library.start()
        self._offers.start()
        self._local.start()
        if self._monitoring is not None:
            self._monitoring.start()
        access = {"url": self.local_url, "token": self.token, "pid": os.getpid()}
        write_json(self.data_dir / LOCAL_API_FILE, access)

    def _monitoring_server(self) -> HostedServer | None:
        """Not started yet; None unless the settings ask for it."""
        where = self._settings.text("http")
        if not where:
            return None
        # Here, as most peers do without.
        from peer_core.server.monitoring import monitoring_server

        return monitoring_server(self, where)

    def _go_online(self, identity: Identity) -> None:
        assert self._library is not None and self._transfers is not None and self._people is not None
        exchange = self._transfers.exchange
        online = Online(identity, self._settings, self._library, self.offers, exchange, self._sent, self._limits)
        online.start()
        self._online = online
        self._transfers.start(identity, self._locate, self._adopt, online.find, self._locate_all, self._adopt_all)
        self.offers.go_online(identity.peer_id, self._people)

    def stop(self) -> None:
        """Ends all threads within a few seconds: first what others see, then transfers, then the window's seam."""
        with self._lifecycle:
            if not self._running:
                return
            self._running = False
            self._leaving.set()
            if self._transfers is not None:
                self._transfers.stop_soon()
            if self._offers is not None:
                self._offers.stop_soon()
            if self._online is not None:
                self._online.stop()
            if self._offers is not None:
                self._offers.stop()
            if self._transfers is not None:
                self._transfers.stop()
            if self._offers is not None:
                self._offers.close()
            if self._local is not None:
                (self.data_dir / LOCAL_API_FILE).unlink(missing_ok=True)
                self._local.stop(1.0)
            if self._monitoring is not None:
                self._monitoring.stop(1.0)
            if self._library is not None:
                self._library.stop()
        self._lock.release()

    # What the local API asks.

    @property
    def settings(self) -> Settings:
        return self._settings

    @property
    def library(self) -> Library:
        return self._require_library()

    def status(self) -> dict[str, Any]:
        assert self._library is not None
        totals = self._library.totals()
        online = self._online
        shares = {"files": totals.files, "bytes": totals.bytes, "pending": totals.pending}
        status: dict[str, Any] = {
            "peer_id": None,
            "name": self._settings.text("name"),
            "version": __version__,
            "joined": (self.data_dir / "identity").exists(),
            "network_name": None,
            "addresses": [],
            "central": {"reachable": False, "since": None, "address": None},
            "neighbours": [],
            "queries": {"through_neighbour": 0, "direct": 0, "open": 0},
            "relayed": 0,
            "bytes": {"sent": self._sent.total, "received": self._received.total},
            "rates": {"sent": round(self._sent.rate()), "received": round(self._received.rate())},
            "limits": shapes.limits(self._limits.now()),
            "shares": shares,
            "indexing": self.indexing(),
            "offers": {"undecided": self.offers.undecided(), "revision": self.offers.revision()},
            "key_store": None,
            "data_dir": str(self.data_dir),
            "notices": [{"code": n.code, "title": n.title, **as_json(n.message, "message")} for n in self._notices()],
        }
        if online is None:
            return status
        identity, directory = online.identity, online.directory
        shares["pending"] += directory.publisher.pending()
        counters, central = directory.counters(), directory.presence.standing()
        return status | {
            "peer_id": identity.peer_id,
            "name": identity.name,
            "network_name": identity.membership.network_name,
            "addresses": online.addresses(),
            "central": {
                "reachable": central.reachable,
                "since": shapes.moment(central.since.timestamp()) if central.since else None,
                "address": directory.central.address,
            },
            "neighbours": self.neighbours(),
            "queries": {
                "through_neighbour": counters.through_neighbour,
                "direct": counters.direct,
                "open": counters.through_neighbour + counters.direct,
            },
            "relayed": counters.relayed,
            "key_store": identity.key_store.value,
        }

    def health(self) -> dict[str, str | None]:
        """What keeps each part from doing its work, as a sentence; None when nothing does."""
        online, library = self._online, self._require_library().trouble()
        parts: dict[str, str | None] = {"library": None, "barrio": None, "central": None}
        if library is not None:
            parts["library"] = str(library.message)
        if online is None:
            parts["barrio"] = str(self._offline_because.message) if self._offline_because else "not in a barrio yet"
        elif not (central := online.directory.presence.standing()).reachable:
            trouble = central.trouble
            parts["central"] = str(trouble.message) if trouble is not None else "the central has not answered yet"
        return parts

    def transfer_states(self) -> Counter[TransferState]:
        return self._require_transfers().states()

    def quarantined(self) -> int:
        return len(self._require_transfers().quarantine.all())

    def doctor(self) -> list[Check]:
        joined = (self.data_dir / "identity").exists()
        return doctor.examine(
            self.data_dir, self._download_folder(), self._require_library(), self._online, joined, self._offline_because
        )

    def barrios_here(self) -> list[Barrio]:
        return nearby.find(self._leaving)

    def join(self, invite: str, name: str | None) -> None:
        """Raises what `enrolment.join` raises, and BadInputError for the name; nothing changes then."""
        shown = parse_name(name) if name else self._settings.text("name")
        with self._joining:
            identity = enrolment.join(self.data_dir, invite, shown)
            if name and not self._settings.locked("name"):
                self._settings.change({"name": shown})
            with self._lifecycle:
                # The network took its time; the peer may have been stopped meanwhile.
                if not self._running:
                    raise ConflictError(
                        "This peer is stopping; it is online at the next start.", "stopping-online-later"
                    )
                self._offline_because = None
                try:
                    self._go_online(identity)
                except BarrioError as error:
                    self._offline_because = error
                    raise

    def search(self, question: SearchQuestion) -> tuple[SearchPage, Via, set[bytes]]:
        page, via = self._joined().directory.search(question)
        assert self._library is not None
        return page, via, self._library.has(row.content_id for row in page.rows)

    def neighbours(self) -> list[dict[str, Any]]:
        online = self._online
        return [shapes.neighbour(n) for n in online.directory.neighbours.current()] if online else []

    def shares(self) -> list[Share]:
        return self._require_library().shares()

    def duplicates(self) -> tuple[int, int]:
        return self._require_library().duplicates()

    def add_share(self, path: str, name: str | None, exclude: Sequence[str] = (), hidden: bool = False) -> Share:
        return self._require_library().add_share(path, name, exclude, hidden)

    def change_share(self, name: str, exclude: Sequence[str] | None, hidden: bool | None) -> Share:
        return self._require_library().change_share(name, exclude=exclude, hidden=hidden)

    def pause_indexing(self, paused: bool) -> None:
        self._require_library().pause(paused)

    def indexing(self) -> dict[str, Any]:
        library = self._require_library()
        return {"paused": library.paused(), "pending": library.totals().pending, "rate": round(library.rate())}

    def remove_share(self, name: str) -> None:
        self._require_library().remove_share(name)

    def rescan(self, name: str | None) -> None:
        self._require_library().rescan(name)

    @property
    def queue(self) -> Transfers:
        return self._require_transfers()

    def download(self, content_id: bytes, name: str | None, folder: str | None, paused: bool) -> Transfer:
        self._joined()
        return self._require_transfers().add(content_id, name, folder, paused)

    @property
    def people(self) -> People:
        assert self._people is not None
        return self._people

    @property
    def offers(self) -> Offers:
        assert self._offers is not None
        return self._offers

    def change_settings(self, values: Mapping[str, Any]) -> None:
        if "slow_mode" in values and "slow_since" not in values:
            # The last word counts, a hand's or the schedule's.
            values = {**values, "slow_since": int(time.time())}
        before = self._download_folder()
        self._settings.change(values)
        if self._download_folder() != before:
            self._require_transfers().follow(before, self._download_folder())
        self._limits.settings_changed()
        self._require_transfers().slots_changed()
        if self._online is not None:
            self._online.settings_changed()

    def _joined(self) -> Online:
        """Raises NotJoinedError, or what kept this peer from going online."""
        if self._online is None:
            raise self._offline_because or NotJoinedError(
                "Join first: paste an invite, or start a barrio yourself.", "join-first"
            )
        return self._online

    def _require_library(self) -> Library:
        assert self._library is not None
        return self._library

    def _require_transfers(self) -> Transfers:
        assert self._transfers is not None
        return self._transfers

    def _notices(self) -> list[BarrioError]:
        """What the person should know, most urgent first."""
        notices: list[BarrioError] = []
        online = self._online
        library_trouble = self._require_library().trouble()
        if library_trouble is not None:
            notices.append(library_trouble)
        notices.extend(map(NotWatchedError, self._require_library().unwatched()))
        if self._offline_because is not None:
            notices.append(self._offline_because)
        if online is None:
            return notices
        trouble = online.directory.presence.trouble
        if trouble is not None:
            notices.append(trouble)
        notices += online.notices
        left = online.identity.seconds_left()
        if left < CERTIFICATE_WARNING_SECONDS:
            days = max(0, int(left // 86_400))
            notices.append(
                StorageError(
                    "This device's certificate ends in {days} days; reach the central before, to renew it.",
                    "certificate-ends",
                    days=days,
                )
            )
        if online.identity.key_store is KeyStore.FILE:
            notices.append(
                KeyInFileError(
                    "No keyring answered when this device joined, so its key's passphrase is in a file that "
                    "only you can read.",
                    "key-in-file",
                )
            )
        return notices

    def _download_folder(self) -> Path:
        return Path(self._settings.text("download_dir"))

    def _library_changed(self) -> None:
        if self._online is not None:
            self._online.directory.publisher.wake()

    def _locate(self, content_id: bytes) -> Located:
        return self.people.locate(content_id, self.offers.senders([content_id])[0])

    def _locate_all(self, content_ids: Sequence[bytes]) -> list[Located]:
        return self.people.locate_all(content_ids, self.offers.senders(content_ids))

    def _adopt(self, path: Path, manifest: Manifest) -> None:
        self._adopt_all([(path, manifest)])

    def _adopt_all(self, files: Sequence[tuple[Path, Manifest]]) -> None:
        """The next look at the folders finds the files, should the index not take them now."""
        assert self._library is not None
        try:
            self._library.adopt(files)
        except StorageError as error:
            log.warning("finished downloads are not in the index yet: %s", error.logged)
        for _, manifest in files:
            self.offers.arrived(manifest.content_id)
