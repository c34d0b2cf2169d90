"""A central and peers as programs that watch them see them: real processes, scraped while they work."""

import json
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import promql_parser as promql
import pytest
from processes import Central, HeadlessPeer, wait_for
from prometheus_client.parser import text_string_to_metric_families
from ruamel.yaml import YAML

from peer_core.errors import StorageError
from peer_core.server.monitoring import monitoring

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "packaging" / "monitoring"
DOCUMENT = ROOT / "docs" / "monitoring.md"
# A sample: its name, and its labels with those that Prometheus adds.
Sample = tuple[str, dict[str, str]]
SECRET = "Very Private Holiday"


def get(address: str, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


class Watched:
    """A central and two peers that have searched and downloaded."""

    def __init__(self, folder: Path) -> None:
        self.central = Central(folder / "central")
        self.peers = [HeadlessPeer(folder / name, name, self.central.invite()) for name in ("Ana", "Luis")]
        for peer in self.peers:
            peer.start("--http", "127.0.0.1:0")
        share = folder / SECRET
        share.mkdir()
        (share / f"{SECRET}.jpg").write_bytes(b"picture" * 1000)
        self.peers[0].verb("share", "add", str(share))
        self.peers[0].wait_indexed(1)
        content = wait_for(lambda: self.peers[1].json("search", "holiday"), 30, "the file to be found")[0]["content_id"]
        self.peers[1].verb("get", content, "--output", str(folder / "got"))

    def at(self, peer: HeadlessPeer) -> str:
        assert peer.program is not None
        return peer.program.ready["http"]

    def addresses(self) -> list[tuple[str, str]]:
        """(job, HOST:PORT)"""
        peers = [("barrio-peer", self.at(peer)) for peer in self.peers]
        return [("barrio-central", self.central.program.ready["http"]), *peers]

    def stop(self) -> None:
        for peer in self.peers:
            peer.stop()
        self.central.program.stop()


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    running = Watched(tmp_path_factory.mktemp("watched"))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def samples(watched: Watched) -> list[Sample]:
    found: list[Sample] = []
    for job, address in watched.addresses():
        added = {"job": job, "instance": address}
        found.append(("up", added))
        status, text = get(address, "/metrics")
        assert status == 200
        for family in text_string_to_metric_families(text):
            assert family.documentation, family.name
            found += [(sample.name, {**sample.labels, **added}) for sample in family.samples]
    return found


def selectors(expression: Any) -> Iterator[tuple[Any, tuple[str, ...]]]:
    """The vectors in an expression, each with the labels by which it is summed up."""
    match expression:
        case promql.VectorSelector():
            yield expression, ()
        case promql.MatrixSelector():
            yield expression.vector_selector, ()
        case promql.AggregateExpr():
            modifier = expression.modifier
            labels = () if modifier is None else tuple(modifier.labels)
            yield from ((vector, (*labels, *more)) for vector, more in selectors(expression.expr))
        case promql.BinaryExpr():
            yield from selectors(expression.lhs)
            yield from selectors(expression.rhs)
        case promql.Call():
            for argument in expression.args:
                yield from selectors(argument)
        case promql.ParenExpr() | promql.UnaryExpr() | promql.SubqueryExpr():
            yield from selectors(expression.expr)
        case promql.NumberLiteral() | promql.StringLiteral():
            return
        case _:
            raise TypeError(type(expression))


def missing(expression: str, named: str, samples: list[Sample]) -> list[str]:
    """What an expression, and the text `named` with `{{label}}`s, want that no sample has."""
    found = list(selectors(promql.parse(expression.replace("$__rate_interval", "5m"))))
    faults = []
    shown = set(re.findall(r"{{\s*(?:\$labels\.)?(\w+)\s*}}", named))
    left: set[str] = set()
    for vector, by in found:
        matching = [
            labels for name, labels in samples if name == vector.name and _matches(labels, vector.matchers.matchers)
        ]
        wanted = {*by, *(matcher.name for matcher in vector.matchers.matchers)}
        if not any(wanted <= labels.keys() for labels in matching):
            faults.append(f"{vector.name} with {sorted(wanted)} in {expression}")
        left |= set(by) if by else set().union(*(labels.keys() for labels in matching))
    return faults + [f"{label} of {named!r}" for label in sorted(shown - left)]


def _matches(labels: dict[str, str], matchers: list[Any]) -> bool:
    for matcher in matchers:
        value, here = matcher.value, labels.get(matcher.name, "")
        fits = here == value if matcher.op == promql.MatchOp.Equal else re.fullmatch(value, here) is not None
        if not fits:
            return False
    return True


def test_the_check_finds_what_does_not_exist(samples: list[Sample]) -> None:
    assert not missing('rate(barrio_central_refusals_total{reason="quota"}[5m])', "{{reason}} {{instance}}", samples)
    for wrong in (
        "barrio_central_lease",
        'barrio_central_refusals_total{reason="nonsense"}',
        'barrio_central_refusals_total{raison="quota"}',
        "sum by (who) (barrio_central_refusals_total)",
        'process_open_fds{job="barrio"}',
    ):
        assert missing(wrong, "", samples), wrong
    assert missing("sum by (le) (barrio_central_query_seconds_bucket)", "{{kind}}", samples)


def test_the_dashboard_uses_only_what_exists(samples: list[Sample]) -> None:
    dashboard = json.loads((MONITORING / "grafana-dashboard.json").read_text("utf-8"))
    panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
    targets = [target for panel in panels for target in panel["targets"]]
    faults = [fault for target in targets for fault in missing(target["expr"], target["legendFormat"], samples)]
    assert not faults
    used = {vector.name for target in targets for vector, _ in selectors(promql.parse(_plain(target["expr"])))}
    ours = {name for name, _ in samples if name.startswith("barrio_")}
    # What happens is on it, too: nothing of ours is measured for nobody.
    unseen = {name for name in ours - used if not name.endswith(("_info", "_sum", "_bucket", "_count"))}
    assert unseen <= {"barrio_central_calls_total", "barrio_peer_joined", "barrio_peer_indexing_paused"}


def _plain(expression: str) -> str:
    return expression.replace("$__rate_interval", "5m")


def test_the_alerts_use_only_what_exists(samples: list[Sample]) -> None:
    document = YAML(typ="safe").load(MONITORING / "prometheus-alerts.yml")
    rules = [rule for group in document["groups"] for rule in group["rules"]]
    assert len({rule["alert"] for rule in rules}) == len(rules)
    for rule in rules:
        assert rule.keys() <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        promql.parse_duration(rule.get("for", "1s"))
        assert not missing(rule["expr"], rule["annotations"]["summary"], samples)


def test_the_document_names_every_metric_of_ours_and_no_other(samples: list[Sample]) -> None:
    text = DOCUMENT.read_text("utf-8")
    ours = {re.sub(r"_(sum|count|bucket)$", "", name) for name, _ in samples if name.startswith("barrio_")}
    assert set(re.findall(r"`(barrio_\w+)`", text)) == ours
    block = re.search(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert block is not None
    jobs = [config["job_name"] for config in YAML(typ="safe").load(block[1])["scrape_configs"]]
    assert jobs == ["barrio-central", "barrio-peer"]


def test_a_download_is_seen_at_both_ends_and_by_the_central(watched: Watched) -> None:
    def values(address: str) -> dict[tuple[str, ...], float]:
        families = text_string_to_metric_families(get(address, "/metrics")[1])
        return {(s.name, *s.labels.values()): s.value for family in families for s in family.samples}

    ana, luis = (values(watched.at(peer)) for peer in watched.peers)
    assert ana["barrio_peer_sent_bytes_total",] == luis["barrio_peer_received_bytes_total",] == 7000
    assert ana["barrio_peer_shared_files",] == 1
    assert luis["barrio_peer_transfers", "done"] == 1
    assert sum(luis[name] for name in luis if name[0] == "barrio_peer_queries_total") >= 2
    central = values(watched.central.program.ready["http"])
    assert central["barrio_central_leases",] == 2
    assert central["barrio_central_query_seconds_count", "search"] >= 1
    assert central["barrio_central_query_seconds_count", "locate"] >= 1


def test_no_label_says_who_or_what(watched: Watched, samples: list[Sample]) -> None:
    names = {key for name, labels in samples if name.startswith("barrio_") for key in labels}
    own = {"kind", "method", "status", "reason", "result", "version", "state", "via", "reachable", "le"}
    assert names <= own | {"job", "instance"}
    ids = [peer.peer_id[:8] for peer in watched.peers]
    for _, address in watched.addresses():
        for path in ("/metrics", "/readyz", "/healthz"):
            text = get(address, path)[1]
            for personal in (SECRET, "Ana", "Luis", *ids, str(watched.central.data)):
                assert personal not in text


def test_a_peer_without_a_central_is_alive_and_not_ready(watched: Watched) -> None:
    luis = watched.peers[1]
    wait_for(lambda: get(watched.at(luis), "/readyz")[0] == 200, 20, "the peer to be ready")
    assert luis.json("health", "--ready")["ready"]
    assert (
        watched.central.verb("health", "--ready", "--json")
        == '{"status": "ready", "parts": ' + json.dumps({"database": "ok", "catalogue": "ok"}) + "}"
    )
    watched.central.program.stop()
    _, text = wait_for(lambda: _unready(watched.at(luis)), 30, "the peer to notice")
    assert json.loads(text)["parts"] == {"library": "ok", "barrio": "ok", "central": "failed"}
    assert get(watched.at(luis), "/healthz")[0] == 200
    assert luis.try_verb("health").returncode == 0
    failed = luis.try_verb("health", "--ready")
    assert failed.returncode == 1
    assert "central" in failed.stdout
    with pytest.raises(RuntimeError, match="no central runs"):
        watched.central.verb("health")


def _unready(address: str) -> tuple[int, str] | None:
    found = get(address, "/readyz")
    return found if found[0] == 503 else None


def test_what_is_not_there_and_what_would_change_something_is_refused(watched: Watched) -> None:
    at = watched.at(watched.peers[0])
    assert get(at, "/v1/status")[0] == 404
    request = urllib.request.Request(f"http://{at}/metrics", b"", method="POST")
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(request, timeout=5)
    with refused.value as error:
        assert error.code == 405


def test_an_error_is_told_without_its_sentence(tmp_path: Path) -> None:
    class Broken:
        def health(self) -> dict[str, str | None]:
            raise StorageError("{path} cannot be read", "x", path=str(tmp_path))

    told: list[str] = []
    environ = {"REQUEST_METHOD": "GET", "PATH_INFO": "/readyz"}
    body = b"".join(monitoring(cast(Any, Broken()))(environ, lambda status, headers: told.append(status)))
    assert told == ["503 Service Unavailable"]
    assert body.decode() == f"{StorageError.title}\n"


def test_a_taken_address_is_said_and_ends_the_start(watched: Watched) -> None:
    peer = watched.peers[1]
    peer.stop()
    taken = peer.try_verb("run", "--listen", "127.0.0.1:0", "--http", watched.at(watched.peers[0]))
    assert taken.returncode == 1
    assert "is in use by another program" in taken.stderr
