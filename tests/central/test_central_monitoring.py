"""What programs that watch a central see: metrics that count what happened, readiness that is true, no names."""

import ast
import json
import re
import socket
import sqlite3
import threading
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from central_kit import Central, change, content_id, refused
from grpc_health.v1 import health_pb2, health_pb2_grpc
from processes import wait_for
from prometheus_client.parser import text_string_to_metric_families

from central import gate, http_status
from central.database import Database
from central.errors import CentralError
from central.gate import Gate
from central.metrics import REASONS, Metrics
from central.service import Answered
from central.tally import Tally
from peer_core.directory.central import _error as told_to_person
from peer_core.errors import CentralUnreachableError

SECONDS = 15


def get(central: Central, path: str) -> tuple[int, str, bytes]:
    try:
        with urllib.request.urlopen(f"http://{central.server.addresses.http}{path}", timeout=5) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], error.read()


def samples(central: Central) -> dict[tuple[str, ...], float]:
    """By the sample's name and its labels' values."""
    status, kind, text = get(central, "/metrics")
    assert status == 200
    assert kind.startswith("text/plain; version=0.0.4")
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_what_happens_is_counted_by_kind_and_reason(central: Central) -> None:
    ana, luis = central.member("Ana Secreta"), central.member("Luis")
    ana.register()
    ana.publish(0, 2, [change(1, "Secret Album/one.flac", 1), change(2, "two.flac", 2)])
    luis.register()
    assert luis.rows("one")
    luis.locate(content_id(1), content_id(2))
    assert luis.ask(b"\xff").error
    with refused(grpc.StatusCode.INVALID_ARGUMENT):
        ana.publish(2, 1, [])
    assert ana.publish(7, 8, []).resync

    def counted() -> dict[tuple[str, ...], float]:
        found = samples(central)
        return found if found["barrio_central_catalogue_entries",] == 2 else {}

    found: dict[Any, float] = wait_for(counted, SECONDS, "the catalogue to be counted")
    prefix = "barrio_central_"
    assert found[f"{prefix}leases",] == 2
    assert found[f"{prefix}members",] == 2
    assert (found[f"{prefix}catalogue_contents",], found[f"{prefix}catalogue_names",]) == (2, 2)
    kinds = {kind: found[f"{prefix}query_seconds_count", kind] for kind in ("search", "locate", "peers", "refused")}
    assert kinds == {"search": 1, "locate": 1, "peers": 0, "refused": 1}
    assert found[f"{prefix}query_seconds_bucket", "search", "+Inf"] == 1
    assert found[f"{prefix}refusals_total", "bad_question"] == found[f"{prefix}refusals_total", "bad_input"] == 1
    assert found[f"{prefix}publications_total", "applied"] == found[f"{prefix}publications_total", "resync"] == 1
    assert found[f"{prefix}published_changes_total",] == 2
    assert found[f"{prefix}calls_total", "Publish", "OK"] == 2
    assert found[f"{prefix}calls_total", "Publish", "INVALID_ARGUMENT"] == 1
    assert found[f"{prefix}ready",] == 1
    assert found["process_resident_memory_bytes",] > 1e6
    text = get(central, "/metrics")[2].decode()
    for personal in ("Secret", "Ana", "flac", ana.peer_id[:8], luis.peer_id[:8], "127.0.0.1"):
        assert personal not in text


def test_a_full_disk_is_counted_and_told_to_the_person_at_the_peer() -> None:
    def publish(request: bytes) -> Answered:
        raise sqlite3.OperationalError("database or disk is full")

    metrics = Metrics()
    with ThreadPoolExecutor(1) as workers, ThreadPoolExecutor(2) as callers:
        server = grpc.server(callers)
        server.add_generic_rpc_handlers((Gate(metrics, workers, 4).for_all("s", {"Publish": publish}),))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        with grpc.insecure_channel(f"127.0.0.1:{port}", [("grpc.enable_http_proxy", 0)]) as channel:
            with pytest.raises(grpc.RpcError) as refusal:
                channel.unary_unary("/s/Publish")(b"", timeout=SECONDS)
        server.stop(None).wait()
    assert b'refusals_total{reason="disk_full"} 1.0' in metrics.text()
    shown = told_to_person(refusal.value)
    assert isinstance(shown, CentralUnreachableError), "it is tried again"
    assert shown.message.code == "central-disk-full"


def test_each_reason_is_one_that_metrics_know() -> None:
    def kinds(kind: type[CentralError]) -> list[type[CentralError]]:
        return [kind, *(below for child in kind.__subclasses__() for below in kinds(child))]

    assert {kind.reason for kind in kinds(CentralError)} <= set(REASONS)
    tree = ast.parse(Path(gate.__file__).read_text("utf-8"))
    literals = {
        value.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Tuple)
        for name, value in zip(node.targets[0].elts, getattr(node.value, "elts", ()), strict=False)
        if isinstance(name, ast.Name) and name.id == "reason" and isinstance(value, ast.Constant)
    }
    assert {"disk_full", "unfinished", "database", "mistake"} <= literals
    assert literals - {""} <= set(REASONS)
    with pytest.raises(ValueError, match="disk-full"):
        Metrics().refused("disk-full")
    rules = (Path(__file__).parents[2] / "packaging/monitoring/prometheus-alerts.yml").read_text("utf-8")
    named = {word for found in re.findall(r'reason=~?"([^"]*)"', rules) for word in found.split("|")}
    assert named and named <= set(REASONS)
    page = (Path(__file__).parents[2] / "docs/monitoring.md").read_text("utf-8")
    assert all(f"`{reason}`" in page for reason in REASONS)


