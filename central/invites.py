"""Invites: random tokens that let a new peer in, kept hashed, counted and with an end. Owns the table `invite`."""

import base64
import hashlib
import re
import secrets
import sqlite3
from datetime import UTC, datetime

from central.database import Database
from central.errors import BadInputError, InviteRefusedError
from protos.sentences import say

TOKEN_BYTES = 20
MAX_TOKEN = 128
MAX_USES = 1_000_000
MAX_SECONDS = 10 * 365 * 86400
# An invite that is over is kept this long, so that its error can say what happened to it.
KEPT_SECONDS = 90 * 86400
# A join that was cut off may be tried again for this long.
AGAIN_SECONDS = 600

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}


def parse_duration(text: str) -> int:
    """Seconds of a duration such as 90s, 30m, 12h, 7d or 2w. Raises ValueError with a sentence."""
    match = re.fullmatch(r"([0-9]{1,9})([smhdw])", text.strip().lower())
    if match is None:
        raise ValueError("a duration is a number and a unit: 90s, 30m, 12h, 7d or 2w")
    seconds = int(match[1]) * _UNITS[match[2]]
    if not 1 <= seconds <= MAX_SECONDS:
        raise ValueError("a duration lasts from one second to ten years")
    return seconds


def write_duration(seconds: int) -> str:
    """As `parse_duration` reads it, in the largest unit that fits; days rather than weeks."""
    units = [unit for unit in ("d", "h", "m") if seconds % _UNITS[unit] == 0]
    return f"{seconds // _UNITS[units[0]]}{units[0]}" if units else f"{seconds}s"


def make_invite(database: Database, uses: int, seconds: int, now: int) -> str:
    """Makes an invite for `uses` peers that lasts `seconds`; returns its token."""
    if not 1 <= uses <= MAX_USES:
        raise BadInputError(f"an invite is for 1 to {MAX_USES} peers")
    token = base64.b32encode(secrets.token_bytes(TOKEN_BYTES)).decode("ascii").lower()
    with database.write(durable=True) as connection:
        connection.execute("DELETE FROM invite WHERE expires < ?", (now - KEPT_SECONDS,))
        connection.execute(
            "INSERT INTO invite (token_hash, uses, made, expires) VALUES (?, ?, ?, ?)",
            (_hash(token), uses, now, now + seconds),
        )
    return token


def redeem(connection: sqlite3.Connection, token: str, peer_id: str, now: float) -> None:
    """Uses the invite once, inside the caller's transaction. Raises InviteRefusedError, with what is wrong with it.

    Once is also when the same peer comes again within `AGAIN_SECONDS`, whose first answer was perhaps lost.
    """
    # What is from the future lay there when the clock was set back.
    connection.execute("DELETE FROM redeemed WHERE since < ? OR since > ?", (now - AGAIN_SECONDS, now + 1))
    lately = (_hash(token), peer_id)
    if connection.execute("SELECT 1 FROM redeemed WHERE token_hash = ? AND peer_id = ?", lately).fetchone() is not None:
        return
    row = connection.execute("SELECT uses, used, expires FROM invite WHERE token_hash = ?", (_hash(token),)).fetchone()
    if row is None:
        raise InviteRefusedError(
            say("this invite is not known here; copy the whole link again, or ask for a new one", "invite-unknown")
        )
    uses, used, expires = row
    if expires <= now:
        ended = datetime.fromtimestamp(expires, UTC).strftime("%Y-%m-%d %H:%M UTC")
        raise InviteRefusedError(
            say("this invite expired on {ended}; ask for a new one", "invite-expired", ended=ended)
        )
    if used >= uses:
        raise InviteRefusedError(say("this invite has already been used up; ask for a new one", "invite-used-up"))
    connection.execute("UPDATE invite SET used = used + 1 WHERE token_hash = ?", (_hash(token),))
    connection.execute("INSERT INTO redeemed (token_hash, peer_id, since) VALUES (?, ?, ?)", (*lately, int(now)))


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
