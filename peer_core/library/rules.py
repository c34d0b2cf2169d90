"""Which names are shared, and what a share may be called. Pure; any thread."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from peer_core.errors import BadInputError
from peer_core.library.reasons import Reason
from peer_core.sizes import MAX_SIZE
from protos.sentences import Sentence

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

MAX_NAME_BYTES = 255
MAX_PATH_BYTES = 4096
MAX_PATTERNS = 200
MAX_PATTERN_CHARACTERS = 1000
# Each run of stars in one part multiplies the time that a long name may take.
MAX_STARS = 3
_STARS = re.compile(r"\*+")

_SYSTEM = frozenset(
    {"thumbs.db", "ehthumbs.db", "desktop.ini", "$recycle.bin", "system volume information", "lost+found", "icon\r"}
)
_TEMPORARY = (".part", ".partial", ".crdownload", ".download", ".opdownload", ".tmp", ".temp", ".!ut", ".!qb")
_FORBIDDEN = frozenset('/\\:*?"<>|')


def is_left_out(name: str, hidden: bool = False) -> bool:
    """Temporary and system names of files and folders, and hidden ones unless `hidden` is wanted."""
    if (name[0] == "." and not hidden) or name.startswith(("~$", ".~lock.")):
        return True
    lower = name.lower()
    return lower in _SYSTEM or lower.endswith(_TEMPORARY)


class ShareRules:
    """Which files and folders of one share are left out. `exclude`: patterns in gitignore syntax.

    Raises BadInputError for what is no pattern.
    """

    def __init__(self, exclude: Sequence[str] = (), hidden: bool = False) -> None:
        self.hidden = hidden
        self.patterns = tuple(exclude)
        if len(self.patterns) > MAX_PATTERNS:
            raise BadInputError(
                "A share has at most {most} patterns to leave files out.", "patterns-most", most=MAX_PATTERNS
            )
        for fault in filter(None, map(fault_of, self.patterns)):
            if fault.kind is not FaultKind.NOTHING:
                raise BadInputError(
                    "The pattern “{pattern}” cannot be used: {reason}.",
                    "pattern-unusable",
                    pattern=shown(fault.pattern)[:60],
                    reason=Sentence(fault.reason, fault.kind.value),
                )
        self._spec = _compiled(self.patterns) if self.patterns else None

    def leave_out(self, folder: str, name: str, is_folder: bool) -> bool:
        """`folder`: where it lies within the share, which is itself not left out."""
        if is_left_out(name, self.hidden):
            return True
        if self._spec is None:
            return False
        path = f"{folder}/{name}" if folder else name
        return self._spec.match_file(path + "/" if is_folder else path)

    def leave_out_path(self, path: str) -> bool:
        """The same of a file, and of each folder on the way to it."""
        parts = path.split("/")
        return any(self.leave_out("/".join(parts[:at]), part, at < len(parts) - 1) for at, part in enumerate(parts))


def _compiled(patterns: Sequence[str]) -> "GitIgnoreSpec":
    # Most shares have none, and the watcher of such shares does without.
    from pathspec import GitIgnoreSpec

    return GitIgnoreSpec.from_lines(patterns)


class FaultKind(Enum):
    """What is wrong with a pattern. NOTHING is allowed: the pattern is valid, and leaves nothing out."""

    NO_LINE = "no-line"
    TOO_LONG = "too-long"
    SYNTAX = "syntax"
    RANGE = "range"
    COSTLY = "costly"
    NOTHING = "nothing"


@dataclass(frozen=True)
class PatternFault:
    """`reason`: for a person, without a full stop."""

    pattern: str
    kind: FaultKind

    @property
    def reason(self) -> str:
        return _FAULTS[self.kind]


_FAULTS = {
    FaultKind.NO_LINE: "a pattern is one line of text, as in a .gitignore file",
    FaultKind.TOO_LONG: f"a pattern has at most {MAX_PATTERN_CHARACTERS} characters",
    FaultKind.SYNTAX: "something is missing after “!” or after the “\\” at its end",
    FaultKind.RANGE: "the range between “[” and “]” runs backwards",
    FaultKind.COSTLY: f"a name is compared with at most {MAX_STARS} “*” of a part; more could take for ever",
    FaultKind.NOTHING: "no file can match it; “[” wants a “]”, and “/” a name",
}


def fault_of(pattern: str) -> PatternFault | None:
    """What is wrong with one exclude pattern in gitignore syntax. A comment (“# …”) is in order."""
    if not is_text(pattern) or not pattern.strip() or "\n" in pattern or "\r" in pattern or "\0" in pattern:
        return PatternFault(pattern, FaultKind.NO_LINE)
    if len(pattern) > MAX_PATTERN_CHARACTERS:
        return PatternFault(pattern, FaultKind.TOO_LONG)
    if pattern.startswith("#"):
        return None
    if any(len(_STARS.findall(part)) > MAX_STARS for part in pattern.split("/")):
        return PatternFault(pattern, FaultKind.COSTLY)
    try:
        read = list(_compiled([pattern]).patterns)
    except ValueError:
        return PatternFault(pattern, FaultKind.SYNTAX)
    except re.error:
        return PatternFault(pattern, FaultKind.RANGE)
    return PatternFault(pattern, FaultKind.NOTHING) if all(part.include is None for part in read) else None


def is_text(name: str) -> bool:
    """False for a name that is not valid UTF-8 on the disk, and so cannot be told to anybody."""
    if name.isascii():
        return True
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def shown(name: str) -> str:
    """The name with a mark for each byte that is no text."""
    return "".join("\ufffd" if "\ud800" <= c <= "\udfff" else c for c in name)


def refusal(path: str, size: int) -> str | None:
    """Why a file with this path within its share cannot be shared, for a person; None when it can."""
    if not is_text(path):
        return Reason.NOT_TEXT
    if len(path) > MAX_PATH_BYTES // 4 and len(path.encode("utf-8")) > MAX_PATH_BYTES:
        return Reason.LONG_PATH
    if size > MAX_SIZE:
        return Reason.TOO_LARGE
    return None


def share_name(name: str) -> str:
    """The name in its normal form. Raises BadInputError."""
    name = unicodedata.normalize("NFC", name.strip()) if is_text(name) else name
    if not name or name in (".", ".."):
        raise BadInputError("A share needs a name.", "share-name-empty")
    if not is_text(name) or any(c in _FORBIDDEN or unicodedata.category(c) in ("Cc", "Cf") for c in name):
        raise BadInputError(
            "A share's name has no control characters and none of / \\ : * ? \" < > |", "share-name-characters"
        )
    if len(name.encode("utf-8")) > MAX_NAME_BYTES:
        raise BadInputError(
            "A share's name has at most {most} bytes; choose a shorter one.", "share-name-long", most=MAX_NAME_BYTES
        )
    return name


def name_for_folder(folder_name: str) -> str:
    """A share name made from a folder's own name."""
    kept = "".join(
        "_" if c in _FORBIDDEN or not is_text(c) or unicodedata.category(c) in ("Cc", "Cf") else c for c in folder_name
    )
    while len(kept.encode("utf-8")) > MAX_NAME_BYTES - 8:
        kept = kept[:-1]
    kept = unicodedata.normalize("NFC", kept).strip()
    return kept if kept not in ("", ".", "..") else "share"
