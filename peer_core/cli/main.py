"""Arguments of `barrio-peer`, the verbs that need no running peer (`join`, `run`), and exit statuses."""

import argparse
import io
import logging
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from peer_core import __version__
from peer_core.addresses import parse_listen, parse_url
from peer_core.cli import (
    discover_verb,
    doctor_verb,
    hints,
    limit_verbs,
    offer_arguments,
    run_settings,
    settings_verb,
    transfer_arguments,
    tree_verbs,
    verbs,
)
from peer_core.cli.client import LocalClient, NoPeerError, is_joined
from peer_core.cli.output import as_json, plain, say
from peer_core.cli.parsing import UsageError, number, text_that
from peer_core.content import MAX_SIZE
from peer_core.data_folder import FolderLock, default_data_dir, prepare
from peer_core.directory.messages import MAX_LIMIT
from peer_core.errors import BarrioError, InUseError, NotJoinedError
from peer_core.settings import DEFAULT_PORT, parse_name, parse_peer_id
from protos.agreed import KINDS
from protos.operating import logs
from protos.operating.logs import LEVEL_VARIABLE
from protos.operating.notify import Manager
from protos.operating.settings_file import SettingsError
from protos.operating.stopping import stop_signals
from protos.operating.usage import Parser

_PEER = "a member by name, the beginning of it, or an id, at least 6 characters of it"


def main(argv: Sequence[str] | None = None) -> int:
    """Exit status: 0 done, 1 failed (one line on standard error says what to do), 2 wrong usage."""
    arguments = _parser().parse_args(argv)
    try:
        _settle(arguments)
    except SettingsError as error:
        for problem in error.problems:
            print(f"barrio-peer: {plain(problem)}", file=sys.stderr)
        return 2
    _set_up_logging(arguments)
    try:
        if arguments.verb == "run":
            return _run(arguments)
        if arguments.verb == "join":
            return _join(arguments)
        if arguments.verb == "doctor":
            return doctor_verb.doctor(arguments)
        if arguments.verb == "discover":
            return discover_verb.discover(arguments)
        with LocalClient(arguments.data_dir, hints.program(arguments)) as client:
            verb: verbs.Verb = arguments.call
            return verb(client, arguments)
    except BarrioError as error:
        print(f"barrio-peer: {plain(' '.join(error.message.split()))}", file=sys.stderr)
        return 2 if isinstance(error, UsageError) else 1
    except BrokenPipeError:
        # The reader of a pipe has gone; nothing is left to say, also not at exit.
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123  # stays open to the end
        return 1
    except KeyboardInterrupt:
        print(file=sys.stderr)
        return 1
    except (OSError, RuntimeError, ValueError) as error:
        logging.getLogger("barrio").debug("a mistake in the program", exc_info=True)
        print(f"barrio-peer: {plain(str(error))}; BARRIO_LOG_LEVEL=debug tells more", file=sys.stderr)
        return 1


def _settle(arguments: argparse.Namespace) -> None:
    """Puts data folder and name into `arguments`; `found` has all settings, `settings_file` the file."""
    arguments.data_dir_given = arguments.data_dir
    arguments.found, arguments.settings_file = run_settings.settle_all(arguments)
    arguments.data_dir = arguments.found["data_dir"].value
    if arguments.verb == "join":
        arguments.name = arguments.found["name"].value


def _set_up_logging(arguments: argparse.Namespace) -> None:
    """`run` tells what it does; the other verbs say what matters themselves, unless they are asked for more."""
    level = arguments.found["log_level"]
    runs = arguments.verb == "run" and not arguments.check
    quiet = not runs and level.source != LEVEL_VARIABLE
    form, ids = (str(arguments.found[key].value) for key in ("log_format", "log_ids"))
    logs.set_up("error" if quiet else str(level.value), form, ids, with_children=runs)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A name that the terminal cannot show is no reason to fail.
            stream.reconfigure(errors="replace")


def _run(arguments: argparse.Namespace) -> int:
    # Only this verb hosts a peer: the others start without its servers.
    from peer_core.cli.answering import answers
    from peer_core.library.keeper import Watch
    from peer_core.peer import Peer

    if arguments.check:
        return run_settings.check(arguments.found, arguments.settings_file, arguments.json)
    if not is_joined(arguments.data_dir):
        first = hints.command(arguments, "join INVITE")
        raise NotJoinedError(f"This device is in no barrio yet; first run: {first}.")
    manager = Manager.take(os.environ)
    with stop_signals() as stop:
        peer = Peer(arguments.data_dir, run_settings.overrides(arguments.found), strict=True, watch=Watch.INSIDE)
        with manager.starting():
            peer.start()
        try:
            online = peer.online
            assert online is not None
            monitored = f" http={peer.monitored_at}" if peer.monitored_at else ""
            at = f"peer_api=https://{online.listens_at} local_api={peer.local_url}{monitored}"
            say(f"ready peer={online.identity.peer_id} {at}")
            with manager.serving(partial(answers, peer)):
                # A wait without a limit cannot be interrupted by signals on Windows.
                while not stop.wait(1.0):
                    pass
        finally:
            peer.stop()
    return 0


