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
        if position:
            super().__init__(
                "{name} serves others now; this download is number {position} in line there.",
                "holder-line-position",
                name=who,
                position=position,
            )
        else:
            super().__init__("{name} serves others now; this download is in line there.", "holder-line", name=who)
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
            raise GoneError("{name} no longer has this file.", "holder-gone", name=who)
        case 401 | 403:
            raise GoneError("{name} does not give this file to you.", "holder-not-to-you", name=who)
        case 429 | 502 | 503 | 504:
            raise PeerUnreachableError("{name} is busy.", "holder-busy", name=who)


def check_range(response: http.client.HTTPResponse, who: str, content: str, start: int, length: int, size: int) -> None:
    """Raises unless the answer is just the `length` bytes from `start` on that were asked for, of a file of `size`."""
    check_status(response, who)
    whole = response.status == 200 and length == size
    if not whole and response.status != 206:
        raise PeerMisbehavedError(
            "{name} answered with status {status} to a request for a range.",
            "holder-status-range",
            name=who,
            status=response.status,
        )
    if response.getheader("ETag", "") != f'"{content}"':
        raise PeerMisbehavedError("{name} answered with another file.", "holder-other-file", name=who)
    said = response.getheader("Content-Range", "")
    if response.length != length or (not whole and said != f"bytes {start}-{start + length - 1}/{size}"):
        raise PeerMisbehavedError(
            "{name} answered with other bytes than were asked for.", "holder-other-bytes", name=who
        )


def _number(text: str | None, otherwise: int) -> int:
    text = (text or "").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 6 else otherwise
