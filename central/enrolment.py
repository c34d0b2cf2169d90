"""How a device becomes a member and stays one: checks the invite and the request, then has the authority sign."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from central.authority import Applicant, Authority, read_signing_request
from central.database import Database
from central.errors import BadInputError, NotFoundError, RevokedError, StrangerError
from central.invites import MAX_TOKEN, redeem
from central.members import Members, clean_name
from protos.sentences import say

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Membership:
    """What a new or renewed member gets; both PEM."""

    certificate: bytes
    authority: bytes
    network_name: str
    directory_port: int


class Enrolment:
    """Called from the threads of the enrolment port. `directory_port` is set once the directory listens."""

    def __init__(
        self,
        database: Database,
        authority: Authority,
        members: Members,
        network_name: str,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._authority = authority
        self._members = members
        self._network_name = network_name
        self._clock = clock
        self.directory_port = 0

    def enrol(self, token: str, signing_request: bytes, name: str) -> Membership:
        """Uses the invite once, also for a member that comes again later. Raises CentralError of several kinds."""
        if not token or len(token.encode()) > MAX_TOKEN:
            raise BadInputError(f"a token has 1 to {MAX_TOKEN} bytes")
        name = clean_name(name)
        applicant = read_signing_request(signing_request)
        now = self._clock()
        with self._database.write(durable=True) as connection:
            if self._members.is_revoked(connection, applicant.peer_id):
                raise RevokedError(
                    say("this device was removed from the barrio; ask who runs it", "device-removed-ask")
                )
            redeem(connection, token, applicant.peer_id, now)
            self._members.admit(connection, applicant.peer_id, name, int(now))
            membership = self._sign(applicant)
        self._members.refresh(applicant.peer_id)
        log.info("enrolled peer=%s", applicant.peer_id)
        return membership

    def renew(self, signing_request: bytes) -> Membership:
        """Signs a member's key again."""
        applicant = read_signing_request(signing_request)
        if self._members.is_revoked(self._database.read(), applicant.peer_id):
            raise RevokedError(say("this device was removed from the barrio; ask who runs it", "device-removed-ask"))
        try:
            self._members.find(applicant.peer_id)
        except StrangerError as error:
            raise NotFoundError(error.message) from error
        log.info("renewed peer=%s", applicant.peer_id)
        return self._sign(applicant)

    def _sign(self, applicant: Applicant) -> Membership:
        certificate = self._authority.sign_member(applicant)
        return Membership(certificate, self._authority.certificate_pem, self._network_name, self.directory_port)
