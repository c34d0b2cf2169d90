"""Strangers and hostile members: bytes that are no requests, requests that never come, floods of connections."""

import contextlib
import os
import socket
import ssl
import sys
import threading
import time
from pathlib import Path

import grpc
import pytest
from central_kit import Caller, Central, change, raw_tls, refused
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from processes import wait_for

from central.errors import OverloadedError
from central.gate import MAX_SLOW, MAX_UNFINISHED, REQUEST_SECONDS, SLOW_SECONDS, SlowRequests

METHODS = ("Register", "Heartbeat", "Publish", "Leave", "Neighbours", "Query")
EXPECTED = {
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
}


def raw(caller: Caller, method: str, data: bytes) -> grpc.StatusCode:
    call = caller.channel.unary_unary(f"/barrio.v1.Directory/{method}")
    try:
        call(data, timeout=10)
    except grpc.RpcError as error:
        return error.code()
    return grpc.StatusCode.OK


def test_any_bytes_get_an_answer_or_a_refusal(central: Central, caplog: pytest.LogCaptureFixture) -> None:
    caller = central.member()

    @settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
    @given(method=st.sampled_from(METHODS), data=st.binary(max_size=200))
    def send(method: str, data: bytes) -> None:
        assert raw(caller, method, data) in EXPECTED | {grpc.StatusCode.OK}

    send()
    assert not [record for record in caplog.records if record.exc_info]


def test_any_question_gets_an_answer(central: Central, caplog: pytest.LogCaptureFixture) -> None:
    caller = central.member()
    caller.register()
    caller.publish(0, 1, [change(1, "plaza \"quoted\" AND 'x' NOT* (near).mp3", 1)])

    @settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        text=st.text(max_size=60) | st.text("\"'*()^:+-ANDORNEAR pl", max_size=40),
        kind=st.sampled_from(["", "audio", "x"]),
        sizes=st.tuples(st.integers(0, (1 << 64) - 1), st.integers(0, (1 << 64) - 1)),
        limit=st.integers(0, (1 << 32) - 1),
        cursor=st.text(max_size=10),
    )
    def ask(text: str, kind: str, sizes: tuple[int, int], limit: int, cursor: str) -> None:
        answer = caller.search(text, kind=kind, min_size=sizes[0], max_size=sizes[1], limit=limit, cursor=cursor)
        assert answer.WhichOneof("answer") in ("search", "error")
        plain = caller.search(text)
        assert plain.WhichOneof("answer") in ("search", "error")

    ask()
    assert not [record for record in caplog.records if record.exc_info]


def test_a_message_that_is_too_large_is_refused(central: Central) -> None:
    caller = central.member()
    assert raw(caller, "Publish", bytes(3 << 20)) is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert raw(caller, "Unknown", b"") is grpc.StatusCode.UNIMPLEMENTED
    caller.register()


def test_requests_that_never_come_do_not_keep_others_out(central: Central) -> None:
    hostile, good = central.member("Mallory"), central.member("Ana")
    good.register()
    release = threading.Event()

    def never() -> object:
        release.wait(30)
        return
        yield b""

    calls = []
    for _ in range(60):
        method = hostile.channel.stream_unary("/barrio.v1.Directory/Query")
        calls.append(method.future(never(), timeout=30))
    try:
        started = time.monotonic()
        good.beat()
        first = time.monotonic() - started
        for _ in range(20):
            good.beat()
        assert first < 3
        # Most are refused at once; the few that may wait are given up.
        wait_for(lambda: all(call.done() for call in calls), REQUEST_SECONDS + 3, "all of them to be given up")
        codes = {call.code() for call in calls}
        assert codes <= {grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.CANCELLED}
    finally:
        release.set()
        for call in calls:
            call.cancel()


def test_a_request_that_never_comes_does_not_hold_up_the_stop(central: Central) -> None:
    caller = central.member()
    caller.register()
    release = threading.Event()

    def never() -> object:
        release.wait(30)
        return
        yield b""

    call = caller.channel.stream_unary("/barrio.v1.Directory/Query").future(never(), timeout=30)
    host, _, port = central.server.addresses.http.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), 5):
            time.sleep(0.2)
            started = time.monotonic()
            central.stop()
            assert time.monotonic() - started < 5
    finally:
        release.set()
        call.cancel()


def test_a_call_without_a_request_is_refused(central: Central) -> None:
    caller = central.member()
    with refused(grpc.StatusCode.INVALID_ARGUMENT, "without a request"):
        caller.channel.stream_unary("/barrio.v1.Directory/Query")(iter([]), timeout=10)


def test_slow_requests_are_few_for_each_caller_and_none_for_long() -> None:
    now = 0.0
    given_up: list[str] = []
    slow = SlowRequests(100, lambda: now)
    tickets = [slow.begin("m", lambda n=n: given_up.append(f"m{n}")) for n in range(MAX_SLOW + 2)]
    slow.begin("a", lambda: given_up.append("a"))
    slow.drop()
    assert given_up == [], "they may be on their way"
    now = SLOW_SECONDS * 1.1
    with pytest.raises(OverloadedError):
        slow.begin("m", lambda: None)
    slow.drop()
    assert given_up == [f"m{MAX_SLOW}", f"m{MAX_SLOW + 1}"]
    slow.end(tickets[0])
    slow.end(tickets[0])
    given_up.clear()
    now = REQUEST_SECONDS * 1.1
    slow.drop()
    assert set(given_up) >= {"a", "m1"}
    assert "m0" not in given_up


