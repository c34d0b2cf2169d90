"""Counts and times of calls, and gauges read when asked, as Prometheus text. Callable from any thread."""

import threading
from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class _Calls:
    count: int = 0
    seconds: float = 0.0


class Metrics:
    """Calls by method and status; gauges by name."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards _calls
        self._calls: dict[tuple[str, str], _Calls] = {}
        self._gauges: dict[str, tuple[str, Callable[[], float]]] = {}

    def gauge(self, name: str, help_text: str, read: Callable[[], float]) -> None:
        """Before the server starts."""
        self._gauges[name] = (help_text, read)

    def called(self, method: str, status: str, seconds: float) -> None:
        with self._lock:
            calls = self._calls.setdefault((method, status), _Calls())
            calls.count += 1
            calls.seconds += seconds

    def text(self) -> str:
        with self._lock:
            calls = [(*key, c.count, c.seconds) for key, c in sorted(self._calls.items())]
        lines = []
        for suffix, help_text, at in (("total", "Calls answered.", 2), ("seconds_total", "Time spent in calls.", 3)):
            lines += [f"# HELP barrio_calls_{suffix} {help_text}", f"# TYPE barrio_calls_{suffix} counter"]
            lines += [f'barrio_calls_{suffix}{{method="{row[0]}",status="{row[1]}"}} {row[at]}' for row in calls]
        for name, (help_text, read) in self._gauges.items():
            lines += [f"# HELP barrio_{name} {help_text}", f"# TYPE barrio_{name} gauge", f"barrio_{name} {read()}"]
        return "\n".join(lines) + "\n"