def _join(arguments: argparse.Namespace) -> int:
    if arguments.invite == "-":
        arguments.invite = sys.stdin.readline(4096)
    try:
        with LocalClient(arguments.data_dir) as client:
            joined = verbs.join_running(client, arguments)
            peer_id, name, network = joined["peer_id"], joined["name"], joined["network_name"]
    except NoPeerError:
        peer_id, name, network = _join_at_rest(arguments)
    if arguments.json:
        as_json({"peer_id": peer_id, "name": name, "network_name": network})
    else:
        say(f"{plain(name)} is in “{plain(network)}” now; start with: {hints.command(arguments, 'run')}")
    return 0


def _join_at_rest(arguments: argparse.Namespace) -> tuple[str, str, str]:
    from peer_core.identity import enrolment
    from peer_core.identity.key_store import KeyStore
    from peer_core.settings import Settings

    folder = prepare(arguments.data_dir)
    lock = FolderLock(folder)
    try:
        lock.take()
    except InUseError as error:
        raise InUseError("Barrio is just starting or stopping with this data folder; try again.") from error
    try:
        settings = Settings(folder)
        identity = enrolment.join(folder, arguments.invite, arguments.name or settings.text("name"))
        if not settings.locked("name"):
            settings.change({"name": identity.name})
    finally:
        lock.release()
    if identity.key_store is KeyStore.FILE and os.environ.get("BARRIO_KEYRING", "").lower() != "off":
        print(
            "barrio-peer: no keyring answers here: the passphrase of this device's key is in a file that only you can "
            f"read ({identity.folder / 'passphrase'})",
            file=sys.stderr,
        )
    return identity.peer_id, identity.name, identity.membership.network_name


def _percent(path: Path) -> str:
    return str(path).replace("%", "%%")


def _default(option: str) -> str | None:
    """Each option has an environment variable, BARRIO_ and its name in capitals; argparse checks it like the option."""
    return os.environ.get("BARRIO_" + option.upper().replace("-", "_")) or None


def _add_places(parser: argparse.ArgumentParser, default: str | None) -> None:
    """What may stand before the verb and after it; `default` is SUPPRESS after it, so that the other one holds."""
    parser.add_argument(
        "--data-dir",
        metavar="DIR",
        default=default,
        help=f"settings, database, keys (BARRIO_DATA_DIR; default: {_percent(default_data_dir())})",
    )
    parser.add_argument(
        "--config",
        metavar="FILE",
        default=default,
        help="settings in TOML (BARRIO_CONFIG; default: /etc/barrio/peer.toml, when there is one)",
    )


