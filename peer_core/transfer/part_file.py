"""The `.part` file of a download and the record of its pieces beside it. One owner writes; reads are from any thread.

Record (`.bits`): magic, number of pieces, then two bitmaps. *Vouched*: set after the data was synced; it outlives a
power cut. *Written*: set without a sync right after a piece's bytes; it outlives the process alone. On opening, vouched
pieces count, and written ones are read and verified once. So a crash never claims a piece that is not there.
"""

import errno
import os
import struct
import threading
from contextlib import ExitStack
from io import FileIO
from pathlib import Path

from peer_core.content import Manifest, piece_hash
from peer_core.errors import NoRoomError, StorageError
from peer_core.system_words import system_words
from peer_core.transfer.bitmap import Bitmap

MAGIC = b"barriob1"
HEADER = struct.Struct(">8sQ")
SYNC_BYTES = 256 << 20


class PartFile:
    """Raises StorageError from each call that the disk does not take."""

    def __init__(self, path: Path, bits_path: Path, manifest: Manifest) -> None:
        self.path = path
        self.manifest = manifest
        self._lock = threading.Lock()
        self._unsynced = 0
        # Pieces that are here: read by any thread, changed by `write` alone.
        self.present = Bitmap(manifest.count)
        self._written = Bitmap(manifest.count)
        fresh = not path.exists()
        binary = getattr(os, "O_BINARY", 0)
        with _Disk(path), ExitStack() as opened:
            path.parent.mkdir(parents=True, exist_ok=True)
            follow = getattr(os, "O_NOFOLLOW", 0)
            self._data = os.open(path, os.O_RDWR | os.O_CREAT | binary | follow, 0o666)
            opened.callback(os.close, self._data)
            self._bits = os.open(bits_path, os.O_RDWR | os.O_CREAT | binary, 0o600)
            opened.callback(os.close, self._bits)
            self._recall(fresh)
            if os.fstat(self._data).st_size != manifest.size:
                os.ftruncate(self._data, manifest.size)
            status = os.fstat(self._data)
            self._file_id = (status.st_dev, status.st_ino)
            self._open_files = opened.pop_all()

    def write(self, piece: int, data: memoryview) -> None:
        """Keeps one verified piece."""
        start, _ = self.manifest.span(piece)
        with _Disk(self.path):
            self._write_at(start, data)
            with self._lock:
                self._written.add(piece)
                byte = piece >> 3
                _pwrite(self._bits, self._written.byte(byte), self._written_offset + byte)
                self.present.add(piece)
                self._unsynced += len(data)
                due = self._unsynced >= SYNC_BYTES
        if due:
            self.vouch()

    def vouch(self) -> None:
        """Syncs the data, then records its pieces as safe."""
        with _Disk(self.path):
            with self._lock:
                bits = self.present.to_bytes()
                self._unsynced = 0
            _datasync(self._data)
            _pwrite(self._bits, bits, HEADER.size)
            _datasync(self._bits)

    def read(self, start: int, length: int) -> bytes:
        with _Disk(self.path):
            return _pread(self._data, length, start)

    def open_again(self) -> FileIO:
        """The data, to be read by somebody else; it stays open as long as they like. Any thread. Raises OSError."""
        flags = os.O_RDONLY
        for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY", "O_CLOEXEC"):
            flags |= getattr(os, name, 0)
        file = FileIO(os.open(self.path, flags))
        status = os.fstat(file.fileno())
        if (status.st_dev, status.st_ino) != self._file_id:
            file.close()
            raise FileNotFoundError(errno.ENOENT, "another file lies there by now", str(self.path))
        return file

    def close(self) -> None:
        self._open_files.close()

    @property
    def _written_offset(self) -> int:
        return HEADER.size + len(self.present.to_bytes())

    def _recall(self, fresh: bool) -> None:
        """Reads the record; takes over what it vouches for and what still proves right."""
        count = self.manifest.count
        size = -(-count // 8)
        head = _pread(self._bits, HEADER.size + 2 * size, 0)
        known = len(head) == HEADER.size + 2 * size and HEADER.unpack_from(head) == (MAGIC, count)
        if fresh or not known:
            os.ftruncate(self._bits, 0)
            _pwrite(self._bits, HEADER.pack(MAGIC, count) + bytes(2 * size), 0)
            return
        vouched, safe = Bitmap(count, head[HEADER.size : HEADER.size + size]), Bitmap(count)
        written = Bitmap(count, head[HEADER.size + size :])
        length = os.fstat(self._data).st_size
        for piece in range(count):
            start, piece_length = self.manifest.span(piece)
            if start + piece_length > length:
                continue
            if piece in vouched:
                safe.add(piece)
            elif piece in written and self._proves_right(piece, start, piece_length):
                # It may have been read from memory: the disk has it only after the next sync.
                self._unsynced += piece_length
            else:
                continue
            self.present.add(piece)
            self._written.add(piece)
        _pwrite(self._bits, safe.to_bytes() + self._written.to_bytes(), HEADER.size)

    def _proves_right(self, piece: int, start: int, length: int) -> bool:
        return piece_hash(_pread(self._data, length, start)) == self.manifest.hash_of(piece)

    def _write_at(self, start: int, data: memoryview) -> None:
        while data:
            wrote = _pwrite(self._data, data, start)
            data, start = data[wrote:], start + wrote


class _Disk:
    """Converts OSError into StorageError that names the file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            raise storage_error(self._path, error) from error


def storage_error(path: Path, error: OSError) -> StorageError:
    """A sentence about a file that the disk did not take."""
    if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC)):
        return NoRoomError(
            "The disk is full; make room in {folder}, and it goes on. What is here stays.",
            "disk-full",
            folder=path.parent,
        )
    if error.errno == errno.EFBIG:
        return StorageError(
            "The file system of {folder} does not take a file of this size.", "file-system-size", folder=path.parent
        )
    return StorageError(
        "{path} cannot be written ({reason}); check the folder and resume.",
        "part-unwritable",
        path=path,
        reason=system_words(error),
    )


if hasattr(os, "pwrite"):

    def _pwrite(file: int, data: bytes | memoryview, offset: int) -> int:
        return os.pwrite(file, data, offset)

    def _pread(file: int, length: int, offset: int) -> bytes:
        return os.pread(file, length, offset)
else:
    _seek_lock = threading.Lock()

    def _pwrite(file: int, data: bytes | memoryview, offset: int) -> int:
        with _seek_lock:
            os.lseek(file, offset, os.SEEK_SET)
            return os.write(file, data)

    def _pread(file: int, length: int, offset: int) -> bytes:
        with _seek_lock:
            os.lseek(file, offset, os.SEEK_SET)
            return os.read(file, length)


def _datasync(file: int) -> None:
    getattr(os, "fdatasync", os.fsync)(file)
