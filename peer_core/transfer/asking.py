"""Small questions to a holder over a source's connection: which pieces are there, who else downloads."""

import http.client
import json

from peer_core.errors import PeerMisbehavedError, PeerUnreachableError
from peer_core.identity.connection import USER_AGENT, PeerConnection, converted, read_bounded
from peer_core.transfer.answers import MOST_ANSWER_BYTES, GoneError, check_status
from peer_core.transfer.bitmap import Bitmap
from peer_core.transfer.coming import HEADER, read_coming
from protos.agreed import decode_id

MOST_PEERS = 16


def ask_pieces(connection: PeerConnection, content: str, count: int) -> tuple[Bitmap, Bitmap]:
    """Which of `count` pieces a partial holder has, and which it is fetching; an older one does not tell these.

    Raises PeerUnreachableError, PeerMisbehavedError.
    """
    bits, coming = _asked(connection, "GET", f"/v1/contents/{content}/pieces", -(-count // 8), HEADER)
    try:
        return Bitmap(count, bits), read_coming(coming, count)
    except ValueError as error:
        raise PeerMisbehavedError(
            "{name} told about other pieces than there are.", "holder-other-pieces", name=connection.who
        ) from error


def send_meeting(connection: PeerConnection, content: str) -> None:
    """Tells a holder that this peer serves what it has of a content; `read_meeting` gets the answer."""
    with converted(connection.who):
        connection.send_ahead("POST", f"/v1/contents/{content}/sources", {"User-Agent": USER_AGENT})


def read_meeting(connection: PeerConnection) -> list[str]:
    """The ids of others that download the content, at most 16.

    None of them from a holder that does not know the question. Raises PeerUnreachableError, PeerMisbehavedError.
    """
    try:
        with converted(connection.who), connection.next_answer("POST") as response:
            body = _body(response, connection.who, MOST_ANSWER_BYTES)
        peers = json.loads(body)["peers"][:MOST_PEERS]
        for peer_id in peers:
            decode_id(peer_id)
    except GoneError:
        return []
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise PeerMisbehavedError(
            "{name} answered something that names no members.", "holder-no-members", name=connection.who
        ) from error
    return list(peers)


def _asked(connection: PeerConnection, method: str, path: str, most: int, header: str) -> tuple[bytes, str]:
    """The body of the answer, after which the connection can be used again; and one of its headers."""
    with converted(connection.who):
        connection.request(method, path, headers={"User-Agent": USER_AGENT})
        with connection.getresponse() as response:
            return _body(response, connection.who, most), response.headers.get(header, "")


def _body(response: http.client.HTTPResponse, who: str, most: int) -> bytes:
    """Read to its end also when it is an error."""
    try:
        check_status(response, who)
        if response.status != http.client.OK:
            raise PeerUnreachableError(
                "{name} answered with status {status}.", "holder-status", name=who, status=response.status
            )
    except PeerUnreachableError:
        read_bounded(response, MOST_ANSWER_BYTES, who)
        raise
    return read_bounded(response, most, who)