def test_of_too_many_unfinished_requests_the_oldest_slow_ones_are_given_up() -> None:
    now = 0.0
    given_up: list[int] = []
    slow = SlowRequests(4, lambda: now)
    for number in range(6):
        slow.begin(f"m{number}", lambda n=number: given_up.append(n))
    assert given_up == [], "honest ones may come together"
    now = SLOW_SECONDS * 1.1
    slow.begin("a", lambda: given_up.append(6))
    assert given_up == [0, 1, 2]
    tickets = [slow.begin("b", lambda: None) for _ in range(MAX_UNFINISHED)]
    with pytest.raises(OverloadedError):
        slow.begin("b", lambda: None)
    slow.end(tickets[0])
    slow.begin("b", lambda: None)


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3) + bytes([kind, flags]) + stream.to_bytes(4) + payload


def unfinished_calls(tls: ssl.SSLSocket, path: str, stop: threading.Event) -> None:
    """Begins calls in HTTP/2, ten each 0.1 s, and never sends their requests."""
    fields = {":method": "POST", ":scheme": "https", ":path": path, ":authority": "x", "te": "trailers"}
    fields["content-type"] = "application/grpc"
    header = b"".join(
        b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()
        for name, value in fields.items()
    )
    stream = 1
    with contextlib.suppress(OSError):
        tls.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0))
        tls.settimeout(0.01)
        while not stop.wait(0.1):
            tls.sendall(b"".join(frame(1, 4, stream + 2 * number, header) for number in range(10)))
            stream += 20
            with contextlib.suppress(TimeoutError):
                tls.recv(1 << 16)


@pytest.mark.parametrize("port", ["directory", "enrolment"])
def test_unfinished_calls_of_many_callers_keep_nobody_out(central: Central, tmp_path: Path, port: str) -> None:
    good = central.member("Ana")
    good.register()
    stop = threading.Event()
    with contextlib.ExitStack() as stack:
        for number in range(6):
            if port == "directory":
                device = central.member(f"Mallory {number}").device
                tls = raw_tls(central.server.addresses.directory, device, tmp_path)
                path = "/barrio.v1.Directory/Heartbeat"
            else:
                # Elsewhere the loopback has one address, and all of them are one caller.
                source = f"127.0.0.{50 + number}" if sys.platform == "linux" else ""
                tls = raw_tls(central.server.addresses.enrol, None, tmp_path, source)
                path = "/barrio.v1.Enrolment/Renew"
            stack.enter_context(tls)
            thread = threading.Thread(target=unfinished_calls, args=(tls, path, stop))
            thread.start()
            stack.callback(thread.join)
        stack.callback(stop.set)
        time.sleep(1)
        times = []
        for _ in range(10):
            started = time.monotonic()
            good.beat()
            assert good.device is not None
            central.renew(good.device)
            times.append(time.monotonic() - started)
        assert max(times) < 1.5, times


def test_garbage_silence_and_half_handshakes_do_not_keep_others_out(central: Central, tmp_path: Path) -> None:
    member = central.member()
    member.register()
    with contextlib.ExitStack() as stack:
        for address in (central.server.addresses.directory, central.server.addresses.enrol):
            host, _, port = address.rpartition(":")
            for number in range(100):
                sock = stack.enter_context(socket.create_connection((host, int(port)), 5))
                if number % 4 == 1:
                    sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                elif number % 4 == 2:
                    sock.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
                elif number % 4 == 3:
                    sock.sendall(os.urandom(300))
        for number in range(10):
            tls = stack.enter_context(raw_tls(central.server.addresses.directory, member.device, tmp_path))
            tls.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" if number % 2 else os.urandom(200))
        started = time.monotonic()
        fresh = central.member("Bruno")
        fresh.register()
        member.beat()
        assert time.monotonic() - started < 3


def test_reflection_streams_cannot_take_all_threads(central: Central) -> None:
    hostile, good = central.member("Mallory"), central.member("Ana")
    good.register()
    release = threading.Event()

    def never() -> object:
        release.wait(30)
        return
        yield b""

    method = hostile.channel.stream_stream("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")
    calls = [method(never(), timeout=30) for _ in range(30)]
    try:
        good.beat()
        wait_for(lambda: sum(not call.is_active() for call in calls) >= 28, 5, "the surplus to be refused")
    finally:
        release.set()
        for call in calls:
            call.cancel()


def test_a_revoked_members_open_connection_is_of_no_use(central: Central) -> None:
    caller = central.member()
    caller.register()
    central.revoke(caller.peer_id)
    with refused(grpc.StatusCode.PERMISSION_DENIED):
        caller.beat()
    call = caller.channel.stream_unary("/barrio.v1.Directory/Query")
    release = threading.Event()

    def never() -> object:
        release.wait(30)
        return
        yield b""

    # Refused before the request is waited for.
    started = time.monotonic()
    with refused(grpc.StatusCode.PERMISSION_DENIED):
        call(never(), timeout=20)
    assert time.monotonic() - started < 2
    release.set()