def test_a_stranger_and_a_revoked_member_are_refused_by_their_reason(central: Central) -> None:
    ana = central.member()
    ana.register()
    central.revoke(ana.peer_id)
    with refused(grpc.StatusCode.PERMISSION_DENIED):
        ana.beat()
    assert samples(central)["barrio_central_refusals_total", "revoked"] == 1


def test_a_database_that_is_gone_makes_it_unready_by_http_and_grpc(
    central: Central, caplog: pytest.LogCaptureFixture
) -> None:
    ready = {"status": "ready", "parts": {"database": "ok", "catalogue": "ok"}}
    assert json.loads(get(central, "/readyz")[2]) == ready
    assert get(central, "/healthz")[0] == get(central, "/health")[0] == 200
    channel = central.member("Watcher").channel
    check = health_pb2_grpc.HealthStub(channel).Check
    status = health_pb2.HealthCheckResponse

    path = central.options.database
    away = path.with_name("away")
    path.rename(away)
    code, _, body = get(central, "/readyz")
    assert code == 503
    assert json.loads(body) == {"status": "not ready", "parts": {"database": "failed", "catalogue": "ok"}}
    assert str(path).encode() not in body
    assert get(central, "/healthz")[0] == 200
    wait_for(lambda: check(health_pb2.HealthCheckRequest()).status == status.NOT_SERVING, SECONDS, "gRPC to tell")
    logged = [record.getMessage() for record in caplog.records if record.name == "central.readiness"]
    assert logged == ["not ready: database"]

    away.rename(path)
    assert get(central, "/readyz")[0] == 200
    wait_for(lambda: check(health_pb2.HealthCheckRequest()).status == status.SERVING, SECONDS, "gRPC to tell")


def test_a_writer_that_dies_makes_it_unready_until_another_one_works(central: Central) -> None:
    ana = central.member()
    ana.register()
    ana.publish(0, 1, [change(1, "one.flac", 1)])
    writer = central.server.catalogue._scribe._writer
    writer._process.kill()
    with refused(grpc.StatusCode.RESOURCE_EXHAUSTED):
        ana.publish(1, 2, [change(2, "two.flac", 2)])
    code, _, body = get(central, "/readyz")
    assert (code, json.loads(body)["parts"]["catalogue"]) == (503, "failed")
    # By itself, without anybody who publishes.
    wait_for(lambda: get(central, "/readyz")[0] == 200, SECONDS, "another writer")


class Drip:
    """A client that sends its request byte by byte without end, until it is hung up on or closed."""

    def __init__(self, address: str, start: bytes) -> None:
        host, _, port = address.rpartition(":")
        self._socket = socket.create_connection((host, int(port)), SECONDS)
        self._socket.sendall(start)
        self._closed = threading.Event()
        self.hung_up = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        # Ends by itself, so that a server that would wait for ever fails a test and does not hang it.
        for _ in range(100):
            if self._closed.wait(0.1):
                break
            try:
                self._socket.sendall(b"x")
            except OSError:
                self.hung_up.set()
                break

    def close(self) -> None:
        self._closed.set()
        self._thread.join()
        self._socket.close()


STARTS = pytest.mark.parametrize("start", [b"", b"GET /healthz HTTP/1.1\r\n"], ids=["line", "headers"])


@STARTS
def test_a_request_that_drips_does_not_hold_up_the_stop(central: Central, start: bytes) -> None:
    drip = Drip(central.server.addresses.http, start)
    try:
        # The connection of the dripping one was taken before this answer.
        assert get(central, "/healthz")[0] == 200
        began = time.monotonic()
        central.stop()
        assert time.monotonic() - began < 5
        assert drip.hung_up.wait(SECONDS)
    finally:
        drip.close()


@STARTS
def test_a_request_has_to_come_in_time_however_steadily_it_drips(
    central: Central, start: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_status, "REQUEST_SECONDS", 1.0)
    drip = Drip(central.server.addresses.http, start)
    try:
        assert drip.hung_up.wait(4)
        assert get(central, "/healthz")[0] == 200
    finally:
        drip.close()


def test_counting_much_takes_little_of_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    database = Database.create(tmp_path / "central.sqlite")
    try:
        now = [0.0]

        def slow(_: Database) -> Any:
            now[0] += 2.0
            return None

        counted: list[float] = []
        monkeypatch.setattr("central.tally.totals", lambda database: counted.append(now[0]) or slow(database))
        tally = Tally(database, lambda: now[0])
        other = sqlite3.connect(tmp_path / "central.sqlite")
        while now[0] < 2000:
            other.execute("INSERT OR REPLACE INTO setting (key, value) VALUES ('x', ?)", (now[0],))
            other.commit()
            tally.refresh()
            now[0] += 5.0
        other.close()
        assert len(counted) == 4
    finally:
        database.close()
