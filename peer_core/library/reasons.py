"""Why a file or folder cannot be shared, for a person; each with a stable code, so that it can be said in any language.
Pure; any thread."""

from enum import StrEnum

from protos.sentences import Sentence


class Reason(StrEnum):
    """The value is the English text; it travels and is kept as such."""

    NO_RIGHT = "permission denied: your user may not read it"
    NOT_THERE = "it is not there"
    DISK_ERROR = "the disk reports an error while reading"
    PATH_TOO_LONG = "the path is too long"
    LINK_LOOP = "it is a link that leads in circles"
    DRIVE_LOST_IT = "the network drive lost it"
    DRIVE_AWAY = "the network drive is not connected"
    DRIVE_SILENT = "the network drive does not answer"
    TOO_MANY_OPEN = "too many files are open"
    NOT_TEXT = "its name is not valid text (UTF-8); rename it to share it"
    LONG_PATH = "its path is too long"
    TOO_LARGE = "it is too large"
    NO_FOLDER = "there is no folder any more"
    ANOTHER_FOLDER = "the folder is empty and another one than before; is its disk connected?"
    EXCHANGED = "the folder was exchanged while it was read"

    @property
    def code(self) -> str:
        return self.name.lower().replace("_", "-")


def code_of(text: str) -> str | None:
    """The code of a reason or of another sentence; None for what the system said in its own words."""
    if isinstance(text, Sentence) and text.code:
        return text.code
    try:
        return Reason(text).code
    except ValueError:
        return None
