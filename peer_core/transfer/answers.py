"""What the status of a holder's answer means. Pure."""

import http.client

from peer_core.errors import PeerMisbehavedError, PeerUnreachableError

LEAST_WAIT_SECONDS = 1
MOST_WAIT_SECONDS = 60
MOST_ANSWER_BYTES = 64 << 10


class GoneError(PeerUnreachableError):
    """The holder answers, but does not give the content (any longer)."""


class InLineError(PeerUnreachableError):
    """The holder serves others now, and says in how many `seconds` to ask again; `position`: 1 is next, 0 not known."""

    def __init__(self, who: str, seconds: int, position: int) -> None:
        place = f"number {position} in line there" if position else "in line there"
        super().__init__(f"{who} serves others now; this download is {place}.")
        self.seconds = seconds
        self.position = position


def check_status(response: http.client.HTTPResponse, who: str) -> None:
    """Raises for a holder that refuses, is busy, lets wait in line, or no longer has the content."""
    if response.status == http.client.SERVICE_UNAVAILABLE and response.getheader("Barrio-Line"):
        seconds = _number(response.getheader("Retry-After"), LEAST_WAIT_SECONDS)
        position = _number(response.getheader("Barrio-Line"), 0)
        raise InLineError(who, min(MOST_WAIT_SECONDS, max(LEAST_WAIT_SECONDS, seconds)), position)
    match response.status:
        case 404 | 410:
            raise GoneError(f"{who} no longer has this file.")
        case 401 | 403:
            raise GoneError(f"{who} does not give this file to you.")
        case 429 | 502 | 503 | 504:
            raise PeerUnreachableError(f"{who} is busy.")


def check_range(response: http.client.HTTPResponse, who: str, content: str, start: int, length: int, size: int) -> None:
    """Raises unless the answer is just the `length` bytes from `start` on that were asked for, of a file of `size`."""
    check_status(response, who)
    whole = response.status == 200 and length == size
    if not whole and response.status != 206:
        raise PeerMisbehavedError(f"{who} answered with status {response.status} to a request for a range.")
    if response.getheader("ETag", "") != f'"{content}"':
        raise PeerMisbehavedError(f"{who} answered with another file.")
    said = response.getheader("Content-Range", "")
    if response.length != length or (not whole and said != f"bytes {start}-{start + length - 1}/{size}"):
        raise PeerMisbehavedError(f"{who} answered with other bytes than were asked for.")


def _number(text: str | None, otherwise: int) -> int:
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 6 else otherwise
