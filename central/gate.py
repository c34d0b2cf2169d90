"""The gate between gRPC and the services: who calls, how long a request may take to come, errors, counts, log.

Requests are read as streams of one message, which is the same on the wire: so a caller is known, and can be refused,
before any thread waits for the rest of its request. A port's many receiving threads do that, and hand what is whole
to its few working threads, which nobody can keep from their work by sending slowly.
"""

import logging
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import nullcontext
from contextvars import copy_context
from functools import lru_cache
from typing import NoReturn, TypeAlias, TypeVar, cast

import grpc

from central.database import is_full
from central.directory import Directory
from central.domain import Member
from central.errors import BadInputError, CentralError, OverloadedError, StrangerError
from central.metrics import Metrics
from central.service import Answered
from central.turns import Turns
from protos.agreed import peer_id_from_host_name
from protos.operating.logs import request as numbered
from protos.sentences import CENTRAL_KEY, Sentence, as_text, say

log = logging.getLogger(__name__)

# A request that is not here after this long is given up.
REQUEST_SECONDS = 5.0
# Requests younger than this are on their way; older ones are slow, and one caller may have few of them.
SLOW_SECONDS = 0.1
MAX_SLOW = 3
# Of any age; a caller's honest calls that come together are fewer.
MAX_UNFINISHED = 8
_QUIET = {"Heartbeat", "Neighbours"}
# Answered from memory in less time than handing them to another thread takes.
_QUICK = {"Heartbeat"}

# Generic for the type checker only.
Handler: TypeAlias = "grpc.GenericRpcHandler[bytes, bytes]"
Behaviour = Callable[[Iterator[bytes], grpc.ServicerContext], bytes]
T = TypeVar("T")


class _GoneError(Exception):
    """The caller went away, or was given up, before its request was here."""


class SlowRequests:
    """Threads that wait for the rest of a request: few for each caller, not too many for all, and none for long."""

    def __init__(self, most: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        """`most`: so many may wait at a time; when more come, the oldest slow ones are given up."""
        self._most = most
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
            ages = [now - since for since, name, _ in self._waiting.values() if name == who]
            if len(ages) >= MAX_UNFINISHED or sum(age > SLOW_SECONDS for age in ages) >= MAX_SLOW:
                raise OverloadedError("too many unfinished requests of yours are waiting")
            self._next += 1
            ticket = self._next
            self._waiting[ticket] = (now, who, cancel)
            given_up = self._surplus(now)
        for give_up in given_up:
            give_up()
        return ticket

    def _surplus(self, now: float) -> list[Callable[[], object]]:
        """The oldest of those that are slow, as far as there are too many in all. Under the lock."""
        surplus = len(self._waiting) - self._most
        if surplus <= 0:
            return []
        # Tickets are in the order of their age.
        slow = [cancel for since, _, cancel in self._waiting.values() if now - since > SLOW_SECONDS]
        return slow[:surplus]

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
            given_up += self._surplus(now)
        for cancel in given_up:
            cancel()


class Gate:
    """Makes gRPC handlers of a service's methods, for one port."""

    def __init__(self, metrics: Metrics, workers: Executor, most_unfinished: int) -> None:
        """Methods run in `workers`; of the threads that call them, `most_unfinished` may wait for slow requests."""
        self._metrics = metrics
        self._workers = workers
        self.slow = SlowRequests(most_unfinished)

    def for_members(
        self,
        service: str,
        methods: Mapping[str, Callable[[Member, bytes], Answered]],
        directory: Directory,
        turns: Mapping[str, Turns],
    ) -> Handler:
        """Only for callers whose certificate names a member in good standing; `turns` by method, where there are."""

        def answer(method: str, requests: Iterator[bytes], context: grpc.ServicerContext) -> Answered:
            peer_id = _caller(context)
            member = directory.member(peer_id)
            request = self._request(peer_id, requests, context)
            with turns[method].of(member.number) if method in turns else nullcontext():
                if method in _QUICK:
                    answered = methods[method](member, request)
                else:
                    answered = self._work(context, lambda: methods[method](member, request))
            level = logging.DEBUG if method in _QUIET else logging.INFO
            if log.isEnabledFor(level):
                log.log(level, "%s from=%s %s", method.lower(), peer_id, answered.log)
            return answered

        return self._handler(service, methods, answer)

    def for_all(self, service: str, methods: Mapping[str, Callable[[bytes], Answered]]) -> Handler:
        """For callers that have no certificate yet."""

        def answer(method: str, requests: Iterator[bytes], context: grpc.ServicerContext) -> Answered:
            request = self._request(_host(context), requests, context)
            return self._work(context, lambda: methods[method](request))

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
            with numbered():
                return answered(requests, context)

        def answered(requests: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
            started = time.monotonic()
            status, reason = "OK", ""
            try:
                return answer(method, requests, context).data
            except _GoneError:
                status, reason = "CANCELLED", "unfinished"
                message = "the request did not come"
            except CentralError as error:
                status, reason, message = error.status, error.reason, error.message
                log.info("refused method=%s from=%s status=%s reason=%s", method, _name(context), status, reason)
            except sqlite3.Error as error:
                if is_full(error):
                    status, reason = "RESOURCE_EXHAUSTED", "disk_full"
                    message = say(
                        "the central's disk is full; whoever runs it has to make room, then it goes on by itself",
                        "central-disk-full",
                    )
                    log.error("the disk of the database is full; make room there, nothing was lost method=%s", method)
                else:
                    status, reason, message = "INTERNAL", "database", "the central's database failed; its log says more"
                    log.exception("database failed method=%s", method)
            except Exception:
                status, reason, message = "INTERNAL", "mistake", "the central failed at this; its log says more"
                log.exception("failed method=%s", method)
            finally:
                self._metrics.called(method, status, time.monotonic() - started)
                if reason:
                    self._metrics.refused(reason)
            _refuse(context, status, message)

        return behaviour

    def _work(self, context: grpc.ServicerContext, method: Callable[[], T]) -> T:
        """Runs it in a working thread, unless its caller went away before its turn came."""

        def run() -> T:
            if not context.is_active():
                raise _GoneError
            return method()

        # The number of the request goes with it.
        return self._workers.submit(copy_context().run, run).result()

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
    if isinstance(message, Sentence) and message.code:
        context.set_trailing_metadata(((CENTRAL_KEY, as_text(message).encode()),))
    context.abort(grpc.StatusCode[status], message)


def _caller(context: grpc.ServicerContext) -> str:
    """The peer that the caller's certificate names. Raises StrangerError."""
    # The values are lists of bytes, whatever the stubs say.
    facts = cast("Mapping[str, Sequence[bytes]]", context.auth_context())
    for name in facts.get("x509_subject_alternative_name", ()):
        peer_id = _peer_id(name)
        if peer_id is not None:
            return peer_id
    raise StrangerError("the certificate names no peer")


@lru_cache(10_000)
def _peer_id(name: bytes) -> str | None:
    return peer_id_from_host_name(name.decode("ascii", "replace"))


def _host(context: grpc.ServicerContext) -> str:
    """The caller's address without its port."""
    return context.peer().rpartition(":")[0]


def _name(context: grpc.ServicerContext) -> str:
    """For the log: the peer when there is one, otherwise the address."""
    try:
        return _caller(context)
    except StrangerError:
        return _host(context)
