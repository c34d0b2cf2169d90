"""What the file system tells about a file, made comparable, and its refusals in words. Pure but for one mount table."""

import errno
import os
import stat
import sys
from pathlib import Path

from peer_core.library.reasons import Reason
from peer_core.library.records import Signature
from peer_core.system_words import system_words

LARGEST = (1 << 63) - 1
MOUNT_TABLE = Path("/proc/self/mountinfo")

# File systems that number files anew at each mount.
_RENUMBERING = {
    "vfat",
    "msdos",
    "exfat",
    "cifs",
    "smb3",
    "9p",
    "fuse.sshfs",
    "fuse.rclone",
    "fuse.mtpfs",
    "fuse.jmtpfs",
}
_LINK_TAGS = {0xA000000C, 0xA0000003}  # Windows: symbolic link, junction
READ_BY_ALL = stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH
_VANISHED = (FileNotFoundError, NotADirectoryError)

_REASONS = {
    errno.EIO: Reason.DISK_ERROR,
    errno.ENAMETOOLONG: Reason.PATH_TOO_LONG,
    errno.ELOOP: Reason.LINK_LOOP,
    errno.ESTALE: Reason.DRIVE_LOST_IT,
    errno.ENOTCONN: Reason.DRIVE_AWAY,
    errno.ETIMEDOUT: Reason.DRIVE_SILENT,
    errno.EMFILE: Reason.TOO_MANY_OPEN,
    errno.ENFILE: Reason.TOO_MANY_OPEN,
}


def signature_of(status: os.stat_result, renumbered: frozenset[int] = frozenset()) -> Signature:
    """`renumbered`: devices whose file ids do not last."""
    lasting = status.st_dev not in renumbered
    return Signature(
        status.st_size,
        max(-LARGEST, min(LARGEST, status.st_mtime_ns)),
        status.st_dev & LARGEST,
        status.st_ino & LARGEST if lasting else 0,
    )


def renumbered_devices() -> frozenset[int]:
    """Device numbers of the mounted file systems whose file ids change at each mount."""
    if not sys.platform.startswith("linux"):
        return frozenset()
    try:
        lines = MOUNT_TABLE.read_text("utf-8", "replace").splitlines()
    except OSError:
        return frozenset()
    devices = set()
    for line in lines:
        before, _, after = line.partition(" - ")
        if after.split(" ", 1)[0] in _RENUMBERING:
            major, _, minor = before.split(" ")[2].partition(":")
            devices.add(os.makedev(int(major), int(minor)))
    return frozenset(devices)


def is_hidden(status: os.stat_result) -> bool:
    """By attribute, on the systems that have it; names are the rules' part."""
    attributes: int = getattr(status, "st_file_attributes", 0)
    flags: int = getattr(status, "st_flags", 0)
    return bool(attributes & stat.FILE_ATTRIBUTE_HIDDEN or flags & stat.UF_HIDDEN)


def is_link(status: os.stat_result) -> bool:
    """A symbolic link, or a Windows junction (which claims to be a folder)."""
    return stat.S_ISLNK(status.st_mode) or getattr(status, "st_reparse_tag", 0) in _LINK_TAGS


def may_read(path: str, status: os.stat_result) -> bool:
    """Whether this user may read the file, as far as its rights tell without opening it.

    Nearly always the mode says it; the system is asked where that is in doubt (other owners, lists of rights, root).
    """
    if status.st_mode & READ_BY_ALL == READ_BY_ALL or os.name == "nt":
        return True
    if status.st_mode & stat.S_IRUSR and status.st_uid == os.geteuid():
        return True
    return os.access(path, os.R_OK, effective_ids=os.access in os.supports_effective_ids)


def is_vanished(error: OSError) -> bool:
    """True when nothing is there any more, False when it is there and cannot be had."""
    return isinstance(error, _VANISHED)


def reason(error: OSError) -> str:
    """Why a file or folder could not be read, for a person."""
    if isinstance(error, PermissionError):
        return Reason.NO_RIGHT
    if is_vanished(error):
        return Reason.NOT_THERE
    return _REASONS.get(error.errno or 0) or system_words(error)
