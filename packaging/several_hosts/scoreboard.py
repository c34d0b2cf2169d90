"""What a run counts, how it is shown, and the floor that it must not be below. Pure, but for reading the floor."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

FLOOR = Path(__file__).with_name("floor.json")


@dataclass
class Scoreboard:
    """Searches are those asked once all had converged; `answered`: with all that is shared, through a neighbour.
    `converged`: fault → seconds from its end until every peer saw everything as it is; None: not in time."""

    lease_seconds: float
    searches: int = 0
    answered: int = 0
    downloads: int = 0
    completed: int = 0
    several_holders: int = 0
    bytes_verified: int = 0
    bytes_wasted: int = 0
    converged: dict[str, float | None] = field(default_factory=dict)
    directions: dict[str, bool] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def figures(self) -> dict[str, float]:
        """What the floor bounds. Without anything counted nothing is proven: 0 percent."""
        slowest = max((9e9 if s is None else s for s in self.converged.values()), default=9e9)
        return {
            "searches_answered_percent": _percent(self.answered, self.searches),
            "downloads_completed_percent": _percent(self.completed, self.downloads),
            "directions_found_percent": _percent(sum(self.directions.values()), len(self.directions)),
            "bytes_useful_percent": _percent(self.bytes_verified, self.bytes_verified + self.bytes_wasted),
            "convergence_leases": round(slowest / self.lease_seconds, 3),
        }

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "figures": self.figures(), "below_floor": below(self.figures(), read_floor())}

    def as_text(self) -> str:
        lines = [
            f"searches answered     {self.answered} of {self.searches}",
            f"downloads completed   {self.completed} of {self.downloads}, {self.several_holders} from several holders",
            f"bytes                 {self.bytes_verified:,} verified, {self.bytes_wasted:,} wasted",
            f"directions            {sum(self.directions.values())} of {len(self.directions)} told right by the doctor",
            f"seconds to converge   (two leases are {2 * self.lease_seconds:g} s)",
        ]
        for fault, seconds in self.converged.items():
            lines.append(f"  {fault:<20}{'never' if seconds is None else f'{seconds:.1f}'}")
        lines += [f"note: {note}" for note in self.notes]
        lines += [f"BELOW THE FLOOR: {text}" for text in below(self.figures(), read_floor())]
        return "\n".join([*lines, f"took {self.seconds:.0f} s"])


def _percent(part: int, whole: int) -> float:
    return 100.0 * part / whole if whole else 0.0


def read_floor() -> dict[str, float]:
    floor: dict[str, float] = json.loads(FLOOR.read_text("utf-8"))
    return floor


def below(figures: Mapping[str, float], floor: Mapping[str, float]) -> list[str]:
    """Which figures are worse than the floor, in sentences; of percents more is better, of leases less."""
    worse = []
    for name, bound in floor.items():
        figure = figures[name]
        if figure < bound if name.endswith("_percent") else figure > bound:
            worse.append(f"{name} is {figure:g}, the floor is {bound:g}")
    return worse
