"""A new device in the window: it joins by a pasted invite, or starts a barrio; errors lose nothing that was typed."""

import asyncio
import json
import socket
from dataclasses import replace
from pathlib import Path

import pytest
from processes import HeadlessPeer
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QScrollArea
from window_kit import Barrio, Drive, shell_of, until

from desktop.app import Desktop
from desktop.arguments import Options
from desktop.views.first_run import FirstRunPage, check_invite
from desktop.views.invite_dialog import InviteDialog
from desktop.views.starting_page import StartingPage
from desktop.window_settings import WindowSettings
from peer_core import nearby
from protos.agreed import Invite


def scrolls(page: FirstRunPage) -> int:
    bar = page.findChildren(QScrollArea)[0].verticalScrollBar()
    return bar.maximum() - bar.minimum()


async def first_page(desktop: Desktop) -> FirstRunPage:
    page = await until(lambda: page_of(desktop), "the first page")
    assert isinstance(page, FirstRunPage)
    return page


def page_of(desktop: Desktop) -> FirstRunPage | None:
    page = desktop.window.stack.currentWidget()
    return page if isinstance(page, FirstRunPage) else None


def test_joins_by_a_pasted_invite(barrio: Barrio, data_dir: Path, drive: Drive) -> None:
    invite = barrio.central.invite()

    async def scenario(desktop: Desktop) -> None:
        page = await first_page(desktop)
        assert scrolls(page) == 0, "all of it is seen at once"
        assert not page.join_button.isEnabled()
        page.name.setText("Kitchen")
        QTest.keyClicks(page.invite, invite[:-3])
        assert not page.join_button.isEnabled() and "cut short" in page.invite_message.text()
        QTest.keyClicks(page.invite, invite[-3:])
        assert page.join_button.isEnabled() and "127.0.0.1" in page.invite_message.text()
        page.join_button.click()
        shell = await shell_of(desktop)
        assert desktop.session is not None and desktop.session.status is not None
        assert desktop.session.status.name == "Kitchen"
        await until(lambda: "Ana" in shell.status_bar.neighbour.text(), "the neighbour in the status line")
        await until(lambda: "online" in shell.status_bar.central.text(), "the central in the status line")
        assert "127.0.0.1" in shell.status_bar.address.text()

    drive(Options(data_dir), scenario)


def test_barrios_of_this_network_are_listed_and_an_invite_of_one_is_known(
    barrio: Barrio, data_dir: Path, drive: Drive, monkeypatch: pytest.MonkeyPatch
) -> None:
    invite = barrio.central.invite()
    here = nearby.Barrio("Plaza <b>Mayor</b>", Invite.parse(invite).fingerprint)
    other = nearby.Barrio("Elsewhere", "a" * 52)
    monkeypatch.setattr(nearby, "find", lambda stopped: [other, here])

    async def scenario(desktop: Desktop) -> None:
        page = await first_page(desktop)
        place = page.join_button.mapTo(page, page.join_button.rect().topLeft())
        await until(page.found.text, "what is found")
        assert "“Elsewhere”, “Plaza <b>Mayor</b>”" in page.found.text()
        assert "ask somebody there for an invite" in page.found.text()
        assert page.join_button.mapTo(page, page.join_button.rect().topLeft()) == place, "the form jumped"
        assert not page.join_button.isEnabled(), "an invite is needed all the same"
        page.invite.setText(invite)
        assert page.invite_message.text() == "An invite of “Plaza <b>Mayor</b>”, which is on this network"
        page.invite.setText(str(replace(Invite.parse(invite), fingerprint="b" * 51 + "a")))
        assert "127.0.0.1" in page.invite_message.text()

    drive(Options(data_dir), scenario)


