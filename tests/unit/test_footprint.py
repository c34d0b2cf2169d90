"""What keeps a program at rest small and quiet: what it does not load, and how rarely it looks around."""

import subprocess
import sys
from pathlib import Path
from typing import Any, cast

import pytest

from peer_core.directory.neighbours import LOOK_AGAIN_SECONDS, WANTED, Neighbours

ROOT = Path(__file__).parents[2]
HEAVY = {
    "sqlite3",
    "blake3",
    "pathspec",
    "ssl",
    "cryptography",
    "grpc",
    "flask",
    "httpx",
    "google",
    "prometheus_client",
}


@pytest.mark.parametrize(
    ("modules", "without"),
    [
        # Stays for as long as the peer does.
        ("peer_core.library.child, peer_core.library.watching", HEAVY),
        ("peer_core.cli.main, peer_core.peer", {"httpx", "prometheus_client", "keyring", "watchdog", "PySide6"}),
        ("central.server", {"flask", "httpx", "peer_core"}),
    ],
)
def test_a_program_loads_only_what_it_needs(modules: str, without: set[str]) -> None:
    program = f"import sys, {modules}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    assert not {name.partition(".")[0] for name in done.stdout.split()} & without


def test_a_small_barrio_is_looked_around_in_less_and_less_until_something_changes() -> None:
    period = 30.0
    none = cast(Any, None)
    neighbours = Neighbours(none, none, (), lambda peer_id: False, lambda: period)
    looks = [min(period, neighbours._next_look({"ana"})) for _ in range(6)]
    assert looks == [LOOK_AGAIN_SECONDS, 6, 12, 24, 30, 30]
    assert neighbours._next_look({"luis"}) == LOOK_AGAIN_SECONDS
    assert neighbours._next_look({"luis"}) > LOOK_AGAIN_SECONDS
    # Nobody to ask: whoever comes is wanted at once, since the central learns who asks meanwhile.
    assert [neighbours._next_look(set()) for _ in range(3)] == [LOOK_AGAIN_SECONDS] * 3
    assert neighbours._next_look({"ana", "luis", "marta"}) == period
    assert WANTED == 3
