"""What a bench found: said as it comes, and kept as JSON."""

import datetime
import json
import os
import platform
import sqlite3
import sys
from pathlib import Path
from typing import Any


def quantiles(seconds: list[float]) -> dict[str, float]:
    """Milliseconds."""
    if not seconds:
        return {"n": 0}
    ordered = sorted(seconds)

    def at(share: float) -> float:
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] * 1000

    return {"n": len(ordered), "p50": at(0.5), "p99": at(0.99), "max": ordered[-1] * 1000}


def percentiles(late_ms: list[float]) -> dict[str, float]:
    ordered = sorted(late_ms)
    return {"p50": round(ordered[len(ordered) // 2], 1), "p99": round(ordered[-len(ordered) // 100 - 1], 1)} | {
        "max": round(ordered[-1], 1)
    }


class Report:
    def __init__(self, name: str, folder: Path) -> None:
        self._name = name
        self._folder = folder
        self.found: dict[str, Any] = {
            "bench": name,
            "when": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            "machine": {
                "python": platform.python_version(),
                "sqlite": sqlite3.sqlite_version,
                "processors": os.cpu_count(),
                "system": platform.platform(),
            },
        }

    def say(self, text: str) -> None:
        print(f"bench {self._name}: {text}", file=sys.stderr, flush=True)

    def add(self, name: str, found: dict[str, Any]) -> None:
        self.found[name] = found

    def write(self) -> Path:
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / f"{self._name}-{self.found['when'].replace(':', '')}.json"
        path.write_text(json.dumps(self.found, indent=1), "utf-8")
        return path
