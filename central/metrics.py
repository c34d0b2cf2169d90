"""What happens here as Prometheus metrics: counts, times, and gauges read when asked. Callable from any thread.

Labels name kinds and reasons of this program's own; never a member, an address or what was asked for.
"""

from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from central import __version__

# What `text` gives.
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PREFIX = "barrio_central_"
BUCKETS_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
QUERY_KINDS = ("search", "locate", "peers", "refused")
REASONS = (
    "bad_input",
    "bad_question",
    "database",
    "disk_full",
    "invite",
    "mistake",
    "no_lease",
    "not_found",
    "overloaded",
    "quota",
    "revoked",
    "stranger",
    "unfinished",
    "other",
)
disable_created_metrics()  # type: ignore[no-untyped-call]  # it has no types


class Metrics:
    """All of one server's. `gauge` before the server starts; the rest at any time."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        # Memory, processor time and open files of this process, where the system tells.
        ProcessCollector(registry=self._registry)
        Info("barrio_central", "The program.", registry=self._registry).info({"version": __version__})
        self._calls = self._histogram("call_seconds", "Calls answered, and the time they took.", "method")
        self._statuses = self._counter("calls", "Calls answered, by gRPC status.", "method", "status")
        self._queries = self._histogram("query_seconds", "Questions answered, and the time they took.", "kind")
        self._refusals = self._counter("refusals", "Calls and questions that were refused or failed.", "reason")
        self._publications = self._counter("publications", "Batches of published changes.", "result")
        self._changes = Counter(PREFIX + "published_changes", "Changes in batches applied.", registry=self._registry)
        # There from the start, so that a rate over the first one is right.
        for kind in QUERY_KINDS:
            self._queries.labels(kind)
        for reason in REASONS:
            self._refusals.labels(reason)
        for result in ("applied", "resync"):
            self._publications.labels(result)

    def _histogram(self, name: str, help_text: str, *labels: str) -> Histogram:
        return Histogram(PREFIX + name, help_text, labels, registry=self._registry, buckets=BUCKETS_SECONDS)

    def _counter(self, name: str, help_text: str, *labels: str) -> Counter:
        return Counter(PREFIX + name, help_text, labels, registry=self._registry)

    def gauge(self, name: str, help_text: str, read: Callable[[], float]) -> None:
        Gauge(PREFIX + name, help_text, registry=self._registry).set_function(read)

    def called(self, method: str, status: str, seconds: float) -> None:
        """One call, from its arrival to its answer."""
        self._calls.labels(method).observe(seconds)
        self._statuses.labels(method, status).inc()

    def queried(self, kind: str, seconds: float) -> None:
        """One question; `kind` of QUERY_KINDS."""
        self._queries.labels(kind).observe(seconds)

    def refused(self, reason: str) -> None:
        """`reason` of REASONS. Raises ValueError for another one, which no alert rule would know."""
        if reason not in REASONS:
            raise ValueError(f"{reason!r} is no reason that metrics know")
        self._refusals.labels(reason).inc()

    def published(self, changes: int, resync: bool) -> None:
        """One batch: `changes` of it were applied, or all is wanted anew."""
        self._publications.labels("resync" if resync else "applied").inc()
        if not resync:
            self._changes.inc(changes)

    def text(self) -> bytes:
        return generate_latest(self._registry)
