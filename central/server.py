"""The composition root of `serve`: builds the parts, starts them, and stops them in order without leaving a thread."""

import gc
import logging
import os
import sqlite3
import sys
import threading
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from central.answering import Probe
from central.authority import Authority
from central.catalogue.sqlite.scribe_process import ScribeProcess
from central.catalogue.sqlite.store import SqliteCatalogue
from central.config import Address, default_network_name
from central.data_folder import AUTHORITY_FOLDER, RUNNING_FILE, Running, make_folder, serve_lock
from central.database import Database, is_full, storage_error
from central.directory import Directory
from central.domain import Quota
from central.enrolment import Enrolment
from central.errors import StorageError
from central.gate import Gate
from central.housekeeping import Housekeeper
from central.http_status import HttpStatus
from central.known_ports import KnownPorts, Ports, as_before
from central.members import Members, Revocations, revoked_publishers
from central.metrics import Metrics
from central.ports import RECEIVERS, Port, PortPlan, check_free
from central.presence import Presence
from central.readiness import Readiness
from central.service import DIRECTORY, ENROLMENT, DirectoryService, EnrolmentService
from central.tally import Tally
from central.turns import Turns
from central.warming import read_ahead
from protos.agreed import DIRECTORY_NAME, ENROLMENT_NAME
from protos.operating.notify import Manager
from protos.operating.stopping import stop_signals

log = logging.getLogger(__name__)

DIRECTORY_WORKERS = 16
ENROLMENT_WORKERS = 4
FLUSH_SECONDS = 5.0
SWITCH_SECONDS = 0.0005
NETWORK_NAME = "network_name"


@dataclass(frozen=True)
class Options:
    """What `serve` was asked for. `name` names the barrio; empty: as it is named, a new one after this machine."""

    data_dir: Path
    database: Path
    listen: Address
    enrol: Address
    http: Address
    heartbeat_seconds: float
    name: str
    quota: Quota = field(default_factory=Quota)