def _parser() -> argparse.ArgumentParser:
    parser = Parser(prog="barrio-peer", description="The headless peer of Barrio, and its command line.")
    parser.add_argument("--version", action="version", version=f"barrio-peer {__version__}")
    _add_places(parser, None)
    add = parser.add_subparsers(dest="verb", metavar="VERB", required=True, parser_class=Parser)

    def verb(name: str, text: str, call: verbs.Verb | None = None, under: object = None) -> argparse.ArgumentParser:
        into = add if under is None else under
        made: argparse.ArgumentParser = into.add_parser(name, help=text, description=text)  # type: ignore[attr-defined]
        _add_places(made, argparse.SUPPRESS)
        made.add_argument("--json", action="store_true", help="one JSON document on standard output")
        made.set_defaults(call=call)
        return made

    join = verb("join", "Enrol this device with an invite")
    join.add_argument("invite", metavar="INVITE", help="the link, or - to read it from standard input")
    join.add_argument("--name", type=text_that(parse_name), help="how others see this device (BARRIO_NAME)")

    run = verb("run", "Run in the foreground until SIGTERM or Ctrl+C")
    run.add_argument(
        "--listen",
        type=text_that(parse_listen),
        metavar="HOST:PORT",
        help=f"where other peers reach this one (BARRIO_LISTEN; default: port {DEFAULT_PORT} everywhere)",
    )
    run.add_argument(
        "--advertise",
        type=text_that(parse_url),
        metavar="URL",
        action="append",
        help="address to tell others (BARRIO_ADVERTISE)",
    )
    run.add_argument(
        "--neighbour",
        type=text_that(parse_peer_id),
        metavar="PEER_ID",
        action="append",
        help="peer to prefer (BARRIO_NEIGHBOUR)",
    )
    run.add_argument(
        "--http",
        type=text_that(parse_listen),
        metavar="HOST:PORT",
        help="serve metrics and health there to whoever asks, such as 127.0.0.1:51021 (BARRIO_HTTP; default: nowhere)",
    )
    run.add_argument("--log-format", metavar="FORMAT", help="text (default) or json (BARRIO_LOG_FORMAT)")
    run.add_argument("--log-level", metavar="LEVEL", help="debug, info (default), warning, error (BARRIO_LOG_LEVEL)")
    run.add_argument("--log-ids", metavar="HOW", help="ids and addresses: hidden (default) or shown (BARRIO_LOG_IDS)")
    run.add_argument("--check", action="store_true", help="only check the settings, and say where each comes from")

    share = add.add_parser("share", help="Shared folders: add, list, set, pause, resume, rescan, remove")
    _add_places(share, argparse.SUPPRESS)
    shares = share.add_subparsers(dest="share_verb", metavar="VERB", required=True, parser_class=Parser)
    share_add = verb("add", "Share a folder", verbs.share_add, shares)
    share_add.add_argument("path", metavar="PATH", help="the folder")
    share_add.add_argument("--name", help="how others see the folder")
    exclude_help = "leave out, as in a .gitignore file; may be repeated"
    share_add.add_argument("--exclude", metavar="PATTERN", action="append", help=exclude_help)
    share_add.add_argument("--hidden", action="store_true", help="share hidden files too")
    verb("list", "List what is shared", verbs.share_list, shares)
    share_set = verb("set", "Change what a share leaves out", verbs.share_set, shares)
    share_set.add_argument("name", metavar="NAME", help="of the share, as “share list” tells it")
    patterns = share_set.add_mutually_exclusive_group()
    patterns.add_argument("--exclude", metavar="PATTERN", action="append", help=exclude_help)
    patterns.add_argument("--exclude-nothing", action="store_true", help="no patterns any more")
    share_set.add_argument("--hidden", action=argparse.BooleanOptionalAction, help="share hidden files too, or not")
    verb("pause", "Stop hashing until it is resumed", verbs.share_pause, shares)
    verb("resume", "Go on with hashing", verbs.share_resume, shares)
    rescan = verb("rescan", "Look at the folders again", verbs.share_rescan, shares)
    rescan.add_argument("name", metavar="NAME", nargs="?", help="of one share; all without it")
    remove = verb("remove", "Stop sharing a folder; its files stay", verbs.share_remove, shares)
    remove.add_argument("name", metavar="NAME", help="of the share, as “share list” tells it")

    search = verb("search", "Search what everybody shares", verbs.search)
    search.add_argument(
        "words", metavar="WORDS", nargs="+", help="in any order; “words in a row” in quotes, -WORD: missing"
    )
    search.add_argument("--kind", choices=KINDS, default=_default("kind"), help="only files of this kind")
    for bound, text in (
        ("min-size", "only files as large as this, or larger"),
        ("max-size", "and not larger than this"),
    ):
        search.add_argument(f"--{bound}", type=number(0, MAX_SIZE), metavar="BYTES", default=_default(bound), help=text)
    search.add_argument(
        "--ext", metavar="EXT", default=_default("ext"), help="only names with one of these extensions: pdf,epub"
    )
    search.add_argument(
        "--changed-since", metavar="DATE", default=_default("changed-since"), help="only files changed since 2025-04-30"
    )
    search.add_argument(
        "--limit", type=number(1, MAX_LIMIT), metavar="N", default=_default("limit"), help="rows at most"
    )

    get = verb("get", "Download, wait, and verify", tree_verbs.get)
    get.add_argument(
        "content", metavar="CONTENT_ID|LINK|PATH", help="what “search” told; with --from: SHARE/FOLDERS of that member"
    )
    get.add_argument("--from", dest="peer", metavar="PEER", help=_PEER)
    get.add_argument(
        "--output",
        metavar="FOLDER",
        default=_default("output"),
        help="the folder it lands in, made when it is missing; default: where downloads land",
    )
    get.add_argument("--paused", action="store_true", help="only put it on the list; it starts when it is resumed")
    get.add_argument("--skip-have", action="store_true", help="with --from: leave out what is on this device already")

    members = verb("members", "Who is here", tree_verbs.members)
    members.add_argument("text", metavar="TEXT", nargs="?", default="", help="beginning of a name or an id")
    browse = verb("browse", "Show what a member shares", tree_verbs.browse)
    browse.add_argument("peer", metavar="PEER", help=_PEER)
    browse.add_argument("path", metavar="PATH", nargs="?", default="", help="SHARE/FOLDERS")
    browse.add_argument("--limit", type=int, metavar="N", help="rows at most; all without it")

    rules = add.add_parser("rule", help="Whose offers are accepted without asking: list, set, remove")
    _add_places(rules, argparse.SUPPRESS)
    rule = rules.add_subparsers(dest="rule_verb", metavar="VERB", required=True, parser_class=Parser)
    offer_arguments.add(verb, rule, number(1, MAX_SIZE), _default)

    transfer_arguments.add(verb)

    limit_verbs.add_options(verb("limits", "Show limits, or change them", limit_verbs.limits))
    verb("status", "How this peer is", verbs.status)
    health = verb("health", "Fail unless a peer runs and answers, for programs that watch it", verbs.health)
    health.add_argument("--ready", action="store_true", help="fail also unless every part can do its work")
    verb("neighbours", "Through whom this peer reaches the central", verbs.neighbours)
    verb("discover", "Barrios that members announce on this network; joining takes an invite")
    verb("doctor", "Look whether everything works, and say what to do")
    settings = verb("settings", "Show settings, or change one", settings_verb.settings)
    settings.add_argument("key", metavar="KEY", nargs="?", help="one setting; all without it")
    settings.add_argument("value", metavar="VALUE", nargs="?", help="what it is to be")
    return parser
