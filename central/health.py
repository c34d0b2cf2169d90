"""Asks the server that runs how it is, at its port of metrics and health."""

import http.client
import json
from typing import Any

from central.config import Address
from central.errors import UnhealthyError

SECONDS = 5.0


def ask(address: str) -> Any:
    """`{status, parts}` of the server's /readyz; `address` is HOST:PORT. Raises UnhealthyError without an answer."""
    at = Address.parse(address)
    # Who listens everywhere is reached here.
    host = at.host if not at.is_wildcard else "::1" if ":" in at.host else "127.0.0.1"
    connection = http.client.HTTPConnection(host, at.port, timeout=SECONDS)
    try:
        connection.request("GET", "/readyz")
        return json.loads(connection.getresponse().read())
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise UnhealthyError(f"the central does not answer at {address} ({error})") from error
    finally:
        connection.close()
