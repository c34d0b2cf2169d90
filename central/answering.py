"""Whether the central that runs here answers: asked over its own ports, as members and newcomers ask. One thread."""

import sqlite3
import time
from collections.abc import Sequence
from concurrent.futures import Executor
from contextlib import suppress

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from central.authority import Authority
from central.config import Address
from central.data_folder import Running
from central.database import Database
from protos.agreed import DIRECTORY_NAME, ENROLMENT_NAME

# The certificate that is shown to the directory holds for a month.
RENEW_SECONDS = 86_400.0


class Probe:
    """`close` ends its connections."""

    def __init__(self, authority: Authority, database: Database, workers: Sequence[Executor], at: Running) -> None:
        self._authority = authority
        self._database = database
        self._workers = workers
        self._at = at
        self._channels: list[grpc.Channel] = []
        self._opened = 0.0

    def answers(self, seconds: float) -> bool:
        """Asks both ports, the threads behind them and the database, within `seconds` in all."""
        deadline = time.monotonic() + seconds
        if not self._channels or time.monotonic() - self._opened > RENEW_SECONDS:
            self._open()
        try:
            for pool in self._workers:
                pool.submit(int).result(max(0.0, deadline - time.monotonic()))
            with suppress(sqlite3.Error):
                # One that hangs keeps this thread, too.
                self._database.read().execute("SELECT 1 FROM setting LIMIT 1").fetchall()
            for channel in self._channels:
                check = health_pb2_grpc.HealthStub(channel).Check
                # Whatever it tells: a central that answers, and is not ready, is not helped by a restart.
                check(health_pb2.HealthCheckRequest(), timeout=max(0.1, deadline - time.monotonic()))
        except (grpc.RpcError, TimeoutError, RuntimeError):
            # RuntimeError: the threads are ending.
            return False
        return True

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
