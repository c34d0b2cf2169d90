"""The stream of a connection: however the bytes are cut, answers are read one after the other, and none loses any."""

import http.client
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peer_core.identity.stream import Stream


class Cut:
    """A socket that gives its bytes in parts of the sizes given, then the end."""

    def __init__(self, data: bytes, sizes: list[int]) -> None:
        self._data, self._sizes = data, sizes

    def read(self, most: int, buffer: Any) -> int:
        size = min(most, self._sizes.pop(0) if self._sizes else most, len(self._data))
        buffer[:size] = self._data[:size]
        self._data = self._data[size:]
        return size


class Clock:
    left = 1.0
    count = 0

    def before_read(self, sock: object) -> None:
        if self.left <= 0:
            raise TimeoutError

    def after_read(self, count: int) -> None:
        self.count += count


def answer(stream: Stream) -> http.client.HTTPResponse:
    response = http.client.HTTPResponse(cast(Any, stream), method="GET")
    response.begin()
    return response


def stream_of(data: bytes, sizes: list[int]) -> tuple[Stream, Clock]:
    clock = Clock()
    return Stream(clock, cast(Any, Cut(data, sizes))), clock


@given(
    st.lists(st.binary(max_size=200), min_size=1, max_size=4), st.lists(st.integers(1, 60), max_size=60), st.booleans()
)
def test_answers_one_after_the_other(bodies: list[bytes], sizes: list[int], into: bool) -> None:
    sent = b"".join(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(b), b) for b in bodies)
    stream, clock = stream_of(sent, sizes)
    for body in bodies:
        with answer(stream) as response:
            if not into:
                assert response.read() == body
                continue
            got, buffer = b"", memoryview(bytearray(64))
            while len(got) < len(body):
                count = response.readinto(buffer[: len(body) - len(got)])
                assert count
                got += buffer[:count]
            assert got == body
    assert clock.count == len(sent)


@given(st.integers(0, 29), st.lists(st.integers(1, 20), max_size=30))
def test_a_cut_body_is_seen(length: int, sizes: list[int]) -> None:
    stream, _ = stream_of(b"HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n" + bytes(length), sizes)
    with pytest.raises(http.client.IncompleteRead):
        with answer(stream) as response:
            response.read()


def test_a_line_without_an_end_is_bounded() -> None:
    stream, _ = stream_of(b"x" * 100_000, [])
    assert stream.readline(1000) == b"x" * 1000
    assert len(stream.readline()) == 1 << 14


def test_without_time_left_nothing_is_read() -> None:
    stream, clock = stream_of(b"HTTP/1.1 200 OK\r\n\r\n", [])
    clock.left = 0
    with pytest.raises(TimeoutError):
        stream.readline()
    with pytest.raises(TimeoutError):
        stream.readinto(memoryview(bytearray(8)))
