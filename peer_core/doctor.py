"""Looks at everything that a peer needs, and says of each thing what to do. Nothing is changed. The caller's thread."""

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from peer_core.addresses import own_host, parse_url, url_of
from peer_core.checks import Check, State
from peer_core.directory.callback import Why
from peer_core.directory.messages import peers_bytes, read_members
from peer_core.directory.reach import Report, inwards
from peer_core.directory.types import PeerRecord
from peer_core.errors import BarrioError, RevokedError
from peer_core.identity import key_store
from peer_core.identity.connection import USER_AGENT, PeerConnection, converted, read_bounded
from peer_core.identity.key_store import KeyStore
from peer_core.identity.store import Identity
from peer_core.library.library import Library
from peer_core.online import Online
from peer_core.sizes import human
from peer_core.system_words import system_words
from protos.sentences import Sentence, say, sentence_of

CLOCK_SECONDS = 60.0
CERTIFICATE_DAYS = 5
LEAST_FREE = 500_000_000
SELF_SECONDS = 3.0
_WHY = {Why.REFUSED: "address-refused", Why.SILENT: "address-silent", Why.OTHER: "address-other"}


def examine(
    data_dir: Path,
    downloads: Path,
    library: Library,
    online: Online | None,
    joined: bool,
    offline_because: BarrioError | None,
) -> list[Check]:
    """All checks, in the order in which they are best mended. Takes up to 20 seconds when others are silent."""
    checks = [_membership(online, joined, offline_because), *_data_folder(data_dir)]
    if online is not None:
        checks += _key(online.identity)
        checks += [_clock(online.directory.presence.clock_offset), _listening(online), _central(online)]
        checks += _reach(online)
    checks += [_room(folder) for folder in dict.fromkeys((data_dir, downloads))]
    return [*checks, *_watching(library)]


def _membership(online: Online | None, joined: bool, offline_because: BarrioError | None) -> Check:
    if online is not None:
        if isinstance(online.directory.presence.trouble, RevokedError):
            return Check("joined", State.BAD, "removed")
        identity = online.identity
        days = int(identity.seconds_left() // 86_400)
        if days < CERTIFICATE_DAYS:
            return Check("joined", State.BAD, "certificate-ends", {"days": max(0, days)})
        return Check(
            "joined", State.GOOD, "joined", {"network": identity.membership.network_name, "name": identity.name}
        )
    if joined:
        starting = say("it is just starting; ask again.", "doctor-just-starting")
        reason = offline_because.message if offline_because else starting
        return Check("joined", State.BAD, "not-online", {"reason": reason})
    return Check("joined", State.BAD, "not-joined")


def _inside(sentence: str) -> Sentence:
    """For the middle of another sentence: without its full stop."""
    found = sentence_of(sentence)
    return Sentence(found.rstrip("."), found.code, found.params)


def _data_folder(folder: Path) -> Iterator[Check]:
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"barrio")
            file.flush()
            os.fsync(file.fileno())
        mode = stat.S_IMODE(folder.stat().st_mode)
    except OSError as error:
        yield Check("data-folder", State.BAD, "folder-bad", {"path": str(folder), "reason": system_words(error)})
        return
    if os.name == "posix" and mode & 0o077:
        yield Check("data-folder", State.BAD, "folder-open", {"path": str(folder)})
    else:
        yield Check("data-folder", State.GOOD, "folder-good", {"path": str(folder)})


def _key(identity: Identity) -> Iterator[Check]:
    try:
        key_store.recall(identity.folder, identity.peer_id, identity.key_store)
    except BarrioError as error:
        yield Check("key", State.BAD, "key-lost", {"reason": _inside(error.message)})
        return
    if identity.key_store is KeyStore.FILE:
        yield Check("key", State.NOTE, "key-file")
    else:
        yield Check("key", State.GOOD, "key-keyring")


def _clock(offset: float | None) -> Check:
    if offset is None:
        return Check("clock", State.SKIPPED, "clock-unknown")
    if abs(offset) < CLOCK_SECONDS:
        return Check("clock", State.GOOD, "clock-good")
    code = "clock-behind" if offset > 0 else "clock-ahead"
    return Check("clock", State.BAD, code, {"seconds": round(abs(offset))})


def _listening(online: Online) -> Check:
    host, port = online.listens
    identity = online.identity
    connection = PeerConnection(identity, identity.peer_id, "This device", [url_of(own_host(host), port)], SELF_SECONDS)
    try:
        connection.open(SELF_SECONDS)
        with converted(connection.who):
            connection.request("GET", "/v1/peer", None, {"User-Agent": USER_AGENT})
            with connection.getresponse() as response:
                read_bounded(response, 1 << 16, connection.who)
    except BarrioError as error:
        reason = _inside(error.message)
        return Check("listening", State.BAD, "not-listening", {"address": online.listens_at, "reason": reason})
    finally:
        connection.close()
    notice = online.listens_elsewhere
    if notice is not None:
        return Check("listening", State.NOTE, "listening-elsewhere", {"reason": notice.message})
    return Check("listening", State.GOOD, "listening", {"address": online.listens_at})


