"""The two gRPC ports: TLS with certificates that renew themselves, limits, health and reflection, a clean stop."""

import datetime
import os
import socket
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection, reflection_pb2_grpc

from central.authority import ServerCertificate
from central.config import Address
from central.errors import StartError
from central.workers import Workers

# Calls that wait for a thread beyond this are refused at once.
MAX_CALLS = 512
MAX_MESSAGE = 2 << 20
# Calls under way at the stop have this long; the whole stop takes under five seconds.
GRACE_SECONDS = 1.5
REFLECTION_STREAMS = 2
# Threads that wait for requests, and for their turn to be worked on. They cost little.
RECEIVERS = 64

OPTIONS = (
    # Otherwise a second server on the same port starts without an error.
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", MAX_MESSAGE),
    ("grpc.max_concurrent_streams", 64),
    ("grpc.server_handshake_timeout_ms", 5_000),
    # Finds connections whose other end vanished; peers may ping too, but not fast.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.http2.min_ping_interval_without_data_ms", 10_000),
    # A certificate is checked when a connection begins, so none lasts for ever.
    ("grpc.max_connection_age_ms", 3_600_000),
    ("grpc.max_connection_age_grace_ms", 60_000),
)


@dataclass(frozen=True)
class PortPlan:
    """What a port is: `option` is the one that sets its address; `client_roots` makes callers show a certificate.

    `workers`: threads that answer requests.
    """

    option: str
    address: Address
    workers: int
    make_certificate: Callable[[], ServerCertificate]
    client_roots: bytes | None = None
    reflected: bool = False


class Port:
    """Listens after `serve`. `begin_stop`, then `end_stop`, so that two ports can stop at the same time."""

    def __init__(self, plan: PortPlan) -> None:
        self._plan = plan
        self._pool = ThreadPoolExecutor(RECEIVERS, f"{plan.option}-call")
        self.workers = Workers(plan.workers, f"{plan.option}-work")
        self._server = grpc.server(self._pool, options=OPTIONS, maximum_concurrent_rpcs=MAX_CALLS)
        self._health = _Health()
        self._stopped: threading.Event | None = None
        self._names: tuple[str, ...] = ()
        self.address = plan.address

    def serve(self, service: str, handler: "grpc.GenericRpcHandler[bytes, bytes]") -> None:
        """Raises StartError when the address is not free."""
        self._server.add_generic_rpc_handlers((handler,))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        self._names = ("", service)
        self.tell_health(True)
        if self._plan.reflected:
            names = (service, health.SERVICE_NAME, reflection.SERVICE_NAME)
            reflection_pb2_grpc.add_ServerReflectionServicer_to_server(_Reflection(names), self._server)
        wanted = self._plan.address
        try:
            check_free(self._plan.option, wanted)
            port = self._server.add_secure_port(str(wanted), _credentials(self._plan))
        except RuntimeError as error:
            raise _not_free(self._plan.option, wanted, "in use") from error
        self.address = Address(wanted.host, port)
        self._server.start()

    def tell_health(self, ready: bool) -> None:
        """What the health service answers; nothing changes any more once the port stops."""
        status = health_pb2.HealthCheckResponse.SERVING if ready else health_pb2.HealthCheckResponse.NOT_SERVING
        for name in self._names:
            self._health.set(name, status)

    def begin_stop(self) -> None:
        self._health.enter_graceful_shutdown()
        self._stopped = self._server.stop(GRACE_SECONDS)

    def end_stop(self) -> None:
        """Returns when no thread is left."""
        if self._stopped is None:
            self.begin_stop()
        assert self._stopped is not None
        self._stopped.wait()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self.workers.shutdown(wait=True)


def _not_free(option: str, address: Address, why: str) -> StartError:
    return StartError(f"cannot listen on {address} ({why}); end the program that uses it, or choose with --{option}")


def check_free(option: str, address: Address) -> None:
    """Raises StartError with the reason, which gRPC does not tell. `option` is the one that sets the address."""
    try:
        _try_bind(address)
    except OSError as error:
        raise _not_free(option, address, error.strerror or "in use") from error


def _try_bind(address: Address) -> None:
    family, kind, proto, _, target = socket.getaddrinfo(
        address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    with socket.socket(family, kind, proto) as probe:
        if os.name == "posix":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(target)


def _credentials(plan: PortPlan) -> grpc.ServerCredentials:
    """Asked for at each handshake, so that a certificate near its end is replaced while the server runs."""
    lock = threading.Lock()
    current = plan.make_certificate()

    def configuration() -> grpc.ServerCertificateConfiguration:
        return grpc.ssl_server_certificate_configuration([(current.key, current.chain)], plan.client_roots)

    def fetch() -> Any:
        """None: as before. The stubs do not know that this is allowed."""
        nonlocal current
        with lock:
            if datetime.datetime.now(datetime.UTC) < current.renew_at:
                return None
            current = plan.make_certificate()
            return configuration()

    return grpc.dynamic_ssl_server_credentials(
        configuration(), fetch, require_client_authentication=plan.client_roots is not None
    )


class _Health(health.HealthServicer):
    """Answers checks only: anybody could keep the streams of watchers open."""

    def Watch(self, request: object, context: grpc.ServicerContext, *_: object) -> None:
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "only Check is answered here")


class _Reflection(reflection.ReflectionServicer):
    """A stream keeps a thread of the pool as long as it is open, so there may be only a few."""

    _room = threading.BoundedSemaphore(REFLECTION_STREAMS)

    def ServerReflectionInfo(self, request_iterator: Any, context: Any) -> Any:
        if not self._room.acquire(blocking=False):
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "reflection is busy; try again in a moment")
        try:
            # The stubs say that the base returns nothing; it is a generator.
            yield from super().ServerReflectionInfo(request_iterator, context)  # type: ignore[misc]  # grpc's class has no types
        finally:
            self._room.release()
