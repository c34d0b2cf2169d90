"""TLS inside waitress: who is let in, who is kept from harming the others, and that no byte is ever wrong."""

import contextlib
import datetime
import gc
import logging
import os
import random
import shutil
import socket
import ssl
import struct
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPSConnection
from pathlib import Path
from typing import Any

import flask
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from peer_core.errors import StorageError
from peer_core.identity.contexts import server_context
from peer_core.server.channels import Patience
from peer_core.server.file_piece import parse_range, piece_response
from peer_core.server.hosting import HostedServer
from protos.agreed import encode_id, peer_host_name

SIZE = 32 << 20


@dataclass(frozen=True)
class Member:
    """A certificate and key as files; `names` are the DNS names in it."""

    certificate: Path
    key: Path
    names: tuple[str, ...]

    def context(self) -> ssl.SSLContext:
        context = bare_context()
        context.load_cert_chain(self.certificate, self.key)
        return context


def bare_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


class Authority:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, folder.name)])
        self.file = folder / "authority.pem"
        builder = self._builder(self._name, self._key, 9)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        self.file.write_bytes(builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def _builder(self, name: x509.Name, key: ec.EllipticCurvePrivateKey, days: float) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(self._name).public_key(key.public_key())
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=9))
        return builder.not_valid_after(now + datetime.timedelta(days=days))

    def member(self, *names: str, days: float = 5, password: bytes | None = None, file: str = "") -> Member:
        names = names or (peer_host_name(encode_id(os.urandom(32))),)
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "peer")]), key, days)
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), False)
        stem = file or os.urandom(4).hex()
        member = Member(self.folder / f"{stem}.pem", self.folder / f"{stem}.key", names)
        certificate = builder.sign(self._key, hashes.SHA256())
        member.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        lock = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
        member.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, lock))
        return member


@dataclass
class World:
    authority: Authority
    folder: Path
    data: bytes
    app: flask.Flask


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("tls")
    data = os.urandom(SIZE)
    (folder / "data.bin").write_bytes(data)
    app = flask.Flask("hosted")

    @app.get("/who")
    def who() -> dict[str, Any]:
        environ = flask.request.environ
        return {
            "id": environ["barrio.peer_id"],
            "names": environ["barrio.peer_names"],
            "scheme": environ["wsgi.url_scheme"],
        }

    @app.get("/file")
    def file() -> Any:
        headers = flask.request.headers
        span = parse_range(headers.get("Range"), SIZE, if_range=headers.get("If-Range"), etag="e")
        return piece_response(folder / "data.bin", span, SIZE, "e")

    return World(Authority(folder / "barrio"), folder, data, app)


@contextlib.contextmanager
def hosted(world: World, **kwargs: Any) -> Iterator[HostedServer]:
    port = world.authority.member()
    context = server_context(port.certificate, port.key, world.authority.file, b"")
    options: dict[str, Any] = {"name": "peer", "threads": 4, "tls": lambda: context, **kwargs}
    server = HostedServer(world.app, ("127.0.0.1", 0), **options)
    server.start()
    try:
        yield server
    finally:
        server.stop(1)


@contextlib.contextmanager
def talking(server: HostedServer, context: ssl.SSLContext, source: str = "127.0.0.1") -> Iterator[ssl.SSLSocket]:
    with socket.create_connection(server.address, 5, (source, 0)) as raw, context.wrap_socket(raw) as tls:
        yield tls


def get(server: HostedServer, member: Member, path: str, source: str = "127.0.0.1", **headers: str) -> bytes:
    http = HTTPSConnection(*server.address, timeout=10, context=member.context(), source_address=(source, 0))
    try:
        http.request("GET", path, headers=headers)
        answer = http.getresponse()
        assert answer.status in (200, 206)
        return answer.read()
    finally:
        http.close()


def ask(first: int, last: int) -> bytes:
    return f"GET /file HTTP/1.1\r\nHost: x\r\nRange: bytes={first}-{last}\r\n\r\n".encode()


