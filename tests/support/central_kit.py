"""What the central's tests share: devices with keys, a server in this process, and calls over real TLS."""

import contextlib
import datetime
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from central.config import Address
from central.domain import Batch, Change, FileFacts
from central.invites import make_invite
from central.members import revoke
from central.server import Options, Server
from protos.agreed import DIRECTORY_NAME, ENROLMENT_NAME, peer_host_name, peer_id_of
from protos.barrio.v1 import directory_pb2, directory_pb2_grpc, enrolment_pb2, enrolment_pb2_grpc

LOOPBACK = Address("127.0.0.1", 0)
INDEX = bytes(range(16))
ADDRESSES = ("https://127.0.0.1:4000",)
SECONDS = 10
PEM = serialization.Encoding.PEM
DER = serialization.Encoding.DER


class Device:
    """A key, and the certificate that it got."""

    def __init__(self, key: Any = None) -> None:
        self.key = key or ec.generate_private_key(ec.SECP256R1())
        public = self.key.public_key().public_bytes(DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        self.peer_id = peer_id_of(public)
        self.certificate = b""

    def signing_request(self, key: Any = None) -> bytes:
        builder = x509.CertificateSigningRequestBuilder().subject_name(_subject("device"))
        return builder.sign(key or self.key, hashes.SHA256()).public_bytes(DER)

    def key_pem(self) -> bytes:
        return self.key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())

    def self_made(self, days: int, issuer: "Device | None" = None, name: str | None = None) -> "Device":
        """The same device with a certificate by itself or by `issuer`, whose end is `days` from now."""
        now = datetime.datetime.now(datetime.UTC)
        issuer_name, issuer_key = _subject("device"), self.key
        if issuer is not None:
            issuer_name = x509.load_pem_x509_certificate(issuer.certificate).subject
            issuer_key = issuer.key
        certificate = (
            x509.CertificateBuilder()
            .subject_name(_subject("device"))
            .issuer_name(issuer_name)
            .public_key(self.key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=40))
            .not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(
                x509.SubjectAlternativeName([x509.DNSName(name or peer_host_name(self.peer_id))]), critical=False
            )
            .sign(issuer_key, hashes.SHA256())
        )
        made = Device(self.key)
        made.certificate = certificate.public_bytes(PEM)
        return made


