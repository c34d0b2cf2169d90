"""What a Helper does, in a thread of this process: for work that is light, where no window is to be kept smooth."""

import logging
import threading
import time
from collections.abc import Callable

from peer_core.library.helper import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, SHORT_LIFE_SECONDS, STOP_SECONDS
from peer_core.library.wire import Message

log = logging.getLogger(__name__)


class HelperThread:
    """Runs `work` while it is wanted, and again when it fails. `work` gets this object as its line to the parent.

    `greeting`: what it is told first. `received` gets what it says; `ended` is told each end of it, and whether it was
    in order. Both are called in the thread.
    """

    def __init__(
        self,
        name: str,
        work: Callable[["HelperThread"], None],
        *,
        greeting: Callable[[], list[Message]],
        received: Callable[[Message], None],
        ended: Callable[[bool], bool],
    ) -> None:
        """`ended` returns whether it is wanted again at once."""
        self._work = work
        self._greeting = greeting
        self._received = received
        self._ended = ended
        # The system may hang in a call for a network drive that is gone, which must not keep the process.
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._wake = threading.Condition()
        # Under _wake.
        self._wanted = False
        self._stopping = False
        self._heard: Callable[[Message], None] | None = None

    @property
    def pid(self) -> int | None:
        """None: it is no process of its own."""
        return None

    def start(self) -> None:
        self._thread.start()

    def want(self) -> None:
        with self._wake:
            self._wanted = self._heard is None
            self._wake.notify_all()

    def send(self, message: Message) -> None:
        """To the work that runs, if any; the next one learns from the greeting."""
        with self._wake:
            if self._heard is not None:
                self._heard(message)

    def stop_soon(self) -> None:
        with self._wake:
            self._stopping = True
            self._wake.notify_all()
        self.send({"stop": True})

    def stop(self) -> None:
        self.stop_soon()
        if self._thread.ident is not None:
            self._thread.join(STOP_SECONDS)

    # The thread

    def hear(self, heard: Callable[[Message], None]) -> None:
        with self._wake:
            self._heard = heard
            for message in [{"stop": True}] if self._stopping else self._greeting():
                heard(message)

    def say(self, message: Message) -> None:
        self._received(message)

    def _run(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._wanted or self._stopping)
                if self._stopping:
                    return
                self._wanted = False
            began = time.monotonic()
            in_order = self._live()
            if self._ended(in_order):
                self.want()
            if in_order or time.monotonic() - began > SHORT_LIFE_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            if in_order:
                continue
            with self._wake:
                self._wake.wait_for(lambda: self._stopping, pause)
            pause = min(LONGEST_PAUSE_SECONDS, pause * 2)

    def _live(self) -> bool:
        try:
            self._work(self)
        except Exception:
            # A disk may be full, for one: the next one begins again with what is wanted.
            log.exception("%s failed; it begins again", self._thread.name)
            return False
        finally:
            with self._wake:
                self._heard = None
        return True
