"""Lists and hashes files and folders that a person chose, whether they are shared or not. Runs in a process of its own.

Orders: `pack` (a number) with `paths` and `most`, `drop` (a number), `stop`. What it says: `files` of a `pack`, at last
`packed` or `refused` with a `reason`, and `hashed` and `found` bytes in between.
"""

import logging
import os
import queue
import stat
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from peer_core.content import Manifest
from peer_core.database import Database
from peer_core.errors import StorageError
from peer_core.library import rules
from peer_core.library.disk import is_link, reason, renumbered_devices, signature_of
from peer_core.library.hashing import Bench, Cancelled, FileChangedError, FileHash, seconds_until_settled
from peer_core.library.index import KIND, Index
from peer_core.library.reasons import Reason
from peer_core.library.records import ShareRow, Signature
from peer_core.library.wire import Message
from protos.sentences import as_text, say

BATCH_FILES = 200
BATCH_BYTES = 1 << 20
BATCH_SECONDS = 0.25
# Together some twelve seconds, for a file that is just being finished.
ATTEMPTS, FIRST_PAUSE_SECONDS = 8, 0.05
MAX_DEPTH = 100
log = logging.getLogger(__name__)


class Refused(Exception):
    """Why something cannot be offered, for a person."""


class Found(NamedTuple):
    """A file on the disk. `folder`: where it lies in what was chosen; `root`: where it must lie to be the same one."""

    folder: str
    name: str
    place: Path
    root: Path
    size: int


class Parent(Protocol):
    def say(self, message: Message) -> None: ...


class Loose:
    """`order` from any thread; `work` in the process's main one, until `stop` or nothing came for `idle_seconds`."""

    def __init__(self, parent: Parent, library: Path | None) -> None:
        self._parent = parent
        self._library = library
        self._orders: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._lock = threading.Lock()
        # Under _lock.
        self._dropped: set[int] = set()
        self._stopping = False
        self._bench = Bench()
        self._renumbered = renumbered_devices()

    def order(self, message: Message) -> None:
        with self._lock:
            if "drop" in message:
                self._dropped.add(int(message["drop"]))
            self._stopping = self._stopping or "stop" in message
        self._orders.put(message)

    def work(self, idle_seconds: float) -> None:
        try:
            while True:
                try:
                    message = self._orders.get(timeout=idle_seconds)
                except queue.Empty:
                    return
                if self._stopping:
                    return
                if "pack" in message:
                    self._pack(int(message["pack"]), message["paths"], int(message["most"]))
        finally:
            self._bench.close()

    def _pack(self, number: int, paths: Sequence[str], most: int) -> None:
        def given_up() -> bool:
            return self._stopping or number in self._dropped

        try:
            found = []
            for file in listed([Path(path) for path in paths]):
                found.append(file)
                if len(found) > most:
                    raise Refused(
                        say(
                            "These are more than {most} files; send the folders inside one by one, or share them.",
                            "send-too-many",
                            most=most,
                        )
                    )
                if given_up():
                    return
            if not found:
                raise Refused(say("There is no file in it.", "send-empty"))
            self._hash(number, found, given_up)
        except Refused as error:
            self._parent.say({"refused": number, "reason": as_text(error.args[0])})
        except Cancelled:
            return
        except Exception:
            # Asked again, it would fail again.
            log.exception("files to be sent could not be read")
            self._parent.say(
                {
                    "refused": number,
                    "reason": as_text(say("They could not be read, by a mistake in the program.", "send-mistake")),
                }
            )

    def _hash(self, number: int, found: Sequence[Found], given_up: Any) -> None:
        total, done, told_at = sum(file.size for file in found), 0, time.monotonic()
        batch: list[Message] = []

        def reading(inside: int) -> None:
            nonlocal batch, told_at
            if time.monotonic() - told_at > BATCH_SECONDS:
                self._parent.say({"pack": number, "files": batch, "hashed": done + inside, "found": total})
                batch, told_at = [], time.monotonic()

        shared = _Shared(self._library)
        try:
            for file in found:
                signature, manifest = shared.known(file.place, self._renumbered) or self._read(file, given_up, reading)
                batch.append(_told(file, signature, manifest))
                done += signature.size
                late = time.monotonic() - told_at > BATCH_SECONDS
                if late or len(batch) >= BATCH_FILES or sum(len(told["hashes"]) for told in batch) > BATCH_BYTES:
                    self._parent.say({"pack": number, "files": batch, "hashed": done, "found": total})
                    batch, told_at = [], time.monotonic()
        finally:
            shared.close()
        self._parent.say({"pack": number, "files": batch, "hashed": done, "found": total})
        self._parent.say({"packed": number})

    def _read(self, file: Found, given_up: Any, reading: Callable[[int], None]) -> tuple[Signature, Manifest]:
        """`reading` is told how many bytes are done. Raises Refused, and Cancelled."""
        for attempt in range(ATTEMPTS):
            delay = 0.0
            try:
                with FileHash(file.place, self._renumbered) as hashing:
                    delay = seconds_until_settled(hashing.signature.mtime_ns)
                    if not delay:
                        while not hashing.finished:
                            hashing.step(self._bench, given_up)
                            reading(hashing.bytes_done)
                        return hashing.signature, hashing.manifest()
            except FileChangedError:
                pass
            except OSError as error:
                raise Refused(
                    say(
                        "“{name}” cannot be read: {reason}.",
                        "send-unreadable",
                        name=rules.shown(file.name),
                        reason=reason(error),
                    )
                ) from error
            # A file that was just written is waited for, as a later write could leave its time as it is.
            time.sleep(max(delay, FIRST_PAUSE_SECONDS * 2**attempt))
            if given_up():
                raise Cancelled
        raise Refused(
            say("“{name}” keeps changing; try again when it is finished.", "send-changing", name=rules.shown(file.name))
        )


