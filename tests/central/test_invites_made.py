"""Invites: how long they hold, how often, how they are kept."""

import sqlite3
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from central.database import Database
from central.errors import BadInputError, InviteRefusedError
from central.invites import AGAIN_SECONDS, KEPT_SECONDS, make_invite, parse_duration, redeem


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    database = Database.create(tmp_path / "central.sqlite")
    yield database
    database.close()


NUMBERS = count()


def use(database: Database, token: str, now: float, peer_id: str = "") -> None:
    """By another peer each time, unless it is named."""
    with database.write() as connection:
        redeem(connection, token, peer_id or f"peer {next(NUMBERS)}", now)


@pytest.mark.parametrize(
    ("text", "seconds"), [("1s", 1), ("30m", 1800), ("12h", 43200), (" 7D ", 604800), ("2w", 1209600)]
)
def test_durations(text: str, seconds: int) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "7", "d", "-1d", "0s", "1.5h", "1y", "99999w", "1d1d", "٣d"])
def test_bad_durations_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


@given(st.text(max_size=20))
def test_any_text_is_a_duration_or_refused(text: str) -> None:
    try:
        assert parse_duration(text) >= 1
    except ValueError as error:
        assert "duration" in str(error)


def test_an_invite_counts_its_uses_and_ends(database: Database) -> None:
    token = make_invite(database, 2, 100, now=1000)
    use(database, token, 1099)
    use(database, token, 1099.9)
    with pytest.raises(InviteRefusedError, match="used up"):
        use(database, token, 1050)
    late = make_invite(database, 1, 100, now=1000)
    with pytest.raises(InviteRefusedError, match="expired on 1970-01-01 00:18 UTC"):
        use(database, late, 1100)
    for mangled in (token[:-1], token.upper(), token + "x", "x"):
        with pytest.raises(InviteRefusedError, match="not known"):
            use(database, mangled, 1050)


def test_a_use_is_taken_back_with_the_transaction(database: Database) -> None:
    token = make_invite(database, 1, 100, now=1000)
    with pytest.raises(RuntimeError), database.write() as connection:
        redeem(connection, token, "peer", 1001)
        raise RuntimeError
    use(database, token, 1002)


def test_tokens_are_long_different_and_not_in_the_file(database: Database) -> None:
    tokens = {make_invite(database, 1, 100, now=1000) for _ in range(50)}
    assert len(tokens) == 50
    assert all(len(token) == 32 for token in tokens)
    database.close()
    kept = b"".join(file.read_bytes() for file in database.path.parent.iterdir())
    assert not [token for token in tokens if token.encode() in kept]


def test_old_invites_are_cleared_away(database: Database) -> None:
    old = make_invite(database, 1, 100, now=1000)
    make_invite(database, 1, 100, now=1101 + KEPT_SECONDS)
    with pytest.raises(InviteRefusedError, match="not known"):
        use(database, old, 1050)


@pytest.mark.parametrize("uses", [0, -1, 1_000_001])
def test_uses_are_bounded(database: Database, uses: int) -> None:
    with pytest.raises(BadInputError):
        make_invite(database, uses, 100, now=1000)


def test_two_connections_cannot_use_the_last_use_twice(database: Database) -> None:
    token = make_invite(database, 1, 100, now=1000)
    other = Database.open(database.path)
    try:
        with database.write() as connection:
            redeem(connection, token, "peer", 1001)
        with pytest.raises(InviteRefusedError, match="used up"):
            use(other, token, 1001)
    finally:
        other.close()
    assert isinstance(database.read(), sqlite3.Connection)


def test_a_peer_that_comes_again_soon_uses_the_invite_once(database: Database) -> None:
    token = make_invite(database, 2, 100_000, now=1000)
    for now in (1000, 1001, 1000 + AGAIN_SECONDS):
        use(database, token, now, "ana")
    use(database, token, 1002, "bruno")
    with pytest.raises(InviteRefusedError, match="used up"):
        use(database, token, 1003, "carla")
    use(database, token, 1003, "ana")
    with pytest.raises(InviteRefusedError, match="used up"):
        use(database, token, 1001 + AGAIN_SECONDS, "ana")
    with pytest.raises(InviteRefusedError, match="used up"):
        use(database, token, 900, "bruno")
