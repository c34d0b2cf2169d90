"""What the local API says of the check-up and of barrios on this network, as immutable values. Pure."""

from dataclasses import dataclass
from typing import Any

from protos.sentences import from_json


@dataclass(frozen=True)
class Check:
    """One thing that was looked at. `state`: good, note, bad or skipped; `details` fill the sentence of `code`, some of
    them sentences themselves, and `message` is that sentence in English."""

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
            {
                str(k): from_json(v) if isinstance(v, dict) else v
                for k, v in (c.get("details") or {}).items()
                if isinstance(v, str | int | dict)
            },
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
