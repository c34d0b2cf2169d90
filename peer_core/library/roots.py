"""The root folder of a share, and whether it can be had. Any thread; may wait for a disk."""

import os
import stat

from peer_core.library.disk import reason, signature_of
from peer_core.library.reasons import Reason
from peer_core.library.records import ShareRow


class ShareUnreachableError(Exception):
    """The share's root cannot be had; says why."""


class Root:
    """A share's root folder as it is now. Raises ShareUnreachableError."""

    def __init__(self, share: ShareRow) -> None:
        try:
            status = share.path.stat()
            signature = signature_of(status)
            self.device, self.inode = signature.device, signature.inode
            if not stat.S_ISDIR(status.st_mode):
                raise ShareUnreachableError(Reason.NO_FOLDER)
            with os.scandir(share.path) as entries:
                empty = next(entries, None) is None
        except OSError as error:
            raise ShareUnreachableError(reason(error)) from error
        # The place where a disk was mounted is left as an empty folder, and another one than before.
        if empty and share.inode and (share.device, share.inode) != (self.device, self.inode):
            raise ShareUnreachableError(Reason.ANOTHER_FOLDER)

    def same_as(self, other: "Root") -> bool:
        return (self.device, self.inode) == (other.device, other.inode)
