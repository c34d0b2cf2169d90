"""The peer's side of looking after the shares: regular looks, disks that come and go, and what is watched.

Owns the thread `library`. It reads nothing but the shares' root folders; all else is the worker's and the watcher's.
"""

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from enum import Enum

from peer_core.errors import StorageError
from peer_core.library.helper import Helper
from peer_core.library.helper_thread import HelperThread
from peer_core.library.index import Index
from peer_core.library.marks import Marks
from peer_core.library.records import ShareRow
from peer_core.library.remote import Indexing
from peer_core.library.roots import Root, ShareUnreachableError
from peer_core.library.wire import Message, heard_marks
from protos.sentences import from_text

ROOTS_SECONDS = 5.0
QUIET_SECONDS = 0.6
LONGEST_SECONDS = 3.0
STOP_SECONDS = 1.0
log = logging.getLogger(__name__)


class Watch(Enum):
    """Where changes are looked for as they happen: nowhere, in this process, or in one of its own.

    A storm of changes takes its time from whatever else the process does; one of its own takes 11 MB.
    """

    NO = "no"
    INSIDE = "inside"
    APART = "apart"


class Keeper:
    """Asks the worker for looks when they are due; `poke` after a change of the shares."""

    def __init__(self, index: Index, worker: Indexing, *, rescan_seconds: float, watch: Watch) -> None:
        self._index = index
        self._worker = worker
        self._rescan_seconds = rescan_seconds
        self._watcher = None if watch is Watch.NO else Watcher(worker.ask, apart=watch is Watch.APART)
        # A network drive that is gone may hang a call in the system for ever, and must not keep the process.
        self._thread = threading.Thread(target=self._run, name="library", daemon=True)
        self._wake = threading.Condition()
        # Under _wake.
        self._poked = False
        self._stopping = False

    def start(self) -> None:
        if self._watcher is not None:
            self._watcher.start()
        self._thread.start()

    def stop(self) -> None:
        with self._wake:
            self._stopping = True
            self._wake.notify_all()
        if self._watcher is not None:
            self._watcher.stop_soon()
        if self._thread.ident is not None:
            self._thread.join(STOP_SECONDS)
        if self._watcher is not None:
            self._watcher.stop()

    def poke(self) -> None:
        with self._wake:
            self._poked = True
            self._wake.notify_all()

    def unwatched(self) -> Mapping[int, str]:
        """The shares that cannot be watched, and why."""
        return {} if self._watcher is None else self._watcher.troubles()

    @property
    def watcher_pid(self) -> int | None:
        return None if self._watcher is None else self._watcher.pid

    def _run(self) -> None:
        next_look = time.monotonic() + self._rescan_seconds
        next_roots = time.monotonic() + ROOTS_SECONDS
        while True:
            with self._wake:
                until = min(next_look, next_roots) - time.monotonic()
                self._wake.wait_for(lambda: self._poked or self._stopping, max(0.0, until))
                self._poked = False
                if self._stopping:
                    return
            try:
                shares = self._index.shares()
                now = time.monotonic()
                if now >= next_look:
                    self._worker.ask({share.id: None for share in shares})
                    next_look = now + self._rescan_seconds
                if now >= next_roots:
                    self._worker.ask({share.id: None for share in shares if _is_there(share) != share.available})
                    next_roots = time.monotonic() + ROOTS_SECONDS
                if self._watcher is not None:
                    self._watcher.watch(shares)
            except StorageError as error:
                log.info("the shares cannot be read now: %s", error.logged)
                next_roots = time.monotonic() + ROOTS_SECONDS


def _is_there(share: ShareRow) -> bool:
    try:
        Root(share)
    except ShareUnreachableError:
        return False
    return True


class Watcher:
    """The watcher, seen from the library: which shares it watches, and what it says of them."""

    def __init__(self, ask: Callable[[Mapping[int, Marks]], None], *, apart: bool) -> None:
        self._ask = ask
        self._helper = self._process() if apart else self._inside()
        self._lock = threading.Lock()
        # Under _lock.
        self._shares: list[list[object]] = []
        self._troubles: dict[int, str] = {}

    def _process(self) -> Helper:
        config = {"quiet_seconds": QUIET_SECONDS, "longest_seconds": LONGEST_SECONDS}
        return Helper(
            "library-watcher",
            ["watcher", json.dumps(config)],
            greeting=lambda: [self._order()],
            received=self._received,
            ended=lambda _: bool(self._watched()),
        )

    def _inside(self) -> HelperThread:
        def work(line: HelperThread) -> None:
            # Only who watches needs the library that does.
            from peer_core.library.watching import watch

            watch(line, quiet_seconds=QUIET_SECONDS, longest_seconds=LONGEST_SECONDS)

        return HelperThread(
            "library-watcher",
            work,
            greeting=lambda: [self._order()],
            received=self._received,
            ended=lambda _: bool(self._watched()),
        )

    @property
    def pid(self) -> int | None:
        return self._helper.pid

    def start(self) -> None:
        self._helper.start()

    def stop_soon(self) -> None:
        self._helper.stop_soon()

    def stop(self) -> None:
        self._helper.stop()

    def watch(self, shares: list[ShareRow]) -> None:
        """These, as far as they can be reached and were seen once."""
        specs: list[list[object]] = [
            [s.id, str(s.path), s.device, s.inode, list(s.exclude), s.hidden] for s in shares if s.available and s.inode
        ]
        with self._lock:
            if specs == self._shares:
                return
            self._shares = specs
            self._troubles = {s.id: self._troubles[s.id] for s in shares if s.id in self._troubles}
        self._helper.send(self._order())
        if specs:
            self._helper.want()

    def troubles(self) -> Mapping[int, str]:
        with self._lock:
            return dict(self._troubles)

    def _watched(self) -> list[list[object]]:
        with self._lock:
            return self._shares

    def _order(self) -> Message:
        return {"watch": self._watched()}

    # The helper's thread

    def _received(self, message: Message) -> None:
        if "dirty" in message:
            self._ask(heard_marks(message["dirty"]))
        if "watching" in message:
            # What happened before it was watched is found by a look.
            share = message["watching"]
            with self._lock:
                self._troubles.pop(share, None)
            self._ask({share: None})
        if "trouble" in message:
            share, text = message["trouble"]
            with self._lock:
                self._troubles[share] = from_text(text)
