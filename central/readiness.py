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
        self._told: Mapping[str, str] = {}

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple(self._checks)

    def report(self) -> Report:
        """Looks now; milliseconds."""
        troubles: dict[str, str] = {}
        for part, check in self._checks.items():
            try:
                check()
            except CentralError as error:
                troubles[part] = error.message
        return Report(troubles)

    def watch(self) -> bool:
        """Looks, and logs what changed since the last time; whether all is well. One thread."""
        troubles = self.report().troubles
        for part in troubles.keys() - self._told.keys():
            log.error("not ready: %s: %s", part, troubles[part])
        for part in self._told.keys() - troubles.keys():
            log.info("ready again: %s", part)
        self._told = troubles
        return not troubles
