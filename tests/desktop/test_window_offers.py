"""Sending in the window, against real peers: the card of an offer, its answers, and files dropped on a person."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from processes import wait_for
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDragMoveEvent, QDropEvent
from PySide6.QtWidgets import QApplication, QDialog, QLabel, QWidget
from window_kit import MARKUP_NAME, Barrio, Drive, shell_of, until

from desktop.api import Member
from desktop.api_offers import Offer, Offers
from desktop.app import Desktop
from desktop.arguments import Options
from desktop.views.offer_dialogs import AlwaysDialog, SendDialog
from desktop.views.shell import Shell

TURNED = "x\u202egpj.exe"
COPY, BUTTON, KEYS = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier


@pytest.fixture
def me(member: Path) -> Iterator[str]:
    """This window's peer id, for Ana to send to."""
    from peer_core.identity.store import Identity

    identity = Identity.load(member)
    assert identity is not None
    yield identity.peer_id


def texts(widget: QWidget) -> list[str]:
    return [label.text() for label in widget.findChildren(QLabel)]


def send(barrio: Barrio, me: str, root: Path, name: str, data: bytes, *more: str) -> dict[str, Any]:
    """Ana offers a file of hers to this window."""
    file = root / "ana" / name
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(data)
    (offer,) = barrio.ana.json("send", str(file), "--to", me, *more)
    return dict(offer)


def state_at_ana(barrio: Barrio, offer_id: str) -> str:
    return str(barrio.ana.json("offers", offer_id)["state"])


def file_on(paths: list[Path]) -> QMimeData:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    return data


def state_of(shell: Shell, name: str) -> str:
    """Of the one offer of a file of that name."""
    return next(iter({o.state for o in shell.offers.model.rows if o.names == (name,)}), "")


async def card_of(shell: Shell, name: str) -> Any:
    await until(lambda: any(c.names.accessibleName() == name for c in shell.offers.cards), f"the card of {name}", 40)
    return next(c for c in shell.offers.cards if c.names.accessibleName() == name)


def test_what_is_offered_is_told_and_accepted_on_its_card(
    barrio: Barrio, member: Path, me: str, tmp_path: Path, drive: Drive
) -> None:
    markup = "<b>Look</b> & see"
    sent = send(barrio, me, tmp_path, MARKUP_NAME, b"for you", "--message", markup)

    async def scenario(desktop: Desktop) -> None:
        shell = await shell_of(desktop)
        await until(lambda: not shell.sidebar.offers_badge.isHidden(), "the badge", 40)
        assert shell.sidebar.offers_badge.text() == "1"
        await until(lambda: "Ana sends you 1 file (7 B)" in texts(shell.offers.cards[0]), "who sends it")
        shell.go("offers")
        (card,) = shell.offers.cards
        assert shell.offers.isVisible() and desktop.window.focusWidget() is shell.offers.table
        assert markup in texts(card) and MARKUP_NAME in texts(card)
        for label in desktop.window.findChildren(QLabel):
            assert label.textFormat() == Qt.TextFormat.PlainText, label.text()
        card.accept.click()
        await until(lambda: shell.offers.model.rows[0].state == "done", "all of it to be here", 40)
        assert shell.offers.cards == [] and shell.sidebar.offers_badge.isHidden()
        assert [p.read_bytes() for p in (tmp_path / "downloads").iterdir()] == [b"for you"]
        assert [transfer.state for transfer in shell.transfers.model.rows] == ["done"]
        assert shell.offers.model.state_text(shell.offers.model.rows[0]).startswith("Here, ")
        shell.offers.clear_ended()
        await until(lambda: shell.offers.model.rowCount() == 0, "an empty list")
        await desktop.tasks.in_worker(
            wait_for, lambda: state_at_ana(barrio, sent["id"]) == "done", 40, "Ana to know, though it is off the list"
        )

    drive(Options(member), scenario)


def test_declined_withdrawn_and_accepted_always(
    barrio: Barrio, member: Path, me: str, tmp_path: Path, drive: Drive
) -> None:
    sent = [send(barrio, me, tmp_path, name, name.encode()) for name in ("one.txt", "two.txt", "three.txt")]

    async def scenario(desktop: Desktop) -> None:
        shell = await shell_of(desktop)
        shell.go("offers")
        (await card_of(shell, "one.txt")).decline.click()
        await until(lambda: state_of(shell, "one.txt") == "declined", "the first to be declined")
        await desktop.tasks.in_worker(barrio.ana.verb, "withdraw", sent[1]["id"])
        await until(lambda: state_of(shell, "two.txt") == "withdrawn", "the second to be withdrawn", 40)
        assert "Ana took an offer back" in texts(shell.toast)
        (await card_of(shell, "three.txt")).always.click()
        dialog = await until(lambda: shell.findChild(AlwaysDialog), "the question")
        assert isinstance(dialog, AlwaysDialog)
        dialog.accept_always.click()
        await until(lambda: state_of(shell, "three.txt") == "done", "the third", 40)
        await desktop.tasks.in_worker(send, barrio, me, tmp_path, "four.txt", b"4")
        await until(lambda: state_of(shell, "four.txt") == "done", "the rule to take the fourth", 40)
        (rule,) = shell.offers.rules_shown
        assert (rule.peer_name, rule.max_bytes) == ("Ana", 1_000_000_000)
        line = shell.offers.rules.itemAt(0).widget()
        line.findChild(type(shell.offers.clear_button)).click()
        await until(lambda: not shell.offers.rules_shown, "the rule to be gone")

    drive(Options(member), scenario)
    wait_for(lambda: state_at_ana(barrio, sent[0]["id"]) == "declined", 40, "Ana to know")


