"""The settings page against a real peer: saved, refused in place, language and theme change at once."""

import json
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLabel
from window_kit import Drive, shell_of, until

from desktop.api_reach import Check, check_up_from
from desktop.app import Desktop
from desktop.arguments import Options
from desktop.theme import DARK
from desktop.views.settings_page import _GROUPS
from desktop.views.switch_field import SwitchField
from peer_core import doctor
from peer_core.checks import Check as CheckPeer
from peer_core.checks import State
from peer_core.server import shapes
from protos.sentences import Sentence, say


def test_each_group_of_settings_is_there_once_and_each_setting_in_one() -> None:
    groups, keys = [name for name, _ in _GROUPS], [key for _, keys in _GROUPS for key in keys]
    assert len(set(groups)) == len(groups)
    assert len(set(keys)) == len(keys)


def test_settings_are_saved_and_refused_in_place(member: Path, tmp_path: Path, drive: Drive) -> None:
    async def scenario(desktop: Desktop) -> None:
        shell = await shell_of(desktop)
        shell.go("settings")
        fields = await until(lambda: shell.settings.fields, "the settings")
        assert not fields["listen"].edit.isEnabled() and "BARRIO_LISTEN" in fields["listen"].message.text()
        assert "restart" in fields["rescan_seconds"].message.text()

        seconds = fields["rescan_seconds"]
        seconds.edit.setText("2")
        QTest.keyClick(seconds.edit, Qt.Key.Key_Return)
        await until(lambda: "from 10 to 604800" in seconds.message.text(), "the peer's sentence")
        assert seconds.edit.text() == "2"
        seconds.edit.setText("60")
        QTest.keyClick(seconds.edit, Qt.Key.Key_Return)
        await until(lambda: seconds.message.text().startswith("Saved"), "the word that it is saved")
        assert desktop.session is not None
        values = {s.key: s.value for s in await desktop.session.client.settings()}
        assert values["rescan_seconds"] == 60

    drive(Options(member), scenario)


def test_announcing_is_switched_off_with_one_click(member: Path, drive: Drive) -> None:
    async def scenario(desktop: Desktop) -> None:
        shell = await shell_of(desktop)
        shell.go("settings")
        field = (await until(lambda: shell.settings.fields, "the settings"))["announce"]
        assert isinstance(field, SwitchField)
        assert field.edit.isChecked() and field.edit.isEnabled()
        field.edit.click()
        await until(lambda: field.message.text().startswith("Saved"), "the word that it is saved")
        assert desktop.session is not None
        values = {s.key: s.value for s in await desktop.session.client.settings()}
        assert values["announce"] is False and not field.edit.isChecked()

    drive(Options(member), scenario)


def test_language_and_theme(member: Path, drive: Drive) -> None:
    async def scenario(desktop: Desktop) -> None:
        shell = await shell_of(desktop)
        assert shell.sidebar.buttons["search"].text().strip() == "Search"
        desktop.choose_theme("dark")
        assert desktop.context.look.tokens is DARK
        desktop.choose_language("es")
        shell = await shell_of(desktop)
        assert shell.sidebar.buttons["search"].text().strip() == "Buscar"
        assert shell.stack.currentWidget() is shell.settings
        await until(lambda: "Central en línea" in shell.status_bar.central.text(), "the status in Spanish")
        assert desktop.context.settings.language == "es" and desktop.context.settings.theme == "dark"

    drive(Options(member), scenario)


def test_a_key_in_a_file_is_told_in_the_settings_only(member: Path, drive: Drive) -> None:
    async def scenario(desktop: Desktop) -> None:
        shell = await shell_of(desktop)
        assert desktop.session is not None and desktop.session.status is not None
        assert [n.code for n in desktop.session.status.notices] == ["key-in-file"]
        assert shell.notices.isHidden()
        shell.go("settings")
        assert any("a file that only you can read" in label.text() for label in shell.settings.findChildren(QLabel))

    drive(Options(member), scenario)


def test_the_name_of_a_member_is_shown_and_fixed(member: Path, drive: Drive) -> None:
    async def scenario(desktop: Desktop) -> None:
        shell = await shell_of(desktop)
        shell.go("settings")
        fields = await until(lambda: shell.settings.fields, "the settings")
        assert fields["name"].edit.text() == "Me" and not fields["name"].edit.isEnabled()
        assert "chosen when joining" in fields["name"].message.text()

    drive(Options(member), scenario)


def test_the_check_up_says_what_works_and_what_to_do(member: Path, drive: Drive) -> None:
    async def scenario(desktop: Desktop) -> None:
        shell = await shell_of(desktop)
        assert desktop.session is not None
        session = desktop.session
        await until(lambda: session.status is not None and session.status.neighbours, "a neighbour")
        shell.go("settings")
        card = shell.settings.check_up
        card.button.click()
        assert not card.button.isEnabled()
        await until(card.button.isEnabled, "the check-up")
        assert card.outcome.text() == "All is well"
        said = [label.text() for label in shell.settings.findChildren(QLabel)]
        assert any("Others reach this device at https://127.0.0.1:" in text and "Ana" in text for text in said)
        desktop.choose_language("es")
        shell = await shell_of(desktop)
        card = shell.settings.check_up
        card.button.click()
        await until(card.button.isEnabled, "the check-up in Spanish")
        said = [label.text() for label in shell.settings.findChildren(QLabel)]
        assert "Este equipo llega a otros y ellos llegan a él." in said
        closed = Check("address", "bad", "address-silent", {"names": "Ana", "address": "a", "port": "5"}, "English")
        assert "abre el puerto 5 (TCP)" in card.sentence(closed)
        silent = say("{name} did not answer in time.", "peer-timeout", name="Eva")
        for inside, end in ((doctor._inside(silent), " a tiempo)"), (Sentence("strange"), "(strange)")):
            found = CheckPeer("listening", State.BAD, "not-listening", {"address": "a", "reason": inside})
            told = json.loads(json.dumps({"checks": [shapes.check(found)], "good": False}))
            assert "(Eva did not answer in time);" in found.message or "(strange);" in found.message
            assert f"{end};" in card.sentence(check_up_from(told).checks[0])
        assert card.sentence(replace(closed, details={})) == "English"
        assert card.sentence(replace(closed, code="of-the-future")) == "English"

    drive(Options(member), scenario)
