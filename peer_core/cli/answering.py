"""Whether the peer that runs here answers: its own user over the local API, and other members over the peer API.

Only what says nothing at all is dead: refused, or silent for too long. A certificate that has ended, or all connections
taken, is no reason to end a living program.
"""

import http.client
import time
from urllib.parse import urlsplit

from peer_core.addresses import own_host, url_of
from peer_core.errors import BarrioError
from peer_core.identity.connection import USER_AGENT, PeerConnection, converted
from peer_core.peer import Peer


def answers(peer: Peer, seconds: float) -> bool:
    """Asks both servers, each within half of `seconds`."""
    return _local(peer, seconds / 2) and _others(peer, seconds / 2)


def _local(peer: Peer, seconds: float) -> bool:
    connection = http.client.HTTPConnection(urlsplit(peer.local_url).netloc, timeout=seconds)
    try:
        connection.request("GET", "/v1/status", headers={"Authorization": f"Bearer {peer.token}"})
        connection.getresponse().read()
    except (OSError, http.client.HTTPException) as error:
        return not _dead(error)
    finally:
        connection.close()
    return True


def _others(peer: Peer, seconds: float) -> bool:
    online = peer.online
    if online is None:
        return False
    host, port = online.listens
    identity = online.identity
    here = url_of(own_host(host), port)
    connection = PeerConnection(identity, identity.peer_id, "This device", [here], seconds)
    connection.deadline = time.monotonic() + seconds
    try:
        connection.open(seconds)
        with converted(connection.who):
            connection.request("GET", "/v1/peer", None, {"User-Agent": USER_AGENT})
            connection.getresponse().close()
    except BarrioError as error:
        return not _dead(error.__cause__)
    finally:
        connection.close()
    return True


def _dead(error: BaseException | None) -> bool:
    return isinstance(error, ConnectionRefusedError | TimeoutError)
