"""The command line: `serve`, and what an administrator does while it runs or while it does not."""

import argparse
import json
import os
import socket
import sqlite3
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

from central import __version__, config
from central.authority import Authority
from central.backup import Backup, make_backup
from central.checking import check
from central.config import Address, Setting
from central.data_folder import AUTHORITY_FOLDER, is_served, running
from central.database import Database, is_full, storage_error
from central.domain import Quota
from central.errors import CentralError, StartError, UnhealthyError
from central.invites import make_invite
from central.known_ports import read_ports
from central.members import MemberRow, list_members, revoke
from central.restoring import restore_backup
from central.stats import collect_stats
from protos.agreed import Invite
from protos.operating import logs
from protos.operating.settings_file import Found, SettingsError, find_file, settle
from protos.operating.usage import Parser, typed_again

SERVE = (
    config.LISTEN,
    config.ENROL,
    config.HTTP,
    config.HEARTBEAT,
    config.NAME,
    config.MEMBER_ENTRIES,
    config.MEMBER_TEXT,
    config.LOG_FORMAT,
    config.LOG_LEVEL,
    config.LOG_IDS,
)
INVITE = (config.USES, config.EXPIRES, config.HOST, config.LISTEN, config.ENROL)


def build_parser() -> argparse.ArgumentParser:
    """All options and verbs; also read by the documentation's tests."""
    parser = Parser(prog="barrio-central", description="The directory of a barrio: who is here, and who holds what.")
    parser.add_argument("--version", action="version", version=f"barrio-central {__version__}")
    config.DATA_DIR.add_to(parser)
    _config(parser)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    serve = _json(_verb(verbs, "serve", "run in the foreground until SIGTERM or Ctrl-C", SERVE))
    serve.add_argument("--check", action="store_true", help="only check the settings, and say where each comes from")
    _json(_verb(verbs, "invite", "print one invite link", INVITE))
    _json(_verb(verbs, "peers", "list the members"))
    out = _json(_verb(verbs, "revoke", "put a member out, for good"))
    out.add_argument("peer_id", metavar="PEER_ID", help="the member's id, or at least its first 8 characters")
    health = _json(_verb(verbs, "health", "fail unless a central runs and answers, for programs that watch it"))
    health.add_argument("--ready", action="store_true", help="fail also unless every part can do its work")
    _json(_verb(verbs, "stats", "count what is here"))
    backup = _json(_verb(verbs, "backup", "write all that a central needs to go on into one file, while it runs"))
    backup.add_argument("file", metavar="FILE", type=Path, help="the new file; it holds the authority's key")
    restore = _json(_verb(verbs, "restore", "put a backup into a data folder without a barrio"))
    restore.add_argument("file", metavar="FILE", type=Path)
    return parser


def _verb(
    verbs: "argparse._SubParsersAction[Parser]",
    name: str,
    help_text: str,
    settings: Sequence[Setting] = (),
) -> argparse.ArgumentParser:
    parser = verbs.add_parser(name, help=help_text, description=help_text)
    config.DATA_DIR.add_to(parser, inherited=True)
    _config(parser, inherited=True)
    for setting in (*settings, config.DATABASE):
        setting.add_to(parser)
    return parser


def _config(parser: argparse.ArgumentParser, inherited: bool = False) -> None:
    parser.add_argument(
        "--config",
        default=argparse.SUPPRESS if inherited else None,
        metavar="FILE",
        help="settings in TOML (BARRIO_CONFIG; default /etc/barrio/central.toml, when there is one)",
    )


