"""A process of ours that works for this one, over its standard input and output; started again when it dies.

Owns one thread, which starts the process and hears it. The process ends by itself when this one does: its input ends.
"""

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from peer_core.library.wire import FLAG, Message, line, parse

log = logging.getLogger(__name__)

STOP_SECONDS = 1.5
SHORT_LIFE_SECONDS = 10.0
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 30.0

# Finds our package wherever this process has it, and nothing in the working directory.
_PROGRAM = "import sys; sys.path.append(sys.argv.pop(1)); from peer_core.library.child import main; main(sys.argv[1:])"


def command(arguments: Sequence[str]) -> list[str]:
    """The command line of a helper: in the Python that runs, or of the frozen program, whose entry points know FLAG."""
    if getattr(sys, "frozen", False):
        return [sys.executable, FLAG, *arguments]
    return [sys.executable, "-P", "-c", _PROGRAM, str(Path(__file__).parents[2]), *arguments]


class Helper:
    """`greeting`: what a new process is told first. `received` gets what it says; `ended` is told each end of one, and
    whether it was by itself and in order. Both are called in the thread."""

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        *,
        greeting: Callable[[], list[Message]],
        received: Callable[[Message], None],
        ended: Callable[[bool], bool],
    ) -> None:
        """`ended` returns whether another one is wanted at once."""
        self._name = name
        self._arguments = list(arguments)
        self._greeting = greeting
        self._received = received
        self._ended = ended
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._wake = threading.Condition()
        # Under _wake.
        self._wanted = False
        self._stopping = False
        self._stop_by = 0.0
        self._process: subprocess.Popen[bytes] | None = None
        self._writing = threading.Lock()

    @property
    def pid(self) -> int | None:
        """Of the process that runs now."""
        with self._wake:
            return None if self._process is None else self._process.pid

    def start(self) -> None:
        self._thread.start()

    def want(self) -> None:
        """Starts the process, unless it runs."""
        with self._wake:
            self._wanted = self._process is None
            self._wake.notify_all()

    def send(self, message: Message) -> None:
        """To the process that runs, if any; the next one learns from the greeting."""
        with self._wake:
            process = self._process
        if process is not None:
            self._write(process, [message])

    def stop_soon(self) -> None:
        """Asks the process to end; `stop` waits for it."""
        with self._wake:
            if self._stopping:
                return
            self._stopping, self._stop_by = True, time.monotonic() + STOP_SECONDS
            process = self._process
            self._wake.notify_all()
        if process is not None:
            self._write(process, [{"stop": True}])

    def stop(self) -> None:
        """Asks the process to end, and ends it when it has not within a moment."""
        self.stop_soon()
        with self._wake:
            process = self._process
        if process is not None:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, self._stop_by - time.monotonic()))
            process.kill()
        if self._thread.ident is not None:
            self._thread.join()

    def _write(self, process: subprocess.Popen[bytes], messages: list[Message]) -> None:
        assert process.stdin is not None
        # It may have ended meanwhile, which the thread notices.
        with self._writing, suppress(OSError, ValueError):
            process.stdin.write(b"".join(map(line, messages)))
            process.stdin.flush()

    def _run(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._wanted or self._stopping)
                if self._stopping:
                    return
            started = time.monotonic()
            in_order = self._live()
            if self._ended(in_order):
                self.want()
            if in_order or time.monotonic() - started > SHORT_LIFE_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            if not in_order:
                with self._wake:
                    self._wake.wait_for(lambda: self._stopping, pause)
                pause = min(LONGEST_PAUSE_SECONDS, pause * 2)

    def _live(self) -> bool:
        """One process from its start to its end; True when it ended in order."""
        try:
            process = self._start()
        except OSError as error:
            log.warning("%s cannot be started: %s", self._name, error.strerror)
            return False
        assert process.stdout is not None and process.stdin is not None
        with self._wake:
            # Before the greeting, which says all that was wanted up to now.
            self._process, self._wanted = process, False
            stopping = self._stopping
        understood = True
        self._write(process, [{"stop": True}] if stopping else self._greeting())
        with process.stdout:
            for data in process.stdout:
                try:
                    message = parse(data)
                except ValueError:
                    log.warning("%s said something wrong", self._name)
                    break
                try:
                    self._received(message)
                except Exception:
                    # A disk may be full, for one: the next process begins again with what is wanted.
                    log.exception("what %s said could not be taken in", self._name)
                    understood = False
                    break
        with self._wake:
            self._process = None
        with self._writing, suppress(OSError):
            process.stdin.close()
        try:
            status = process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            status = process.wait()
        with self._wake:
            stopping = self._stopping
        if status != 0 and not stopping:
            log.warning("%s ended with status %s; another one takes over", self._name, status)
        return status == 0 and understood

    def _start(self) -> subprocess.Popen[bytes]:
        flags = 0
        if sys.platform == "win32":
            flags = subprocess.BELOW_NORMAL_PRIORITY_CLASS | subprocess.CREATE_NO_WINDOW
        return subprocess.Popen(
            command(self._arguments),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None if sys.stderr is not None else subprocess.DEVNULL,
            creationflags=flags,
        )