def _subject(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


@dataclass
class Channels:
    """Channels opened during a test, closed with it."""

    stack: contextlib.ExitStack

    def open(self, address: str, name: str, roots: bytes, device: Device | None = None) -> grpc.Channel:
        credentials = grpc.ssl_channel_credentials(
            roots, device.key_pem() if device else None, device.certificate if device else None
        )
        options = (("grpc.ssl_target_name_override", name), ("grpc.enable_http_proxy", 0))
        return self.stack.enter_context(grpc.secure_channel(address, credentials, options))


class Caller:
    """One device's calls to the directory; each takes a message and has a deadline."""

    def __init__(self, channel: grpc.Channel, device: Device | None) -> None:
        self.channel = channel
        self.device = device
        self.stub = directory_pb2_grpc.DirectoryStub(channel)

    @property
    def peer_id(self) -> str:
        assert self.device is not None
        return self.device.peer_id

    def register(self, last: int = 0, index: bytes = INDEX, addresses: tuple[str, ...] = ADDRESSES) -> Any:
        request = directory_pb2.RegisterRequest(addresses=addresses, version="1", index_id=index, last_sequence=last)
        return self.stub.Register(request, timeout=SECONDS)

    def beat(self, number: int = 0, addresses: tuple[str, ...] = ()) -> Any:
        request = directory_pb2.HeartbeatRequest(addresses=addresses, revocations_number=number)
        return self.stub.Heartbeat(request, timeout=SECONDS)

    def leave(self) -> None:
        self.stub.Leave(directory_pb2.LeaveRequest(), timeout=SECONDS)

    def publish(self, previous: int, last: int, changes: list[Any], index: bytes = INDEX) -> Any:
        request = directory_pb2.PublishRequest(index_id=index, previous=previous, last=last, changes=changes)
        return self.stub.Publish(request, timeout=SECONDS)

    def neighbours(self, count: int = 16, without: tuple[str, ...] = ()) -> list[Any]:
        request = directory_pb2.NeighboursRequest(count=count, except_peer_ids=without)
        return list(self.stub.Neighbours(request, timeout=SECONDS).peers)

    def ask(self, sealed: bytes) -> Any:
        response = self.stub.Query(directory_pb2.QueryRequest(sealed=sealed), timeout=SECONDS)
        return directory_pb2.Answer.FromString(response.sealed)

    def search(self, text: str, **more: Any) -> Any:
        question = directory_pb2.Question(search=directory_pb2.Search(text=text, **more))
        return self.ask(question.SerializeToString())

    def rows(self, text: str, **more: Any) -> list[Any]:
        answer = self.search(text, **more)
        assert answer.WhichOneof("answer") == "search", answer
        return list(answer.search.rows)

    def locate(self, *content_ids: bytes) -> list[Any]:
        question = directory_pb2.Question(locate=directory_pb2.Locate(content_ids=content_ids))
        answer = self.ask(question.SerializeToString())
        assert answer.WhichOneof("answer") == "locate", answer
        return list(answer.locate.locations)


class Central:
    """A server in this process with its data folder; `restart` keeps the folder."""

    def __init__(self, data_dir: Path, heartbeat: float = 30.0) -> None:
        self.options = Options(
            data_dir, data_dir / "central.sqlite", LOOPBACK, LOOPBACK, LOOPBACK, heartbeat, "La Plaza"
        )
        self._stack = contextlib.ExitStack()
        self.channels = Channels(self._stack)
        self.start()

    def start(self) -> None:
        self.server = self._stack.enter_context(Server(self.options))
        self.roots = (self.options.data_dir / "authority" / "certificate.pem").read_bytes()

    def stop(self) -> None:
        self._stack.close()

    def restart(self) -> None:
        self.stop()
        self.start()

    def authority(self) -> Device:
        """Whoever stole the authority's key."""
        key = serialization.load_pem_private_key((self.options.data_dir / "authority" / "key.pem").read_bytes(), None)
        device = Device(key)
        device.certificate = self.roots
        return device

    def invite(self, uses: int = 1, seconds: int = 3600, now: int | None = None) -> str:
        moment = now if now is not None else int(datetime.datetime.now(datetime.UTC).timestamp())
        return make_invite(self.server.database, uses, seconds, moment)

    def revoke(self, peer_id: str) -> None:
        revoke(self.server.database, peer_id)

    def enrolment(self) -> Any:
        channel = self.channels.open(self.server.addresses.enrol, ENROLMENT_NAME, self.roots)
        return enrolment_pb2_grpc.EnrolmentStub(channel)

    def enrol(self, token: str, device: Device, name: str = "Ana") -> Any:
        request = enrolment_pb2.EnrolRequest(token=token, signing_request=device.signing_request(), name=name)
        response = self.enrolment().Enrol(request, timeout=SECONDS)
        device.certificate = response.certificate
        return response

    def renew(self, device: Device) -> Any:
        request = enrolment_pb2.RenewRequest(signing_request=device.signing_request())
        return self.enrolment().Renew(request, timeout=SECONDS)

    def caller(self, device: Device | None) -> Caller:
        channel = self.channels.open(self.server.addresses.directory, DIRECTORY_NAME, self.roots, device)
        return Caller(channel, device)

    def member(self, name: str = "Ana") -> Caller:
        """A new member, enrolled, with its own connection."""
        device = Device()
        self.enrol(self.invite(), device, name)
        return self.caller(device)


def change(sequence: int, path: str, content: int | None, size: int = 100, share: str = "Music") -> Any:
    """`content` None: the entry is gone; otherwise a small number that stands for a content id."""
    if content is None:
        return directory_pb2.Change(sequence=sequence, share=share, path=path, deleted=True)
    return directory_pb2.Change(
        sequence=sequence, share=share, path=path, content_id=content_id(content), size=size, modified=1000
    )


def content_id(number: int) -> bytes:
    return number.to_bytes(32)


def batch(previous: int, changes: list[tuple[str, int | None]], size: int = 100, index: bytes = INDEX) -> Batch:
    """A batch of the catalogue: (whole path, content or None when it is gone), numbered from `previous` on."""
    made = [
        Change(previous + place, path, None if content is None else FileFacts(content_id(content), size, 1000))
        for place, (path, content) in enumerate(changes, 1)
    ]
    return Batch(index, previous, previous + max(1, len(made)), tuple(made))


@contextlib.contextmanager
def refused(status: grpc.StatusCode, *words: str) -> Iterator[None]:
    """The call inside must be refused with `status`, and with a sentence that has `words`."""
    try:
        yield
    except grpc.RpcError as error:
        assert error.code() is status, error
        for word in words:
            assert word in error.details(), error.details()
    else:
        raise AssertionError("the call was answered")


def raw_tls(address: str, device: Device | None, folder: Path, source: str = "") -> ssl.SSLSocket:
    """A TLS connection that checks nothing and speaks no HTTP/2 yet, from the address `source`."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    if device is not None:
        file = folder / f"{device.peer_id[:8]}.pem"
        file.write_bytes(device.certificate + device.key_pem())
        context.load_cert_chain(file)
    host, _, port = address.rpartition(":")
    return context.wrap_socket(socket.create_connection((host, int(port)), SECONDS, (source, 0)))
