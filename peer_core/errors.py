"""The one tree of errors. Each says what happened, what a person can do, and whose fault it is.

Boundaries (REST, command line, window) convert them; nothing in between catches and logs only. The window says each in
the person's language, by the codes of its kind and of its sentence.
"""

from enum import Enum

from protos.sentences import Sentence, say, sentence_of


class Fault(Enum):
    """Who has to act."""

    ME = "me"
    PEER = "peer"
    NETWORK = "network"
    CENTRAL = "central"


class BarrioError(Exception):
    """`title` names the trouble in a few words; `message` says in one sentence what to do.

    Raised with the English sentence as a template, its code (kebab-case, stable) and the template's values; or with a
    sentence that was made before.
    """

    title = "Something went wrong"
    fault = Fault.ME
    status = 500

    def __init__(self, text: str, sentence: str = "", /, **values: object) -> None:
        self.message: Sentence = say(text, sentence, **values) if sentence else sentence_of(text)
        super().__init__(str(self.message))

    @property
    def logged(self) -> str:
        """For the log: the message may name people and files, which do not belong there."""
        return f"{self.title} ({self.code})"

    @property
    def code(self) -> str:
        """Stable name for programs, for example `bad-input`."""
        name = type(self).__name__.removesuffix("Error")
        return "".join("-" + c.lower() if c.isupper() else c for c in name).lstrip("-")


class BadInputError(BarrioError):
    title = "That input cannot be used"
    status = 400


class NotFoundError(BarrioError):
    title = "Not found"
    status = 404


class ConflictError(BarrioError):
    title = "Already there"
    status = 409


class NotJoinedError(BarrioError):
    title = "Not in a barrio yet"
    status = 409


class EnrolmentError(BarrioError):
    title = "The barrio did not let this device in"
    status = 403


class RevokedError(BarrioError):
    title = "This device was removed from the barrio"
    status = 403


class StorageError(BarrioError):
    title = "The disk did not take it"
    status = 507


class NoRoomError(StorageError):
    title = "The disk is full"


class MissingPartError(StorageError):
    title = "The partial file is gone"


class DataVersionError(StorageError):
    title = "The data folder is from a newer Barrio"
    status = 500


class InUseError(BarrioError):
    title = "Already in use"
    status = 409


class NetworkError(BarrioError):
    title = "The network did not answer"
    fault = Fault.NETWORK
    status = 504


class PeerUnreachableError(NetworkError):
    title = "That peer did not answer"
    fault = Fault.PEER


class WithdrawnError(BarrioError):
    title = "The sender withdrew the offer"
    fault = Fault.PEER
    status = 410


class NotReachedError(NetworkError):
    title = "Others cannot connect to this device"


class PeerMisbehavedError(BarrioError):
    title = "A peer sent something wrong"
    fault = Fault.PEER
    status = 502


class CentralUnreachableError(NetworkError):
    title = "The central cannot be reached"
    fault = Fault.CENTRAL


class CentralMisbehavedError(BarrioError):
    title = "The central answered something wrong"
    fault = Fault.CENTRAL
    status = 502


class NotRegisteredError(BarrioError):
    """Internal to presence: the central does not know this peer's lease (it lapsed, or the central restarted)."""

    title = "The central has to be told again"
    fault = Fault.CENTRAL
    status = 503


class NoSourceError(BarrioError):
    title = "Nobody online has this file"
    fault = Fault.NETWORK
    status = 404
