"""The scribe in a process of its own, seen from the central: asked over pipes, one step after the other.

A process that dies is started again for the next step; what it was at is either written whole or not at all.
"""

import logging
import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, cast

from central.catalogue.sqlite.scribe import Written
from central.catalogue.sqlite.tier_writing import TierPlan
from central.database import Database
from central.domain import Batch, Quota
from central.errors import OverloadedError, ScribeLostError

log = logging.getLogger(__name__)

FLAG = "--barrio-scribe"
# Without work for so long, a process ends; the next step starts another one.
IDLE_SECONDS = 60.0
STOP_SECONDS = 5.0
# A step takes far less; one that does not end is undone.
CLOSE_SECONDS = 15.0
LENGTH_BYTES = 8
# A step that takes longer hangs.
STUCK_SECONDS = 60.0

# Finds our package wherever this process has it, and nothing in the working directory.
_PROGRAM = (
    "import sys; sys.path.append(sys.argv.pop(1)); from central.catalogue.sqlite.scribe_child import main; main()"
)


def command() -> list[str]:
    """In the Python that runs, or of the frozen program, whose entry point knows FLAG."""
    if getattr(sys, "frozen", False):
        return [sys.executable, FLAG]
    return [sys.executable, "-P", "-c", _PROGRAM, str(Path(__file__).parents[3])]


def read_message(pipe: BinaryIO) -> Any:
    """Raises EOFError when the other end is gone."""
    head = pipe.read(LENGTH_BYTES)
    size = int.from_bytes(head)
    data = pipe.read(size) if len(head) == LENGTH_BYTES else b""
    # Half of a message: its sender died while it wrote.
    if not data or len(data) < size:
        raise EOFError
    return pickle.loads(data)  # from a process of our own, over a pipe that nobody else has


def write_message(pipe: BinaryIO, message: object) -> None:
    """Raises OSError when the other end is gone."""
    data = pickle.dumps(message, 5)
    pipe.write(len(data).to_bytes(LENGTH_BYTES))
    pipe.write(data)
    pipe.flush()


class _Process:
    """One line to a child, which is started at the first question. Any thread."""

    def __init__(self, greeting: tuple[object, ...], inherited: Sequence[int]) -> None:
        self._greeting = greeting
        self._inherited = inherited
        self._lock = threading.Lock()  # held for a question and its answer
        self._process: subprocess.Popen[bytes] | None = None
        self._asked = time.monotonic()
        self._closed = self._interrupted = False
        # Why the last question had no answer; "" when it had one.
        self._lost = ""
        self._answering_since: float | None = None

    def ask(self, job: str, *arguments: object) -> Any:
        """Raises what the job raised, and ScribeLostError."""
        with self._lock:
            if self._closed:
                raise OverloadedError("the central is stopping; try again later")
            self._asked = self._answering_since = time.monotonic()
            try:
                process = self._process or self._start()
            except OSError as error:
                self._lost = f"the process that writes the catalogue cannot be started ({error.strerror or error})"
                raise OverloadedError("the catalogue's writer cannot be started; try again later") from error
            try:
                write_message(cast(BinaryIO, process.stdin), (job, arguments))
                failed, answer = read_message(cast(BinaryIO, process.stdout))
            except (OSError, EOFError, pickle.UnpicklingError) as error:
                status = self._end()
                if not self._interrupted:
                    self._lost = f"the process that writes the catalogue ended with {status}"
                    log.warning("%s", self._lost)
                raise ScribeLostError("the catalogue's writer ended; try again after the retry delay") from error
            finally:
                self._answering_since = None
            self._lost = ""
        if failed:
            raise answer
        return answer

    def _start(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            command(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # Ctrl+C in a terminal is for the central alone.
            start_new_session=True,
            pass_fds=self._inherited if os.name == "posix" else (),
        )
        self._process, self._interrupted = process, False
        with suppress(OSError):
            write_message(cast(BinaryIO, process.stdin), self._greeting)
        return process

    def _end(self) -> int:
        """Under the lock. Its input ends, and so does it, at once."""
        process, self._process = self._process, None
        if process is None:
            return 0
        with suppress(OSError):
            cast(BinaryIO, process.stdin).close()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        cast(BinaryIO, process.stdout).close()
        return process.returncode

    def rest(self, idle_seconds: float) -> None:
        """Ends a process that had nothing to do for so long."""
        if time.monotonic() - self._asked >= idle_seconds and self._lock.acquire(blocking=False):
            try:
                self._end()
            finally:
                self._lock.release()

    def check(self) -> None:
        """Raises OverloadedError when the last question had no answer, or waits for one for too long."""
        since = self._answering_since
        if since is not None and time.monotonic() - since > STUCK_SECONDS:
            raise OverloadedError("the process that writes the catalogue does not get on")
        if self._lost:
            raise OverloadedError(self._lost)

    def try_again(self) -> None:
        """When the last question had no answer, asks something that costs nothing."""
        if self._lost and not self._closed:
            self.ask("rest")

    def interrupt(self) -> None:
        """Ends what runs, unfinished."""
        process = self._process
        if process is not None:
            self._interrupted = True
            process.kill()

    def close(self) -> None:
        """Waits a while for the step that runs. Afterwards nothing is written any more."""
        self._closed = True
        if not self._lock.acquire(timeout=CLOSE_SECONDS):
            self.interrupt()
            self._lock.acquire()
        try:
            self._end()
        finally:
            self._lock.release()


class ScribeProcess:
    """Two processes: one that writes the catalogue, and one that builds tiers, as that takes long."""

    def __init__(self, database: Database, secret: bytes, quota: Quota, inherited: Sequence[int] = ()) -> None:
        """`inherited`: open files that live as long as the processes, such as the lock of the data folder."""
        self._database = database
        greeting = (str(database.path), secret, quota)
        self._writer = _Process((*greeting, True), inherited)
        self._builder = _Process((*greeting, False), inherited)

    def publish(self, member: int, batch: Batch) -> Written:
        return cast(Written, self._write("publish", member, batch))

    def withdraw(self, member: int) -> bool:
        return bool(self._write("withdraw", member))

    def reclaim(self, number: int, member: int) -> bool:
        return bool(self._write("reclaim", number, member))

    def forget_orphans(self, names: Sequence[int]) -> None:
        self._write("forget_orphans", names)

    def merge_words(self, begun: bool) -> bool:
        return bool(self._write("merge_words", begun))

    def _write(self, job: str, *arguments: object) -> Any:
        with self._database.elsewhere():
            return self._writer.ask(job, *arguments)

    def build_tiers(self, plan: TierPlan) -> None:
        try:
            self._builder.ask("build_tiers", plan)
        finally:
            # Once in a quarter of an hour at most: its memory is worth more.
            self._builder.rest(0)

    def rest(self) -> None:
        """To be called now and then: a process without work ends, and one that was lost is started again."""
        self._writer.try_again()
        self._writer.rest(IDLE_SECONDS)

    def check(self) -> None:
        self._writer.check()

    def hurry(self) -> None:
        self._builder.interrupt()

    def close(self) -> None:
        self._builder.interrupt()
        self._builder.close()
        self._writer.close()
