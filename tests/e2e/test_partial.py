"""Downloads are sources: real processes that download the same file give each other what they have."""

from pathlib import Path

from downloading import started
from processes import wait_for
from world import World

MIB = 1 << 20


def test_members_that_download_the_same_help_each_other(world: World) -> None:
    film = world.file("film.mkv", 32 * MIB, "ana")
    ana = world.peer("ana")
    world.share("ana", 1)
    others = [world.peer(name) for name in ("eva", "leo", "mia")]
    ana.verb("limits", "--up", "4M")
    (row,) = wait_for(lambda: others[0].json("search", "film"), 20, "the film")
    for peer in others:
        started(peer, row["content_id"])
    given: dict[str, int] = {}
    for peer in others:
        (done,) = wait_for(lambda p=peer: [t for t in p.transfers() if t["state"] == "done"], 90, peer.data.name)
        assert Path(done["path"]).read_bytes() == film.read_bytes()
        assert sum(s["pieces"] for s in done["sources"]) == done["pieces"] == 32
        assert [s["reason"] for s in done["sources"] if s["state"] == "banned"] == []
        for source in done["sources"]:
            given[source["name"]] = given.get(source["name"], 0) + source["pieces"]
    assert given["ana"] < 52, "alone she would have given 96 pieces"
    assert sum(pieces > 0 for name, pieces in given.items() if name != "ana") >= 2
    # Nobody shares a folder that the file lies in, so the central knows of one holder still.
    (row,) = ana.json("search", "film")
    assert row["holders"] == 1