def read_answer(tls: ssl.SSLSocket) -> bytes:
    """One answer's body, by its Content-Length. Raises ConnectionError when it is cut."""
    got = b""
    while b"\r\n\r\n" not in got:
        part = tls.recv(1 << 16)
        if not part:
            raise ConnectionError
        got += part
    head, _, body = got.partition(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    parts = [body]
    missing = length - len(body)
    while missing:
        part = tls.recv(min(missing, 1 << 16))
        if not part:
            raise ConnectionError
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)


def answers_http(server: HostedServer, context: ssl.SSLContext) -> bool:
    try:
        with talking(server, context) as tls:
            tls.sendall(b"GET /who HTTP/1.1\r\nHost: x\r\n\r\n")
            return tls.recv(100) != b""
    except OSError:
        return False


def reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def test_the_application_learns_who_asks(world: World) -> None:
    peer_id = encode_id(os.urandom(32))
    with hosted(world) as server:
        member = world.authority.member(peer_host_name(peer_id), "else.example")
        answer = flask.json.loads(get(server, member, "/who"))
        assert answer == {"id": peer_id, "names": [peer_host_name(peer_id), "else.example"], "scheme": "https"}
        nobody = world.authority.member("central.barrio", "x.peer.barrio")
        assert flask.json.loads(get(server, nobody, "/who"))["id"] == ""
        both = world.authority.member(peer_host_name(peer_id), peer_host_name(encode_id(bytes(32))))
        assert flask.json.loads(get(server, both, "/who"))["id"] == ""


def test_strangers_get_no_http_answer(world: World, tmp_path: Path) -> None:
    foreign = Authority(tmp_path / "foreign").member()
    expired = world.authority.member(days=-1)
    old = world.authority.member().context()
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with hosted(world) as server:
        assert answers_http(server, world.authority.member().context())
        for context in (bare_context(), foreign.context(), expired.context(), old):
            assert not answers_http(server, context)
        with socket.create_connection(server.address, 5) as plain:
            plain.sendall(b"GET /who HTTP/1.1\r\nHost: x\r\n\r\n")
            with contextlib.suppress(ConnectionError):
                assert b"HTTP" not in plain.recv(1000)
        assert answers_http(server, world.authority.member().context())


def test_noise_does_not_keep_others_out_and_is_cut(world: World, caplog: pytest.LogCaptureFixture) -> None:
    patience = Patience(handshake=1.5)
    with caplog.at_level(logging.INFO), hosted(world, patience=patience, per_address_limit=32) as server:
        with contextlib.ExitStack() as stack:
            socks = []
            for number in range(200):
                sock = stack.enter_context(socket.socket())
                sock.bind((f"127.0.0.{2 + number % 20}", 0))
                sock.settimeout(5)
                sock.connect(server.address)
                socks.append(sock)
                if number % 4 == 1:
                    sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                elif number % 4 == 2:
                    sock.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
                elif number % 4 == 3:
                    sock.sendall(os.urandom(300))
            began = time.monotonic()
            assert get(server, world.authority.member(), "/who")
            assert time.monotonic() - began < 1
            for sock in socks:
                with contextlib.suppress(ConnectionError):
                    assert b"HTTP" not in sock.recv(1000)
                    assert sock.recv(1000) == b""
            assert time.monotonic() - began < 4
    assert not [record for record in caplog.records if record.levelno > logging.INFO]


def _turned_away(server: HostedServer, context: ssl.SSLContext, source: str) -> bool:
    """With TLS 1.3 the handshake may be over here before the other end decides."""
    try:
        with talking(server, context, source) as tls:
            tls.sendall(ask(0, 1))
            return not tls.recv(1)
    except TimeoutError:
        return False
    except OSError:
        return True


def test_one_address_cannot_take_all_connections(world: World) -> None:
    context = world.authority.member().context()
    with hosted(world, per_address_limit=6) as server, contextlib.ExitStack() as stack:
        # Silent ones give way to whoever finishes a handshake.
        for _ in range(20):
            stack.enter_context(socket.create_connection(server.address, 5, ("127.0.0.7", 0)))
        good = [stack.enter_context(talking(server, context, "127.0.0.7")) for _ in range(6)]
        assert _turned_away(server, context, "127.0.0.7")
        assert get(server, world.authority.member(), "/who", "127.0.0.8")
        for tls in good:
            tls.sendall(ask(5, 9))
            assert read_answer(tls) == world.data[5:10]


