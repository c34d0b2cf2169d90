"""What the client of the central makes of calls that are not answered, over a channel that leads nowhere."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from processes import wait_for
from trust import Authority

from peer_core.directory.central import CentralClient
from peer_core.errors import BarrioError, CentralUnreachableError
from protos.barrio.v1 import directory_pb2 as pb
from protos.barrio.v1 import directory_pb2_grpc


@pytest.fixture
def client(tmp_path: Path) -> Iterator[CentralClient]:
    """Of a central that takes the connection and says nothing."""
    identity = Authority().identity(tmp_path, "a")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        membership = replace(identity.membership, directory=silent.getsockname())
        client = CentralClient(replace(identity, membership=membership))
        try:
            yield client
        finally:
            client.close()


def test_a_call_that_ends_with_the_channel_says_nothing_about_the_central(client: CentralClient) -> None:
    ended: list[BarrioError] = []

    def ask() -> None:
        try:
            client.register([], "test", bytes(16), 0)
        except BarrioError as error:
            ended.append(error)

    before = client.heard
    assert before.trouble is None
    other = threading.Thread(target=ask)
    began = time.monotonic()
    other.start()
    try:
        wait_for(lambda: client._channel is not None, 5, "the call to be under way")
        with pytest.raises(CentralUnreachableError):
            client.leave()
    finally:
        other.join()
    assert time.monotonic() - began < 8, "it ended with the channel that was given up, not at its own deadline"
    assert isinstance(ended[0], CentralUnreachableError)
    heard = client.heard
    assert isinstance(heard.trouble, CentralUnreachableError) and heard.since > before.since
    with pytest.raises(CentralUnreachableError):
        client.leave()
    assert client.heard is heard, "the first one counts"


class Failed(grpc.RpcError):
    def __init__(self, code: grpc.StatusCode) -> None:
        self._code = code

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return ""

    def trailing_metadata(self) -> tuple[()]:
        return ()


def test_a_slow_answer_counts_as_silence_only_when_nothing_else_is_answered(
    client: CentralClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leave(*_: Any, timeout: float) -> Any:
        return pb.LeaveResponse()

    def slow(*_: Any, timeout: float) -> Any:
        client.leave()
        raise Failed(grpc.StatusCode.DEADLINE_EXCEEDED)

    def failing(code: grpc.StatusCode) -> Any:
        def query(*_: Any, timeout: float) -> Any:
            raise Failed(code)

        return query

    stub = SimpleNamespace(Leave=leave, Query=slow)
    monkeypatch.setattr(directory_pb2_grpc, "DirectoryStub", lambda _: stub)
    with pytest.raises(CentralUnreachableError):
        client.query(b"")
    assert client.heard.trouble is None
    silent = {
        grpc.StatusCode.DEADLINE_EXCEEDED: True,
        grpc.StatusCode.CANCELLED: True,
        grpc.StatusCode.INVALID_ARGUMENT: False,
        grpc.StatusCode.UNAVAILABLE: True,
    }
    for code, is_silent in silent.items():
        stub.Query = failing(code)
        with suppress(BarrioError):
            client.query(b"")
        assert (client.heard.trouble is not None) == is_silent, code
    client.leave()
    assert client.heard.trouble is None
