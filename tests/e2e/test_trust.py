"""Who is let in, and what a stranger or a hostile member can do to the others. Real processes, real TLS."""

import contextlib
import datetime
import json
import os
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from processes import HeadlessPeer, run_command, wait_for
from world import World

from peer_core.directory.peer_http import PeerHttp
from peer_core.errors import BarrioError, PeerUnreachableError
from peer_core.identity.store import Identity
from protos.agreed import encode_id


@pytest.fixture
def pair(world: World) -> tuple[World, HeadlessPeer, Identity]:
    """A world, a running peer `a`, and the identity of a member that does not run."""
    a = world.peer("a")
    HeadlessPeer(world.root / "m", "m", world.central.invite())
    identity = Identity.load(world.root / "m")
    assert identity is not None
    return world, a, identity


def host_port(peer: HeadlessPeer) -> tuple[str, int]:
    host, _, port = peer.listen.rpartition(":")
    return host, int(port)


@contextlib.contextmanager
def client_of(identity: Identity) -> Iterator[PeerHttp]:
    http = PeerHttp(identity)
    try:
        yield http
    finally:
        http.close()


def make_certificate(
    folder: Path, days: int, issuer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None
) -> Path:
    """A certificate and key in one PEM, signed by itself or by `issuer`, ending in `days` days."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "peer")])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer[0].subject if issuer else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=40))
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(encode_id(os.urandom(32)) + ".peer.barrio")]), False)
    )
    certificate = builder.sign(issuer[1] if issuer else key, hashes.SHA256())
    path = folder / f"made-{days}-{bool(issuer)}.pem"
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path


def refused(address: tuple[str, int], certificate: Path | None) -> bool:
    """True when a TLS client with that certificate gets no HTTP answer."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if certificate is not None:
        context.load_cert_chain(certificate)
    try:
        with socket.create_connection(address, 5) as raw, context.wrap_socket(raw) as tls:
            tls.sendall(b"GET /v1/peer HTTP/1.1\r\nHost: x\r\n\r\n")
            return tls.recv(100) == b""
    except OSError:
        return True


def test_strangers_are_refused_by_peers_and_by_the_central(pair: tuple[World, HeadlessPeer, Identity]) -> None:
    world, a, identity = pair
    authority = x509.load_pem_x509_certificate(identity.authority_file.read_bytes())
    keys = [p for p in world.central.data.rglob("*") if p.is_file() and b"PRIVATE KEY" in p.read_bytes()[:200]]
    real = None
    for file in keys:
        key = serialization.load_pem_private_key(file.read_bytes(), None)
        if isinstance(key, ec.EllipticCurvePrivateKey) and key.public_key() == authority.public_key():
            real = (authority, key)
    assert real is not None
    good = make_certificate(world.root, 5, real)
    assert not refused(host_port(a), good), "the probe itself must be able to get an answer"
    for certificate in (None, make_certificate(world.root, 5, None), make_certificate(world.root, -1, real)):
        assert refused(host_port(a), certificate)
        host, _, port = world.central.listen.rpartition(":")
        assert refused((host, int(port)), certificate)


def test_a_revoked_member_is_refused_everywhere_within_a_heartbeat(pair: tuple[World, HeadlessPeer, Identity]) -> None:
    world, a, identity = pair
    b = world.peer("b")
    with client_of(identity) as http:
        assert http.request(a.peer_id, [f"https://{a.listen}"], "GET", "/v1/peer")[0] == 200
        world.central.verb("revoke", identity.peer_id)

        def shut_out() -> bool:
            try:
                return http.request(a.peer_id, [f"https://{a.listen}"], "GET", "/v1/peer")[0] == 403
            except PeerUnreachableError:
                return True

        wait_for(shut_out, 5, "the peer to refuse the revoked member")
        assert b.json("neighbours"), "the other member is still served"
        assert a.program is not None
        assert a.program.process.poll() is None
    world.central.verb("revoke", b.peer_id)
    wait_for(lambda: b.try_verb("search", "x").returncode != 0 or not b.status()["central"]["reachable"], 10, "b out")
    listed = {p["peer_id"]: p for p in json.loads(world.central.verb("peers", "--json"))}
    assert listed[b.peer_id]["revoked"]


def test_bad_invites_are_refused_with_a_sentence(world: World) -> None:
    once = world.central.invite(1)
    HeadlessPeer(world.root / "first", "first", once)
    short = world.central.invite(1, "--expires", "1s")
    time.sleep(1.2)
    wrong_print = once.rpartition(".")[0] + "." + encode_id(bytes(32))
    for number, invite in enumerate((once, short, once[:-3], "hello", wrong_print)):
        folder = world.root / f"refused{number}"
        done = run_command("barrio-peer", "--data-dir", str(folder), "join", invite, "--name", "x")
        assert done.returncode in (1, 2), done
        assert done.stdout == ""
        assert len(done.stderr.strip().splitlines()) == 1
        assert "Traceback" not in done.stderr
        assert Identity.load(folder) is None


