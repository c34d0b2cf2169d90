"""Asks one holder for many small contents at once, and proves each. One thread; `stop` from any."""

import http.client
import json
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from peer_core.content import SMALL_BYTES, Manifest, piece_hash, piece_size_for
from peer_core.errors import PeerMisbehavedError, PeerUnreachableError
from peer_core.identity.connection import USER_AGENT, PeerConnection, check_length, converted
from peer_core.identity.store import Identity
from peer_core.limits.intake import Intake
from peer_core.transfer.answers import GoneError, check_status
from peer_core.transfer.types import Holder
from protos.agreed import encode_id

MOST_CONTENTS = 256
MOST_BYTES = 8 << 20
CONNECT_SECONDS = 5.0
STALL_SECONDS = 15.0
# Whoever sends less than this, with no limit of ours, makes room for others.
SLOWEST_BYTES_PER_SECOND = 4 << 10
CHUNK = 64 << 10
SIZE = struct.Struct(">Q")
NOT_HERE = (1 << 64) - 1


class Bundles:
    """`received` is told of the bytes as they come. The caller may take its time with each content."""

    def __init__(self, identity: Identity, holder: Holder, intake: Intake, received: Callable[[int], None]) -> None:
        self.holder = holder
        self._identity = identity
        self._intake = intake
        self._count_received = received
        self._stopping = threading.Event()
        self._window = intake.window()
        self._connection = PeerConnection(
            identity, holder.peer_id, holder.name, holder.addresses, STALL_SECONDS, self._window
        )
        self._opened = False
        # When it is too slow (monotonic), by what came.
        self._late_at = 0.0

    def stop(self) -> None:
        """Ends what is under way with PeerUnreachableError; returns at once."""
        self._stopping.set()
        self._connection.abort()

    def close(self) -> None:
        self._connection.close()

    def fetch(self, content_ids: Sequence[bytes]) -> Iterator[tuple[bytes, bytes, Manifest] | None]:
        """For each content its id, bytes and manifest, or None when the holder does not give it this way; at most 256.

        Raises InLineError, when it may be asked again; PeerUnreachableError, PeerMisbehavedError.
        """
        try:
            yield from self._fetched(content_ids)
        except BaseException:
            # What is left of that answer is not to be taken for the next one.
            self._connection.close()
            raise

    def _fetched(self, content_ids: Sequence[bytes]) -> Iterator[tuple[bytes, bytes, Manifest] | None]:
        with converted(self.holder.name), self._answer(content_ids) as response:
            for content_id in content_ids:
                (size,) = SIZE.unpack(self._read(response, SIZE.size))
                if size == NOT_HERE:
                    yield None
                    continue
                if size > SMALL_BYTES:
                    raise PeerMisbehavedError(
                        "{name} wants to send more than was asked for.", "peer-too-much", name=self.holder.name
                    )
                data = self._read(response, size)
                manifest = Manifest(size, piece_size_for(size), piece_hash(data) if size else b"")
                if manifest.content_id != content_id:
                    raise PeerMisbehavedError(
                        "{name} sent wrong bytes; nothing of them is kept.", "holder-wrong-bytes", name=self.holder.name
                    )
                began = time.monotonic()
                yield content_id, data, manifest
                # The caller's time is not the holder's.
                self._late_at += time.monotonic() - began
            if response.read(1):
                raise PeerMisbehavedError(
                    "{name} sent more than was asked for.", "holder-sent-more", name=self.holder.name
                )

    def _answer(self, content_ids: Sequence[bytes]) -> http.client.HTTPResponse:
        """The answer, of which only the body is left to be read."""
        body = json.dumps({"contents": [encode_id(content_id) for content_id in content_ids]}).encode()
        headers = {"User-Agent": USER_AGENT, "Content-Type": "application/json"}
        connection = self._connection
        if not self._opened or connection.ending:
            connection.close()
            connection.open(CONNECT_SECONDS)
            self._opened = True
        connection.deadline = time.monotonic() + STALL_SECONDS
        connection.request("POST", "/v1/bundle", body, headers)
        response = connection.getresponse()
        try:
            check_status(response, self.holder.name)
            check_length(response, self.holder.name)
            if response.status != http.client.OK:
                # An older program, that does not know the question.
                raise GoneError(
                    "{name} answered with status {status}.",
                    "holder-status",
                    name=self.holder.name,
                    status=response.status,
                )
        except BaseException:
            response.close()
            raise
        self._late_at = time.monotonic() + STALL_SECONDS
        return response

    def _read(self, response: http.client.HTTPResponse, length: int) -> bytes:
        """Just so many bytes, no faster than the limits allow."""
        data, got = bytearray(length), 0
        view = memoryview(data)
        while got < length:
            want = min(CHUNK, length - got)
            began = time.monotonic()
            allowed = self._intake.allow(self.holder.peer_id, want, self._stopping.is_set)
            self._late_at += time.monotonic() - began
            if not allowed:
                raise PeerUnreachableError("The download stops.", "download-stops")
            # A holder that drips is left: another one is asked, or each file by itself.
            self._connection.deadline = self._late_at + allowed / SLOWEST_BYTES_PER_SECOND
            count = response.readinto(view[got : got + allowed])
            self._intake.give_back(self.holder.peer_id, allowed - count)
            if not count:
                raise http.client.IncompleteRead(b"")
            got += count
            self._count_received(count)
            self._late_at += count / SLOWEST_BYTES_PER_SECOND
            self._late_at = min(self._late_at, time.monotonic() + STALL_SECONDS)
        return bytes(data)
