"""The central's one tree of errors. Each message is a sentence for a person; `status` is its gRPC status code.

`reason` names the kind of refusal in metrics (`central.metrics.REASONS`).
The boundaries (gRPC gate, command line) convert them; nothing in between catches and logs only.
"""

from protos.sentences import sentence_of


class CentralError(Exception):
    """Root of the tree. `message` says what is wrong and what to do; with a code where a person at a peer reads it."""

    status = "INTERNAL"
    reason = "other"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = sentence_of(message)


class BadInputError(CentralError):
    """The caller sent something outside the contract's limits."""

    status = "INVALID_ARGUMENT"
    reason = "bad_input"


class BadQuestionError(CentralError):
    """A question that cannot be answered; the sentence travels inside the answer, to the person who asked."""

    status = "INVALID_ARGUMENT"
    reason = "bad_question"


class InviteRefusedError(CentralError):
    status = "UNAUTHENTICATED"
    reason = "invite"


class StrangerError(CentralError):
    """The certificate names nobody, or nobody who is a member here."""

    status = "PERMISSION_DENIED"
    reason = "stranger"


class RevokedError(CentralError):
    status = "PERMISSION_DENIED"
    reason = "revoked"


class NoLeaseError(CentralError):
    status = "FAILED_PRECONDITION"
    reason = "no_lease"


class NotFoundError(CentralError):
    status = "NOT_FOUND"
    reason = "not_found"


class OverloadedError(CentralError):
    """Too much at once; trying again later helps."""

    status = "RESOURCE_EXHAUSTED"
    reason = "overloaded"


class ScribeLostError(OverloadedError):
    """The process that writes ended before it answered: it may have written, or not."""


class QuotaError(CentralError):
    """A member publishes more than one member may."""

    status = "RESOURCE_EXHAUSTED"
    reason = "quota"


class StartError(CentralError):
    """The program cannot start as it was asked to."""


class UnhealthyError(CentralError):
    """The server that runs does not answer, or cannot do its work."""


class StorageError(CentralError):
    """The data folder or the database cannot be used."""
