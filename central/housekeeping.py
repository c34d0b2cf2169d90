"""One thread that does what no call should wait for: ends leases, notices revocations, writes presence, cleans."""

import logging
import threading
import time
from collections.abc import Callable

from central.database import is_full
from central.errors import OverloadedError

log = logging.getLogger(__name__)

# Jobs that come due within such a time of each other are done together.
TICK_SECONDS = 0.25


class Housekeeper:
    """Runs each job every so many seconds until `stop`. A job that returns True wants to go on at once."""

    def __init__(self, name: str = "housekeeper") -> None:
        self._jobs: list[tuple[str, float, Callable[[], bool | None]]] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name)

    def every(self, seconds: float, name: str, job: Callable[[], bool | None]) -> None:
        """Before `start`."""
        self._jobs.append((name, seconds, job))

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        due = [time.monotonic() + seconds for _, seconds, _ in self._jobs]
        while not self._stop.wait(max(TICK_SECONDS, min(due) - time.monotonic())):
            for place, (name, seconds, job) in enumerate(self._jobs):
                if due[place] <= time.monotonic() and not self._stop.is_set():
                    more = self._do(name, job)
                    due[place] = time.monotonic() + (0.0 if more else seconds)

    def _do(self, name: str, job: Callable[[], bool | None]) -> bool:
        try:
            return bool(job())
        except OverloadedError as error:
            log.info("%s: put off (%s)", name, error.reason)
            return False
        except Exception as error:
            if is_full(error):
                log.error("%s: the disk of the database is full; make room there", name)
                return False
            # The next round tries again; calls are not affected.
            log.exception("housekeeping failed: %s", name)
            return False
