"""The watcher process, from the inside: tells which folders changed. The one file that uses the library watchdog.

Chosen over watchfiles, which drops the system's word that events were lost, fails at a name that is not UTF-8, and
holds the interpreter while it visits the folders. Each share has an observer of its own, so that giving it up gives
back all that the system lends for it.
"""

import errno
import logging
import os
import sys
import threading
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from watchdog import events
from watchdog.observers.api import BaseObserver

from peer_core.library import rules
from peer_core.library.marks import Quiet
from peer_core.library.wire import Message, told_marks
from peer_core.system_words import system_words
from protos.sentences import Sentence, as_text, say

RETRY_SECONDS = 600.0
# What changes a name, a size, a time or a right. Reading and opening do not matter.
WANTED: list[type[events.FileSystemEvent]] = [
    events.FileCreatedEvent,
    events.FileModifiedEvent,
    events.FileAttribEvent,
    events.FileClosedEvent,
    events.FileMovedEvent,
    events.FileDeletedEvent,
    events.DirCreatedEvent,
    events.DirAttribEvent,
    events.DirMovedEvent,
    events.DirDeletedEvent,
]


class Parent(Protocol):
    def say(self, message: Message) -> None: ...
    def hear(self, heard: Callable[[Message], None]) -> None: ...


@dataclass(frozen=True)
class Watched:
    """A share as it is to be watched; `device` and `inode` are its root's, so that another disk is another share."""

    id: int
    path: str
    device: int
    inode: int
    exclude: tuple[str, ...]
    hidden: bool


def watch(parent: Parent, *, quiet_seconds: float, longest_seconds: float) -> None:
    """Until there is nothing to watch. In a process of its own or in a thread; leaves nothing running."""
    # WORKAROUND watchdog 7.1, as below: meeting a folder twice is no mistake.
    warnings.filterwarnings("ignore", "Callback with id", RuntimeWarning)
    watching = _Watching(parent, quiet_seconds, longest_seconds)
    parent.hear(watching.heard)
    try:
        watching.run()
    finally:
        watching.close()