def test_parallel_pipelined_ranges_are_what_was_asked_for(world: World) -> None:
    def fetch(seed: int) -> int:
        chance = random.Random(seed)
        total = 0
        with talking(server, world.authority.member().context()) as tls:
            for _ in range(3):
                spans = []
                for _ in range(2):
                    start = chance.randrange(SIZE)
                    spans.append((start, min(SIZE, start + chance.randrange(1, 6 << 20))))
                tls.sendall(b"".join(ask(start, end - 1) for start, end in spans))
                for start, end in spans:
                    assert read_answer(tls) == world.data[start:end]
                    total += end - start
        return total

    with hosted(world) as server, ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(fetch, range(12))) > 60 << 20


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="measures memory by /proc")
def test_stalled_readers_cost_little_and_are_cut(world: World) -> None:
    context = world.authority.member().context()
    with hosted(world, patience=Patience(idle=3), per_address_limit=100) as server:
        with contextlib.ExitStack() as stack:
            before = resident_bytes()
            stalled = []
            for _ in range(60):
                tls = stack.enter_context(talking(server, context))
                tls.sendall(ask(0, SIZE - 1))
                stalled.append(tls)
            time.sleep(0.3)
            assert resident_bytes() - before < 60 << 20
            for _ in range(5):
                began = time.monotonic()
                assert get(server, world.authority.member(), "/who")
                assert time.monotonic() - began < 1
            deadline = time.monotonic() + 8
            while server._listener.channels and time.monotonic() < deadline:
                time.sleep(0.1)
            assert not server._listener.channels
            with pytest.raises((ConnectionError, ssl.SSLError)):
                read_answer(stalled[0])


def test_resets_in_the_middle_leave_nothing_open(world: World) -> None:
    context = world.authority.member().context()
    with hosted(world) as server:
        for number in range(30):
            raw = socket.create_connection(server.address, 5)
            if number % 3:
                raw = context.wrap_socket(raw)
                raw.sendall(ask(0, SIZE - 1))
                if number % 3 == 2:
                    raw.recv(100_000)
            reset(raw)
        assert get(server, world.authority.member(), "/file", Range="bytes=7-9") == world.data[7:10]
        deadline = time.monotonic() + 3
        while server._listener.channels and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not server._listener.channels
        gc.collect()


def test_a_renewed_certificate_serves_new_connections(world: World) -> None:
    mine = world.authority.member(file="renewing", password=b"secret")

    def make() -> ssl.SSLContext:
        return server_context(mine.certificate, mine.key, world.authority.file, b"secret")

    def shown(tls: ssl.SSLSocket) -> bytes:
        return tls.getpeercert(binary_form=True) or b""

    context = world.authority.member().context()
    with hosted(world, tls=make) as server:
        with talking(server, context) as before:
            old = shown(before)
            mine.certificate.write_bytes(b"half a file")
            assert not answers_http(server, context)
            world.authority.member(file="renewing", password=b"secret")
            with talking(server, context) as after:
                assert shown(after) != old
                after.sendall(ask(1, 2))
                assert read_answer(after) == world.data[1:3]
            before.sendall(ask(3, 4))
            assert read_answer(before) == world.data[3:5]


def test_unusable_files_are_a_clear_error(world: World, tmp_path: Path) -> None:
    locked = world.authority.member(password=b"secret")
    for arguments in (
        (locked.certificate, locked.key, world.authority.file, b""),
        (locked.certificate, locked.key, world.authority.file, b"wrong"),
        (locked.certificate, tmp_path / "none", world.authority.file, b""),
        (locked.certificate, world.authority.member().key, world.authority.file, b""),
    ):
        with pytest.raises(StorageError, match="join again"):
            server_context(*arguments)


