"""One hosted server without TLS: limits, deadlines, fairness, and how it stops."""

import contextlib
import inspect
import json
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import flask
import pytest
import waitress.buffers
import waitress.channel
import waitress.parser
import waitress.server
import waitress.task
import waitress.trigger
import waitress.wasyncore

from peer_core.errors import BadInputError, InUseError
from peer_core.server.channels import Patience, origin_of
from peer_core.server.file_piece import parse_range, piece_response
from peer_core.server.hosting import HostedServer

SIZE = 24 << 20
Serve = Callable[..., HostedServer]


@pytest.fixture(scope="module")
def data() -> bytes:
    return os.urandom(SIZE)


@pytest.fixture
def app(tmp_path: Path, data: bytes) -> flask.Flask:
    app = flask.Flask("hosted")
    path = tmp_path / "data.bin"
    path.write_bytes(data)

    @app.get("/ping")
    def ping() -> str:
        return "pong"

    @app.get("/file")
    def file() -> Any:
        span = parse_range(flask.request.headers.get("Range"), SIZE)
        return piece_response(path, span, SIZE, "e", head=flask.request.method == "HEAD")

    @app.get("/stream")
    def stream() -> Any:
        return flask.Response((bytes(1 << 16) for _ in range(1000)), headers={"Content-Length": str(1000 << 16)})

    @app.get("/sleep/<float:seconds>")
    def sleep(seconds: float) -> str:
        time.sleep(seconds)
        return "slept"

    @app.post("/upload")
    def upload() -> dict[str, int]:
        return {"length": len(flask.request.get_data())}

    return app


@pytest.fixture
def serve(app: flask.Flask) -> Iterator[Serve]:
    with contextlib.ExitStack() as stack:

        def start(**kwargs: Any) -> HostedServer:
            options: dict[str, Any] = {"name": "plain", "threads": 2, "max_body_bytes": 1 << 20, **kwargs}
            server = HostedServer(app, ("127.0.0.1", 0), **options)
            stack.callback(server.stop, 0.5)
            server.start()
            return server

        yield start


@contextlib.contextmanager
def connected(server: HostedServer, source: str = "127.0.0.1") -> Iterator[socket.socket]:
    with socket.create_connection(server.address, 5, (source, 0)) as sock:
        yield sock


def get(
    server: HostedServer, path: str, method: str = "GET", headers: dict[str, str] | None = None
) -> tuple[int, bytes]:
    http = HTTPConnection(*server.address, timeout=10)
    try:
        http.request(method, path, headers=headers or {})
        answer = http.getresponse()
        return answer.status, answer.read()
    finally:
        http.close()


def request(path: str, *headers: str) -> bytes:
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: x", *headers, "", ""]).encode()


def read_all(sock: socket.socket) -> bytes:
    parts = []
    with contextlib.suppress(ConnectionError):
        while part := sock.recv(1 << 16):
            parts.append(part)
    return b"".join(parts)


NAMES: dict[Any, str] = {
    waitress.server.TcpWSGIServer.__init__: (
        "self, application, map, _start, _sock, dispatcher, adj, sockinfo, bind_socket, kw"
    ),
    waitress.server.TcpWSGIServer.set_reuse_addr: "self",
    waitress.server.TcpWSGIServer.handle_accept: "self",
    waitress.server.TcpWSGIServer.set_socket_options: "self, conn",
    waitress.server.TcpWSGIServer.add_task: "self, task",
    waitress.server.TcpWSGIServer.pull_trigger: "self",
    waitress.channel.HTTPChannel.__init__: "self, server, sock, addr, adj, map",
    waitress.channel.HTTPChannel.readable: "self",
    waitress.channel.HTTPChannel.writable: "self",
    waitress.channel.HTTPChannel.handle_read: "self",
    waitress.channel.HTTPChannel.handle_write: "self",
    waitress.channel.HTTPChannel.handle_close: "self",
    waitress.channel.HTTPChannel.received: "self, data",
    waitress.channel.HTTPChannel.service: "self",
    waitress.channel.HTTPChannel.write_soon: "self, data",
    waitress.channel.HTTPChannel._flush_exception: "self, flush, do_close",
    waitress.channel.HTTPChannel._flush_some_if_lockable: "self, do_close",
    waitress.channel.HTTPChannel._flush_outbufs_below_high_watermark: "self",
    waitress.task.WSGITask.get_environment: "self",
    waitress.task.ErrorTask.execute: "self",
    waitress.task.Task.set_close_on_finish: "self",
    waitress.parser.HTTPRequestParser.close: "self",
    waitress.buffers.ReadOnlyFileBasedBuffer.prepare: "self, size",
    waitress.buffers.ReadOnlyFileBasedBuffer.get: "self, numbytes, skip",
    waitress.buffers.ReadOnlyFileBasedBuffer.skip: "self, numbytes, allow_prune",
    waitress.trigger.trigger.close: "self",
    waitress.wasyncore.loop: "timeout, use_poll, map, count",
    waitress.wasyncore.dispatcher.send: "self, data, do_close",
    waitress.wasyncore.dispatcher.close: "self",
}


