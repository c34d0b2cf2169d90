"""Keys, passphrases, revocations and proven connections."""

import os
import socket
import ssl
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from trust import Authority

from peer_core.errors import (
    BadInputError,
    CentralUnreachableError,
    PeerMisbehavedError,
    PeerUnreachableError,
    StorageError,
)
from peer_core.identity import enrolment, key_store
from peer_core.identity.connection import PeerConnection, converted, read_bounded
from peer_core.identity.key_store import KeyStore
from peer_core.identity.revocations import Revocations
from peer_core.identity.store import Identity
from protos.agreed import encode_id, revocations_message


def signed(authority: Authority, number: int, ids: list[str]) -> bytes:
    return authority.key.sign(revocations_message(number, ids), ec.ECDSA(hashes.SHA256()))


def test_the_key_is_encrypted_and_private(tmp_path: Path) -> None:
    identity = Authority().identity(tmp_path, "me")
    assert b"ENCRYPTED PRIVATE KEY" in identity.key_file.read_bytes()
    assert identity.key_store is KeyStore.FILE
    for path in identity.folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert stat.S_IMODE(identity.folder.stat().st_mode) == 0o700
    assert "passphrase" not in repr(identity)


@pytest.mark.parametrize("damaged", ["key.pem", "member.json", "passphrase"])
def test_a_damaged_identity_is_told(tmp_path: Path, damaged: str) -> None:
    identity = Authority().identity(tmp_path, "me")
    (identity.folder / damaged).write_bytes(b"{}")
    with pytest.raises(StorageError):
        Identity.load(tmp_path)


def test_a_join_that_was_killed_leaves_no_half_identity(tmp_path: Path) -> None:
    (tmp_path / "identity.new").mkdir()
    (tmp_path / "identity.new" / "key.pem").write_text("half")
    assert Identity.load(tmp_path) is None
    assert Authority().identity(tmp_path, "me").peer_id
    assert not (tmp_path / "identity.new").exists()


def test_a_keyring_that_never_answers_is_given_up(tmp_path: Path) -> None:
    script = f"""
import sys, time, types
sys.path[:0] = {sys.path!r}
slow = types.ModuleType("keyring")
slow.get_keyring = lambda: time.sleep(60)
sys.modules["keyring"] = slow
from pathlib import Path
from peer_core.identity import key_store
key_store.LIMIT_SECONDS = 0.3
print(key_store.keep(Path({str(tmp_path)!r}), "me", "secret").value)
"""
    env = {k: v for k, v in os.environ.items() if k != "BARRIO_KEYRING"}
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=20, env=env, check=True
    )
    assert done.stdout.strip() == "file"
    assert time.monotonic() - started < 10
    assert stat.S_IMODE((tmp_path / "passphrase").stat().st_mode) == 0o600


def test_a_keyring_that_worked_and_is_locked_now_is_an_error_and_not_a_silent_switch(tmp_path: Path) -> None:
    (tmp_path / "passphrase").write_text("planted")
    with pytest.raises(StorageError, match="keyring"):
        key_store.recall(tmp_path, "me", KeyStore.KEYRING)


def test_revocations_are_taken_only_when_signed_and_newer(tmp_path: Path) -> None:
    authority = Authority()
    identity = authority.identity(tmp_path, "me")
    told: list[set[str]] = []
    revocations = Revocations(identity, told.append)
    bad, worse = encode_id(bytes(32)), encode_id(bytes([1]) * 32)
    revocations.take(2, [bad], signed(authority, 2, [bad]))
    assert revocations.is_revoked(bad)
    with pytest.raises(PeerMisbehavedError):
        revocations.take(3, [bad, worse], signed(Authority(), 3, [bad, worse]))
    with pytest.raises(PeerMisbehavedError):
        revocations.take(9, [], signed(authority, 2, [bad]))
    revocations.take(1, [], signed(authority, 1, []))
    assert revocations.is_revoked(bad)
    assert not revocations.is_revoked(worse)
    revocations.take(4, [bad, worse], signed(authority, 4, [bad, worse]))
    assert told == [{bad}, {worse}]
    again = Revocations(identity)
    assert again.number == 4
    assert again.is_revoked(worse)


def test_a_renewed_certificate_is_used_from_then_on(tmp_path: Path) -> None:
    authority = Authority()
    identity = authority.identity(tmp_path, "me")
    before = identity.client_context()
    assert identity.client_context() is before
    identity.replace_certificate(authority.sign(identity.private_key(), 60))
    assert identity.client_context() is not before
    assert identity.seconds_left() > 59 * 86_400


def tls_server(context: ssl.SSLContext) -> tuple[str, threading.Thread, socket.socket]:
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        try:
            raw, _ = listener.accept()
            with raw, context.wrap_socket(raw, server_side=True) as tls:
                tls.recv(10)
        except OSError:
            pass

    thread = threading.Thread(target=serve)
    thread.start()
    return f"https://127.0.0.1:{listener.getsockname()[1]}", thread, listener


@pytest.mark.parametrize("who", ["another member", "a stranger", "an expired one"])
def test_only_the_peer_that_was_meant_is_talked_to(tmp_path: Path, who: str) -> None:
    authority = Authority()
    me = authority.identity(tmp_path / "me", "me")
    meant = authority.identity(tmp_path / "meant", "meant")
    if who == "another member":
        server = authority.identity(tmp_path / "other", "other")
    elif who == "a stranger":
        server = Authority().identity(tmp_path / "other", "other")
    else:
        server = meant
        meant.replace_certificate(authority.sign(meant.private_key(), -1))
    context = server.server_context()
    address, thread, listener = tls_server(context)
    connection = PeerConnection(me, meant.peer_id, "meant", [address], 3)
    with pytest.raises(PeerMisbehavedError, match="somebody else"):
        connection.open(3)
    thread.join()
    listener.close()