def _json(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    parser.add_argument("--json", action="store_true", help="one JSON document on standard output")
    return parser


def run(argv: Sequence[str]) -> int:
    """Exit status: 0 done, 1 failed with one line on standard error, 2 wrong usage or settings."""
    options = build_parser().parse_args(argv)
    try:
        _settle(options)
        _VERBS[options.verb](options)
    except SettingsError as error:
        for problem in error.problems:
            print(f"barrio-central: {problem}", file=sys.stderr)
        return 2
    except CentralError as error:
        print(f"barrio-central: {_as_typed(options, error.message)}", file=sys.stderr)
        return 1
    except sqlite3.Error as error:
        path = config.database_path(options.database, options.data_dir)
        print(f"barrio-central: {storage_error(path, error).message}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        # Whoever read our output has enough.
        return 1
    except OSError as error:
        full = "the disk is full; make room there" if is_full(error) else str(error)
        print(f"barrio-central: {full}", file=sys.stderr)
        return 1
    return 0


def _settle(options: argparse.Namespace) -> None:
    """Puts every value into `options`, and `found` and `settings_file`, which tell where they come from."""
    options.settings_file = find_file(options.config, "central", os.environ, needed=options.verb == "serve")
    known = [setting.known for setting in config.SETTINGS]
    found = settle(known, vars(options), os.environ, options.settings_file)
    for key, one in found.items():
        setattr(options, key, one.value)
    options.found = found


def _as_typed(options: argparse.Namespace, sentence: str) -> str:
    """With the data folder and the settings file that were given as options."""
    data_dir: Found = options.found["data_dir"]
    given = data_dir.value if data_dir.source == config.DATA_DIR.known.option else None
    return typed_again(sentence, "barrio-central", {"data-dir": given, "config": options.config})


def _serve(options: argparse.Namespace) -> None:
    if options.check:
        found: dict[str, Found] = options.found
        check(options, found, options.settings_file)
        return
    # gRPC takes a while to import, and the other verbs do without.
    from central.server import Options, serve

    logs.set_up(options.log_level, options.log_format, options.log_ids, with_children=True)
    serve(
        Options(
            data_dir=options.data_dir,
            database=config.database_path(options.database, options.data_dir),
            listen=options.listen,
            enrol=config.enrol_address(options.listen, options.enrol),
            http=options.http,
            heartbeat_seconds=options.heartbeat,
            name=options.name or "",
            quota=Quota(options.member_entries, options.member_text),
        )
    )


def _open(options: argparse.Namespace) -> Database:
    return Database.open(config.database_path(options.database, options.data_dir))


def _invite(options: argparse.Namespace) -> None:
    database = _open(options)
    try:
        authority = Authority.load(options.data_dir / AUTHORITY_FOLDER)
        enrol = _enrolment_port(options, database)
        host = options.host or _guess_host(enrol)
        token = make_invite(database, options.uses, options.expires, int(time.time()))
    finally:
        database.close()
    invite = str(Invite(host, enrol.port, token, authority.fingerprint))
    print(json.dumps({"invite": invite}) if options.json else invite)


def _enrolment_port(options: argparse.Namespace, database: Database) -> Address:
    """That of the server that runs now, otherwise the configured one; for port 0, the one that it had before."""
    server = running(options.data_dir)
    address = Address.parse(server.enrol) if server else config.enrol_address(options.listen, options.enrol)
    if address.port == 0:
        address = replace(address, port=read_ports(database).enrol)
    if address.port == 0:
        raise StartError("the enrolment port is chosen when the server starts; start barrio-central serve first")
    return address


def _guess_host(enrol: Address) -> str:
    host = enrol.host if not enrol.is_wildcard else _own_address()
    print(
        f"barrio-central: the invite names {host}; give --host if peers reach this machine otherwise", file=sys.stderr
    )
    return host


def _own_address() -> str:
    """The address that this machine would use to reach others; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            return str(probe.getsockname()[0])
        except OSError:
            return socket.gethostname()


def _peers(options: argparse.Namespace) -> None:
    database = _open(options)
    try:
        rows = list_members(database, is_served(options.data_dir))
    finally:
        database.close()
    if options.json:
        print(json.dumps([asdict(row) for row in rows], ensure_ascii=False))
        return
    for row in rows:
        print(_peer_line(row))


def _peer_line(row: MemberRow) -> str:
    state = "revoked" if row.revoked else "online" if row.online else "offline"
    seen = "never seen"
    if row.last_seen:
        seen = "seen " + datetime.fromtimestamp(row.last_seen, UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"{row.peer_id}  {state:<8} {row.entries:>9,} files  {seen}  {row.name}  {' '.join(row.addresses)}".rstrip()


def _revoke(options: argparse.Namespace) -> None:
    database = _open(options)
    try:
        peer_id, name, new = revoke(database, options.peer_id)
    finally:
        database.close()
    if options.json:
        print(json.dumps({"peer_id": peer_id, "name": name, "revoked": True, "before": not new}, ensure_ascii=False))
    else:
        print(f"{name} ({peer_id}) {'is out of the barrio' if new else 'was already out of the barrio'}")


def _stats(options: argparse.Namespace) -> None:
    database = _open(options)
    try:
        stats = collect_stats(database, options.data_dir)
    finally:
        database.close()
    if options.json:
        print(json.dumps(stats, ensure_ascii=False))
        return
    for name, value in stats.items():
        print(
            f"{name.replace('_', ' '):<16} {value:,}" if type(value) is int else f"{name.replace('_', ' '):<16} {value}"
        )


def _health(options: argparse.Namespace) -> None:
    from central.health import ask

    server = running(options.data_dir)
    if server is None:
        raise UnhealthyError(f"no central runs from {options.data_dir}; start it with: barrio-central serve")
    found = ask(server.http)
    if options.json:
        print(json.dumps(found))
    else:
        for part, state in found["parts"].items():
            print(f"{part:<10} {state}")
    if options.ready and found["status"] != "ready":
        raise UnhealthyError("not every part of the central can do its work; its log says why")


def _backup(options: argparse.Namespace) -> None:
    database = config.database_path(options.database, options.data_dir)
    backup = make_backup(database, options.data_dir, options.file, __version__)
    _tell(options, backup, f"{backup.file} holds “{backup.network_name}”: keep it private")


def _restore(options: argparse.Namespace) -> None:
    database = config.database_path(options.database, options.data_dir)
    backup = restore_backup(options.file, database, options.data_dir)
    made = datetime.fromtimestamp(backup.made, UTC).strftime("%Y-%m-%d %H:%M UTC")
    start = _as_typed(options, "start it with: barrio-central serve")
    _tell(options, backup, f"“{backup.network_name}” of {made} is in {options.data_dir}; {start}")


def _tell(options: argparse.Namespace, backup: Backup, sentence: str) -> None:
    if options.json:
        print(json.dumps(asdict(backup), ensure_ascii=False))
    else:
        print(f"{sentence} ({backup.members:,} members, {backup.entries:,} files, {backup.bytes:,} bytes)")


_VERBS = {
    "serve": _serve,
    "invite": _invite,
    "peers": _peers,
    "revoke": _revoke,
    "health": _health,
    "stats": _stats,
    "backup": _backup,
    "restore": _restore,
}
