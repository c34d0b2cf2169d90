"""A peer that runs with the window's data folder: it is told, and can be shown in this window."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import HeadlessPeer
from window_kit import Drive, shell_of, until

from desktop import peer_host
from desktop.app import Desktop
from desktop.arguments import Options
from desktop.peer_host import Endpoint, running_peer
from desktop.views.starting_page import StartingPage
from peer_core import data_folder


async def refusal(desktop: Desktop) -> StartingPage:
    page = await until(lambda: desktop.window.stack.currentWidget(), "a page")
    assert isinstance(page, StartingPage)
    await until(lambda: not page.text.isHidden() and page.text.text(), "the refusal")
    return page


def test_the_running_one_is_opened_and_goes_on(member: Path, drive: Drive) -> None:
    peer = HeadlessPeer(member, "Me").start()
    assert peer.program is not None

    async def scenario(desktop: Desktop) -> None:
        page = await refusal(desktop)
        assert str(member) in page.text.text() and "shown in this window" in page.text.text()
        assert page.other.isVisible() and page.other.text() == "Open that one"
        page.other.click()
        await shell_of(desktop)
        assert desktop.session is not None and desktop.session.status is not None
        assert desktop.session.status.peer_id == peer.peer_id

    with peer.program:
        drive(Options(member), scenario)
        assert peer.status()["joined"]


def test_one_that_ended_meanwhile_is_replaced(member: Path, drive: Drive) -> None:
    peer = HeadlessPeer(member, "Me").start()
    assert peer.program is not None

    async def scenario(desktop: Desktop) -> None:
        page = await refusal(desktop)
        assert peer.stop() == 0
        page.other.click()
        await shell_of(desktop)

    with peer.program:
        drive(Options(member), scenario)


def test_without_its_address_there_is_no_button(member: Path, drive: Drive) -> None:
    peer = HeadlessPeer(member, "Me").start()
    assert peer.program is not None

    async def scenario(desktop: Desktop) -> None:
        (member / "local-api.json").unlink()
        page = await refusal(desktop)
        assert page.other.isHidden()
        assert "end it first" in page.text.text() and "shown in this window" not in page.text.text()

    with peer.program:
        drive(Options(member), scenario)


def test_one_that_does_not_answer_where_it_says_is_not_offered(member: Path, drive: Drive) -> None:
    peer = HeadlessPeer(member, "Me").start()
    assert peer.program is not None
    file = member / "local-api.json"

    async def scenario(desktop: Desktop) -> None:
        page = await refusal(desktop)
        assert page.other.isHidden()
        assert "end it first" in page.text.text()

    with peer.program, socket.create_server(("127.0.0.1", 0)) as silent:
        access = json.loads(file.read_text("utf-8"))
        file.write_text(json.dumps({**access, "url": f"http://127.0.0.1:{silent.getsockname()[1]}"}), "utf-8")
        drive(Options(member), scenario)
        file.write_text(json.dumps(access), "utf-8")


def test_the_place_that_a_killed_peer_left_behind_is_not_asked(tmp_path: Path) -> None:
    (tmp_path / "local-api.json").write_text(json.dumps({"url": "http://127.0.0.1:5", "token": "t"}))
    assert running_peer(tmp_path) is None
    lock = data_folder.FolderLock(tmp_path)
    lock.take()
    assert running_peer(tmp_path) is not None
    lock.release()
    assert running_peer(tmp_path) is None


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Path]:
    """A data folder that a peer has."""
    lock = data_folder.FolderLock(tmp_path)
    lock.take()
    yield tmp_path
    lock.release()


def test_what_is_no_address_of_this_machine_is_none(held: Path) -> None:
    assert peer_host.LOCAL_API_FILE == data_folder.LOCAL_API_FILE
    file = held / "local-api.json"
    assert running_peer(held) is None
    file.write_text(json.dumps({"url": "http://127.0.0.1:5", "token": "t"}))
    assert running_peer(held) == Endpoint("http://127.0.0.1:5", "t")
    for bad in (
        '{"url": "http://x:1", "token": "t"}',
        '{"url": 5, "token": "t"}',
        "[]",
        "{",
        '{"url": "http://127.0.0.1:5"}',
    ):
        file.write_text(bad)
        assert running_peer(held) is None
