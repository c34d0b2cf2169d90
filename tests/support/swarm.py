"""Peers in virtual time: real crews, pickers, paroles and exchanges; bytes, bandwidth and absences are simulated.

One thread; every choice comes from one seed.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from peer_core.content import Manifest, piece_hash
from peer_core.errors import PeerMisbehavedError, PeerUnreachableError
from peer_core.limits.intake import Intake
from peer_core.transfer import source as source_module
from peer_core.transfer.bitmap import Bitmap
from peer_core.transfer.choosing import LocatePace
from peer_core.transfer.coming import read_coming
from peer_core.transfer.crew import Crew
from peer_core.transfer.exchange import Exchange
from peer_core.transfer.picker import Run
from peer_core.transfer.source import Source
from peer_core.transfer.types import Holder, SourceState

STEP = 0.25
PIECE = 64


@dataclass(eq=False)
class Node:
    """A member of the swarm; `up` and `down` in bytes a second. `lies`: the part of pieces that it sends wrong."""

    name: str
    up: float
    down: float
    lies: float = 0.0
    present: Bitmap | None = None
    online: bool = True
    joins_at: float = 0.0
    exchange: Exchange | None = None
    crew: Crew | None = None
    pace: LocatePace | None = None
    finished_at: float | None = None
    away: float = 0.0
    sent: int = 0
    wrong_to: dict[str, int] = field(default_factory=dict)
    partial: dict[str, Holder] = field(default_factory=dict)
    holders: list[Holder] = field(default_factory=list)
    wrote: list[int] = field(default_factory=list)


class Part:
    """The part file of a node, which takes no piece twice and none that is wrong."""

    def __init__(self, swarm: "Swarm", node: Node) -> None:
        self.manifest = swarm.manifest
        self.present = Bitmap(swarm.manifest.count)
        self._swarm, self._node = swarm, node

    def write(self, piece: int, data: memoryview) -> None:
        assert piece not in self.present, f"{self._node.name} wrote piece {piece} twice"
        assert bytes(data) == self._swarm.bytes_of(piece), "unverified bytes"
        self._node.wrote.append(piece)
        self.present.add(piece)


class SimulatedSource(Source):
    """A real source without its thread: the swarm moves its bytes, the rest (parole, counters, states) is real."""

    swarm: "Swarm"
    owner: Node
    run: Run | None = None
    piece = 0
    left = 0.0
    crew: Crew

    def start(self) -> None:
        self.state = SourceState.CONNECTING
        self.swarm.active.append(self)

    def stop(self) -> None:
        self._stopping.set()
        self.end(PeerUnreachableError("stopped"))

    def join(self) -> None:
        pass

    @property
    def finished(self) -> bool:
        return self not in self.swarm.active

    def end(self, error: PeerUnreachableError | PeerMisbehavedError | None) -> None:
        if self not in self.swarm.active:
            return
        self.swarm.active.remove(self)
        self._give_back()
        self.failures += 1
        self._settle(error)
        self.crew.ended(self.key, error)

    def _give_back(self) -> None:
        if self.run is not None:
            self.crew.give_back(self.key, Run(self.piece, self.run.first + self.run.count - self.piece))
            self.run = None

    def look(self, holder: Node, now: float) -> None:
        """What a source asks between runs, and its next run."""
        if self.holder.partial and now >= self._look_at:
            self._look_at = now + source_module.PIECES_SECONDS
            here = self.swarm.present(holder)
            coming = holder.crew.coming() if holder.crew is not None else ""
            self.crew.has(self.key, Bitmap(here.count, here.to_bytes()), read_coming(coming, here.count))
        if now >= self._meet_at and holder.exchange is not None:
            self._meet_at = now + source_module.MEET_SECONDS
            self.crew.told(holder.exchange.meet(b"content", self.owner.name))
        self.run = self.crew.take_now(self.key)
        self.state = SourceState.IDLE if self.run is None else SourceState.ACTIVE
        if self.run is not None:
            self.piece, self.left, self.run_started_at = self.run.first, float(PIECE), now
            self.run_bytes_left = PIECE * self.run.count

    def take_in(self, holder: Node, count: float) -> None:
        """So many bytes came; whole pieces are verified as they are in life."""
        self.left -= count
        self.received += int(count)
        self.run_bytes_left = max(0, self.run_bytes_left - int(count))
        while self.run is not None and self.left <= 0:
            if not self.swarm.present(holder).__contains__(self.piece):
                return self.end(PeerUnreachableError("it is not here"))
            data = bytearray(self.swarm.bytes_of(self.piece))
            if holder.lies and self.swarm.chance.random() < holder.lies:
                data[0] ^= 1
                holder.wrong_to[self.owner.name] = holder.wrong_to.get(self.owner.name, 0) + 1
            holder.sent += PIECE
            try:
                self._keep(self.piece, memoryview(data))
            except PeerMisbehavedError as error:
                return self.end(error)
            except source_module._WrongPiece:
                return self._give_back()
            self.piece += 1
            self.left += PIECE
            if self.piece == self.run.first + self.run.count:
                self.run, self.failures = None, 0
            elif not self.crew.wanted(self.piece):
                self._give_back()
        return None


class Swarm:
    """`nodes` with a `present` bitmap hold everything; the others download from the time they join."""

    def __init__(self, nodes: list[Node], pieces: int, seed: int) -> None:
        self.chance = random.Random(seed)
        self.now = 0.0
        self.nodes = {node.name: node for node in nodes}
        self._data = self.chance.randbytes(pieces * PIECE)
        hashes = b"".join(piece_hash(self.bytes_of(piece)) for piece in range(pieces))
        self.manifest = Manifest(pieces * PIECE, PIECE, hashes)
        self.active: list[SimulatedSource] = []
        self._parts: dict[str, Part] = {}
        for node in nodes:
            node.exchange = Exchange(lambda: self.now)

    def bytes_of(self, piece: int) -> bytes:
        return self._data[piece * PIECE : (piece + 1) * PIECE]

    def present(self, node: Node) -> Bitmap:
        return node.present if node.present is not None else self._parts[node.name].present

    def run(self, until: Callable[[], bool], seconds: float, each: Callable[[], None] = lambda: None) -> None:
        """Until the condition holds; fails when it does not within so many virtual seconds."""
        while not until():
            assert self.now < seconds, "it did not come true in virtual time"
            self.now += STEP
            each()
            for node in self.nodes.values():
                if node.online and node.present is None and node.finished_at is None and self.now >= node.joins_at:
                    self._attend(node)
            self._move()

    def take_away(self, node: Node) -> None:
        """It goes offline: who fetches from it loses it, and what it fetches stops."""
        node.online = False
        for source in list(self.active):
            if source.owner is node:
                source.stop()
            elif source.key == node.name:
                source.end(PeerUnreachableError("it went away"))
        if node.crew is not None:
            node.crew.stop_soon()
            node.crew = None

    def _attend(self, node: Node) -> None:
        """As a job does: hires whom it knows, looks for more by the real pace."""
        if node.crew is None:
            part = self._parts.setdefault(node.name, Part(self, node))
            node.crew = self._crew_of(node, part)
            node.pace = LocatePace(self.now)
            node.holders = self._located()
        crew, pace = node.crew, node.pace
        assert pace is not None and node.exchange is not None
        for name in sorted(crew.leads().union(node.exchange.others(b"content")) - {node.name}):
            if self.nodes[name].online:
                node.partial[name] = Holder(name, name, (), partial=True)
        crew.hire(node.holders)
        crew.hire(list(node.partial.values()))
        if not crew.alive or pace.due(self.now, crew.alive):
            node.holders = self._located()
            pace.located(self.now, crew.hire(node.holders))
        crew.tick()
        if self._parts[node.name].present.full:
            node.finished_at = self.now
            node.present = self._parts[node.name].present
            crew.stop_soon()

    def _located(self) -> list[Holder]:
        """Live nodes that hold everything, a few of them, as the central answers."""
        live = [n.name for n in self.nodes.values() if n.online and n.present is not None]
        return [Holder(name, name, ()) for name in self.chance.sample(live, min(8, len(live)))]

    def _crew_of(self, node: Node, part: Part) -> Crew:
        def make(identity: Any, holder: Holder, content_id: bytes, work: Any) -> Source:
            made = SimulatedSource(cast(Any, None), holder, bytes(32), work)
            made.swarm, made.owner, made.crew = self, node, work
            return made

        chance = random.Random(self.chance.random())
        crew = Crew(
            cast(Any, None),
            b"content",
            cast(Any, part),
            frozenset(),
            lambda count: None,
            Intake(clock=lambda: self.now),
            lambda: self.now,
            make,
            chance,
        )
        crew.public = True
        return crew

    def _move(self) -> None:
        """Bytes of one step: a holder gives each of its sources the same, and nobody takes in more than it can."""
        for source in list(self.active):
            holder = self.nodes[source.key]
            if not holder.online:
                source.end(PeerUnreachableError("nobody answers"))
            elif source.run is None and source in self.active:
                source.look(holder, self.now)
        giving: dict[str, int] = {}
        taking: dict[str, int] = {}
        busy = [s for s in self.active if s.run is not None]
        for source in busy:
            giving[source.key] = giving.get(source.key, 0) + 1
            taking[source.owner.name] = taking.get(source.owner.name, 0) + 1
        for source in busy:
            if source in self.active and source.run is not None:
                holder = self.nodes[source.key]
                rate = min(holder.up / giving[source.key], source.owner.down / taking[source.owner.name])
                source.take_in(holder, rate * STEP)
