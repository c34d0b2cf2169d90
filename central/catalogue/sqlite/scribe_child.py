"""The scribe's process from the inside. It ends at once when its input ends, as it does when the central has died."""

import gc
import os
import queue
import signal
import sys
import threading
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from central.catalogue.sqlite.scribe import Scribe
from central.catalogue.sqlite.scribe_process import FLAG, read_message, write_message
from central.database import Database
from protos.operating import logs

# Pages of the database kept by the process that publishes: its rows lie all over the large tables.
CACHE_KIB = 96 * 1024
# Who searches waits for an answer; who publishes does not.
NICENESS = 10


def run_if_asked() -> None:
    """To be called first by the entry point: a frozen program starts its scribe through it."""
    if sys.argv[1:2] == [FLAG]:
        main()


def main() -> NoReturn:
    """Hears on standard input, answers on what was standard output."""
    for number in (signal.SIGINT, signal.SIGTERM):
        # A service manager stops all processes at once; the central says when this one is done.
        signal.signal(number, signal.SIG_IGN)
    logs.set_up_child()
    # Nothing that prints may come in between.
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    asked: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_hear, args=(sys.stdin.buffer, asked), name="asked", daemon=True).start()
    path, secret, quota, writes = asked.get()
    # Thousands of small values a batch, none of them in circles.
    gc.set_threshold(50_000, 20, 100)
    gc.freeze()
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    database: Database | None = None
    while True:
        job, arguments = asked.get()
        try:
            if database is None:
                database = Database(Path(path), CACHE_KIB if writes else 0)
            answer = getattr(Scribe(database, secret, quota), job)(*arguments)
            write_message(out, (False, answer))
        except BrokenPipeError:
            os._exit(0)
        except Exception as error:
            write_message(out, (True, _sendable(error)))


def _hear(pipe: BinaryIO, asked: "queue.SimpleQueue[Any]") -> None:
    try:
        while True:
            asked.put(read_message(pipe))
    except EOFError:
        pass
    finally:
        # Whatever the other thread is at: SQLite undoes half of a step. Deaf, it would be of no use either.
        os._exit(0)


def _sendable(error: Exception) -> Exception:
    """Without what cannot travel."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)