def test_what_connections_raise_becomes_a_sentence() -> None:
    for error in (ConnectionRefusedError(), TimeoutError(), OSError(113, "No route to host"), ValueError("closed")):
        with pytest.raises(Exception) as caught, converted("Ana"):
            raise error
        assert "Ana" in str(caught.value)


@pytest.mark.parametrize(
    ("invite", "error"),
    [
        ("", BadInputError),
        ("https://example.com", BadInputError),
        ("barrio://h:1/join#x", BadInputError),
        (f"barrio://127.0.0.1:1/join#token.{encode_id(bytes(32))}", CentralUnreachableError),
        (f"barrio://no-such-host.invalid:1/join#token.{encode_id(bytes(32))}", CentralUnreachableError),
    ],
)
def test_invites_that_lead_nowhere_are_told(tmp_path: Path, invite: str, error: type[Exception]) -> None:
    with pytest.raises(error) as caught:
        enrolment.join(tmp_path, invite, "me")
    assert str(caught.value).endswith(".")
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def silent() -> Iterator[list[str]]:
    """Addresses that never answer: one swallows what wants to connect, one takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, socket.create_server(("127.0.0.1", 0)) as mute:
        waiting = [socket.socket() for _ in range(4)]
        for sock in waiting:
            sock.setblocking(False)
            sock.connect_ex(full.getsockname())
        yield [f"https://127.0.0.1:{s.getsockname()[1]}" for s in (full, mute)]
        for sock in waiting:
            sock.close()


def test_silent_addresses_cost_their_part_of_the_time_alone(tmp_path: Path, silent: list[str]) -> None:
    authority = Authority()
    me, other = authority.identity(tmp_path / "me", "me"), authority.identity(tmp_path / "other", "other")
    started = time.monotonic()
    with pytest.raises(PeerUnreachableError):
        PeerConnection(me, other.peer_id, "other", silent * 2, 30).open(1.0)
    assert 0.8 < time.monotonic() - started < 1.6
    address, thread, listener = tls_server(other.server_context())
    connection = PeerConnection(me, other.peer_id, "other", [silent[0], address], 30)
    connection.open(2.0)
    connection.close()
    thread.join()
    listener.close()


def test_the_first_address_has_time_for_its_round_trips_beside_many_others(tmp_path: Path, silent: list[str]) -> None:
    authority = Authority()
    me, other = authority.identity(tmp_path / "me", "me"), authority.identity(tmp_path / "other", "other")
    context = other.server_context()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)

        def serve() -> None:
            raw, _ = listener.accept()
            # As long as the round trips of a handshake with the other side of the world take.
            time.sleep(0.7)
            with raw, context.wrap_socket(raw, server_side=True) as tls:
                tls.recv(10)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        far = f"https://127.0.0.1:{listener.getsockname()[1]}"
        connection = PeerConnection(me, other.peer_id, "other", [far, *silent * 7], 30)
        try:
            connection.open(5.0)
            assert connection.address == far
        finally:
            connection.close()
            thread.join()


@pytest.mark.parametrize("ahead", [False, True])
def test_the_body_of_a_last_answer_is_read_to_its_end(tmp_path: Path, ahead: bool) -> None:
    authority, body = Authority(), os.urandom(50_000)
    me, other = authority.identity(tmp_path / "me", "me"), authority.identity(tmp_path / "other", "other")
    context = other.server_context()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(10)

        def serve() -> None:
            for _ in range(2):
                raw, _ = listener.accept()
                raw.settimeout(10)
                with raw, context.wrap_socket(raw, server_side=True) as tls:
                    tls.recv(10_000)
                    tls.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 50000\r\n\r\n" + body)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        address = f"https://127.0.0.1:{listener.getsockname()[1]}"
        connection = PeerConnection(me, other.peer_id, "other", [address], 10)
        for _ in range(2):
            connection.open(5.0)
            with converted("other"):
                if ahead:
                    connection.send_ahead("GET", "/", {})
                else:
                    connection.request("GET", "/")
                with connection.next_answer("GET") if ahead else connection.getresponse() as response:
                    assert read_bounded(response, 50_000, "other") == body
            assert connection.ending
            with pytest.raises(PeerUnreachableError, match="hung up"), converted("other"):
                if ahead:
                    connection.send_ahead("GET", "/", {})
                else:
                    connection.request("GET", "/")
            connection.close()
        thread.join()


@pytest.mark.parametrize("which", [0, 1])
def test_a_connection_is_given_up_while_it_is_being_made(tmp_path: Path, silent: list[str], which: int) -> None:
    authority = Authority()
    me, other = authority.identity(tmp_path / "me", "me"), authority.identity(tmp_path / "other", "other")
    connection = PeerConnection(me, other.peer_id, "other", [silent[which]], 30)
    stopper = threading.Timer(0.3, connection.abort)
    stopper.start()
    started = time.monotonic()
    with pytest.raises(PeerUnreachableError):
        connection.open(20)
    assert time.monotonic() - started < 2
    stopper.join()