def test_the_names_of_waitress_that_we_use_are_what_they_were(serve: Serve) -> None:
    for function, parameters in NAMES.items():
        assert ", ".join(inspect.signature(function).parameters) == parameters, function
    for name in ("task_class", "error_task_class", "will_close", "close_when_flushed", "total_outbufs_len"):
        assert hasattr(waitress.channel.HTTPChannel, name)
    for name in (
        "active_channels",
        "effective_host",
        "effective_port",
        "trigger",
        "adj",
        "task_dispatcher",
        "accepting",
    ):
        assert hasattr(serve()._listener, name)


def test_small_answers_heads_uploads_and_ranges(serve: Serve, data: bytes) -> None:
    server = serve()
    assert get(server, "/ping") == (200, b"pong")
    assert get(server, "/file", "HEAD") == (200, b"")
    assert get(server, "/file") == (200, data)
    assert get(server, "/file", headers={"Range": "bytes=1000-5000999"}) == (206, data[1000:5001000])
    assert get(server, "/stream") == (200, bytes(1000 << 16))
    http = HTTPConnection(*server.address, timeout=5)
    for length in (0, 5, 300_000, 1 << 20):
        http.request("POST", "/upload", bytes(length))
        assert json.loads(http.getresponse().read()) == {"length": length}
    http.close()


def test_endless_headers_are_refused_and_the_connection_closed(serve: Serve) -> None:
    with connected(serve()) as sock:
        sock.sendall(b"GET /ping HTTP/1.1\r\n")
        with contextlib.suppress(ConnectionError):
            for _ in range(100):
                sock.sendall(b"X-Filler: " + b"x" * 1000 + b"\r\n")
        answer = read_all(sock)
    assert answer.startswith((b"HTTP/1.1 431", b"HTTP/1.0 431"))
    assert b"application/problem+json" in answer


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_over_the_limit_is_refused_and_its_sender_can_read_why(serve: Serve, chunked: bool) -> None:
    server = serve()
    with connected(server) as sock:
        size = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {3 << 20}"
        sock.sendall(f"POST /upload HTTP/1.1\r\nHost: x\r\n{size}\r\n\r\n".encode())
        with contextlib.suppress(ConnectionError):
            for _ in range(48):
                sock.sendall(b"10000\r\n" + bytes(1 << 16) + b"\r\n" if chunked else bytes(1 << 16))
        answer = read_all(sock)
    assert answer.split(b" ")[1] == b"413", answer[:200]
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["status"] == 413
    assert get(server, "/ping") == (200, b"pong")


def test_broken_requests_get_a_problem_in_our_form(serve: Serve) -> None:
    with connected(serve()) as sock:
        sock.sendall(b"GET /ping HTTP/1.1\r\nbroken header\r\n\r\n")
        answer = read_all(sock)
    assert answer.split(b" ")[1] == b"400"
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "bad-input"


