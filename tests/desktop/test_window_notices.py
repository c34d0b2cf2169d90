"""The peer's notices: one banner that opens into all, and what belongs into the settings stays there."""

from collections.abc import Callable

from pytestqt.qtbot import QtBot

from desktop.api import Problem
from desktop.context import Context
from desktop.widgets.states import Notices

KEY = Problem("The key is protected by a file", "No keyring answered.", "key-in-file")
PORT = Problem("Already in use", "Port 51020 is taken; 40123 serves instead.", "in-use")
REVOKED = Problem("Revoked", "Ask for another invite.", "revoked")
LATE = Problem("The certificate ends soon", "Stay online.", "certificate")


def test_one_banner_for_several(qtbot: QtBot, make_context: Callable[[], Context]) -> None:
    notices = Notices(make_context())
    qtbot.addWidget(notices)
    notices.show_all((KEY,))
    assert notices.isHidden()
    notices.show_all((KEY, PORT))
    assert not notices.isHidden()
    (only,) = notices.banners
    assert only.title == "The usual port is taken" and only.more.isHidden()

    notices.show_all((KEY, PORT, REVOKED, LATE))
    assert [banner.isHidden() for banner in notices.banners] == [False, True, True]
    assert notices.banners[0].more.text() == "+2 more"
    notices.banners[0].more.click()
    assert not any(banner.isHidden() for banner in notices.banners)
    notices.banners[0].closed.emit()
    assert [banner.title for banner in notices.banners][1:] == [LATE.title]

    notices.show_all((PORT, REVOKED, LATE))
    assert len(notices.banners) == 2, "what was closed stays closed"
