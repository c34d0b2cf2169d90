"""The bottom line: neighbour, central, my address, rates; a click on one tells more. Qt's thread only."""

from PySide6.QtCore import QPoint
from PySide6.QtWidgets import QMenu

from desktop.api import ApiError, Status
from desktop.context import Context
from desktop.plain import as_label, as_tooltip, plain
from desktop.session import Session
from desktop.widgets.basics import Button, Frame, row


class StatusBar(Frame):
    def __init__(self, context: Context, session: Session) -> None:
        super().__init__("statusbar")
        self._context, self._session = context, session
        look = context.look
        self.neighbour = Button(look, "", "people", "status")
        self.central = Button(look, "", "home", "status")
        self.address = Button(look, "", "globe", "status")
        self.slow = Button(look, "", "turtle", "status")
        self.slow.clicked.connect(lambda: self._switch_slow())
        self.down = Button(look, "", "arrow-down", "status")
        self.up = Button(look, "", "arrow-up", "status")
        layout = row(self.neighbour, self.central, self.address, None, self.slow, self.down, self.up, spacing=2)
        layout.setContentsMargins(10, 3, 10, 3)
        self.setLayout(layout)
        for button, tell in (
            (self.neighbour, self._neighbour_lines),
            (self.central, self._central_lines),
            (self.address, self._address_lines),
            (self.down, self._rate_lines),
            (self.up, self._rate_lines),
        ):
            button.clicked.connect(lambda _=False, b=button, lines=tell: self._pop_up(b, lines()))
        session.status_changed.connect(self._changed)
        session.reachable_changed.connect(self._reachable_changed)
        if session.status is not None:
            self._changed(session.status)

    def _changed(self, status: Status) -> None:
        words, primary = self._context.words, status.primary
        name = as_label(primary.name or primary.peer_id[:8]) if primary else ""
        self.neighbour.setText(words("status.neighbour", name=name) if primary else words("status.no-neighbour"))
        self.neighbour.setToolTip(words("status.neighbour.hint"))
        self.central.setText(words("status.central-on" if status.central_reachable else "status.central-off"))
        self.central.set_icon("home" if status.central_reachable else "offline")
        self.central.setToolTip(words("status.central.hint"))
        self.address.setText(as_label(_short(status.addresses[0])) if status.addresses else words("status.no-address"))
        self.address.setToolTip(as_tooltip(words("status.address.hint")))
        state = words.slow_state(status.slow, status.slow_scheduled, status.slow_until)
        hint = words("status.slow-on.hint" if status.slow else "status.slow-off.hint")
        self.slow.setText(words("limits.slow") if status.slow else "")
        self.slow.tint("accent" if status.slow else "")
        self.slow.setAccessibleName(hint)
        self.slow.setToolTip(as_tooltip(f"{hint}\n{state}" if state else hint))
        self.down.setText(words.rate(status.rate_received))
        self.up.setText(words.rate(status.rate_sent))
        self.down.setAccessibleName(words("status.down", rate=words.rate(status.rate_received)))
        self.up.setAccessibleName(words("status.up", rate=words.rate(status.rate_sent)))
        self.down.setToolTip(self.down.accessibleName())
        self.up.setToolTip(self.up.accessibleName())

    def _reachable_changed(self, error: ApiError | None) -> None:
        self.setEnabled(error is None)

    def _neighbour_lines(self) -> list[str]:
        words, status = self._context.words, self._session.status
        assert status is not None
        lines = [
            words(f"status.role.{n.role if n.reachable else 'gone'}", name=plain(n.name) or n.peer_id[:8])
            for n in status.neighbours
        ]
        lines = lines or [words("status.no-neighbour.text")]
        asked = words("status.queries", through=status.through_neighbour, direct=status.direct)
        return [*lines, "", asked, words("status.relayed", count=status.relayed)]

    def _central_lines(self) -> list[str]:
        words, status = self._context.words, self._session.status
        assert status is not None
        state = words("status.central-on" if status.central_reachable else "status.central-off.text")
        since = words("status.since", time=words.moment(status.central_since)) if status.central_since else ""
        return [line for line in (state, plain(status.central_address), since) if line]

    def _address_lines(self) -> list[str]:
        words, status = self._context.words, self._session.status
        assert status is not None
        return [*map(plain, status.addresses)] or [words("status.no-address.text")]

    def _rate_lines(self) -> list[str]:
        words, status = self._context.words, self._session.status
        assert status is not None
        return [
            words("status.received", size=words.size(status.received)),
            words("status.sent", size=words.size(status.sent)),
            *([words("status.limit-down", rate=words.rate(status.limit_received))] if status.limit_received else []),
            *([words("status.limit-up", rate=words.rate(status.limit_sent))] if status.limit_sent else []),
        ]

    def _switch_slow(self) -> None:
        status = self._session.status
        assert status is not None
        self._session.do(self._session.client.change_settings({"slow_mode": not status.slow}))

    def _pop_up(self, button: Button, lines: list[str]) -> None:
        menu = QMenu(self)
        menu.aboutToHide.connect(menu.deleteLater)
        for line in lines:
            if line:
                menu.addAction(as_label(line))
            else:
                menu.addSeparator()
        menu.popup(button.mapToGlobal(QPoint(0, -menu.sizeHint().height() - 4)))


def _short(address: str) -> str:
    return plain(address).removeprefix("https://")
