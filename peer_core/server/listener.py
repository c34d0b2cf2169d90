"""The listening socket of one server: who is let in, who makes room, and what its connections share.

Runs in the loop thread of its server, save `add_task` and `pull_trigger`, which workers call too.
"""

import socket
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from waitress import wasyncore
from waitress.server import TcpWSGIServer

from peer_core.errors import BarrioError
from peer_core.limits.turns import Turns
from peer_core.server.channels import Channel, Patience, log, origin_of

ACCEPTS_A_TURN = 64
TURN_BYTES = 4 << 20
MIN_SHARE_BYTES = 1 << 17
MAX_SHARE_BYTES = TURN_BYTES


class Listener(TcpWSGIServer):  # type: ignore[misc]  # waitress has no types
    """The listening socket of one server, and what its connections share."""

    logger = log

    def __init__(
        self,
        application: Any,
        sockets: dict[int, Any],
        sock: socket.socket,
        *,
        adj: Any,
        dispatcher: Any,
        channel_class: type[Channel],
        patience: Patience,
        per_address_limit: int | None,
        per_peer_limit: int | None,
        new_context: Callable[[], Any] | None,
        turns: Turns[Channel],
    ) -> None:
        self.sockets = sockets
        self.channel_class = channel_class
        self.patience = patience
        self.per_address_limit = per_address_limit
        self.per_peer_limit = per_peer_limit
        self.new_context = new_context
        self.turns = turns
        self._waiting: list[Channel] = []
        self._now = time.monotonic()
        self.draining = False
        self.loop_thread: int | None = None
        self._writers = self._writers_before = 0
        self._condemned = False
        self._paused_until = 0.0
        self._trigger_lock = threading.Lock()  # guards: trigger, _trigger_closed
        self._trigger_closed = False
        sockinfo = (sock.family, sock.type, sock.proto, sock.getsockname())
        super().__init__(
            application, sockets, _sock=sock, dispatcher=dispatcher, adj=adj, sockinfo=sockinfo, bind_socket=False
        )

    @property
    def channels(self) -> list[Channel]:
        return list(self.active_channels.values())

    def set_reuse_addr(self) -> None:
        """The socket comes bound; on Windows this option would let another program steal the port."""

    @property
    def quiet(self) -> bool:
        """Nothing can become due without an event."""
        return not self.active_channels and time.monotonic() >= self._paused_until

    def readable(self) -> bool:
        return bool(self.accepting) and time.monotonic() >= self._paused_until

    def handle_accept(self) -> None:
        for _ in range(ACCEPTS_A_TURN):
            try:
                pair = self.accept()
            except OSError as error:
                # Out of file descriptors, most likely: trying again at once would only burn the processor.
                log.warning("no new connections for a moment: %s", error)
                self._paused_until = time.monotonic() + 1
                self._make_room(self.channels)
                return
            if pair is None:
                return
            conn, addr = pair
            if not self._admits(origin_of(addr[0])):
                log.debug("%s has too many connections", addr[0])
                conn.close()
                continue
            try:
                self.set_socket_options(conn)
                self.channel_class(self, conn, addr)
            except (OSError, ValueError, BarrioError) as error:
                # It must not escape: wasyncore would close the listening socket.
                log.info("connection from %s dropped: %s", addr[0], type(error).__name__)
                conn.close()

    def _admits(self, origin: str) -> bool:
        """Whether there is room for one more; whoever has kept us waiting longest for a handshake makes room."""
        living = [channel for channel in self.channels if not channel.will_close]
        if self.per_address_limit is not None:
            same = [channel for channel in living if channel.origin == origin]
            if len(same) >= self.per_address_limit:
                return self._evict(channel for channel in same if channel.handshaking)
        if len(living) < self.adj.connection_limit:
            return True
        return self._make_room(living)

    def has_enough_of(self, peer_id: str) -> bool:
        """Whether one more connection of a peer is too much: one member, from however many addresses, is one member."""
        if self.per_peer_limit is None or not peer_id:
            return False
        living = sum(channel.peer_id == peer_id and not channel.will_close for channel in self.channels)
        return living > self.per_peer_limit

    def _make_room(self, channels: list[Channel]) -> bool:
        return self._evict(c for c in channels if c.handshaking) or self._evict(c for c in channels if c.idle)

    def _evict(self, channels: Iterable[Channel]) -> bool:
        oldest = min(channels, key=lambda channel: channel.moved, default=None)
        if oldest is None:
            return False
        self.condemn(oldest)
        return True

    def condemn(self, channel: Channel) -> None:
        """Closes a connection at the end of this turn: its number must not be given anew while events wait for it."""
        channel.will_close = self._condemned = True

    def take_share(self) -> int:
        """Bytes of other than files that a connection may send in this turn of the loop: many writers get less each,
        so all get on."""
        self._writers += 1
        return max(MIN_SHARE_BYTES, min(MAX_SHARE_BYTES, TURN_BYTES // max(1, self._writers_before)))

    def add_task(self, channel: Channel) -> None:
        if channel.total_outbufs_len:
            channel.held = True
        else:
            self.task_dispatcher.add_task(channel)

    def wait_for_turn(self, channel: Channel) -> None:
        """A connection that can take bytes of a file; it gets some at the end of this turn of the loop, or later."""
        self._waiting.append(channel)

    def holds(self, channel: Channel) -> bool:
        """Whether the limits let it send no bytes of a file now."""
        return self.turns.holds(channel.who, self._now)

    def seconds_until_turn(self) -> float | None:
        """In how many seconds some connection may send that a limit holds now; None: there is none."""
        self._now = time.monotonic()
        self.turns.begin(self._now)
        if not self.turns.limited:
            return None
        held = {channel.who for channel in self.channels if channel.bulk and self.holds(channel)}
        return min((self.turns.seconds_until_room(who, self._now) for who in held), default=None)

    def end_turn(self, now: float, look: bool) -> None:
        """Between two turns of the loop; `look` for what is overdue."""
        self._writers_before, self._writers = self._writers, 0
        self._serve(now)
        if look:
            for channel in self.channels:
                reason = channel.overdue(now)
                if reason:
                    log.debug("%s: %s", channel.addr[0], reason)
                    self.condemn(channel)
                elif channel.will_close:
                    self._condemned = True
        if self._condemned:
            self._condemned = False
            for channel in self.channels:
                if channel.will_close:
                    channel.handle_close()

    def _serve(self, now: float) -> None:
        ready: dict[str, list[Channel]] = {}
        for channel in self._waiting:
            if channel.socket is not None and not channel.will_close:
                ready.setdefault(channel.who, []).append(channel)
        self._waiting.clear()
        if ready:
            self.turns.serve(ready, now, Channel.send_bulk)

    def drain(self, seconds: float) -> None:
        """Takes no more connections and requests, and lets go of whoever waits for nothing."""
        if not self.draining:
            self.draining = True
            self.close()
        for channel in self.channels:
            if channel.handshaking:
                channel.handle_close()
            elif channel.idle or channel.leaving:
                channel.leave(seconds)

    def close(self) -> None:
        # WORKAROUND waitress 3.0.2 server.py `close`: it closes the trigger too, which running workers still pull.
        wasyncore.dispatcher.close(self)

    def pull_trigger(self) -> None:
        with self._trigger_lock:
            if not self._trigger_closed:
                super().pull_trigger()

    def close_trigger(self) -> None:
        """Last of all. A late pull would write into whatever got the same number since."""
        with self._trigger_lock:
            if not self._trigger_closed:
                self._trigger_closed = True
                self.trigger.close()