class _Watching:
    def __init__(self, parent: Parent, quiet_seconds: float, longest_seconds: float) -> None:
        self._parent = parent
        # The main thread only.
        self._observers: dict[Watched, BaseObserver] = {}
        self._refused: dict[Watched, float] = {}
        self._wake = threading.Condition()
        # Under _wake.
        self._wanted: set[Watched] | None = None
        self._quiet = Quiet(quiet_seconds, longest_seconds)
        self._limited: set[Watched] = set()
        self._stopping = False

    def heard(self, order: Message) -> None:
        with self._wake:
            if "watch" in order:
                self._wanted = {
                    Watched(id_, path, device, inode, tuple(exclude), hidden)
                    for id_, path, device, inode, exclude, hidden in order["watch"]
                }
            self._stopping = self._stopping or "stop" in order
            self._wake.notify_all()

    def mark(self, share: int, folder: str, deep: bool) -> None:
        with self._wake:
            was_due = self._quiet.due()
            self._quiet.mark(share, folder, deep, time.monotonic())
            # A later time needs no waking: it is asked for again when the earlier one has come.
            if was_due is None:
                self._wake.notify_all()

    def lost(self, share: int) -> None:
        """Events of it are missing."""
        with self._wake:
            self._quiet.mark_whole(share, time.monotonic())
            self._wake.notify_all()

    def limited(self, share: Watched) -> None:
        """The system lets no more folders be watched."""
        with self._wake:
            self._limited.add(share)
            self._wake.notify_all()

    def run(self) -> None:
        while True:
            with self._wake:
                if not self._has_work():
                    self._wake.wait(self._seconds_to_wait())
                if self._stopping:
                    return
                wanted, limited, self._limited = self._wanted, self._limited, set()
                dirty = self._quiet.take(time.monotonic())
            if dirty:
                self._parent.say({"dirty": told_marks(dirty)})
            for share in limited:
                self._give_up(share, OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
            if wanted is not None:
                self._follow(wanted)
                if not wanted:
                    return

    def close(self) -> None:
        for share in list(self._observers):
            self._end(share)

    def _has_work(self) -> bool:
        due = self._quiet.due()
        return (
            self._stopping
            or bool(self._limited)
            or (due is not None and due <= time.monotonic())
            or (self._wanted is not None and any(self._may_begin(share) for share in self._wanted))
            or (self._wanted is not None and (not self._wanted or not self._observers.keys() <= self._wanted))
        )

    def _seconds_to_wait(self) -> float:
        now = time.monotonic()
        times = [now + RETRY_SECONDS, *self._refused.values()]
        due = self._quiet.due()
        if due is not None:
            times.append(due)
        return max(0.0, min(times) - now)

    def _may_begin(self, share: Watched) -> bool:
        return share not in self._observers and self._refused.get(share, 0.0) <= time.monotonic()

    def _follow(self, wanted: set[Watched]) -> None:
        for share in self._observers.keys() - wanted:
            self._end(share)
        self._refused = {share: until for share, until in self._refused.items() if share in wanted}
        for share in filter(self._may_begin, wanted):
            self._refused.pop(share, None)
            try:
                observer = observing(share, self.mark, self.lost, self.limited)
            except OSError as error:
                self._give_up(share, error)
            else:
                self._observers[share] = observer
                self._parent.say({"watching": share.id})

    def _end(self, share: Watched) -> None:
        observer = self._observers.pop(share, None)
        if observer is not None:
            observer.stop()
            observer.join()

    def _give_up(self, share: Watched, error: OSError) -> None:
        self._end(share)
        self._refused[share] = time.monotonic() + RETRY_SECONDS
        self._parent.say({"trouble": [share.id, as_text(why(error))]})


def why(error: OSError) -> Sentence:
    """Why a share is not watched, and what helps, for a person."""
    limits = {errno.ENOSPC: "max_user_watches", errno.EMFILE: "max_user_instances"}
    limit = limits.get(error.errno or 0)
    if limit is None or not sys.platform.startswith("linux"):
        return say(
            "changes cannot be watched here ({reason}); they are found at the next look",
            "watch-refused",
            reason=system_words(error),
        )
    try:
        now = int(Path(f"/proc/sys/fs/inotify/{limit}").read_text())
    except (OSError, ValueError):
        now = 0
    raised = max(512 if limit == "max_user_instances" else 524_288, 2 * now)
    command = f"sudo sysctl fs.inotify.{limit}={raised}"
    return say(
        "the system lets no more folders be watched; run “{command}”; "
        "until then changes are found at the next look, which comes by itself",
        "watch-limit",
        command=command,
    )


def observing(
    share: Watched,
    mark: Callable[[int, str, bool], None],
    lost: Callable[[int], None],
    limited: Callable[[Watched], None],
) -> BaseObserver:
    """A running observer. Raises OSError when the system refuses."""
    observer = _new_observer(share, lambda: lost(share.id), lambda: limited(share))
    try:
        observer.start()
        observer.schedule(_Handler(share, mark), share.path, recursive=True, event_filter=WANTED)
    except BaseException:
        observer.stop()
        if observer.ident is not None:
            observer.join()
        raise
    return observer


class _Handler(events.FileSystemEventHandler):
    def __init__(self, share: Watched, mark: Callable[[int, str, bool], None]) -> None:
        self._share = share
        self._mark = mark
        self._start = len(share.path.rstrip(os.sep)) + 1

    def dispatch(self, event: events.FileSystemEvent) -> None:
        # On Windows a folder that is gone cannot be told from a file.
        deep = event.is_directory or (os.name == "nt" and isinstance(event, events.FileDeletedEvent))
        for path in (event.src_path, event.dest_path):
            if path:
                self._changed(os.fsdecode(path), deep)

    def _changed(self, path: str, deep: bool) -> None:
        within = path[self._start :].replace(os.sep, "/")
        folder, _, name = within.rpartition("/")
        if name and rules.is_left_out(name, self._share.hidden):
            return
        if deep:
            self._mark(self._share.id, within, True)
        if not deep or os.name == "nt":
            self._mark(self._share.id, folder, False)


if sys.platform.startswith("linux"):
    from watchdog.observers.inotify import InotifyEmitter, InotifyWatchGroup
    from watchdog.observers.inotify_c import CallbackId, InotifyEvent, InotifyFD, Mask, WatchCallback, WatchDescriptor

    # It says at each overflow what is acted upon here.
    logging.getLogger("watchdog.observers").setLevel(logging.ERROR)

    # WORKAROUND watchdog 7.1: a new folder that it meets twice makes a warning with all watched folders in its text.
    InotifyWatchGroup.__repr__ = object.__repr__  # type: ignore[method-assign]

    class _Descriptor(InotifyFD):
        """Tells of lost events and of the system's limit, which the library passes over, and leaves folders out."""

        def __init__(self, share: Watched, lost: Callable[[], None], limited: Callable[[], None]) -> None:
            super().__init__()
            self._rules = rules.ShareRules(share.exclude, share.hidden)
            self._root = os.fsencode(share.path)
            self._lost = lost
            self._limited = limited

        def abandon(self) -> None:
            """Gives its descriptors back, when nothing has read from it yet."""
            self._is_reading = False
            self.close()

        def add_callback(self, path: bytes, mask: Mask, callback: WatchCallback, id_: CallbackId) -> WatchDescriptor:
            if path != self._root:
                folder, _, name = os.fsdecode(path[len(self._root.rstrip(b"/")) + 1 :]).rpartition("/")
                if self._rules.leave_out(folder, name, True):
                    raise FileNotFoundError(errno.ENOENT, "left out")
            try:
                return super().add_callback(path, mask, callback, id_)
            except OSError as error:
                if error.errno == errno.ENOSPC and path != self._root:
                    self._limited()
                raise

        def handle_event(self, event: InotifyEvent) -> None:
            if event.is_queue_overflow:
                self._lost()
            super().handle_event(event)

    class _InotifyObserver(BaseObserver):
        def __init__(self, descriptor: _Descriptor) -> None:
            self._descriptor = descriptor
            super().__init__(InotifyEmitter, inotify_fd=descriptor)
            try:
                descriptor.start()
            except RuntimeError:
                # No more threads.
                descriptor.abandon()
                raise

        def on_thread_stop(self) -> None:
            super().on_thread_stop()
            self._descriptor.stop()
            if self._descriptor.ident is not None:
                self._descriptor.join()

    def _new_observer(share: Watched, lost: Callable[[], None], limited: Callable[[], None]) -> BaseObserver:
        return _InotifyObserver(_Descriptor(share, lost, limited))

else:
    from watchdog.observers import Observer

    def _new_observer(share: Watched, lost: Callable[[], None], limited: Callable[[], None]) -> BaseObserver:
        made: Any = Observer()
        return made  # type: ignore[no-any-return]
