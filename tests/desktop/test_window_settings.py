"""The settings page against a real peer: saved, refused in place, language and theme change at once."""

from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from window_kit import Drive, shell_of, until

from desktop.app import Desktop
from desktop.arguments import Options
from desktop.theme import DARK


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


def test_notices_are_said_until_they_are_read(member: Path, drive: Drive) -> None:
    async def scenario(desktop: Desktop) -> None:
        shell = await shell_of(desktop)
        banners = [banner for banner in shell.notices.banners if banner.isVisible()]
        assert len(banners) == 1, "the key's passphrase is in a file here, and that is said"
        banners[0].closed.emit()
        assert shell.notices.isHidden()
        await until(lambda: desktop.session is not None and desktop.session.status is not None, "news")
        assert shell.notices.isHidden()

    drive(Options(member), scenario)
