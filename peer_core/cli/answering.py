"""Whether the peer that runs here answers: its own user over the local API, and other members over the peer API."""

import http.client
from urllib.parse import urlsplit

from peer_core.addresses import format_host_port, parse_listen
from peer_core.directory.peer_http import PeerHttp
from peer_core.errors import BarrioError
from peer_core.peer import Peer


def answers(peer: Peer, seconds: float) -> bool:
    """Asks both servers, each within half of `seconds`."""
    return _local(peer, seconds / 2) and _others(peer, seconds / 2)


def _local(peer: Peer, seconds: float) -> bool:
    connection = http.client.HTTPConnection(urlsplit(peer.local_url).netloc, timeout=seconds)
    try:
        connection.request("GET", "/v1/status", headers={"Authorization": f"Bearer {peer.token}"})
        answer = connection.getresponse()
        answer.read()
        return answer.status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _others(peer: Peer, seconds: float) -> bool:
    online = peer.online
    if online is None:
        return False
    host, port = parse_listen(online.listens_at)
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    caller = PeerHttp(online.identity)
    try:
        status, _, _ = caller.request(
            online.identity.peer_id, [f"https://{format_host_port(here, port)}"], "GET", "/v1/peer", timeout=seconds
        )
        return status == 200
    except BarrioError:
        return False
    finally:
        caller.close()
