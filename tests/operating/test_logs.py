"""The lines of a log: for people and for machines, and what never gets into them."""

import io
import json
import logging
import re
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc
import pytest
from cryptography.hazmat.primitives import serialization
from processes import wait_for
from trust import Authority

from peer_core.directory import central as central_module
from peer_core.directory.central import CentralClient
from peer_core.directory.peer_http import PeerHttp
from peer_core.errors import StorageError
from peer_core.server.hosting import HostedServer
from protos.agreed import peer_host_name
from protos.operating import logs

PEER = "abcdefgh234567" * 3 + "abcdefgh23"


def one(
    form: str, message: str, *args: object, error: BaseException | None = None, key: str = "k", shown: bool = False
) -> str:
    """What one record becomes."""
    disguise = logs.Disguise(key, shown)
    formatter = logs.JsonLines(disguise) if form == "json" else logs.TextLines(disguise)
    failure = (type(error), error, error.__traceback__) if error else None
    record = logging.LogRecord("barrio.x", logging.INFO, "x.py", 1, message, args, failure)
    return formatter.format(record)


@pytest.mark.parametrize("form", logs.FORMATS)
@pytest.mark.parametrize(
    "secret",
    [
        PEER,
        "10.1.2.3",
        "2001:db8::17",
        "fe80::1",
        "https://ana-laptop.example:51020/v1/x?q=y",
        "barrio://central.example:51016/join#token.fingerprint",
        "Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFy-_x",
    ],
)
def test_ids_addresses_links_and_tokens_do_not_get_in(form: str, secret: str) -> None:
    line = one(form, "told by %s.", secret)
    assert secret not in line
    assert "told by" in line
    for part in re.split(r"[/:.#]+", secret):
        assert part in ("", "v1", "x?q=y", "https", "barrio") or len(part) < 3 or part not in line


def test_the_same_one_has_the_same_name_until_the_next_start() -> None:
    first = one("text", "%s and %s, not %s", PEER, PEER, PEER[::-1])
    names = re.findall(r"~[0-9a-f]{8}", first)
    assert names[0] == names[1] != names[2]
    assert names[0] not in one("text", "%s", PEER, key="another")


def test_who_looks_for_somebody_sees_ids_and_still_no_secrets() -> None:
    line = one("text", "%s at 10.1.2.3 with %s and barrio://h:1/join#x.y", PEER, "T" * 43, shown=True)
    assert PEER in line and "10.1.2.3" in line
    assert "TTTT" not in line and "x.y" not in line


def test_what_is_the_same_everywhere_is_told() -> None:
    line = one("text", "at 127.0.0.1:5 0.0.0.0:51015 [::1]:80 12:53:55 version 1.2.3.4.5 ms=0.25")
    for kept in ("127.0.0.1:5", "0.0.0.0:51015", "[::1]:80", "12:53:55", "ms=0.25"):
        assert kept in line


def test_a_line_is_one_line_and_a_long_one_is_cut() -> None:
    line = one("text", "a %s", "b\n2026-01-01 ERROR forged\x1b[31m" + "x " * 9000)
    assert len(line.splitlines()) == 1
    assert "\x1b" not in line
    assert len(line) < 5000
    assert json.loads(one("json", "a %s", "b\nc"))["message"] == "a b\\nc"


@pytest.mark.parametrize("form", logs.FORMATS)
def test_of_an_error_kinds_and_places_are_told_and_not_what_it_says(form: str) -> None:
    try:
        try:
            Path("/home/ana/Diary of Ana.txt").read_bytes()
        except OSError as cause:
            raise StorageError("/home/ana/Diary of Ana.txt cannot be read.") from cause
    except StorageError as error:
        line = one(form, "failed", error=error)
    assert "Diary" not in line and "/home/ana" not in line
    assert "StorageError from FileNotFoundError (No such file or directory)" in line
    assert "operating/test_logs.py:" in line
    if form == "json":
        assert set(json.loads(line)) == {"time", "level", "logger", "message", "error", "at"}


def test_libraries_are_heard_from_warnings_on(monkeypatch: pytest.MonkeyPatch) -> None:
    root, out = logging.getLogger(), io.StringIO()
    monkeypatch.setattr(root, "handlers", [])
    # What it sets is put back at the end.
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    levels = {name: logging.getLogger(name).level for name in (None, *logs.OURS)}
    try:
        logs.set_up("debug", "json", stream=out)
        logging.getLogger("httpcore.http11").debug("send_request_headers Authorization: Bearer x")
        logging.getLogger("httpx").info("GET /v1/search?q=diary")
        with logs.request() as number:
            logging.getLogger("barrio.server").debug("ours")
        logging.getLogger("central.gate").info("after")
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
    first, second = map(json.loads, out.getvalue().splitlines())
    assert (first["message"], first["request"], first["level"]) == ("ours", number, "debug")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first["time"])
    assert "request" not in second


