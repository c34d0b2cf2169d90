"""The central's one tree of errors. Each message is a sentence for a person; `status` is its gRPC status code.

The boundaries (gRPC gate, command line) convert them; nothing in between catches and logs only.
"""

from protos.sentences import sentence_of


class CentralError(Exception):
    """Root of the tree. `message` says what is wrong and what to do; with a code where a person at a peer reads it."""

    status = "INTERNAL"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = sentence_of(message)


class BadInputError(CentralError):
    """The caller sent something outside the contract's limits."""

    status = "INVALID_ARGUMENT"


class BadQuestionError(CentralError):
    """A question that cannot be answered; the sentence travels inside the answer, to the person who asked."""

    status = "INVALID_ARGUMENT"


class InviteRefusedError(CentralError):
    status = "UNAUTHENTICATED"


class StrangerError(CentralError):
    """The certificate names nobody, or nobody who is a member here."""

    status = "PERMISSION_DENIED"


class RevokedError(CentralError):
    status = "PERMISSION_DENIED"


class NoLeaseError(CentralError):
    status = "FAILED_PRECONDITION"


class NotFoundError(CentralError):
    status = "NOT_FOUND"


class OverloadedError(CentralError):
    """Too much at once; trying again later helps."""

    status = "RESOURCE_EXHAUSTED"


class ScribeLostError(OverloadedError):
    """The process that writes ended before it answered: it may have written, or not."""


class QuotaError(CentralError):
    """A member publishes more than one member may."""

    status = "RESOURCE_EXHAUSTED"


class StartError(CentralError):
    """The program cannot start as it was asked to."""


class StorageError(CentralError):
    """The data folder or the database cannot be used."""
