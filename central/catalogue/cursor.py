"""Where a search goes on: an opaque text that only the same question can use. Pure."""

import base64
import binascii
import hashlib
import struct
from dataclasses import dataclass

from central.domain import SearchQuestion
from central.errors import BadQuestionError

# Window start and end, holders and content of the last row shown, check of all of it and of the question.
_FORM = struct.Struct(">QQIQ")
_CHECK_BYTES = 8
LAST = (1 << 63) - 1
UNDECIDED = 0


@dataclass(frozen=True)
class Cursor:
    """Names numbered above `start` up to `end` are being shown; the next rows come after (`holders`, `content`).

    `end` is UNDECIDED for a window of which nothing was shown yet, and LAST for the last one.
    """

    start: int
    end: int = UNDECIDED
    holders: int = 0
    content: int = 0

    def write(self, question: SearchQuestion) -> str:
        form = _FORM.pack(self.start, self.end, self.holders, self.content)
        return base64.urlsafe_b64encode(form + _check(form, question)).decode("ascii").rstrip("=")

    @classmethod
    def read(cls, question: SearchQuestion) -> "Cursor":
        """The beginning for the first page. Raises BadQuestionError when the text is not one that `write` gave."""
        text = question.cursor
        if not text:
            return cls(0)
        problem = BadQuestionError("the place to go on from is not known any more; search again")
        try:
            data = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), b"-_", validate=True)
        except (binascii.Error, UnicodeEncodeError) as error:
            raise problem from error
        form, check = data[: _FORM.size], data[_FORM.size :]
        if len(form) != _FORM.size or check != _check(form, question):
            raise problem
        return cls(*_FORM.unpack(form))


def _check(form: bytes, question: SearchQuestion) -> bytes:
    asked = repr((question.text, question.kind, question.min_size, question.max_size)).encode()
    return hashlib.blake2b(form + asked, digest_size=_CHECK_BYTES).digest()
