"""What the operating system says about a failure, with a code for what is usual. Pure; any thread."""

import errno

from protos.sentences import Sentence

USUAL = (
    "EACCES",
    "EADDRINUSE",
    "EADDRNOTAVAIL",
    "EBUSY",
    "ECONNABORTED",
    "ECONNREFUSED",
    "ECONNRESET",
    "EDQUOT",
    "EEXIST",
    "EFBIG",
    "EHOSTDOWN",
    "EHOSTUNREACH",
    "EINVAL",
    "EIO",
    "EISDIR",
    "ELOOP",
    "EMFILE",
    "ENAMETOOLONG",
    "ENETDOWN",
    "ENETUNREACH",
    "ENFILE",
    "ENODEV",
    "ENOENT",
    "ENOSPC",
    "ENOTCONN",
    "ENOTDIR",
    "EPERM",
    "EPIPE",
    "EROFS",
    "ESTALE",
    "ETIMEDOUT",
)


def system_words(error: OSError) -> Sentence:
    name = errno.errorcode.get(error.errno or 0, "")
    return Sentence(error.strerror or str(error), f"errno-{name.lower()}" if name in USUAL else "")
