"""Word to the service manager, if there is one: ready, alive, stopping (sd_notify(3), sd_watchdog_enabled(3))."""

import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager

log = logging.getLogger("protos.operating")

# While a program starts, which can take long once (an old database that is converted).
STARTING_SECONDS = 10.0
# Words in time for a watchdog: three chances in its interval.
CHANCES = 3
SEND_SECONDS = 1.0
# Stopping waits for a question that is under way.
ANSWER_SECONDS = 5.0


class Manager:
    """The service manager that started this program, if one did."""

    def __init__(self, address: str = "", watchdog_seconds: float = 0.0) -> None:
        """`address`: a path, or `@` and a name without one. `watchdog_seconds`: 0 when nobody watches."""
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self.watchdog_seconds = watchdog_seconds if address else 0.0

    @classmethod
    def take(cls, environ: MutableMapping[str, str]) -> "Manager":
        """Takes the manager's variables out of the environment: processes that are started from here are not meant."""
        address = environ.pop("NOTIFY_SOCKET", "")
        microseconds, pid = environ.pop("WATCHDOG_USEC", ""), environ.pop("WATCHDOG_PID", "")
        if not address.startswith(("/", "@")) or len(address) < 2 or not hasattr(socket, "AF_UNIX"):
            return cls()
        meant = not pid or pid == str(os.getpid())
        known = microseconds.isascii() and microseconds.isdigit() and len(microseconds) < 16
        return cls(address, int(microseconds) / 1e6 if meant and known else 0.0)

    def say(self, *lines: str) -> None:
        """Sends a message; one that cannot be sent changes nothing here."""
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as wire:
                wire.settimeout(SEND_SECONDS)
                wire.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:
            log.warning("the service manager cannot be told (%s)", error.strerror or "too slow")

    @contextmanager
    def starting(self) -> Iterator[None]:
        """Inside, the manager is asked to wait for as long as it takes."""
        with self._regularly(STARTING_SECONDS, lambda: self.say(f"EXTEND_TIMEOUT_USEC={int(3e6 * STARTING_SECONDS)}")):
            yield

    @contextmanager
    def serving(self, answers: Callable[[float], bool]) -> Iterator[None]:
        """Inside, the program is ready, and alive as long as `answers(seconds)` is true; afterwards, it is stopping.

        `answers` is called in a thread of its own, and has so many seconds. What it raises counts as no answer.
        """
        self.say("READY=1")
        every = self.watchdog_seconds / CHANCES
        with self._regularly(every, lambda: self._vouch(answers, min(every, ANSWER_SECONDS))):
            try:
                yield
            finally:
                self.say("STOPPING=1")

    def _vouch(self, answers: Callable[[float], bool], seconds: float) -> None:
        try:
            alive = answers(seconds)
        except Exception:
            log.exception("whether this program answers could not be found out")
            alive = False
        if alive:
            self.say("WATCHDOG=1")
        else:
            log.warning("this program does not answer; the service manager is not told that it is alive")

    @contextmanager
    def _regularly(self, seconds: float, work: Callable[[], None]) -> Iterator[None]:
        if not self._address or seconds <= 0:
            yield
            return
        ended = threading.Event()

        def run() -> None:
            work()
            while not ended.wait(seconds):
                work()

        thread = threading.Thread(target=run, name="service-manager")
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
