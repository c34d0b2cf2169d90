"""Where a search goes on: an opaque text that only the same question can use. Pure."""

import base64
import binascii
import hashlib
import hmac
import struct
from dataclasses import dataclass, replace

from central.domain import SearchQuestion
from central.errors import BadQuestionError

# Stage, generation of the tiers, floor, window start and end, holders and content of the last row shown; then a
# check of all of it and of the question, keyed, so that nobody can make one.
_FORM = struct.Struct(">IIqqqIQ")
_CHECK_BYTES = 8
LAST = (1 << 63) - 1
UNDECIDED = 0


@dataclass(frozen=True)
class Cursor:
    """Names placed above `start` up to `end` in a stage are being shown; next come those after (`holders`, `content`).

    `end` is UNDECIDED for a window of which nothing was shown yet, and LAST for the last one of its stage.
    `generation` and `floor` name the popular names as they were for the first page.
    """

    stage: int
    generation: int
    floor: int
    start: int
    end: int = UNDECIDED
    holders: int = 0
    content: int = 0

    def write(self, question: SearchQuestion, secret: bytes) -> str:
        """`secret`: at most 64 bytes."""
        form = _FORM.pack(self.stage, self.generation, self.floor, self.start, self.end, self.holders, self.content)
        return base64.urlsafe_b64encode(form + _check(form, question, secret)).decode("ascii").rstrip("=")

    @classmethod
    def read(cls, question: SearchQuestion, secret: bytes) -> "Cursor | None":
        """None for the first page. Raises BadQuestionError when the text is not one that `write` gave."""
        text = question.cursor
        if not text:
            return None
        problem = lost_place()
        try:
            data = base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), b"-_", validate=True)
        except (binascii.Error, UnicodeEncodeError) as error:
            raise problem from error
        form, check = data[: _FORM.size], data[_FORM.size :]
        if len(form) != _FORM.size or not hmac.compare_digest(check, _check(form, question, secret)):
            raise problem
        cursor = cls(*_FORM.unpack(form))
        if cursor.content > LAST or (cursor.end != UNDECIDED and cursor.end < cursor.start):
            raise problem
        return cursor


def lost_place() -> BadQuestionError:
    return BadQuestionError("the place to go on from is not known any more; search again")


def _check(form: bytes, question: SearchQuestion, secret: bytes) -> bytes:
    asked = repr(replace(question, limit=0, cursor="")).encode()
    return hashlib.blake2b(form + asked, digest_size=_CHECK_BYTES, key=secret, person=b"cursor").digest()
