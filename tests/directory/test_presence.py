"""Presence towards a central: registering, moving, lost leases, and clocks that differ."""

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from trust import Authority

from peer_core.directory.central import Beat, Heard, Registration
from peer_core.directory.presence import Presence, Standing
from peer_core.directory.types import Pace
from peer_core.errors import CentralUnreachableError, NotRegisteredError
from peer_core.identity.revocations import Revocations
from peer_core.own_addresses import Whereabouts

PACE = Pace(heartbeat_seconds=600.0, publish_batch=1000, retry_seconds=0.1)


class Central:
    """Notes what it is told. `failures`: what the next calls raise."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[str, ...]]] = []
        self.failures: list[Exception] = []
        self.ahead = 0.0
        self.heard = Heard(datetime.now(UTC))

    def fall_silent(self, minutes: float = 0.0) -> Heard:
        """As a question notices it, so many minutes after the start of the test."""
        since = self.heard.since + timedelta(minutes=minutes)
        self.heard = Heard(since, CentralUnreachableError("no", "central-silent"))
        return self.heard

    def _called(self, name: str, addresses: Sequence[str]) -> None:
        self.calls.append((name, tuple(addresses)))
        if self.failures:
            raise self.failures.pop(0)

    def register(self, addresses: Sequence[str], *_: Any) -> Registration:
        self._called("register", addresses)
        return Registration(PACE, 0, None, clock=time.time() + self.ahead)

    def heartbeat(self, _: int, addresses: Sequence[str], patience: float) -> Beat:
        assert patience == PACE.heartbeat_seconds
        self._called("beat", addresses)
        return Beat(PACE, None, time.time() + self.ahead)

    def renew_channel(self) -> None:
        self.calls.append(("channel", ()))


class Here:
    def __init__(self, root: Path) -> None:
        self.interfaces = ["10.0.0.7"]
        self.moves = self.backs = 0
        self.central = Central()
        identity = Authority().identity(root, "a")
        whereabouts = Whereabouts(lambda: ("::", 5), "c", (), lambda: list(self.interfaces), lambda _: [])
        whereabouts.look()
        self.presence = Presence(
            identity,
            self.central,  # type: ignore[arg-type]  # as much of it as is used
            Revocations(identity, lambda _: None),
            whereabouts,
            lambda: (b"i" * 16, 1),
            lambda _: None,
            self._moved,
            self._back,
        )

    def _moved(self) -> None:
        self.moves += 1

    def _back(self) -> None:
        self.backs += 1


def test_a_peer_that_moves_tells_its_new_address_long_before_the_next_beat(tmp_path: Path) -> None:
    here = Here(tmp_path)
    step, calls = here.presence._step, here.central.calls
    assert 0 < step() <= 2
    step()
    assert calls == [("register", ("https://10.0.0.7:5",))]
    here.interfaces = ["10.0.0.9"]
    step()
    assert calls[1:] == [("channel", ()), ("beat", ("https://10.0.0.9:5",))]
    assert here.moves == 1
    step()
    assert len(calls) == 3


def test_a_move_that_the_central_did_not_hear_of_is_told_again(tmp_path: Path) -> None:
    here = Here(tmp_path)
    step, calls = here.presence._step, here.central.calls
    step()
    here.interfaces = ["10.0.0.9"]
    here.central.failures = [CentralUnreachableError("x"), NotRegisteredError("x")]
    deadline = time.monotonic() + 10
    while len(calls) < 5 and time.monotonic() < deadline:
        time.sleep(step())
    new = ("https://10.0.0.9:5",)
    assert calls[2:] == [("beat", new), ("beat", new), ("register", new)]
    assert here.presence.reachable
    assert here.backs == 2, "at first, and after the call that failed"


def test_how_far_the_clocks_are_apart_is_known(tmp_path: Path) -> None:
    here = Here(tmp_path)
    assert here.presence.clock_offset is None
    here.central.ahead = 3600
    here.presence._step()
    assert here.presence.clock_offset is not None
    assert abs(here.presence.clock_offset - 3600) < 30


def test_a_question_that_the_central_does_not_answer_counts_at_once(tmp_path: Path) -> None:
    here = Here(tmp_path)
    step, calls = here.presence._step, here.central.calls
    step()
    assert here.presence.reachable
    step()
    assert len(calls) == 1
    heard = here.central.fall_silent(5)
    assert here.presence.standing() == Standing(False, heard.since, heard.trouble)
    assert here.presence.had_beat, "it is told when this peer leaves"
    here.central.failures.append(CentralUnreachableError("still", "central-silent"))
    beat_within(here, PACE.retry_seconds * 1.5)
    assert calls[-1][0] == "beat"
    standing = here.presence.standing()
    assert standing.since == heard.since, "not only since the heartbeat that was lost too"
    assert standing.trouble is not None and standing.trouble.message == "still"
    assert not here.presence.had_beat
    # From here on, the central's pace holds.
    here.presence._next_beat = time.monotonic() + 60
    step()
    assert len(calls) == 2
    here.presence._next_beat = 0.0
    here.central.heard = Heard(datetime.now(UTC))
    step()
    assert here.presence.reachable and here.backs == 2 and here.presence.trouble is None


def test_questions_that_are_not_answered_bring_no_more_beats_than_the_central_wants(tmp_path: Path) -> None:
    here = Here(tmp_path)
    step, calls = here.presence._step, here.central.calls
    step()
    here.presence.pace = replace(PACE, retry_seconds=60.0)
    waits = set()
    for _ in range(8):
        # Each question finds it silent, and each heartbeat finds it there.
        here.presence._next_beat = time.monotonic() + 600
        here.central.fall_silent()
        now = time.monotonic()
        step()
        assert len(calls) == 1, "not at once"
        wait = here.presence._next_beat - now
        assert 30 <= wait <= 95
        step()
        assert here.presence._next_beat - now == wait, "one silence, one beat"
        waits.add(round(wait, 1))
    assert len(waits) > 1, "not all members at the same time"


def test_since_when_it_answers_is_known_after_a_question_too(tmp_path: Path) -> None:
    here = Here(tmp_path)
    assert here.presence.standing() == Standing(False, None, None)
    here.presence._step()
    here.central.fall_silent()
    back = here.central.heard.since + timedelta(minutes=10)
    here.central.heard = Heard(back)
    assert here.presence.standing() == Standing(True, back, None)


def beat_within(here: Here, seconds: float) -> None:
    before, deadline = len(here.central.calls), time.monotonic() + seconds + 5
    while len(here.central.calls) == before:
        assert time.monotonic() < deadline
        time.sleep(min(here.presence._step(), seconds))