def test_a_refused_invite_keeps_what_was_typed(barrio: Barrio, data_dir: Path, tmp_path: Path, drive: Drive) -> None:
    used = barrio.central.invite()
    HeadlessPeer(tmp_path / "other", "Other", used)

    async def scenario(desktop: Desktop) -> None:
        page = await first_page(desktop)
        assert page.invite.text() == used and not page.progress.isVisible()
        page.name.setText("Kitchen")
        page.join_button.click()
        assert page.progress.isVisible() and not page.invite.isEnabled()
        before = page.invite.mapTo(page, page.invite.rect().topLeft())
        await until(page.banner.isVisible, "the refusal")
        await asyncio.sleep(0.1)
        assert page.invite.mapTo(page, page.invite.rect().topLeft()) == before, "the form jumped"
        assert desktop.window.focusWidget() is page.invite and page.invite.selectedText() == used
        assert page.invite.text() == used and page.name.text() == "Kitchen" and page.join_button.isEnabled()

    # The link of the command line is offered, and joining still takes a click.
    drive(Options(data_dir, link=used), scenario)


def test_starts_a_barrio_that_others_join_and_that_comes_back(data_dir: Path, tmp_path: Path, drive: Drive) -> None:
    settings = WindowSettings(data_dir)
    settings.central_listen = "127.0.0.1:0"
    settings.save()
    links: list[str] = []

    async def begin(desktop: Desktop) -> None:
        page = await first_page(desktop)
        page.name.setText("Founder")
        page.barrio_name.setText("Lavapiés")
        page.start_button.click()
        shell = await shell_of(desktop)
        dialog = await until(lambda: desktop.window.findChild(InviteDialog), "the invite for others")
        assert isinstance(dialog, InviteDialog)
        await until(dialog.copy.isEnabled, "the link")
        dialog.copy.click()
        links.append(QGuiApplication.clipboard().text())
        assert isinstance(check_invite(links[0]), Invite)
        dialog.accept()
        await until(lambda: "No neighbour" in shell.status_bar.neighbour.text(), "to be alone")
        await desktop.tasks.in_worker(HeadlessPeer, tmp_path / "guest", "Guest", links[0])

    async def return_later(desktop: Desktop) -> None:
        shell = await shell_of(desktop)
        await until(lambda: "online" in shell.status_bar.central.text(), "the central to be back")
        assert desktop.session is not None and desktop.session.status is not None
        assert desktop.session.status.name == "Founder" and desktop.session.status.network_name == "Lavapiés"
        ports.append(int(desktop.central.listen.rpartition(":")[2]))

    ports: list[int] = []
    drive(Options(data_dir), begin)
    drive(Options(data_dir), return_later)
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", ports[0])) != 0, "the central outlived the window"


def test_says_why_the_peer_could_not_start(data_dir: Path, drive: Drive) -> None:
    (data_dir / "settings.json").write_text("{mangled", "utf-8")

    async def scenario(desktop: Desktop) -> None:
        page = await until(lambda: desktop.window.findChild(StartingPage), "the page of the start")
        assert isinstance(page, StartingPage)
        await until(lambda: "settings.json" in page.text.text(), "the reason")
        (data_dir / "settings.json").unlink()
        desktop.connect()
        await first_page(desktop)

    drive(Options(data_dir), scenario)


def test_drives_a_peer_that_runs_elsewhere(barrio: Barrio, data_dir: Path, drive: Drive) -> None:
    access = json.loads((barrio.ana.data / "local-api.json").read_text("utf-8"))

    async def scenario(desktop: Desktop) -> None:
        shell = await shell_of(desktop)
        await until(lambda: shell.library.model.rows, "Ana's shares")
        assert desktop.session is not None and desktop.session.status is not None
        assert desktop.session.status.name == "Ana"

    drive(Options(data_dir, None, access["url"], access["token"]), scenario)


def test_links_are_checked_as_they_are_typed() -> None:
    assert check_invite("hello") == "invite.wrong-start"
    assert check_invite("barrio://host:1/join#token") == "invite.cut"
    fingerprint = "a" * 51 + "q"
    good = check_invite(f"  barrio://host:51016/join#token.{fingerprint}\n")
    assert isinstance(good, Invite) and good.host == "host"