def test_the_end_of_an_answer_is_a_proper_end(world: World) -> None:
    context = world.authority.member().context()
    with hosted(world) as server, socket.create_connection(server.address, 5) as raw:
        with context.wrap_socket(raw, suppress_ragged_eofs=False) as tls:
            tls.sendall(b"GET /file HTTP/1.1\r\nHost: x\r\nConnection: close\r\nRange: bytes=0-4999999\r\n\r\n")
            assert read_answer(tls) == world.data[:5_000_000]
            assert tls.recv(1) == b""


def test_stopping_in_a_transfer_ends_it_whole_or_cuts_it(world: World) -> None:
    context = world.authority.member().context()
    with hosted(world) as server, talking(server, context) as reading, talking(server, context) as stalled:
        for tls in (reading, stalled):
            tls.sendall(ask(0, SIZE - 1))
        with ThreadPoolExecutor(1) as pool:
            assert stalled.recv(1) == reading.recv(1) == b"H"
            whole = pool.submit(read_answer, reading)
            began = time.monotonic()
            server.stop(2)
            assert time.monotonic() - began < 3
            assert whole.result() == world.data
        got = b""
        with pytest.raises((ConnectionError, ssl.SSLError)):
            while True:
                part = stalled.recv(1 << 16)
                if not part:
                    raise ConnectionError
                got += part
        body = got.partition(b"\r\n\r\n")[2]
        assert len(body) < SIZE
        assert world.data.startswith(body)


def test_a_revoked_peer_is_cut_off_at_once(world: World) -> None:
    peer_id = encode_id(os.urandom(32))
    bad = world.authority.member(peer_host_name(peer_id)).context()
    good = world.authority.member().context()
    with hosted(world) as server, contextlib.ExitStack() as stack:
        cut = [stack.enter_context(talking(server, bad)) for _ in range(3)]
        kept = stack.enter_context(talking(server, good))
        cut[0].sendall(ask(0, SIZE - 1))
        for tls in (cut[1], cut[2], kept):
            tls.sendall(ask(0, 4))
            assert read_answer(tls) == world.data[:5]
        assert server.close_peer("") == 0
        began = time.monotonic()
        assert server.close_peer(peer_id) == 3
        assert time.monotonic() - began < 0.5
        with pytest.raises((ConnectionError, ssl.SSLError)):
            read_answer(cut[0])
        assert cut[1].recv(10) == b""
        kept.sendall(ask(0, 4))
        assert read_answer(kept) == world.data[:5]


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_gets_ranges_and_resumes(world: World, tmp_path: Path) -> None:
    member = world.authority.member()
    out = tmp_path / "out"

    def curl(*arguments: str) -> None:
        with_member = ["--cert", str(member.certificate), "--key", str(member.key), "-o", str(out)]
        url = "https://{}:{}/file".format(*server.address)
        subprocess.run(["curl", "-sSfk", *with_member, *arguments, url], check=True, timeout=20)

    with hosted(world) as server:
        curl("-r", "1000-1999999")
        assert out.read_bytes() == world.data[1000:2_000_000]
        out.write_bytes(world.data[:3_000_001])
        curl("-C", "-")
        assert out.read_bytes() == world.data


def test_a_soak_of_random_ranges_cut_at_random(world: World) -> None:
    contexts = [world.authority.member().context() for _ in range(4)]

    def visit(seed: int) -> tuple[int, int]:
        chance = random.Random(seed)
        whole = cut = 0
        while whole + cut < 50:
            with contextlib.suppress(OSError), talking(server, chance.choice(contexts)) as tls:
                for _ in range(chance.randrange(1, 8)):
                    start = chance.randrange(SIZE)
                    end = min(SIZE, start + int(10 ** chance.uniform(0, 6.5)))
                    tls.sendall(ask(start, end - 1))
                    if chance.random() < 0.2:
                        cut += 1
                        tls.recv(chance.randrange(1, 50_000))
                        if chance.random() < 0.5:
                            reset(tls)
                        break
                    assert read_answer(tls) == world.data[start:end]
                    whole += 1
        return whole, cut

    with hosted(world) as server, ThreadPoolExecutor(6) as pool:
        counts = list(pool.map(visit, range(2026, 2032)))
        assert sum(whole for whole, _ in counts) > 150
        assert sum(cut for _, cut in counts) > 20
        assert get(server, world.authority.member(), "/who")
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("peer-")]
