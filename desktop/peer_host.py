"""Where the window's peer runs: in this process, or elsewhere. The only file of the window that knows `peer_core`.

`start` and `stop` may block and run in worker threads; one lock keeps them apart.
"""

import importlib
import json
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from desktop.hosting import HostError

if TYPE_CHECKING:
    from peer_core.peer import Peer


# How peer_core names them; not imported from there, since that would cost every start.
HELPER_ARGUMENT = "--barrio-helper"
LOCAL_API_FILE = "local-api.json"
# The code of the sentence that the data folder is another process's.
FOLDER_IN_USE = "data-folder-in-use"


def be_helper_if_asked() -> None:
    """A frozen program starts the peer's helpers as itself; does not return then. Before anything of Qt."""
    if len(sys.argv) > 1 and sys.argv[1] == HELPER_ARGUMENT:
        importlib.import_module("peer_core.library.child").run_if_asked()


@dataclass(frozen=True)
class Endpoint:
    """Where a local API answers, and the token that it wants."""

    url: str
    token: str


class PeerHost(Protocol):
    def start(self) -> Endpoint:
        """Raises HostError."""

    def stop(self) -> None: ...


class OwnPeer:
    """A peer in background threads of this process. A stopped one can be started again."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._lock = threading.Lock()
        self._peer: Peer | None = None
        self._stopped = False

    def start(self) -> Endpoint:
        # Imported here, after the first paint: Flask and gRPC take longer to load than the window to show.
        errors = importlib.import_module("peer_core.errors")
        peer_module = importlib.import_module("peer_core.peer")
        importlib.import_module("desktop.api_client")
        with self._lock:
            if self._stopped:
                raise HostError("Barrio is closing", "Start it again.", "closing")
            try:
                peer: Peer = peer_module.Peer(self._data_dir)
                self._peer = peer
                peer.start()
            except errors.BarrioError as error:
                self._end()
                raise HostError(error.title, error.message, error.code) from error
            return Endpoint(peer.local_url, peer.token)

    def stop(self) -> None:
        """Waits for a start that is under way; afterwards there is no other."""
        with self._lock:
            self._stopped = True
            self._end()

    def _end(self) -> None:
        if self._peer is not None:
            self._peer.stop()
            self._peer = None


def running_peer(data_dir: Path) -> Endpoint | None:
    """The peer that runs with this data folder in another process, where it says how to reach it. Reads files.

    While another one is just starting, an earlier one's place may still be told: ask it for its status.
    """
    # A file that a killed peer left behind may lead to whatever has its port now.
    if not importlib.import_module("peer_core.data_folder").FolderLock.is_held(data_dir):
        return None
    try:
        told = json.loads((data_dir / LOCAL_API_FILE).read_text("utf-8"))
        url, token = told["url"], told["token"]
    except (OSError, ValueError, TypeError, KeyError):
        return None
    is_here = isinstance(url, str) and url.startswith("http://127.0.0.1:")
    return Endpoint(url, token) if is_here and isinstance(token, str) else None


class OtherPeer:
    """A peer that somebody else runs and ends."""

    def __init__(self, url: str, token: str) -> None:
        self._endpoint = Endpoint(url, token)

    def start(self) -> Endpoint:
        importlib.import_module("desktop.api_client")
        return self._endpoint

    def stop(self) -> None:
        return