class _Shared:
    """What the library knows of files that are shared, so that they are not hashed again."""

    def __init__(self, library: Path | None) -> None:
        self._database: Database | None = None
        self._index: Index | None = None
        self._shares: list[ShareRow] = []
        if library is not None:
            with suppress(StorageError):
                self._database = Database(library, KIND)
                self._index = Index(self._database)
                self._shares = self._index.shares()

    def known(self, place: Path, renumbered: frozenset[int]) -> tuple[Signature, Manifest] | None:
        share = next((share for share in self._shares if place.is_relative_to(share.path)), None)
        if share is None or self._index is None or not rules.is_text(str(place)):
            return None
        inside = place.relative_to(share.path)
        folder = "" if len(inside.parts) == 1 else inside.parent.as_posix()
        try:
            known = self._index.hashed(share.id, folder, place.name)
            now = signature_of(place.lstat(), renumbered)
        except (StorageError, OSError):
            return None
        if known is None or (known[0].size, known[0].mtime_ns) != (now.size, now.mtime_ns):
            return None
        return (now, known[1]) if known[0].inode in (0, now.inode) else None

    def close(self) -> None:
        if self._database is not None:
            self._database.close()


def listed(paths: Sequence[Path]) -> Iterator[Found]:
    """All files of what was chosen, in a lasting order: folders with all that is below them, but no links. Two things
    of one name get different ones. Raises Refused."""
    taken: set[str] = set()
    for path in paths:
        try:
            place = path.resolve(strict=True)
            status = place.stat()
        except (OSError, RuntimeError) as error:
            why = reason(error) if isinstance(error, OSError) else Reason.LINK_LOOP
            raise Refused(
                say("“{name}” cannot be sent: {reason}.", "send-refused", name=rules.shown(str(path)), reason=why)
            ) from error
        name = _free(path.name or place.name or "files", taken)
        if stat.S_ISREG(status.st_mode):
            yield _found("", name, place, place.parent, status.st_size)
        elif stat.S_ISDIR(status.st_mode):
            yield from _below(name, place, place, 0)
        else:
            raise Refused(say("“{name}” is neither a file nor a folder.", "send-neither", name=rules.shown(str(path))))


def _below(folder: str, here: Path, root: Path, depth: int) -> Iterator[Found]:
    if depth > MAX_DEPTH:
        raise Refused(say("“{name}” lies too deep.", "send-deep", name=rules.shown(folder)[:200]))
    try:
        entries = sorted(os.scandir(here), key=lambda entry: entry.name)
        for entry in entries:
            status = entry.stat(follow_symlinks=False)
            if is_link(status):
                continue
            if stat.S_ISDIR(status.st_mode):
                if not rules.is_text(entry.name):
                    raise Refused(
                        say(
                            "“{name}”: its name is not valid text (UTF-8); rename it.",
                            "send-not-text",
                            name=rules.shown(entry.name),
                        )
                    )
                yield from _below(f"{folder}/{entry.name}", Path(entry.path), root, depth + 1)
            elif stat.S_ISREG(status.st_mode):
                yield _found(folder, entry.name, Path(entry.path), root, status.st_size)
    except OSError as error:
        raise Refused(
            say(
                "“{name}” cannot be read: {reason}.",
                "send-unreadable",
                name=rules.shown(str(here)),
                reason=reason(error),
            )
        ) from error


def _found(folder: str, name: str, place: Path, root: Path, size: int) -> Found:
    refusal = rules.refusal(f"{folder}/{name}", size)
    if refusal is not None:
        raise Refused(say("“{name}” cannot be sent: {reason}.", "send-refused", name=rules.shown(name), reason=refusal))
    return Found(folder, name, place, root, size)


def _free(name: str, taken: set[str]) -> str:
    stem, dot, ending = name.rpartition(".")
    if not stem:
        stem, dot, ending = name, "", ""
    number, free = 1, name
    while free.casefold() in taken:
        number += 1
        free = f"{stem} ({number}){dot}{ending}"
    taken.add(free.casefold())
    return free


def _told(file: Found, signature: Signature, manifest: Manifest) -> Message:
    return {
        "folder": file.folder,
        "name": file.name,
        "place": str(file.place),
        "root": str(file.root),
        "size": signature.size,
        "mtime_ns": signature.mtime_ns,
        "inode": signature.inode,
        "content_id": manifest.content_id.hex(),
        "hashes": manifest.hashes.hex(),
    }
