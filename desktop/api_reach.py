"""What the local API says of the check-up and of barrios on this network, as immutable values. Pure."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Check:
    """One thing that was looked at. `state`: good, note, bad or skipped; `details` fill the sentence of `code`, and
    `message` is that sentence in English."""

    name: str
    state: str
    code: str
    details: dict[str, str | int]
    message: str


@dataclass(frozen=True)
class CheckUp:
    checks: tuple[Check, ...]
    good: bool

    @property
    def bad(self) -> int:
        return sum(check.state == "bad" for check in self.checks)


def check_up_from(data: dict[str, Any]) -> CheckUp:
    checks = (
        Check(
            str(c["name"]),
            str(c["state"]),
            str(c["code"]),
            {str(k): v for k, v in (c.get("details") or {}).items() if isinstance(v, str | int)},
            str(c["message"]),
        )
        for c in data["checks"]
    )
    return CheckUp(tuple(checks), bool(data["good"]))


@dataclass(frozen=True)
class FoundBarrio:
    """A barrio that members announce on this network; `fingerprint` as in its invites."""

    name: str
    fingerprint: str


def barrios_from(data: dict[str, Any]) -> tuple[FoundBarrio, ...]:
    return tuple(FoundBarrio(str(b["name"]), str(b["fingerprint"])) for b in data["barrios"])