@pytest.fixture
def fake_central(tmp_path: Path) -> Iterator[tuple[Authority, tuple[str, int], list[Any]]]:
    """Answers every call with nothing, and keeps all that came with it."""
    authority, seen = Authority(), []
    member = authority.identity(tmp_path / "central", "central")

    def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
        seen.append((list(context.invocation_metadata()), context.peer(), request))
        return b""

    class Everything(grpc.GenericRpcHandler):
        def service(self, details: grpc.HandlerCallDetails) -> Any:
            seen.append(list(details.invocation_metadata))
            return grpc.unary_unary_rpc_method_handler(answer)

    server = grpc.server(futures.ThreadPoolExecutor(2), handlers=[Everything()])
    key = member.private_key().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    credentials = grpc.ssl_server_credentials([(key, member.certificate_file.read_bytes())])
    port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    name = peer_host_name(member.peer_id)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(central_module, "DIRECTORY_NAME", name)
        yield authority, ("127.0.0.1", port), seen
    server.stop(None).wait()


def test_the_number_of_a_request_is_not_carried_across_the_neighbour(
    tmp_path: Path, fake_central: tuple[Authority, tuple[str, int], list[Any]], caplog: pytest.LogCaptureFixture
) -> None:
    authority, address, at_central = fake_central
    asker = authority.identity(tmp_path / "asker", "asker")
    neighbour = authority.identity(tmp_path / "neighbour", "neighbour", address)
    central = CentralClient(neighbour)
    at_neighbour: list[str] = []
    numbers: list[str] = []

    def relay(environ: dict[str, Any], start: Any) -> list[bytes]:
        body = environ["wsgi.input"].read()
        at_neighbour.append(f"{sorted((k, str(v)) for k, v in environ.items())} {body!r}")
        numbers.append(logs._request.get())
        answer = central.query(body)
        start("200 OK", [("Content-Length", str(len(answer)))])
        return [answer]

    server = HostedServer(relay, ("127.0.0.1", 0), name="neighbour", threads=1, tls=neighbour.server_context)
    server.start()
    http = PeerHttp(asker)
    hostile = {"X-Request-Id": "5eed5eed", "traceparent": "00-5eed5eed"}
    try:
        with logs.request() as asked:
            to = [f"https://127.0.0.1:{server.address[1]}"]
            for headers in ({}, hostile):
                status, _, _ = http.request(
                    neighbour.peer_id, to, "POST", "/v1/relay", b"sealed", headers, 10.0, 1000, "n", lambda _: None
                )
                assert status == 200
    finally:
        http.close()
        server.stop(1.0)
        central.close()
    assert len(numbers) == 2 and all(re.fullmatch("[0-9a-f]{8}", number) for number in numbers)
    assert len({asked, *numbers, "5eed5eed"}) == 4, "each program has numbers of its own, and takes none"
    assert asked not in "".join(at_neighbour)
    assert len(at_central) >= 4
    for number in (asked, *numbers, "5eed5eed"):
        assert number not in str(at_central)


@pytest.mark.parametrize("fails", [False, True])
def test_the_path_of_a_request_that_breaks_off_is_not_told(caplog: pytest.LogCaptureFixture, fails: bool) -> None:
    """By waitress, which knows nothing of what must not be told."""
    begun, going_on = threading.Event(), threading.Event()

    def app(environ: dict[str, Any], start: Any) -> Iterator[bytes]:
        if fails:
            raise RuntimeError("a mistake")
        start("200 OK", [("Content-Length", str(64 << 20))])
        begun.set()
        going_on.wait(10)
        yield from (bytes(1 << 20) for _ in range(64))

    server = HostedServer(app, ("127.0.0.1", 0), name="broken", threads=1)
    server.start()
    try:
        with caplog.at_level(logging.INFO, "barrio.server"), socket.create_connection(server.address, 5) as client:
            client.sendall(b"GET /v1/shares/Fotos/Diario%20de%20Ana.txt HTTP/1.1\r\nHost: a\r\n\r\n")
            if not fails:
                assert begun.wait(10)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.close()
                going_on.set()
            wait_for(lambda: "while serving" in caplog.text or (fails and "xception" in caplog.text), 10, "a line")
    finally:
        server.stop(1.0)
    assert "Diario" not in caplog.text
    assert "Fotos" not in caplog.text


def test_mistakes_that_nobody_foresaw_are_told_like_all_others() -> None:
    program = """
import threading
from protos.operating import logs
logs.set_up("info", "json")
work = threading.Thread(target=lambda: open("/home/ana/Diario"), name="reader")
work.start()
work.join()
raise ValueError("/home/ana/Cartas")
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 1
    assert "Diario" not in done.stderr and "Cartas" not in done.stderr
    thread, whole = map(json.loads, done.stderr.splitlines())
    assert (thread["level"], thread["message"]) == ("critical", "the thread reader ended by a mistake in it")
    assert thread["error"] == "FileNotFoundError (No such file or directory)"
    assert whole["error"] == "ValueError"