class Server:
    """Serves inside `with`; `addresses`, `database` and `probe` are there then.

    Raises StartError or StorageError when it cannot begin, and leaves nothing behind.
    """

    def __init__(self, options: Options) -> None:
        self._options = options
        self._stack = ExitStack()
        self._stopping = threading.Event()

    def __enter__(self) -> "Server":
        with ExitStack() as stack:
            try:
                self._start(stack)
            except sqlite3.Error as error:
                raise storage_error(self._options.database, error) from error
            except OSError as error:
                where = self._options.data_dir
                if is_full(error):
                    raise StorageError(f"the disk of the data folder {where} is full; make room there") from error
                raise StorageError(f"the data folder {where} cannot be used ({error.strerror or error})") from error
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._stack.close()

    def _start(self, stack: ExitStack) -> None:
        options = self._options
        if not (options.data_dir / AUTHORITY_FOLDER).exists():
            # A start that is refused leaves no keys and no database in an empty folder.
            for option, address in (("listen", options.listen), ("enrol", options.enrol), ("http", options.http)):
                check_free(option, address)
        make_folder(options.data_dir)
        lock = stack.enter_context(serve_lock(options.data_dir))
        authority = _authority(options)
        read_ahead(options.database)
        database = Database.create(options.database)
        stack.callback(database.close)
        self.database = database
        ports = KnownPorts(database)
        options = replace(
            options,
            listen=as_before("listen", options.listen, ports.known.listen),
            enrol=as_before("enrol", options.enrol, ports.known.enrol),
        )
        network_name = _network_name(database, options.name)
        # The scribe holds the lock too: one that outlives a killed central ends before the next one begins.
        self.catalogue = catalogue = SqliteCatalogue(
            database, scribe=lambda secret: ScribeProcess(database, secret, options.quota, inherited=(lock,))
        )
        stack.callback(catalogue.close)
        members = Members(database)
        presence = Presence(database, catalogue)
        presence.start()
        stack.callback(presence.close)
        revocations = Revocations(database, authority.sign)
        revocations.listen(lambda peer_ids: _end_leases(peer_ids, members, presence))
        directory = Directory(members, revocations, presence, catalogue, network_name, options.heartbeat_seconds)
        enrolment = Enrolment(database, authority, members, network_name)

        metrics = Metrics()
        tally = Tally(database)
        readiness = Readiness({"database": database.check, "catalogue": catalogue.check})
        _add_gauges(metrics, presence, tally, database, readiness)
        port, enrol_port = _ports(options, authority)
        gate = Gate(metrics, port.workers, RECEIVERS // 2)
        enrol_gate = Gate(metrics, enrol_port.workers, RECEIVERS // 2)
        housekeeper = Housekeeper()
        housekeeper.every(0.25, "slow requests", gate.slow.drop)
        housekeeper.every(0.25, "slow enrolments", enrol_gate.slow.drop)
        housekeeper.every(0.5, "leases", presence.sweep)
        housekeeper.every(1.0, "revocations", lambda: _notice_revocations(revocations, database, catalogue))
        housekeeper.every(min(FLUSH_SECONDS, options.heartbeat_seconds), "presence", presence.flush)
        housekeeper.every(2.0, "known ports", lambda: ports.reached() if presence.count() else None)
        housekeeper.every(2.0, "cleaning", catalogue.clean)
        housekeeper.every(10.0, "popular names", catalogue.raise_popular)
        housekeeper.every(2.0, "scribe", catalogue.rest)
        housekeeper.every(1.0, "readiness", lambda: _tell_health(readiness, port, enrol_port))
        # Seconds of work for a large catalogue, which ending leases cannot wait for.
        builder = Housekeeper("builder")
        builder.every(30.0, "tiers", catalogue.tend_tiers)
        builder.every(5.0, "index", catalogue.merge_index)
        builder.every(2.0, "counts", tally.refresh)

        http = HttpStatus(options.http, metrics, readiness, self._stopping.is_set)
        stack.callback(http.stop)
        housekeeper.start()
        stack.callback(housekeeper.stop)
        builder.start()
        stack.callback(builder.stop)
        stack.callback(catalogue.hurry)
        stack.callback(port.end_stop)
        # A neighbour asks for several people, so a question may wait a little for those before it.
        turns = {"Query": Turns("questions", 2, waiting=4, seconds=0.5), "Publish": Turns("batches", 1)}
        methods = DirectoryService(directory, metrics).methods
        port.serve(DIRECTORY, gate.for_members(DIRECTORY, methods, directory, turns))
        enrolment.directory_port = port.address.port
        stack.callback(enrol_port.end_stop)
        enrol_port.serve(ENROLMENT, enrol_gate.for_all(ENROLMENT, EnrolmentService(enrolment).methods))
        ports.started(Ports(port.address.port, enrol_port.address.port))
        # Both ports begin to stop before either is waited for.
        stack.callback(port.begin_stop)
        self.addresses = Running(os.getpid(), str(port.address), str(enrol_port.address), str(http.address))
        self.addresses.write(options.data_dir)
        stack.callback((options.data_dir / RUNNING_FILE).unlink, missing_ok=True)
        self.probe = Probe(authority, database, (port.workers, enrol_port.workers), self.addresses)
        stack.callback(self.probe.close)


def _ports(options: Options, authority: Authority) -> tuple[Port, Port]:
    """Of the directory and of enrolment; they do not listen yet."""
    directory = PortPlan(
        "listen",
        options.listen,
        DIRECTORY_WORKERS,
        partial(authority.make_server, DIRECTORY_NAME),
        client_roots=authority.certificate_pem,
        reflected=True,
    )
    enrolment = PortPlan("enrol", options.enrol, ENROLMENT_WORKERS, partial(authority.make_server, ENROLMENT_NAME))
    return Port(directory), Port(enrolment)


def _add_gauges(metrics: Metrics, presence: Presence, tally: Tally, database: Database, readiness: Readiness) -> None:
    log_file = database.path.with_name(f"{database.path.name}-wal")
    gauge = metrics.gauge
    gauge("ready", "1 when every part can do its work.", lambda: readiness.report().ready)
    gauge("leases", "Peers that hold a lease: those that are here.", presence.count)
    gauge("members", "Members in good standing.", lambda: tally.counted.members)
    gauge("revoked_members", "Members that were put out.", lambda: tally.counted.revoked)
    gauge("catalogue_entries", "Files that members published, live or not.", lambda: tally.counted.totals.entries)
    gauge("catalogue_contents", "Different contents among them.", lambda: tally.counted.totals.contents)
    gauge("catalogue_names", "Different names of contents.", lambda: tally.counted.totals.names)
    gauge("database_bytes", "Size of the database file.", lambda: _size(database.path))
    gauge("database_log_bytes", "Size of its write-ahead log.", lambda: _size(log_file))


def _size(path: Path) -> int:
    """0 when there is no such file."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _tell_health(readiness: Readiness, *ports: Port) -> None:
    """To the health services of the ports."""
    ready = readiness.watch()
    for port in ports:
        port.tell_health(ready)


def _authority(options: Options) -> Authority:
    folder = options.data_dir / AUTHORITY_FOLDER
    if folder.exists():
        return Authority.load(folder)
    if options.database.exists():
        raise StorageError(f"the authority is missing from {folder}; restore it from a backup, or members are lost")
    return Authority.create(folder)


def _network_name(database: Database, name: str) -> str:
    with database.write(durable=True) as connection:
        how = "REPLACE" if name else "IGNORE"
        given = name or default_network_name()
        connection.execute(f"INSERT OR {how} INTO setting (key, value) VALUES (?, ?)", (NETWORK_NAME, given))
        row = connection.execute("SELECT value FROM setting WHERE key = ?", (NETWORK_NAME,)).fetchone()
    return str(row[0])


def _end_leases(peer_ids: frozenset[str], members: Members, presence: Presence) -> None:
    for peer_id in peer_ids:
        presence.leave(members.find(peer_id).number)


def _notice_revocations(revocations: Revocations, database: Database, catalogue: SqliteCatalogue) -> None:
    """Ends the leases of the revoked, and forgets what they published."""
    revocations.current()
    for member in revoked_publishers(database):
        catalogue.withdraw(member)


def serve(options: Options) -> None:
    """Serves until a signal; prints one line when it is ready."""
    manager = Manager.take(os.environ)
    with stop_signals() as stop, ExitStack() as stack:
        with manager.starting():
            server = stack.enter_context(Server(options))
        with manager.serving(server.probe.answers):
            # What was loaded stays; walking through all of it now and then would make a question late.
            gc.freeze()
            # Questions take turns of a fraction of a millisecond with what publishing does here.
            sys.setswitchinterval(SWITCH_SECONDS)
            at = server.addresses
            print(f"ready directory={at.directory} enrol={at.enrol} http={at.http}", flush=True)
            log.info("serving directory=%s enrol=%s http=%s", at.directory, at.enrol, at.http)
            # Short waits: on Windows a wait without end would not be interrupted by a signal.
            while not stop.wait(0.5):
                pass
            log.info("stopping")
