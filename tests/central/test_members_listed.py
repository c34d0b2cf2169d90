"""Finding members: by id, by the beginning of a name, page by page; only those who are live."""

import random

import grpc  # noqa: F401  # the central's kit needs it loaded first
from central_kit import Central, Device

from central.roster import fold
from protos.barrio.v1 import directory_pb2


def ask(caller: object, **more: object) -> object:
    question = directory_pb2.Question(peers=directory_pb2.Peers(**more))  # type: ignore[arg-type]
    return caller.ask(question.SerializeToString())  # type: ignore[attr-defined]


def names(caller: object, **more: object) -> list[str]:
    answer = ask(caller, **more)
    assert answer.WhichOneof("answer") == "peers", answer  # type: ignore[attr-defined]
    return [peer.name for peer in answer.peers.peers]  # type: ignore[attr-defined]


def test_live_members_are_found_by_name_and_by_id(central: Central) -> None:
    called = ["Ána", "ana maría", "Bruno", "Carla"]
    members = [central.member(name) for name in called]
    asker = members[2]
    assert names(asker) == []
    for member in members:
        member.register()
    assert names(asker) == ["Ána", "ana maría", "Bruno", "Carla"]
    assert names(asker, text="ANA") == ["Ána", "ana maría"]
    assert names(asker, text="ana m") == ["ana maría"]
    assert names(asker, text="x") == []
    carla = members[3].peer_id
    assert names(asker, text=carla[:6]) == ["Carla"]
    assert names(asker, text=carla[:5].upper() + carla[5:9].upper()) == ["Carla"]
    assert names(asker, peer_ids=[carla, members[0].peer_id, "nobody"]) == ["Carla", "Ána"]
    (record,) = ask(asker, peer_ids=[carla]).peers.peers  # type: ignore[attr-defined]
    assert list(record.addresses) == ["https://127.0.0.1:4000"]
    members[3].leave()
    assert names(asker, peer_ids=[carla]) == []
    central.revoke(members[0].peer_id)
    assert names(asker) == ["ana maría", "Bruno"]


def test_pages_show_everybody_once_whoever_comes_meanwhile(central: Central) -> None:
    token = central.invite(uses=40)
    called = [f"Peer {number:02}" for number in range(30)]
    random.Random(1).shuffle(called)

    def join(name: str) -> object:
        device = Device()
        central.enrol(token, device, name)
        caller = central.caller(device)
        caller.register()
        return caller

    callers = [join(name) for name in called]
    seen: list[str] = []
    cursor = ""
    while True:
        answer = ask(callers[0], limit=7, cursor=cursor).peers  # type: ignore[attr-defined]
        seen += [peer.name for peer in answer.peers]
        cursor = answer.next_cursor
        if not cursor:
            break
        if len(seen) == 14:
            join("Peer 00b")
            join("Zoe")
    assert seen == [*sorted(called), "Zoe"]


def test_what_is_beyond_the_limits_is_refused_with_a_sentence(central: Central) -> None:
    asker = central.member()
    for bad in ({"peer_ids": ["x"] * 65}, {"text": "x" * 65}, {"limit": 201}, {"cursor": "nobody"}):
        answer = ask(asker, **bad)  # type: ignore[arg-type]
        assert answer.WhichOneof("answer") == "error", bad  # type: ignore[attr-defined]


def test_folding_ignores_accents_and_case() -> None:
    assert fold("ÁÑstraße") == fold("anSTRASSE")