def test_garbage_and_idle_connections_do_not_keep_others_out(pair: tuple[World, HeadlessPeer, Identity]) -> None:
    _, a, identity = pair
    address = host_port(a)
    with contextlib.ExitStack() as stack:
        for number in range(200):
            sock = stack.enter_context(socket.socket())
            # Several addresses of the loopback range: the cap for one address must not hide the test's point.
            sock.bind((f"127.0.0.{2 + number % 20}", 0))
            sock.settimeout(5)
            sock.connect(address)
            if number % 4 == 1:
                sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            elif number % 4 == 2:
                sock.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
            elif number % 4 == 3:
                sock.sendall(os.urandom(300))
        with client_of(identity) as http:
            started = time.monotonic()
            status, _, body = http.request(a.peer_id, [f"https://{a.listen}"], "GET", "/v1/peer")
            assert status == 200
            assert json.loads(body)["peer_id"] == a.peer_id
            assert time.monotonic() - started < 2


def test_the_local_api_is_for_its_own_user_alone(world: World) -> None:
    a = world.peer("a")
    access_file = a.data / "local-api.json"
    access = json.loads(access_file.read_text("utf-8"))
    assert access_file.stat().st_mode & 0o077 == 0
    assert access["url"].startswith("http://127.0.0.1:")
    token = {"Authorization": f"Bearer {access['token']}"}
    with httpx.Client(base_url=access["url"], timeout=5) as client:
        assert client.get("/v1/status", headers=token).status_code == 200
        assert client.get("/v1/status").status_code == 401
        assert client.get("/v1/status", headers={"Authorization": "Bearer x"}).status_code == 401
        assert client.get("/v1/status", headers={**token, "Host": "evil.example"}).status_code == 403
        assert client.get("/v1/status", headers={**token, "Origin": "https://evil.example"}).status_code == 403
        problem = client.get("/v1/transfers/nothing", headers=token)
        assert problem.headers["content-type"].startswith("application/problem+json")


@pytest.mark.parametrize(
    "name",
    [
        "../../escape.txt",
        "CON",
        "é" * 120 + ".txt",
        "n" * 300 + ".txt",
        "tab\tand\x07bell.txt",
        "gpj.\u202eexe.txt",
        "...",
        "a\\b.txt",
    ],
)
def test_hostile_names_land_inside_the_folder(world: World, name: str) -> None:
    path = world.file("plain.txt", 3000, "a")
    world.peer("a")
    world.share("a", 1)
    d = world.peer("d")
    row = wait_for(lambda: d.json("search", "plain"), 15, "the file")[0]
    out = world.root / "out"
    access = json.loads((d.data / "local-api.json").read_text("utf-8"))
    with httpx.Client(base_url=access["url"], headers={"Authorization": f"Bearer {access['token']}"}) as client:
        body = {"content_id": row["content_id"], "name": name, "output": str(out)}
        transfer = client.post("/v1/transfers", json=body).json()

        def ended() -> dict[str, object] | None:
            now = client.get(f"/v1/transfers/{transfer['id']}").json()
            return now if now["state"] in ("done", "failed") else None

        done = wait_for(ended, 30, "the download")
    assert done["state"] == "done", done
    landed = [p for p in world.root.rglob("*") if p.is_file() and p.parent == out]
    assert len(landed) == 1
    assert landed[0].read_bytes() == path.read_bytes()
    assert len(landed[0].name.encode()) <= 255
    assert landed[0].name.isprintable()
    assert "\u202e" not in landed[0].name


def test_bad_starts_get_one_clear_sentence(world: World) -> None:
    a = world.peer("a")
    second = a.try_verb("run", "--listen", "127.0.0.1:0", seconds=20)
    assert second.returncode == 1
    assert len(second.stderr.strip().splitlines()) == 1
    HeadlessPeer(world.root / "b", "b", world.central.invite())
    taken = run_command("barrio-peer", "--data-dir", str(world.root / "b"), "run", "--listen", a.listen, seconds=20)
    assert taken.returncode == 1
    assert "Traceback" not in taken.stderr
    assert a.try_verb("share", "add", str(world.root / "not there")).returncode == 1
    assert a.try_verb("frobnicate").returncode == 2
    assert a.try_verb("get", "not-an-id").returncode in (1, 2)


def test_peer_errors_are_one_tree() -> None:
    assert issubclass(PeerUnreachableError, BarrioError)