def test_slow_headers_slow_bodies_and_idle_connections_are_cut(serve: Serve) -> None:
    server = serve(patience=Patience(request=0.6, idle=1.5, body_rate=1 << 16))
    began = time.monotonic()
    with connected(server) as header, connected(server) as body, connected(server) as idle, connected(server) as fair:
        header.sendall(b"GET /ping HTTP/1.1\r\n")
        for slow in (body, fair):
            slow.sendall(b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 400000\r\n\r\n")
        cut: dict[str, float] = {}
        while len(cut) < 3 and time.monotonic() - began < 8:
            fair.sendall(bytes(10_000))
            for name, sock in (("header", header), ("body", body), ("idle", idle)):
                if name in cut:
                    continue
                try:
                    if name != "idle":
                        sock.sendall(b"X")
                    sock.setblocking(False)
                    if sock.recv(100) == b"":
                        cut[name] = time.monotonic() - began
                except BlockingIOError:
                    sock.setblocking(True)
                except OSError:
                    cut[name] = time.monotonic() - began
            time.sleep(0.05)
        # Active all the time, and still cut, while one that keeps up the rate is not.
        assert 0.5 < cut["header"] < 2
        assert 0.5 < cut["body"] < 2
        assert 1.4 < cut["idle"] < 3.5
        fair.sendall(bytes(1000))


def test_uploads_that_are_cut_off_leave_nothing(serve: Serve) -> None:
    server = serve()
    for sent in (0, 10, 500_000):
        with connected(server) as sock:
            sock.sendall(b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + bytes(sent))
    assert get(server, "/ping") == (200, b"pong")


def test_readers_that_stop_do_not_hold_the_workers(serve: Serve, data: bytes) -> None:
    server = serve(threads=1)
    with connected(server) as whole, connected(server) as piped:
        whole.sendall(request("/file"))
        # A second request behind a long answer waits without a worker.
        piped.sendall(request("/file", "Range: bytes=0-19999999") + request("/file", "Range: bytes=5-9"))
        time.sleep(0.2)
        began = time.monotonic()
        assert get(server, "/ping") == (200, b"pong")
        assert time.monotonic() - began < 0.5
        piped.settimeout(10)
        piped.shutdown(socket.SHUT_WR)
        answer = read_all(piped)
    _, _, rest = answer.partition(b"\r\n\r\n")
    assert rest[:20_000_000] == data[:20_000_000]
    assert rest.endswith(data[5:10])


def test_a_reader_that_stops_in_a_stream_is_cut_and_the_worker_is_free_again(serve: Serve) -> None:
    server = serve(threads=1, patience=Patience(idle=0.8))
    with connected(server) as stalled:
        stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stalled.sendall(request("/stream"))
        began = time.monotonic()
        assert get(server, "/ping") == (200, b"pong")
        assert time.monotonic() - began < 4


def test_too_many_requests_at_once_are_refused(serve: Serve) -> None:
    server = serve()
    with connected(server) as sock, contextlib.suppress(ConnectionError):
        sock.sendall(request("/sleep/0.5") * 200)
        assert read_all(sock).count(b"HTTP/1.1 200") <= 1
    assert get(server, "/ping") == (200, b"pong")


def test_urgent_data_neither_spins_nor_floods_the_log(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    server = serve()
    with connected(server) as sock:
        sock.send(b"!", socket.MSG_OOB)
        sock.settimeout(2)
        with contextlib.suppress(ConnectionError):
            assert sock.recv(10) == b""
    assert get(server, "/ping") == (200, b"pong")
    assert not caplog.records


def test_running_out_of_descriptors_is_survived(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    server = serve()
    failures = [OSError(24, "Too many open files")]
    accept = type(server._listener).accept

    def failing(listener: Any) -> Any:
        if failures:
            raise failures.pop()
        return accept(listener)

    monkeypatch.setattr(type(server._listener), "accept", failing)
    assert get(server, "/ping") == (200, b"pong")
    assert not failures


def test_a_file_that_shrinks_while_it_is_sent_cuts_the_answer(
    serve: Serve, tmp_path: Path, data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    server = serve()
    with connected(server) as sock, caplog.at_level(logging.INFO, "barrio.server"):
        sock.sendall(request("/file"))
        head = sock.recv(1000)
        os.truncate(tmp_path / "data.bin", 1 << 20)
        body = (head + read_all(sock)).partition(b"\r\n\r\n")[2]
        assert len(body) < SIZE
        assert data.startswith(body)
    assert "was cut" in caplog.text


def test_the_connection_limit_makes_idle_ones_give_way(serve: Serve) -> None:
    server = serve(connection_limit=20)
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(connected(server)) for _ in range(60)]
        assert get(server, "/ping") == (200, b"pong")
        assert len(server._listener.channels) <= 21
        socks[0].settimeout(2)
        assert socks[0].recv(10) == b""


def test_the_cap_of_one_address_leaves_others_room(serve: Serve) -> None:
    server = serve(per_address_limit=3)
    with contextlib.ExitStack() as stack:
        for _ in range(3):
            sock = stack.enter_context(connected(server, "127.0.0.9"))
            sock.sendall(request("/ping"))
            assert b"pong" in sock.recv(1000)
        with connected(server, "127.0.0.9") as fourth, contextlib.suppress(ConnectionError):
            fourth.sendall(request("/ping"))
            assert fourth.recv(1000) == b""
        sock.sendall(request("/ping"))
        assert b"pong" in sock.recv(1000)
        assert get(server, "/ping") == (200, b"pong")


def test_an_address_is_a_host_or_an_ipv6_network() -> None:
    assert origin_of("192.0.2.7") == origin_of("::ffff:192.0.2.7") == "192.0.2.7"
    assert origin_of("2001:db8::1") == origin_of("2001:db8:0:0:ffff::2%eth0") != origin_of("2001:db8:0:1::1")
    assert origin_of("unix") == "unix"


def test_addresses_that_cannot_be_had_say_what_to_do(app: flask.Flask, serve: Serve) -> None:
    host, port = serve().address
    options: dict[str, Any] = {"name": "x", "threads": 1}
    with pytest.raises(InUseError, match=f"{host}:{port}"):
        HostedServer(app, (host, port), **options)
    for address in (("192.0.2.1", 0), ("no.such.host.invalid", 0), ("127.0.0.1", 70_000), ("a" * 300, 1)):
        with pytest.raises(BadInputError):
            HostedServer(app, address, **options)


def test_a_server_that_never_started_lets_go_of_its_port(app: flask.Flask) -> None:
    server = HostedServer(app, ("127.0.0.1", 0), name="x", threads=1)
    assert server.close_peer("nobody") == 0
    server.stop()
    server.start()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(server.address, 2)
    again = HostedServer(app, server.address, name="x", threads=1)
    again.stop()


def test_stopping_an_idle_server_is_quick_and_can_be_repeated(serve: Serve) -> None:
    server = serve()
    with connected(server) as kept, connected(server):
        kept.sendall(request("/ping"))
        assert b"pong" in kept.recv(1000)
        began = time.monotonic()
        server.stop()
        server.stop()
        assert time.monotonic() - began < 1
        assert kept.recv(10) == b""
    assert not [t for t in threading.enumerate() if t.name.startswith("plain-")]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(server.address, 2)


def test_stopping_lets_a_running_request_end(serve: Serve) -> None:
    server = serve()
    with connected(server) as sock:
        sock.sendall(request("/sleep/0.5"))
        time.sleep(0.1)
        began = time.monotonic()
        server.stop(3)
        assert 0.3 < time.monotonic() - began < 1.5
        assert b"slept" in read_all(sock)


def test_stopping_leaves_a_stuck_request_behind(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    server = serve()
    with connected(server) as sock:
        sock.sendall(request("/sleep/2.0"))
        time.sleep(0.1)
        began = time.monotonic()
        server.stop(0.2)
        assert time.monotonic() - began < 1.2
    assert "left behind" in caplog.text


def test_stopping_ends_a_transfer_whole_or_cuts_it(serve: Serve, data: bytes) -> None:
    server = serve()
    with connected(server) as reading, connected(server) as stalled:
        for sock in (reading, stalled):
            sock.sendall(request("/file"))
        head = reading.recv(1000)
        got: list[bytes] = [head]
        reader = threading.Thread(target=lambda: got.append(read_all(reading)))
        reader.start()
        began = time.monotonic()
        server.stop(1.5)
        assert time.monotonic() - began < 2.5
        reader.join()
        assert b"".join(got).partition(b"\r\n\r\n")[2] == data
        short = read_all(stalled).partition(b"\r\n\r\n")[2]
        assert len(short) < SIZE
        assert data.startswith(short)


def test_two_servers_do_not_wait_for_each_other(serve: Serve) -> None:
    first, second = serve(threads=1, name="first"), serve(threads=1, name="second")
    with connected(first) as sock:
        sock.sendall(request("/sleep/1.0"))
        began = time.monotonic()
        assert get(second, "/ping") == (200, b"pong")
        second.stop()
        assert time.monotonic() - began < 1
        assert b"slept" in sock.recv(1000)
    assert get(first, "/ping") == (200, b"pong")


def test_a_failing_application_answers_with_an_error_and_hostile_paths_stay_on_one_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        raise RuntimeError("a bug")

    server = HostedServer(broken, ("127.0.0.1", 0), name="broken", threads=1)
    server.start()
    try:
        with caplog.at_level(logging.INFO, "barrio.server"):
            assert get(server, "/%0aFAKE%1b[2J")[0] == 500
    finally:
        server.stop()
    assert [r.name for r in caplog.records] == ["barrio.server"]
    assert "\n" not in caplog.records[0].getMessage()
    assert "\x1b" not in caplog.records[0].getMessage()
