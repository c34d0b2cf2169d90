"""Listings from peers that lie: wrong types, names that escape, rows without end, pages that go round, drips."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from holders import Exchange, HostileHolder
from hypothesis import given
from hypothesis import strategies as st
from trust import Authority

from peer_core.directory.peer_http import PeerHttp
from peer_core.directory.remote_tree import ANSWER_SECONDS, RemoteTree
from peer_core.directory.types import PeerRecord
from peer_core.errors import BadInputError, BarrioError, NotFoundError, PeerMisbehavedError, PeerUnreachableError
from protos.agreed import encode_id

LIAR = PeerRecord(encode_id(bytes(32)), "liar", ("https://127.0.0.1:9",))
CONTENT = encode_id(bytes(range(32)))


class FakeHttp:
    """Answers with what `script` makes of the number of the request."""

    def __init__(self, script: Callable[[int], Any], status: int = 200) -> None:
        self.asked: list[str] = []
        self._script = script
        self._status = status

    def request(
        self, peer_id: str, addresses: object, method: str, path: str, **more: object
    ) -> tuple[int, dict, bytes]:
        self.asked.append(path)
        value = self._script(len(self.asked))
        return self._status, {}, value if isinstance(value, bytes) else json.dumps(value).encode()


def tree_of(script: Callable[[int], Any], status: int = 200) -> tuple[RemoteTree, FakeHttp]:
    http = FakeHttp(script, status)
    return RemoteTree(cast(PeerHttp, http)), http


def file(name: Any, folder: Any = "", size: Any = 5, content: Any = CONTENT, modified: Any = 7) -> dict[str, Any]:
    return {"folder": folder, "name": name, "size": size, "content_id": content, "modified": modified}


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"[" * 100_000,
        b"\xff",
        [],
        7,
        {"files": {}},
        {"files": [1]},
        {"folders": "x"},
        {"files": [file(f"{n:07}") for n in range(201)]},
        {"files": [file("b"), file("a")]},
        {"files": [file("a"), file("a")]},
        {"files": [file("a")], "next_after": 5},
        {"files": [file("b")], "next_after": "a"},
        {"files": [file("b")], "next_after": "c/"},
        {"files": [file("b")], "next_after": "x" * 6000},
        {"files": [file("b")], "next_after": ""},
    ],
)
def test_a_listing_that_cannot_be_is_not_used(value: Any) -> None:
    tree, _ = tree_of(lambda _: value)
    with pytest.raises(PeerMisbehavedError):
        tree.page(LIAR, "s", "", 200)


@pytest.mark.parametrize(
    "value",
    [
        b"",
        [],
        {"files": {}},
        {"files": [file("b"), file("a")]},
        {"files": [file("a", folder="b"), file("a", folder="a")]},
        {"files": [file("b")], "next_after": "a"},
        {"files": [file("b")], "next_after": ["c"]},
    ],
)
def test_a_whole_tree_that_cannot_be_is_not_used(value: Any) -> None:
    with pytest.raises(PeerMisbehavedError):
        tree_of(lambda _: value)[0].all_below(LIAR, "s", 100)


@pytest.mark.parametrize(
    "row",
    [
        file(".."),
        file("."),
        file(""),
        file("a/b"),
        file("a\0b"),
        file("x" * 2000),
        file(5),
        file(None),
        file(["a"]),
        file("a", size=-1),
        file("a", size=1.5),
        file("a", size=True),
        file("a", size=1 << 60),
        file("a", size="5"),
        file("a", content="x"),
        file("a", content=5),
        file("a", content=CONTENT.upper()),
        {},
    ],
)
def test_a_row_that_names_nothing_is_left_out(row: dict[str, Any]) -> None:
    value = {"files": [row, file("good\u202e name\x07")], "folders": [{**row, "files": 1, "bytes": -1}]}
    page = tree_of(lambda _: value)[0].page(LIAR, "s", "", 200)
    assert [f.name for f in page.files] == ["good\u202e name\x07"]
    assert page.folders == ()
    assert [f.name for f in tree_of(lambda _: value)[0].all_below(LIAR, "s", 100).files] == ["good\u202e name\x07"]


@pytest.mark.parametrize("folder", ["..", "a/..", "/a", "a//b", "a/", "a\0", 5, None, "x" * 6000])
def test_a_folder_that_leaves_the_share_is_left_out(folder: Any) -> None:
    value = {"files": [file("x", folder=folder), file("y", folder="zz")]}
    assert [f.folder for f in tree_of(lambda _: value)[0].all_below(LIAR, "s", 100).files] == ["zz"]


def test_a_strange_date_is_no_date() -> None:
    for modified in ("today", 1 << 80, -(1 << 80), None, 1.5, True):
        value = {"files": [file("x", modified=modified)]}
        assert tree_of(lambda _, v=value: v)[0].page(LIAR, "s", "", 200).files[0].modified == 0


def test_pages_that_go_round_or_stand_still_end() -> None:
    for script in (
        lambda _: {"files": [file("a")], "next_after": "a"},
        lambda n: {"files": [file(f"{n % 3}")], "next_after": f"{n % 3}"},
        lambda _: {"files": [], "next_after": "a"},
        lambda n: {"files": [], "next_after": f"{n:09}"},
    ):
        tree, http = tree_of(script)
        with pytest.raises((PeerMisbehavedError, PeerUnreachableError)):
            tree.all_below(LIAR, "s", 1000)
        assert len(http.asked) <= 4


def test_pages_without_end_are_cut_with_a_sentence() -> None:
    tree, http = tree_of(
        lambda n: {"files": [file(f"{n:09}-{m:03}") for m in range(1000)], "next_after": f"{n:09}-999"}
    )
    with pytest.raises(BadInputError, match="more than 2500 files"):
        tree.all_below(LIAR, "s", 2500)
    assert len(http.asked) == 3


def test_a_million_rows_on_one_page_are_not_taken() -> None:
    big = ("[" + ",".join(['{"name":"x"}'] * 1_000_000) + "]").encode()
    tree, _ = tree_of(lambda _: b'{"files":' + big + b"}")
    with pytest.raises(PeerMisbehavedError):
        tree.page(LIAR, "s", "", 200)


@pytest.mark.parametrize("path", ["s/..", "..", "s//a", "s/./a"])
def test_a_path_that_names_nothing_is_not_asked_for(path: str) -> None:
    tree, http = tree_of(lambda _: {})
    with pytest.raises(NotFoundError):
        tree.page(LIAR, path, "", 200)
    assert http.asked == []


def test_statuses_become_errors_with_the_right_fault() -> None:
    for status, kind in (
        (404, NotFoundError),
        (400, BadInputError),
        (500, PeerMisbehavedError),
        (302, PeerMisbehavedError),
    ):
        with pytest.raises(kind):
            tree_of(lambda _: {}, status)[0].page(LIAR, "s", "", 200)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["name", "size", "folder"]), inner),
    max_leaves=10,
)
ANSWER = st.fixed_dictionaries({}, optional=dict.fromkeys(("files", "folders", "shares", "next_after", "kind"), JSON))


@given(ANSWER | JSON, st.text(max_size=4))
def test_no_answer_is_a_mistake_of_ours(value: Any, after: str) -> None:
    for ask in (
        lambda t: t.shares(LIAR),
        lambda t: t.page(LIAR, "s", after, 200),
        lambda t: t.all_below(LIAR, "s", 10),
    ):
        tree, _ = tree_of(lambda _: value)
        try:
            ask(tree)
        except BarrioError as error:
            assert error.message.endswith(".")


@pytest.mark.parametrize("what", ["endless", "drip"])
def test_an_answer_without_end_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    monkeypatch.setattr("peer_core.directory.remote_tree.ANSWER_SECONDS", 1.0)
    assert ANSWER_SECONDS > 1

    def script(x: Exchange) -> None:
        if what == "endless":
            x.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
            while not x.stopping.is_set():
                x.send(os.urandom(65536))
        else:
            x.drip(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n" + b" " * 900, 0.1)

    authority = Authority()
    holder = HostileHolder(authority.identity(tmp_path / "liar", "liar"), b"", script)
    http = PeerHttp(authority.identity(tmp_path / "me", "me"))
    record = PeerRecord(holder.holder.peer_id, "liar", holder.holder.addresses)
    try:
        started = time.monotonic()
        with pytest.raises((PeerMisbehavedError, PeerUnreachableError)):
            RemoteTree(http).page(record, "s", "", 200)
        assert time.monotonic() - started < 8
    finally:
        http.close()
        holder.close()
