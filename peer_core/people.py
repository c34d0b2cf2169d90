"""The other members: who is here, what each shares, whole folders of theirs. Passes between the rooms; any thread."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from peer_core.directory.types import MembersPage, PeerRecord, Via
from peer_core.errors import (
    BadInputError,
    BarrioError,
    ConflictError,
    NotFoundError,
    PeerUnreachableError,
    RevokedError,
)
from peer_core.library.browsing import SharedRoot, TreePage
from peer_core.library.library import Library
from peer_core.online import Online
from peer_core.transfer.queue import Transfers
from peer_core.transfer.types import Holder, Located, Transfer, Wanted
from protos.agreed import decode_id

# What one listing may hold, so that a member cannot fill the memory.
MOST_FILES = 1_000_000
REMEMBERED_SECONDS = 60.0
MOST_REMEMBERED = 1000
SENDER_SECONDS = 10.0
log = logging.getLogger("barrio")
T = TypeVar("T")


class People:
    """`online` raises while this peer is in no barrio, or could not go online."""

    def __init__(self, online: Callable[[], Online], library: Library, transfers: Transfers) -> None:
        self._online = online
        self._library = library
        self._transfers = transfers
        self._lock = threading.Lock()
        # Under _lock: where members were, with the monotonic time of that.
        self._seen: dict[str, tuple[float, PeerRecord]] = {}

    def members(self, text: str, limit: int, cursor: str) -> tuple[MembersPage, Via, str]:
        """Who is here, this peer too, how the answer came, and this peer's own id."""
        online = self._online()
        page, via = online.directory.members(text, limit, cursor)
        kept = tuple(p for p in page.members if not online.is_revoked(p.peer_id))
        with self._lock:
            if len(self._seen) > MOST_REMEMBERED:
                self._seen.clear()
            self._seen.update((p.peer_id, (time.monotonic(), p)) for p in kept)
        return MembersPage(kept, page.next_cursor), via, online.identity.peer_id

    def shares(self, peer_id: str) -> list[SharedRoot]:
        """Raises NotFoundError, PeerUnreachableError, PeerMisbehavedError."""
        online = self._online()
        if peer_id == online.identity.peer_id:
            return self._library.browsing.shares()
        return self._asked(peer_id, online.directory.tree.shares)

    def tree(self, peer_id: str, path: str, after: str, limit: int) -> tuple[TreePage, set[bytes]]:
        """One page of one folder, and the contents on it that this peer has."""
        online = self._online()
        if peer_id == online.identity.peer_id:
            page = self._library.browsing.page(path, after, limit)
        else:
            page = self._asked(peer_id, lambda peer: online.directory.tree.page(peer, path, after, limit))
        return page, self._library.has(file.content_id for file in page.files)

    def download(
        self, peer_id: str, path: str, folder: str | None, skip_have: bool = False, paused: bool = False
    ) -> Transfer:
        """Queues a file, or all files below a folder as one transfer, which keep their places below a folder of that
        name. `skip_have`: contents that some share of this device holds are left out.

        Raises BadInputError above a million files, ConflictError when there is nothing but one file that is here.
        """
        online = self._online()
        if peer_id == online.identity.peer_id:
            raise BadInputError("That is this device itself; its files are here already.", "own-device")
        page = self._asked(peer_id, lambda peer: online.directory.tree.all_below(peer, path, MOST_FILES))
        if not page.files:
            raise NotFoundError("There is no file in that folder now.", "folder-no-file")
        held = self._library.has(file.content_id for file in page.files)
        if page.is_file:
            (file,) = page.files[:1]
            if skip_have and file.content_id in held:
                raise ConflictError("This file is on this device already; nothing is fetched.", "file-here-already")
            return self._transfers.add(file.content_id, file.name, folder, paused, file.size)
        top = path.rpartition("/")[2]
        parts = {file.folder: (top, *(file.folder.split("/") if file.folder else ())) for file in page.files}
        wanted = [Wanted(file.content_id, parts[file.folder], file.name, file.size) for file in page.files]
        return self._transfers.add_tree(wanted, top, folder, held, skip_have, paused)

    def find(self, peer_ids: Sequence[str]) -> dict[str, PeerRecord]:
        """Where those are that are here now. Raises BarrioError when nobody can be asked."""
        online = self._online()
        wanted = [peer_id for peer_id in peer_ids if not online.is_revoked(peer_id)]
        found = online.directory.find_peers(wanted) if wanted else {}
        with self._lock:
            self._seen.update((peer_id, (time.monotonic(), record)) for peer_id, record in found.items())
        return found

    def ask(self, peer: PeerRecord, method: str, path: str, body: bytes) -> tuple[int, bytes]:
        """Status and body of another member's answer."""
        return self._online().directory.exchange(peer, method, path, body)

    def cut_off(self, peer_id: str) -> None:
        """Ends the connections of that member, with the answers under way; it may come again."""
        self._online().cut_off(peer_id)

    def locate(self, content_id: bytes, senders: Sequence[str]) -> Located:
        """Live holders of a content, and those of `senders` that are here: they offered it, whatever the central knows.

        Raises BarrioError when nobody can be asked and no sender is known.
        """
        return self.locate_all([content_id], [senders])[0]

    def locate_all(self, content_ids: Sequence[bytes], named: Sequence[Sequence[str]]) -> list[Located]:
        """Each of them in this way; `named`: the senders of each."""
        offering = [self._senders(peer_ids) for peer_ids in named]
        try:
            found = self._online().locate_all(content_ids)
        except BarrioError:
            if not any(offering):
                raise
            found = [Located(0, "", ()) for _ in content_ids]
        # What was offered to this person stays between the two, even when somebody claims to share it, too.
        found = [
            replace(located, public=located.public and not some) for located, some in zip(found, named, strict=True)
        ]
        return list(map(_with_senders, found, offering))

    def _senders(self, peer_ids: Sequence[str]) -> tuple[Holder, ...]:
        """Those that are here, or were a moment ago."""
        known = {peer_id: self._remembered(peer_id, SENDER_SECONDS) for peer_id in peer_ids}
        missing = [peer_id for peer_id, record in known.items() if record is None]
        if missing:
            try:
                known |= self.find(missing)
            except BarrioError as error:
                log.info("nobody can be asked where a sender is: %s", error.logged)
        return tuple(Holder(r.peer_id, r.name, r.addresses) for r in known.values() if r is not None)

    def _asked(self, peer_id: str, ask: Callable[[PeerRecord], T]) -> T:
        """Asks where the member was a moment ago, or else where the barrio knows it to be."""
        self._check(peer_id)
        remembered = self._remembered(peer_id)
        if remembered is not None:
            try:
                return ask(remembered)
            except PeerUnreachableError:
                with self._lock:
                    self._seen.pop(peer_id, None)
        return ask(self._found(peer_id))

    def _check(self, peer_id: str) -> None:
        try:
            decode_id(peer_id)
        except ValueError as error:
            raise BadInputError(
                "“{text}” is no peer id: {reason}.", "peer-id-of", text=peer_id[:60], reason=error
            ) from error
        if self._online().is_revoked(peer_id):
            raise RevokedError("That member was removed from the barrio.", "member-removed")

    def _remembered(self, peer_id: str, seconds: float = REMEMBERED_SECONDS) -> PeerRecord | None:
        with self._lock:
            since, record = self._seen.get(peer_id, (0.0, None))
        return record if record is not None and time.monotonic() - since < seconds else None

    def _found(self, peer_id: str) -> PeerRecord:
        """Raises NotFoundError."""
        directory = self._online().directory
        try:
            record = directory.find_peer(peer_id)
        except BarrioError:
            # Nobody answers: one of the neighbours can be asked all the same.
            record = next((n.peer for n in directory.neighbours.current() if n.peer.peer_id == peer_id), None)
            if record is None:
                raise
        if record is None:
            raise NotFoundError("That member is not online now; try again when it is.", "member-away")
        with self._lock:
            self._seen[peer_id] = (time.monotonic(), record)
        return record


def _with_senders(located: Located, offering: Sequence[Holder]) -> Located:
    known = {holder.peer_id for holder in located.holders}
    return replace(located, holders=(*located.holders, *(s for s in offering if s.peer_id not in known)))