def test_files_dropped_on_a_person_are_sent(barrio: Barrio, member: Path, tmp_path: Path, drive: Drive) -> None:
    (tmp_path / "trip").mkdir()
    (tmp_path / "trip" / "day one.jpg").write_bytes(b"1" * 1000)
    (tmp_path / "note.txt").write_text("hello", "utf-8")

    async def scenario(desktop: Desktop) -> None:
        shell = await shell_of(desktop)
        shell.go("neighbourhood")
        page = shell.neighbourhood
        await until(lambda: "Ana" in [m.name for m in page.members.model.rows], "Ana in the list")
        table, names = page.members.table, [m.name for m in page.members.model.rows]

        def over(name: str) -> QPointF:
            return QPointF(table.visualRect(page.members.model.index(names.index(name), 0)).center())

        data = file_on([tmp_path / "trip", tmp_path / "note.txt"])
        enter = QDragEnterEvent(over("Me").toPoint(), COPY, data, BUTTON, KEYS)
        QApplication.sendEvent(table.viewport(), enter)
        assert enter.isAccepted() and not desktop.window.overlay.isVisible()
        for name, taken in (("Me", False), ("Ana", True)):
            move = QDragMoveEvent(over(name).toPoint(), COPY, data, BUTTON, KEYS)
            QApplication.sendEvent(table.viewport(), move)
            assert move.isAccepted() is taken, name
        QApplication.sendEvent(table.viewport(), QDropEvent(over("Ana"), COPY, data, BUTTON, KEYS))
        dialog = await until(lambda: shell.findChild(SendDialog), "the dialog")
        assert isinstance(dialog, SendDialog)
        assert dialog.windowTitle() == "Send to Ana" and dialog.list.count() == 2
        dialog.add([str(tmp_path / "note.txt")])
        assert dialog.list.count() == 2
        dialog.list.item(1).setSelected(True)
        dialog.list.actions()[0].trigger()
        assert dialog.paths == [str(tmp_path / "trip")]
        dialog.add([str(tmp_path / "note.txt")])
        dialog.message.setText("from the trip")
        dialog.send.click()
        await until(lambda: "Offered to Ana" in texts(shell.toast), "the word that it is on its way")
        await until(lambda: [o.state for o in shell.offers.model.rows] == ["delivered"], "Ana to be asked", 40)
        listed = await desktop.tasks.in_worker(barrio.ana.json, "offers")
        assert (listed[0]["names"], listed[0]["message"]) == (["trip/", "note.txt"], "from the trip")
        await desktop.tasks.in_worker(barrio.ana.verb, "accept", listed[0]["id"], "--output", str(tmp_path / "got"))
        await until(lambda: [o.state for o in shell.offers.model.rows] == ["done"], "Ana to have it", 40)
        assert (tmp_path / "got" / "trip" / "day one.jpg").read_bytes() == b"1" * 1000
        assert "Ana has what you sent" in texts(shell.toast)

    drive(Options(member), scenario)


def test_send_is_offered_to_others_only(barrio: Barrio, member: Path, drive: Drive) -> None:
    async def scenario(desktop: Desktop) -> None:
        shell = await shell_of(desktop)
        shell.go("neighbourhood")
        page = shell.neighbourhood
        await until(lambda: page.members.model.rowCount() >= 2, "the members")
        for row in page.members.model.rows:
            page.members.chosen.emit(row)
            assert page.folder.send_button.isHidden() is row.me
        dialog = shell.send(Member("a" * 52, "Away <b>", False), [])
        assert not dialog.send.isEnabled()
        (ana,) = [action for action in dialog.also.menu().actions() if action.text() == "Ana"]
        ana.setChecked(True)
        assert dialog.windowTitle() == "Send to Away <b>, Ana"
        ana.setChecked(False)
        assert [m.peer_id for m in dialog.members] == ["a" * 52]
        dialog.add(["/nowhere/at all"])
        assert dialog.send.isEnabled()
        dialog.send.click()
        await until(lambda: any("There is no file" in text for text in texts(shell.toast)), "why it cannot be sent")
        assert not any(isinstance(w, QDialog) and w.isVisible() for w in QApplication.topLevelWidgets())

    drive(Options(member), scenario)


def test_many_offers_show_a_few_cards_and_all_rows(barrio: Barrio, member: Path, drive: Drive) -> None:
    def offer(number: int, state: str) -> Offer:
        return Offer(
            f"{number}",
            True,
            "a" * 52,
            "",
            state,
            "",
            ("x\u202egpj.exe",),
            1,
            1,
            0,
            0,
            0,
            0,
            0,
            "",
            None,
            None,
            None,
            None,
        )

    async def scenario(desktop: Desktop) -> None:
        shell = await shell_of(desktop)
        page = shell.offers
        page.show_offers(Offers(tuple(offer(n, "delivered") for n in range(500)), (), 7))
        assert [card.offer.id for card in page.cards] == ["499", "498"]
        first = page.cards[0]
        page.show_offers(Offers(tuple(offer(n, "delivered") for n in range(500)), (), 8))
        assert page.cards[0] is first and page.model.rowCount() == 500
        assert "xgpj.exe" in texts(first)
        assert page.summary.text() == "500 wait for you"

    drive(Options(member), scenario)
