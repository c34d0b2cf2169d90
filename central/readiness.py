"""Whether the central can really answer, part by part. Any thread."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from central.errors import CentralError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Report:
    """`troubles`: what is wrong, a sentence for each part that cannot do its work."""

    troubles: dict[str, str]

    @property
    def ready(self) -> bool:
        return not self.troubles


class Readiness:
    """`checks` by the name of a part: each raises CentralError when the part cannot do its work."""

    def __init__(self, checks: Mapping[str, Callable[[], None]]) -> None:
        self._checks = dict(checks)
        self._told: frozenset[str] = frozenset()

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple(self._checks)

    def report(self) -> Report:
        """Looks now; milliseconds."""
        return Report({part: error.message for part, error in self._look().items()})

    def watch(self) -> bool:
        """Looks, and logs what changed since the last time; whether all is well. One thread."""
        troubles = self._look()
        for part in troubles.keys() - self._told:
            # The sentence names paths; the log tells kinds.
            log.error("not ready: %s", part, exc_info=troubles[part])
        for part in self._told - troubles.keys():
            log.info("ready again: %s", part)
        self._told = frozenset(troubles)
        return not troubles

    def _look(self) -> dict[str, CentralError]:
        troubles: dict[str, CentralError] = {}
        for part, check in self._checks.items():
            try:
                check()
            except CentralError as error:
                troubles[part] = error
        return troubles
