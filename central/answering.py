"""Whether the central that runs here answers: asked over its own ports, as members and newcomers ask. One thread."""

import sqlite3
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from central.authority import Authority
from central.config import Address
from central.data_folder import Running
from central.database import Database
from central.workers import Workers
from protos.agreed import DIRECTORY_NAME, ENROLMENT_NAME

# The certificate that is shown to the directory holds for a month.
RENEW_SECONDS = 86_400.0
_SILENT = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED}


class Probe:
    """`close` ends its connections."""

    def __init__(self, authority: Authority, database: Database, workers: Sequence[Workers], at: Running) -> None:
        """`workers`: of the directory's port and of that of enrolment."""
        self._authority = authority
        self._database = database
        self._workers = workers
        self._at = at
        self._channels: list[grpc.Channel] = []
        self._opened = 0.0
        self._finished = [0 for _ in workers]

    def answers(self, seconds: float) -> bool:
        """Asks both ports, the threads behind them and the database, within `seconds` in all.

        One that has much to do, and does it, answers: what comes late there counts only when nothing else was done
        since the question before.
        """
        deadline = time.monotonic() + seconds
        if not self._channels or time.monotonic() - self._opened > RENEW_SECONDS:
            self._open()
        questions = [pool.comes_to_it for pool in self._workers] + [partial(_takes_calls, c) for c in self._channels]
        in_time = []
        try:
            for number, question in enumerate(questions):
                left = deadline - time.monotonic()
                in_time.append(question(max(0.1, left / (len(questions) - number))))
        except RuntimeError:
            # The threads are ending.
            return False
        with suppress(sqlite3.Error):
            # One that hangs keeps this thread, too.
            self._database.read().execute("SELECT 1 FROM setting LIMIT 1").fetchall()
        before, self._finished = self._finished, [pool.finished for pool in self._workers]
        busy = [now > then for now, then in zip(self._finished, before, strict=True)]
        return all(answered or at_work for answered, at_work in zip(in_time, busy * 2, strict=True))

    def close(self) -> None:
        for channel in self._channels:
            channel.close()
        self._channels = []

    def _open(self) -> None:
        self.close()
        own = self._authority.make_client()
        roots = self._authority.certificate_pem
        member = grpc.ssl_channel_credentials(roots, own.key, own.chain)
        newcomer = grpc.ssl_channel_credentials(roots)
        self._channels = [
            _channel(self._at.directory, DIRECTORY_NAME, member),
            _channel(self._at.enrol, ENROLMENT_NAME, newcomer),
        ]
        self._opened = time.monotonic()


def _takes_calls(channel: grpc.Channel, seconds: float) -> bool:
    """Whatever it answers: a central that is not ready, or refuses a call too many, is not helped by a restart."""
    try:
        health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=seconds)
    except grpc.RpcError as error:
        return error.code() not in _SILENT
    return True


def _channel(address: str, name: str, credentials: grpc.ChannelCredentials) -> grpc.Channel:
    at = Address.parse(address)
    if at.is_wildcard:
        at = Address("::1" if ":" in at.host else "127.0.0.1", at.port)
    options = [
        ("grpc.ssl_target_name_override", name),
        ("grpc.enable_http_proxy", 0),
        ("grpc.use_local_subchannel_pool", 1),
    ]
    return grpc.secure_channel(str(at), credentials, options)
