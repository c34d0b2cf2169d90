"""`barrio-peer doctor` with real processes: all well, one direction closed, a silent central, nobody else, no peer."""

import json
from typing import Any

from processes import HeadlessPeer, wait_for
from world import World


def examined(peer: HeadlessPeer) -> tuple[int, dict[str, Any]]:
    """Exit status, and the checks by their outcome."""
    done = peer.try_verb("doctor", "--json")
    found = json.loads(done.stdout)
    assert found["good"] == (done.returncode == 0)
    return done.returncode, {check["code"]: check for check in found["checks"]}


def test_it_says_what_works_and_which_direction_fails(world: World) -> None:
    a = world.peer("a")
    wait_for(lambda: a.json("status")["central"]["reachable"], 20, "the central")
    status, found = examined(a)
    assert status == 0
    assert found["neighbour-none"]["state"] == "note"
    assert found["nobody-to-try"]["state"] == "skipped"

    world.peer("b")
    wait_for(lambda: len(a.json("neighbours")) == 1, 20, "a neighbour")
    status, found = examined(a)
    assert status == 0
    looked_at = {check["name"] for check in found.values()}
    assert looked_at >= {"joined", "data-folder", "key", "clock", "listening", "central", "disk", "watching"}
    assert looked_at >= {"address", "reach", "neighbour"}
    assert {"both-ways", "central-good", "clock-good", "listening", "neighbour-good"} <= set(found)
    assert found["address-reached"]["details"]["names"] == "b"
    assert a.try_verb("doctor").stdout.rstrip().endswith("all is well")

    closed = world.peer("closed", "--advertise", "https://127.0.0.1:9")
    wait_for(lambda: len(closed.json("neighbours")) == 2, 20, "neighbours")
    status, found = examined(closed)
    assert status == 1
    assert {"in-closed", "address-refused", "neighbour-good", "central-good"} <= set(found)
    assert "both-ways" not in found
    assert "--advertise" in found["address-refused"]["message"]
    shown = closed.try_verb("doctor")
    assert shown.returncode == 1
    assert "they cannot connect to it" in shown.stdout

    world.central.program.stop()
    status, found = examined(a)
    assert status == 1
    assert found["central-silent"]["state"] == "bad"
    world.central.start()

    assert a.stop() == 0
    status, found = examined(a)
    assert (status, set(found)) == (1, {"not-running"})