def _central(online: Online) -> Check:
    central, own = online.directory.central, online.identity.peer_id
    address = {"address": central.address}
    try:
        page = read_members(central.query(peers_bytes([own])), 1)
    except RevokedError:
        return Check("central", State.BAD, "removed")
    except BarrioError:
        return Check("central", State.BAD, "central-silent", address)
    listed = next((m.addresses for m in page.members if m.peer_id == own), ())
    if set(listed) != set(online.addresses()):
        return Check("central", State.NOTE, "central-other", address)
    return Check("central", State.GOOD, "central-good", address)


def _reach(online: Online) -> Iterator[Check]:
    """Neighbours, this peer's addresses as they find them, and which direction fails."""
    addresses = online.addresses()
    reports = online.directory.ask_for_calls(addresses)
    usable = [r for r in reports if r.answers and not r.busy]
    came_in = inwards(reports) is True
    if not reports:
        yield Check("neighbour", State.NOTE, "neighbour-none")
    outwards = any(r.answers for r in reports)
    for report in reports:
        yield _neighbour(report.peer, report.answers)
    for address in addresses:
        yield _address(address, usable, came_in)
    yield _directions(online, reports, usable, came_in, outwards)


def _neighbour(peer: PeerRecord, answers: bool) -> Check:
    if answers:
        return Check("neighbour", State.GOOD, "neighbour-good", {"name": peer.name})
    address = peer.addresses[0] if peer.addresses else "?"
    return Check("neighbour", State.NOTE, "neighbour-silent", {"name": peer.name, "address": address})


def _address(address: str, reports: Sequence[Report], came_in: bool) -> Check:
    tried = [(r.peer.name, t) for r in reports for t in r.tried if t.address == address]
    reached = [name for name, t in tried if t.reached]
    names = ", ".join(reached or dict.fromkeys(name for name, _ in tried))
    host, port = parse_url(address)
    details: dict[str, str | int] = {"address": address, "names": names, "port": str(port)}
    if reached:
        return Check("address", State.GOOD, "address-reached", details)
    if not tried:
        alone = host.startswith("127.") or host in ("::1", "localhost")
        if alone and reports:
            return Check("address", State.BAD, "address-alone", details)
        return Check("address", State.SKIPPED, "address-untried", details)
    # One way in is enough; that not everybody reaches all interfaces is usual.
    state = State.NOTE if came_in else State.BAD
    why = next((t.why for _, t in tried if t.why is not None), None)
    return Check("address", state, _WHY.get(why, "address-unreached") if why else "address-unreached", details)


def _directions(
    online: Online, reports: Sequence[Report], usable: Sequence[Report], came_in: bool, outwards: bool
) -> Check:
    if came_in:
        return Check("reach", State.GOOD, "both-ways")
    if reports and not outwards and online.directory.presence.reachable:
        return Check("reach", State.BAD, "out-closed")
    if not usable or not any(r.tried for r in usable):
        return Check("reach", State.SKIPPED, "nobody-to-try")
    port = str(online.listens[1])
    own = {parse_url(a)[0] for a in online.addresses()}
    outside = next((r for r in usable if r.seen and r.seen not in own), None)
    if outside is not None:
        details = {"names": outside.peer.name, "seen": outside.seen, "port": port}
        return Check("reach", State.BAD, "in-closed-nat", details)
    return Check("reach", State.BAD, "in-closed", {"port": port})


def _room(folder: Path) -> Check:
    existing = folder
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    try:
        free = shutil.disk_usage(existing).free
    except OSError as error:
        return Check("disk", State.BAD, "disk-unknown", {"path": str(folder), "reason": system_words(error)})
    details = {"path": str(folder), "free": human(free)}
    return (
        Check("disk", State.BAD, "disk-low", details)
        if free < LEAST_FREE
        else Check("disk", State.GOOD, "disk-good", details)
    )


def _watching(library: Library) -> Iterator[Check]:
    trouble = library.trouble()
    if trouble is not None:
        yield Check("index", State.BAD, "index-bad", {"reason": trouble.message})
    if not library.shares():
        yield Check("watching", State.SKIPPED, "watching-nothing")
        return
    late = library.unwatched()
    for reason in late:
        yield Check("watching", State.BAD, "watching-late", {"reason": reason})
    if not late and "watcher" not in library.processes():
        yield Check("watching", State.BAD, "watching-off")
    elif not late:
        yield Check("watching", State.GOOD, "watching")
