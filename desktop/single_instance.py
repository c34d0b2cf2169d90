"""One window for each data folder: a second start hands its link to the first and ends. Qt's thread only."""

import hashlib
from pathlib import Path

from PySide6.QtCore import QObject, Signal
from PySide6.QtNetwork import QLocalServer, QLocalSocket

_WAIT_MS = 1000
_MOST_BYTES = 4096
_ACCEPTED = b"ok\n"


def instance_name(data_dir: Path, connect: str | None) -> str:
    """Short, and the same for every way of writing the same folder."""
    place = f"{data_dir.resolve()}\n{connect or ''}"
    return f"barrio-{hashlib.sha256(place.encode()).hexdigest()[:20]}"


def hand_over(name: str, link: str | None) -> bool:
    """True when a window of that name runs and has taken the link."""
    socket = QLocalSocket()
    socket.connectToServer(name)
    if not socket.waitForConnected(_WAIT_MS):
        return False
    socket.write(f"{link or ''}\n".encode()[:_MOST_BYTES])
    taken = socket.waitForBytesWritten(_WAIT_MS) and socket.waitForReadyRead(_WAIT_MS)
    socket.disconnectFromServer()
    return taken


class SingleInstance(QObject):
    """Listens for later starts. `started_again` carries their link, or an empty text."""

    started_again = Signal(str)

    def __init__(self, name: str, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._server = QLocalServer(self)
        self._server.setSocketOptions(QLocalServer.SocketOption.UserAccessOption)
        # What a window that crashed left behind; one that runs would have answered `hand_over`.
        QLocalServer.removeServer(name)
        self._server.listen(name)
        self._server.newConnection.connect(self._accept)

    def close(self) -> None:
        self._server.close()

    def _accept(self) -> None:
        socket = self._server.nextPendingConnection()
        if socket is None:
            return
        socket.readyRead.connect(lambda: self._read(socket))
        socket.disconnected.connect(socket.deleteLater)

    def _read(self, socket: QLocalSocket) -> None:
        if not socket.canReadLine():
            if socket.bytesAvailable() > _MOST_BYTES:
                socket.abort()
            return
        link = bytes(socket.readLine(_MOST_BYTES).data()).decode("utf-8", "replace").strip()
        socket.write(_ACCEPTED)
        socket.flush()
        self.started_again.emit(link)
