"""How a peer is as Prometheus metrics, read when asked. Any thread.

Labels name states of this program's own; never a member, a file, a folder or an address.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from peer_core.transfer.types import TransferState

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
PREFIX = "barrio_peer_"


class Measured(Protocol):
    """What is asked of the peer. May raise BarrioError."""

    def status(self) -> dict[str, Any]: ...
    def health(self) -> dict[str, str | None]: ...
    def transfer_states(self) -> Mapping[TransferState, int]: ...
    def quarantined(self) -> int: ...


class PeerMetrics(Collector):
    """`text` is what a scrape gets."""

    def __init__(self, peer: Measured) -> None:
        self._peer = peer
        self._registry = CollectorRegistry()
        # Memory, processor time and open files of this process, where the system tells.
        ProcessCollector(registry=self._registry)
        self._registry.register(self)

    def text(self) -> bytes:
        return generate_latest(self._registry)

    def describe(self) -> Iterable[Metric]:
        """Nothing in advance: the peer may not have started."""
        return []

    def collect(self) -> Iterable[Metric]:
        status = self._peer.status()
        yield InfoMetricFamily("barrio_peer", "The program.", {"version": status["version"]})
        yield _gauge("ready", "1 when every part can do its work.", not any(self._peer.health().values()))
        yield _gauge("joined", "1 when this device is a member of a barrio.", status["joined"])
        yield _gauge("central_reachable", "1 when the central answered last.", status["central"]["reachable"])
        yield _by_label(
            GaugeMetricFamily(PREFIX + "neighbours", "Neighbours, by whether they answer.", labels=["reachable"]),
            _reachable(status["neighbours"]),
        )
        queries = status["queries"]
        yield _by_label(
            CounterMetricFamily(PREFIX + "queries", "Questions of this peer's that were answered.", labels=["via"]),
            {"neighbour": queries["through_neighbour"], "direct": queries["direct"]},
        )
        yield _counter("relayed_queries", "Questions passed on for others.", status["relayed"])
        yield _counter("sent_bytes", "Bytes of contents sent to others.", status["bytes"]["sent"])
        yield _counter("received_bytes", "Bytes of contents received, wasted ones too.", status["bytes"]["received"])
        shares = status["shares"]
        yield _gauge("shared_files", "Files that are shared and indexed.", shares["files"])
        yield _gauge("shared_bytes", "Their bytes.", shares["bytes"])
        yield _gauge("pending_files", "Files to hash, and changes that the central has not yet.", shares["pending"])
        yield _gauge("indexing_paused", "1 while nothing is hashed.", status["indexing"]["paused"])
        states = self._peer.transfer_states()
        yield _by_label(
            GaugeMetricFamily(PREFIX + "transfers", "Files on the list of transfers, by state.", labels=["state"]),
            {state.value: states.get(state, 0) for state in TransferState},
        )
        yield _gauge("quarantined_holders", "Holders not asked, for they were caught lying.", self._peer.quarantined())
        yield _gauge("undecided_offers", "Offers that wait for an answer from here.", status["offers"]["undecided"])
        yield _gauge("notices", "Things that the person should know.", len(status["notices"]))


def _reachable(neighbours: list[dict[str, Any]]) -> dict[str, float]:
    answering = sum(neighbour["reachable"] for neighbour in neighbours)
    return {"yes": answering, "no": len(neighbours) - answering}


def _gauge(name: str, help_text: str, value: float) -> Metric:
    return GaugeMetricFamily(PREFIX + name, help_text, value=value)


def _counter(name: str, help_text: str, value: float) -> Metric:
    return CounterMetricFamily(PREFIX + name, help_text, value=value)


def _by_label(family: GaugeMetricFamily | CounterMetricFamily, values: Mapping[str, float]) -> Metric:
    for label, value in values.items():
        family.add_metric([label], value)
    return family
