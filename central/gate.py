"""The gate between gRPC and the services: who calls, how long a request may take to come, errors, counts, log.

Handlers run in the server's pool of threads. Requests are read as streams of one message, which is the same on the
wire: so a caller is known, and can be refused, before any thread waits for the rest of its request.
"""

import logging
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NoReturn, TypeAlias, cast

import grpc

from central.directory import Directory
from central.domain import Member
from central.errors import BadInputError, CentralError, OverloadedError, StrangerError
from central.metrics import Metrics
from central.service import Answered
from protos.agreed import peer_id_from_host_name

log = logging.getLogger(__name__)

# A request that is not here after this long is given up.
REQUEST_SECONDS = 5.0
# Requests younger than this are on their way; older ones are slow, and one caller may have few of them.
SLOW_SECONDS = 0.1
MAX_SLOW = 3
_QUIET = {"Heartbeat", "Neighbours"}

# Generic for the type checker only.
Handler: TypeAlias = "grpc.GenericRpcHandler[bytes, bytes]"
Behaviour = Callable[[Iterator[bytes], grpc.ServicerContext], bytes]


class _GoneError(Exception):
    """The caller went away, or was given up, before its request was here."""


class SlowRequests:
    """Threads that wait for the rest of a request: few for each caller, and none for long."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()  # guards the two below
        self._next = 0
        self._waiting: dict[int, tuple[float, str, Callable[[], object]]] = {}

    def begin(self, who: str, cancel: Callable[[], object]) -> int:
        """`cancel` gives the request up; it may come too late.

        Raises OverloadedError when `who` already keeps several threads waiting.
        """
        now = self._monotonic()
        with self._lock:
            slow = sum(1 for since, name, _ in self._waiting.values() if name == who and now - since > SLOW_SECONDS)
            if slow >= MAX_SLOW:
                raise OverloadedError("too many unfinished requests of yours are waiting")
            self._next += 1
            self._waiting[self._next] = (now, who, cancel)
            return self._next

    def end(self, ticket: int) -> None:
        with self._lock:
            self._waiting.pop(ticket, None)

    def drop(self) -> None:
        """Gives up what has waited too long, and what is more than a caller's share. Run by the housekeeper."""
        now = self._monotonic()
        slow: Counter[str] = Counter()
        given_up = []
        with self._lock:
            for since, who, cancel in self._waiting.values():
                if now - since > SLOW_SECONDS:
                    slow[who] += 1
                    if slow[who] > MAX_SLOW or now - since > REQUEST_SECONDS:
                        given_up.append(cancel)
        for cancel in given_up:
            cancel()


class Gate:
    """Makes gRPC handlers of a service's methods."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self.slow = SlowRequests()

    def for_members(
        self, service: str, methods: Mapping[str, Callable[[Member, bytes], Answered]], directory: Directory
    ) -> Handler:
        """Only for callers whose certificate names a member in good standing."""

        def answer(method: str, requests: Iterator[bytes], context: grpc.ServicerContext) -> Answered:
            peer_id = _caller(context)
            member = directory.member(peer_id)
            answered = methods[method](member, self._request(peer_id, requests, context))
            level = logging.DEBUG if method in _QUIET else logging.INFO
            log.log(level, "%s from=%s %s", method.lower(), peer_id, answered.log)
            return answered

        return self._handler(service, methods, answer)

    def for_all(self, service: str, methods: Mapping[str, Callable[[bytes], Answered]]) -> Handler:
        """For callers that have no certificate yet."""

        def answer(method: str, requests: Iterator[bytes], context: grpc.ServicerContext) -> Answered:
            return methods[method](self._request(_host(context), requests, context))

        return self._handler(service, methods, answer)

    def _handler(
        self,
        service: str,
        methods: Mapping[str, object],
        answer: Callable[[str, Iterator[bytes], grpc.ServicerContext], Answered],
    ) -> Handler:
        handlers = {method: grpc.stream_unary_rpc_method_handler(self._behaviour(method, answer)) for method in methods}
        return grpc.method_handlers_generic_handler(service, handlers)

    def _behaviour(
        self, method: str, answer: Callable[[str, Iterator[bytes], grpc.ServicerContext], Answered]
    ) -> Behaviour:
        def behaviour(requests: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
            started = time.monotonic()
            status = "OK"
            try:
                return answer(method, requests, context).data
            except _GoneError:
                status = "CANCELLED"
                message = "the request did not come"
            except CentralError as error:
                status, message = error.status, error.message
                log.info("refused method=%s from=%s status=%s: %s", method, _name(context), status, message)
            except sqlite3.Error:
                status, message = "INTERNAL", "the central's database failed; its log says more"
                log.exception("database failed method=%s", method)
            except Exception:
                status, message = "INTERNAL", "the central failed at this; its log says more"
                log.exception("failed method=%s", method)
            finally:
                self._metrics.called(method, status, time.monotonic() - started)
            _refuse(context, status, message)

        return behaviour

    def _request(self, who: str, requests: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
        ticket = self.slow.begin(who, context.cancel)
        try:
            return next(requests)
        except StopIteration as error:
            raise BadInputError("the call ended without a request") from error
        except Exception as error:
            # What the iterator raises when the call is over is gRPC's own.
            raise _GoneError from error
        finally:
            self.slow.end(ticket)


def _refuse(context: grpc.ServicerContext, status: str, message: str) -> NoReturn:
    context.abort(grpc.StatusCode[status], message)


def _caller(context: grpc.ServicerContext) -> str:
    """The peer that the caller's certificate names. Raises StrangerError."""
    # The values are lists of bytes, whatever the stubs say.
    facts = cast("Mapping[str, Sequence[bytes]]", context.auth_context())
    for name in facts.get("x509_subject_alternative_name", ()):
        peer_id = peer_id_from_host_name(name.decode("ascii", "replace"))
        if peer_id is not None:
            return peer_id
    raise StrangerError("the certificate names no peer")


def _host(context: grpc.ServicerContext) -> str:
    """The caller's address without its port."""
    return context.peer().rpartition(":")[0]


def _name(context: grpc.ServicerContext) -> str:
    """For the log: the peer when there is one, otherwise the address."""
    try:
        return _caller(context)
    except StrangerError:
        return _host(context)
