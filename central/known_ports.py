"""The ports at which members know this central: kept in the database, which a backup holds too."""

import json
import logging
from dataclasses import dataclass, replace

from central.config import Address
from central.database import Database
from central.errors import StartError
from central.ports import check_free

log = logging.getLogger(__name__)

KNOWN_PORTS = "known_ports"


@dataclass(frozen=True)
class Ports:
    """Of the directory and of enrolment; 0: not known."""

    listen: int
    enrol: int

    def __str__(self) -> str:
        return f"{self.listen} and {self.enrol}"


def read_ports(database: Database) -> Ports:
    row = database.read().execute("SELECT value FROM setting WHERE key = ?", (KNOWN_PORTS,)).fetchone()
    try:
        listen, enrol = json.loads(row[0]) if row else (0, 0)
        return Ports(int(listen), int(enrol))
    except (ValueError, TypeError):
        return Ports(0, 0)


def as_before(option: str, wanted: Address, known: int) -> Address:
    """Port 0 is the one at which members know it, and any the first time.

    Raises StartError when that one is taken: at another one, members would not find it, and nobody would notice.
    """
    if wanted.port or not known:
        return wanted
    address = replace(wanted, port=known)
    try:
        check_free(option, address)
    except StartError as error:
        raise StartError(
            f"{error.message}; port {known} is the one that it had before, where members and invites look for it"
        ) from error
    return address


class KnownPorts:
    """What is known changes when a member is here at other ports, not by a start at the wrong ones."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.known = read_ports(database)
        self._current = self.known

    def started(self, current: Ports) -> None:
        """Call when the ports listen. Warns when members know others."""
        self._current = current
        if not self.known.listen or not self._has_members():
            self._keep()
        elif self.known != current:
            log.warning(
                "members know this central at ports %s, and it listens at %s now: they find it when it is started "
                "there again, or when these ports are forwarded",
                self.known,
                current,
            )

    def reached(self) -> None:
        """Call when a member holds a lease: it was found where it listens now."""
        if self._current != self.known:
            self._keep()

    def _has_members(self) -> bool:
        found = self._database.read().execute("SELECT 1 FROM member WHERE revocation IS NULL LIMIT 1").fetchone()
        return found is not None

    def _keep(self) -> None:
        value = json.dumps([self._current.listen, self._current.enrol])
        with self._database.write(durable=True) as connection:
            connection.execute("INSERT OR REPLACE INTO setting (key, value) VALUES (?, ?)", (KNOWN_PORTS, value))
        self.known = self._current
