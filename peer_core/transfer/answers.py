"""What the status of a holder's answer means. Pure."""

import http.client

from peer_core.errors import PeerUnreachableError


class GoneError(PeerUnreachableError):
    """The holder answers, but does not give the content (any longer)."""


def check_status(response: http.client.HTTPResponse, who: str) -> None:
    """Raises for a holder that refuses, is busy, or no longer has the content."""
    match response.status:
        case 404 | 410:
            raise GoneError(f"{who} no longer has this file.")
        case 401 | 403:
            raise GoneError(f"{who} does not give this file to you.")
        case 429 | 502 | 503 | 504:
            raise PeerUnreachableError(f"{who} is busy.")
