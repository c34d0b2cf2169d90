"""Small questions to a holder over a source's connection: which pieces are there, who else downloads."""

import http.client
import json

from peer_core.errors import PeerMisbehavedError, PeerUnreachableError
from peer_core.identity.connection import USER_AGENT, PeerConnection, converted, read_bounded
from peer_core.transfer.answers import MOST_ANSWER_BYTES, GoneError, check_status
from peer_core.transfer.bitmap import Bitmap
from protos.agreed import decode_id

MOST_PEERS = 16


def ask_pieces(connection: PeerConnection, content: str, count: int) -> Bitmap:
    """Which of `count` pieces a partial holder has. Raises PeerUnreachableError, PeerMisbehavedError."""
    bits = _asked(connection, "GET", f"/v1/contents/{content}/pieces", -(-count // 8))
    try:
        return Bitmap(count, bits)
    except ValueError as error:
        raise PeerMisbehavedError(
            "{name} told about other pieces than there are.", "holder-other-pieces", name=connection.who
        ) from error


def meet(connection: PeerConnection, content: str) -> list[str]:
    """Tells a holder that this peer serves what it has of a content; the ids of others that do, at most 16.

    None of them from a holder that does not know the question. Raises PeerUnreachableError, PeerMisbehavedError.
    """
    try:
        told = json.loads(_asked(connection, "POST", f"/v1/contents/{content}/sources", MOST_ANSWER_BYTES))
        peers = told["peers"][:MOST_PEERS]
        for peer_id in peers:
            decode_id(peer_id)
    except GoneError:
        return []
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise PeerMisbehavedError(
            "{name} answered something that names no members.", "holder-no-members", name=connection.who
        ) from error
    return list(peers)


def _asked(connection: PeerConnection, method: str, path: str, most: int) -> bytes:
    """The body of the answer, after which the connection can be used again."""
    with converted(connection.who):
        connection.request(method, path, headers={"User-Agent": USER_AGENT})
        with connection.getresponse() as response:
            try:
                check_status(response, connection.who)
                if response.status != http.client.OK:
                    raise PeerUnreachableError(
                        "{name} answered with status {status}.",
                        "holder-status",
                        name=connection.who,
                        status=response.status,
                    )
            except PeerUnreachableError:
                read_bounded(response, MOST_ANSWER_BYTES, connection.who)
                raise
            return read_bounded(response, most, connection.who)
