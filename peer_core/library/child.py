"""The library's other processes, from the inside: the worker, which looks and hashes, the watcher, and the packer.

They hear their orders on standard input, and end at once when it ends, as it does when their parent has died.
"""

import gc
import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NoReturn

from peer_core.library.wire import FLAG, Message, heard_marks, line, parse
from protos.operating import logs

if TYPE_CHECKING:
    from peer_core.database import Database

# Each process loads what its own work needs, as the watcher stays for as long as the peer.
NICENESS = 10
PR_SET_PDEATHSIG = 1
REPORT_SECONDS = 0.5
LOCKED_PAUSE_SECONDS = 1.0


def run_if_asked() -> None:
    """To be called first by each entry point: in a frozen program, helpers are started through it."""
    if sys.argv[1:2] == [FLAG]:
        main(sys.argv[2:])


def main(arguments: Sequence[str]) -> NoReturn:
    """`worker CONFIG`, `watcher CONFIG` or `packer CONFIG`, with CONFIG as JSON."""
    _end_with_parent()
    _be_polite()
    # Millions of small values, none of them in circles.
    gc.set_threshold(50_000, 20, 100)
    logs.set_up_child()
    line_to_parent = Line()
    config = json.loads(arguments[1])
    match arguments[0]:
        case "worker":
            _work(line_to_parent, config)
        case "watcher":
            # Only this process needs the library that watches.
            from peer_core.library.watching import watch

            watch(line_to_parent, **config)
        case "packer":
            _pack(line_to_parent, config)
    # Past the interpreter's own way out, which waits for the thread that hears.
    logging.shutdown()
    os._exit(0)


def _end_with_parent() -> None:
    """Where the system does it, at once, whatever the interpreter is at: it hears nothing while a pattern is matched.

    Elsewhere the end of the input does, after that. The parent starts helpers in threads that outlive them.
    """
    if sys.platform != "linux":
        return
    import ctypes

    parent = os.getppid()
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        # It died in between.
        os._exit(0)


def _be_polite() -> None:
    # Ctrl+C in a terminal reaches the whole group; the parent decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(os, "nice"):
        # On Linux this lowers the priority of reading too; on Windows the parent has set it.
        os.nice(NICENESS)


class Line:
    """The line to the parent. `say` may be called from any thread."""

    def __init__(self) -> None:
        # Nothing that prints may come in between.
        self._out: BinaryIO = os.fdopen(os.dup(1), "wb")
        os.dup2(2 if sys.stderr is not None else os.open(os.devnull, os.O_WRONLY), 1)
        self._lock = threading.Lock()

    def say(self, message: Message) -> None:
        with self._lock, suppress(OSError):
            self._out.write(line(message))
            self._out.flush()

    def hear(self, heard: Callable[[Message], None]) -> None:
        """Starts a thread that hears; it ends the process when the parent is gone."""

        def listen() -> None:
            try:
                for data in sys.stdin.buffer:
                    heard(parse(data))
            except Exception:
                # Deaf, it would be of no use; another one takes over.
                logging.getLogger(__name__).exception("an order was not understood")
                os._exit(1)
            # Whatever the other threads are at: what they wrote down is whole, and nobody waits for the rest.
            os._exit(0)

        threading.Thread(target=listen, name="orders", daemon=True).start()


def _work(parent: Line, config: dict[str, Any]) -> None:
    from peer_core.database import Database
    from peer_core.library.index import KIND, Index
    from peer_core.library.worker import Worker
    from peer_core.library.writing import Writing

    database = _opened(lambda: Database(Path(config["database"]), KIND))
    index = Index(database)
    reporter = _Reporter(parent)
    worker = Worker(
        index,
        Writing(database),
        excluded=[Path(path) for path in config["excluded"]],
        on_change=lambda: parent.say({"sequence": index.last_sequence()}),
        on_report=lambda: reporter.tell(worker),
    )
    ended = threading.Event()

    def heard(order: Message) -> None:
        ticket = order.get("ticket", 0)
        if "pause" in order:
            worker.pause(order["pause"])
        if "removed" in order:
            worker.removed()
        # Last, as it brings the ticket.
        worker.ask(heard_marks(order.get("ask", [])), ticket)
        if "stop" in order:
            ended.set()

    parent.hear(heard)
    worker.start()
    idle_seconds = config["idle_seconds"]
    while not ended.wait(min(1.0, idle_seconds / 4)):
        if worker.idle_seconds() > idle_seconds:
            break
    worker.stop()
    database.close()


def _pack(parent: Line, config: dict[str, Any]) -> None:
    from peer_core.library.loose import Loose

    loose = Loose(parent, Path(config["library"]) if config["library"] else None)
    parent.hear(loose.order)
    loose.work(config["idle_seconds"])


def _opened(opening: Callable[[], "Database"]) -> "Database":
    """The database; one that another program keeps locked is waited for."""
    from peer_core.errors import StorageError

    while True:
        try:
            return opening()
        except StorageError as error:
            logging.getLogger(__name__).warning("the index cannot be opened yet: %s", error.logged)
            time.sleep(LOCKED_PAUSE_SECONDS)


class _Reporter:
    """Tells the parent of the worker: at once what was done, and of progress now and then. The worker's thread."""

    def __init__(self, parent: Line) -> None:
        from peer_core.library.reports import told_report

        self._parent = parent
        self._report = told_report
        self._told: Message = {}
        self._told_at = 0.0

    def tell(self, worker: Any) -> None:
        report = self._report(worker.report())
        now = time.monotonic()
        urgent = any(report[key] != self._told.get(key) for key in ("ticket", "trouble", "problems", "files_hashed"))
        if urgent or (now - self._told_at > REPORT_SECONDS and report != self._told):
            self._told, self._told_at = report, now
            self._parent.say({"report": report})
