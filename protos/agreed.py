"""What both ends of the contract must agree on beyond the messages: ids, names, kinds. Pure functions."""

import base64
import hashlib
import re
import zlib
from dataclasses import dataclass
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from protos.sentences import say

PEER_SUFFIX = ".peer.barrio"
DIRECTORY_NAME = "directory.central.barrio"
ENROLMENT_NAME = "enrolment.central.barrio"
ID_LENGTH = 52
_ID_FORM = re.compile("[a-z2-7]{52}")
# From the digits of base 32 to those of `int`.
_DIGITS = str.maketrans("abcdefghijklmnopqrstuvwxyz234567", "0123456789abcdefghijklmnopqrstuv")
MAX_KEY = (1 << 63) - 1
MARK_BYTES = 16
# Letters, marks and symbols to Unicode, and yet nothing is drawn for them: no name of a device or a barrio has them.
BLANKS = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
KINDS = ("audio", "video", "image", "document", "archive", "code", "other")

_EXTENSIONS = {
    "audio": "aac aiff alac amr ape flac m4a mid midi mka mp3 oga ogg opus wav wma",
    "video": "3gp avi flv m2ts m4v mkv mov mp4 mpeg mpg ogv ts vob webm wmv",
    "image": "avif bmp gif heic heif ico jpeg jpg jxl png psd raw svg tif tiff webp",
    "document": "csv djvu doc docx epub htm html md mobi odp ods odt pdf ppt pptx rtf tex txt xls xlsx",
    "archive": "7z apk bz2 cab deb dmg gz iso jar lz lz4 rar rpm tar tgz xz zip zst",
    "code": "c cc cpp css go h hpp java js json kt lua php pl py rb rs sh sql swift toml ts tsx xml yaml yml",
}
_KIND_OF = {ext: kind for kind, exts in reversed(_EXTENSIONS.items()) for ext in exts.split()}


def encode_id(digest: bytes) -> str:
    """Base32, lower case, no padding: 32 bytes give 52 characters."""
    return base64.b32encode(digest).decode("ascii").rstrip("=").lower()


def decode_id(text: str) -> bytes:
    """Inverse of `encode_id` for 32-byte ids. Raises ValueError unless `text` is the one canonical form."""
    if len(text) != ID_LENGTH or not _ID_FORM.fullmatch(text):
        raise ValueError(say("an id has 52 lower-case characters (a-z, 2-7)", "id-characters"))
    # Several times as fast as base64.b32decode, which is not in C.
    number = int(text.translate(_DIGITS), 32)
    if number & 0xF:
        raise ValueError(say("check its last letter, which no id ends with", "id-canonical"))
    return (number >> 4).to_bytes(32, "big")


def peer_id_of(public_key_der: bytes) -> str:
    """Peer id of a public key given as SubjectPublicKeyInfo, DER."""
    return encode_id(hashlib.sha256(public_key_der).digest())


def peer_host_name(peer_id: str) -> str:
    """The DNS name that a peer's certificate carries."""
    return peer_id + PEER_SUFFIX


def peer_id_from_host_name(name: str) -> str | None:
    """The peer id inside a certificate's DNS name, or None when the name is not a peer's."""
    if not name.endswith(PEER_SUFFIX):
        return None
    peer_id = name.removesuffix(PEER_SUFFIX)
    try:
        decode_id(peer_id)
    except ValueError:
        return None
    return peer_id


def kind_of(name: str) -> str:
    """Kind of a file by its extension; one of `KINDS`."""
    return _KIND_OF.get(PurePosixPath(name).suffix.removeprefix(".").lower(), "other")


def path_digest(path: str) -> bytes:
    """8 bytes."""
    return hashlib.blake2b(path.encode(), digest_size=8).digest()


def entry_key(path: str, digest: bytes) -> int:
    """Key of an entry SHARE/FOLDERS/NAME with the digest of that: 63 bits, the folder's hash above the path's.

    Files of one folder are neighbours. Collisions matter within one member only, and to it alone.
    """
    folder = zlib.crc32(path[: path.rfind("/") + 1].encode()) & 0x7FFF
    return folder << 48 | int.from_bytes(digest[2:])


def entries_digest(entries: bytes) -> bytes:
    """16 bytes for a range of entries as `CompareResponse.entries` has them."""
    return hashlib.blake2b(entries, digest_size=16).digest()


def revocations_message(number: int, peer_ids: list[str]) -> bytes:
    """The bytes that the authority signs for a list of revocations."""
    return "\n".join(["barrio revocations v1", str(number), *sorted(peer_ids)]).encode()


@dataclass(frozen=True)
class Invite:
    """`barrio://HOST:PORT/join#TOKEN.FINGERPRINT`; the port is the enrolment port."""

    host: str
    port: int
    token: str
    fingerprint: str

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"barrio://{host}:{self.port}/join#{self.token}.{self.fingerprint}"

    @classmethod
    def parse(cls, text: str) -> "Invite":
        """Raises ValueError, with a sentence for the person, when the link is mangled."""
        try:
            url = urlsplit(text.strip())
            host, port = url.hostname, url.port
        except ValueError as error:
            raise ValueError(
                say("the invite's address is mangled; copy the whole link again", "invite-address")
            ) from error
        if url.scheme != "barrio" or url.path != "/join":
            raise ValueError(say("an invite looks like barrio://HOST:PORT/join#TOKEN.FINGERPRINT", "invite-shape"))
        token, _, fingerprint = url.fragment.rpartition(".")
        if not host or not port or not token:
            raise ValueError(say("the invite is cut short; copy the whole link again", "invite-cut"))
        try:
            decode_id(fingerprint)
        except ValueError as error:
            raise ValueError(
                say("the invite's fingerprint is mangled; copy the whole link again", "invite-fingerprint")
            ) from error
        return cls(host, port, token, fingerprint)
