"""The directory over real mutual TLS: who gets in, presence, publishing, neighbours, questions, a restart."""

import threading
from pathlib import Path

import grpc
import pytest
from central_kit import ADDRESSES, DIRECTORY_NAME, Caller, Central, Device, change, content_id, refused
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from processes import wait_for

from protos.agreed import revocations_message
from protos.barrio.v1 import directory_pb2

DENIED = grpc.StatusCode.PERMISSION_DENIED
NO_LEASE = grpc.StatusCode.FAILED_PRECONDITION
BAD = grpc.StatusCode.INVALID_ARGUMENT


def test_only_a_members_own_certificate_gets_in(central: Central) -> None:
    member = central.member()
    member.register()
    stranger = Device()
    thief = central.authority()
    for device in (None, stranger.self_made(5), stranger.self_made(-1, thief)):
        with refused(grpc.StatusCode.UNAVAILABLE):
            central.caller(device).register()
    # Signed by the authority, and yet nobody here: a member that was never enrolled, and a name that is no peer's.
    with refused(DENIED, "no member"):
        central.caller(stranger.self_made(5, thief)).register()
    with refused(DENIED, "names no peer"):
        central.caller(stranger.self_made(5, thief, DIRECTORY_NAME)).register()
    member.beat()


def test_a_certificate_of_another_barrio_does_not_get_in(central: Central, tmp_path: Path) -> None:
    other = Central(tmp_path / "other")
    try:
        foreigner = other.member()
        with refused(grpc.StatusCode.UNAVAILABLE):
            central.caller(foreigner.device).register()
    finally:
        other.stop()


def test_register_tells_the_pace_and_who_is_who(central: Central) -> None:
    answer = central.member("Bruno").register()
    assert (answer.name, answer.network_name, answer.acknowledged_sequence) == ("Bruno", "La Plaza", 0)
    assert 27 <= answer.pace.heartbeat_seconds <= 33
    assert answer.pace.lease_seconds == 75
    assert answer.pace.publish_batch == 1000
    assert answer.pace.retry_seconds > 0
    assert len({central.member().register().pace.heartbeat_seconds for _ in range(3)}) > 1


def test_a_lease_begins_with_register_and_ends_with_leave(central: Central) -> None:
    ana = central.member()
    with refused(NO_LEASE, "register again"):
        ana.beat()
    ana.register()
    ana.beat()
    ana.leave()
    with refused(NO_LEASE):
        ana.beat()
    ana.leave()


@pytest.mark.parametrize(
    "address",
    [
        "http://a:1",
        "https://a",
        "https://a:0",
        "https://a:99999",
        "https://a:1/",
        "https://u@a:1",
        "https://a:1?x",
        "https://0.0.0.0:1",
        "https://[::]:1",
        "https://[::ffff:0.0.0.0]:1",
        "https://[::ffff:0:0]:1",
        "https://127.1:1",
        "https://2130706433:1",
        "https://0x7f.1:1",
        "https://0x7f000001:1",
        "https://127.0.0.0x1:1",
        "https://0177.0.0.01:1",
        "https://a.example.1:1",
        "https://-:1",
        "https://a b:1",
        "https://é:1",
        "https://" + "a" * 250 + ":1",
        "",
        "https://[::1:1",
    ],
)
def test_addresses_that_cannot_be_used_are_refused(central: Central, address: str) -> None:
    ana = central.member()
    with refused(BAD, "address"):
        ana.register(addresses=(address,))
    ana.register(addresses=("https://192.0.2.1:1", "https://[2001:db8::1]:2", "https://[::ffff:192.0.2.1]:3"))
    ana.register(addresses=("https://a-b.example:65535", "https://peer-1:1", "https://1.0xg:1", "https://7.x:1"))
    with refused(BAD, "address"):
        ana.beat(addresses=(address,))


def test_changed_addresses_are_told_to_others(central: Central) -> None:
    ana, bruno = central.member("Ana"), central.member("Bruno")
    ana.register()
    bruno.register()
    ana.beat(addresses=("https://192.0.2.7:7",))
    ana.beat()
    (peer,) = bruno.neighbours()
    assert (peer.peer_id, peer.name, list(peer.addresses)) == (ana.peer_id, "Ana", ["https://192.0.2.7:7"])
    with refused(BAD, "16"):
        ana.register(addresses=ADDRESSES * 17)


def test_neighbours_are_live_others_that_can_be_reached(central: Central) -> None:
    peers = [central.member(f"p{n}") for n in range(5)]
    for peer in peers[:4]:
        peer.register()
    peers[4].register(addresses=())
    ids = [peer.peer_id for peer in peers]
    assert {p.peer_id for p in peers[0].neighbours()} == set(ids[1:4])
    assert len(peers[0].neighbours(2)) == 2
    assert peers[0].neighbours(0) == []
    assert {p.peer_id for p in peers[0].neighbours(16, (ids[1], "z" * 52, "?"))} == {ids[2], ids[3]}
    peers[2].leave()
    assert {p.peer_id for p in peers[0].neighbours()} == {ids[1], ids[3]}
    firsts = {peers[0].neighbours(1)[0].peer_id for _ in range(40)}
    assert firsts == {ids[1], ids[3]}
    with refused(BAD):
        peers[0].neighbours(17)
    with refused(BAD):
        peers[0].neighbours(1, ("x",) * 65)


def test_share_search_and_locate(central: Central) -> None:
    ana, bruno = central.member("Ana"), central.member("Bruno")
    ana.register()
    bruno.register(addresses=("https://192.0.2.2:2",))
    ana.publish(0, 2, [change(1, "Plaza/Canción.flac", 1, 4321), change(2, "Otra.mp3", 2)])
    bruno.publish(0, 1, [change(1, "cancion copia.flac", 1, 4321, share="Cosas")])
    (row,) = bruno.rows("CANCION")
    assert row.content_id == content_id(1)
    assert (row.size, row.kind, row.holders, row.modified) == (4321, "audio", 2, 1000)
    assert {row.name, *row.names} == {"Canción.flac", "cancion copia.flac"}
    assert [r.name for r in bruno.rows("music plaza")] == ["Canción.flac"]
    assert [r.path for r in bruno.rows("music otra")] == ["Music"]
    found, missing = ana.locate(content_id(1), content_id(9))
    assert (found.content_id, found.size) == (content_id(1), 4321)
    assert {p.peer_id: list(p.addresses) for p in found.holders} == {
        ana.peer_id: list(ADDRESSES),
        bruno.peer_id: ["https://192.0.2.2:2"],
    }
    assert found.name in {"Canción.flac", "cancion copia.flac"}
    assert (missing.content_id, missing.size, list(missing.holders)) == (content_id(9), 0, [])
    bruno.leave()
    (row,) = ana.rows("cancion")
    assert (row.holders, list(row.names)) == (1, [])


def test_publishing_by_numbers(central: Central) -> None:
    ana = central.member()
    assert ana.register(last=9).acknowledged_sequence == 0
    assert ana.publish(0, 3, [change(1, "a.mp3", 1), change(3, "b.mp3", 2)]).acknowledged_sequence == 3
    answer = ana.publish(5, 6, [change(6, "c.mp3", 3)])
    assert (answer.resync, answer.acknowledged_sequence) == (True, 3)
    assert ana.rows("c") == []
    answer = ana.publish(3, 4, [change(4, "c.mp3", 3)], index=b"x" * 16)
    assert (answer.resync, answer.acknowledged_sequence) == (True, 0)
    # The answer was lost, and the peer sends it again.
    ana.publish(3, 4, [change(4, "a.mp3", None)])
    answer = ana.publish(3, 4, [change(4, "a.mp3", None)])
    assert (answer.resync, answer.acknowledged_sequence) == (True, 4)
    assert ana.publish(4, 4, []).acknowledged_sequence == 4
    assert ana.register(last=4).acknowledged_sequence == 4
    assert ana.register(last=3).acknowledged_sequence == 0, "an index from before what was published"
    assert ana.register(last=4, index=b"y" * 16).acknowledged_sequence == 0
    assert [row.name for row in ana.rows("mp3")] == ["b.mp3"]
    answer = ana.publish(0, 1, [change(1, "new.mp3", 5)], index=b"y" * 16)
    assert (answer.resync, answer.acknowledged_sequence) == (False, 1)
    assert [row.name for row in ana.rows("mp3")] == ["new.mp3"]
    assert ana.register(last=1, index=b"y" * 16).acknowledged_sequence == 1


def test_a_bad_change_spoils_its_whole_batch_and_nothing_else(central: Central) -> None:
    ana = central.member()
    ana.register()
    ana.publish(0, 1, [change(1, "good.mp3", 1)])
    bad = [
        [change(2, "x.mp3", 2), change(2, "y.mp3", 3)],
        [change(9, "x.mp3", 2)],
        [change(1, "x.mp3", 2)],
        [change(3, "x.mp3", 2), change(2, "y.mp3", 3)],
        [change(2, "", 2)],
        [change(2, "/x", 2)],
        [change(2, "a//b", 2)],
        [change(2, "../x", 2)],
        [change(2, "a/./b", 2)],
        [change(2, "a\0b", 2)],
        [change(2, "x" * 1025, 2)],
        [change(2, "/".join(["x" * 1000] * 5), 2)],
        [change(2, "x.mp3", 2, share="")],
        [change(2, "x.mp3", 2, share="a/b")],
        [change(2, "x.mp3", 2, share="..")],
        [change(2, "x.mp3", 2, size=(1 << 53) + 1)],
        [change(2, "x.mp3", 2), directory_pb2.Change(sequence=3, share="s", path="y", content_id=b"short")],
        [directory_pb2.Change(sequence=2, share="s", path="y")],
        [change(2 + n, f"{n}.mp3", 2) for n in range(1001)],
    ]
    for changes in bad:
        with refused(BAD):
            ana.publish(1, max(3, len(changes) + 2) if len(changes) > 5 else 3, changes)
    with refused(BAD):
        ana.publish(5, 4, [])
    with refused(BAD):
        ana.publish(1, 1 << 63, [])
    with refused(BAD, "index"):
        ana.publish(0, 1, [], index=b"short")
    with refused(BAD, "index"):
        ana.register(index=b"")
    assert [row.name for row in ana.rows("mp3")] == ["good.mp3"]
    assert ana.publish(1, 2, [change(2, "tab\tand\\odd‮name.mp3", 2)]).acknowledged_sequence == 2


def test_what_must_survive_a_restart_does(central: Central) -> None:
    ana, bruno, carla = (central.member(name) for name in ("Ana", "Bruno", "Carla"))
    for peer in (ana, bruno, carla):
        peer.register()
    ana.publish(0, 5, [change(1, "plaza.mp3", 1)])
    token = central.invite()
    central.revoke(carla.peer_id)
    roots = central.roots
    central.restart()
    assert central.roots == roots
    ana, bruno, carla = (central.caller(peer.device) for peer in (ana, bruno, carla))
    with refused(NO_LEASE):
        ana.beat()
    assert bruno.rows("plaza") == [], "nobody is here yet"
    assert ana.register(last=5).acknowledged_sequence == 5
    assert [row.holders for row in bruno.rows("plaza")] == [1]
    with refused(DENIED, "removed"):
        carla.register()
    assert list(bruno.register().revocations.peer_ids) == [carla.peer_id]
    central.enrol(token, Device())


def test_the_revoked_are_out_at_once_and_the_others_are_told(central: Central) -> None:
    ana, bruno = central.member("Ana"), central.member("Bruno")
    number = ana.register().revocations.number
    bruno.register()
    bruno.publish(0, 1, [change(1, "plaza.mp3", 1)])
    assert len(ana.rows("plaza")) == 1
    assert not ana.beat(number).HasField("revocations")
    central.revoke(bruno.peer_id)
    for call in (bruno.register, bruno.beat, bruno.leave, bruno.neighbours, lambda: bruno.search("x")):
        with refused(DENIED, "removed"):
            call()
    with refused(DENIED):
        bruno.publish(1, 2, [])
    assert ana.rows("plaza") == []
    assert ana.neighbours() == []
    assert not ana.locate(content_id(1))[0].holders
    told = ana.beat(number).revocations
    assert told.number > number
    assert list(told.peer_ids) == [bruno.peer_id]
    key = x509.load_pem_x509_certificate(central.roots).public_key()
    message = revocations_message(told.number, list(told.peer_ids))
    key.verify(told.signature, message, ec.ECDSA(hashes.SHA256()))
    assert not ana.beat(told.number).HasField("revocations")
    rows = central.server.database.read()
    wait_for(lambda: rows.execute("SELECT count(*) FROM part").fetchone() == (0,), 10, "its entries to be cleared")


def test_a_lapse_hides_and_a_return_shows_without_publishing(central: Central) -> None:
    central.stop()
    central.options = central.options.__class__(**{**vars(central.options), "heartbeat_seconds": 0.5})
    central.start()
    ana, bruno = central.member("Ana"), central.member("Bruno")
    ana.register()
    # The first batch starts the process that writes, which may take longer than a lease.
    ana.publish(0, 1, [change(1, "plaza.mp3", 1)])
    ana.register(last=1)
    assert len(bruno.rows("plaza")) == 1
    wait_for(lambda: bruno.rows("plaza") == [], 5, "the lease to lapse")
    with refused(NO_LEASE):
        ana.beat()
    assert ana.register(last=1).acknowledged_sequence == 1
    assert len(bruno.rows("plaza")) == 1


def test_questions_that_cannot_be_answered_are_answered_with_a_sentence(central: Central) -> None:
    ana = central.member()
    for text, more in (
        ("", {}),
        ("?!", {}),
        ("x" * 1025, {}),
        ("x", {"kind": "films"}),
        ("x", {"limit": 201}),
        ("x", {"min_size": 5, "max_size": 4}),
        ("x", {"max_size": (1 << 64) - 1}),
        ("x", {"cursor": "mangled"}),
    ):
        answer = ana.search(text, **more)
        assert answer.WhichOneof("answer") == "error", (text, more)
        assert len(answer.error) > 10
    for ids in ((b"short",), tuple(content_id(n) for n in range(257))):
        question = directory_pb2.Question(locate=directory_pb2.Locate(content_ids=ids))
        assert ana.ask(question.SerializeToString()).error
    assert ana.ask(b"").error
    assert ana.ask(b"\xff" * 50).error
    with refused(BAD, "65536"):
        ana.ask(bytes(65537))


def test_answers_stay_small_whatever_peers_call_themselves(central: Central) -> None:
    peers = [central.member("é" * 64) for _ in range(12)]
    long = tuple(f"https://{'a' * 230}{n}.example:1" for n in range(16))
    for peer in peers:
        peer.register(addresses=long)
        peer.publish(0, 256, [change(n, f"{n}.mp3", n) for n in range(1, 257)])
    locations = peers[0].locate(*(content_id(n) for n in range(1, 257)))
    assert all(location.holders for location in locations)
    answer = directory_pb2.Answer(locate=directory_pb2.LocateAnswer(locations=locations))
    assert answer.ByteSize() < 1 << 20
    (alone,) = peers[0].locate(content_id(1))
    assert len(alone.holders) == 12


def test_health_and_reflection(central: Central) -> None:
    channel = central.member().channel
    health = health_pb2_grpc.HealthStub(channel)
    for service in ("", "barrio.v1.Directory"):
        answer = health.Check(health_pb2.HealthCheckRequest(service=service), timeout=10)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    reflection = reflection_pb2_grpc.ServerReflectionStub(channel)
    asked = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        reflection_pb2.ServerReflectionRequest(file_containing_symbol="barrio.v1.Directory"),
    ]
    services, file = list(reflection.ServerReflectionInfo(iter(asked), timeout=10))
    names = {service.name for service in services.list_services_response.service}
    assert {"barrio.v1.Directory", "grpc.health.v1.Health"} <= names
    assert file.file_descriptor_response.file_descriptor_proto


def test_everybody_publishes_and_searches_at_the_same_time(central: Central) -> None:
    peers = [central.member(f"p{n}") for n in range(4)]
    failures: list[BaseException] = []

    def work(place: int, peer: Caller) -> None:
        try:
            peer.register()
            for turn in range(5):
                changes = [change(turn * 50 + n, f"song {n}.mp3", n, share=f"s{place}") for n in range(1, 51)]
                answer = peer.publish(turn * 50, turn * 50 + 50, changes)
                assert answer.acknowledged_sequence == turn * 50 + 50
                assert all(0 < row.holders <= 4 for row in peer.rows("song"))
                peer.beat()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(n, peer)) for n, peer in enumerate(peers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert {row.holders for row in peers[0].rows("song", limit=200)} == {4}


def test_the_log_names_who_asked_and_never_what(central: Central, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    ana = central.member()
    ana.register()
    ana.publish(0, 1, [change(1, "verysecretname.mp3", 1)])
    ana.rows("verysecretname")
    ana.locate(content_id(1))
    text = "\n".join(record.getMessage() for record in caplog.records)
    assert f"enrolled peer={ana.peer_id}" in text
    assert f"register from={ana.peer_id}" in text
    assert f"publish from={ana.peer_id} changes=1" in text
    assert f"query from={ana.peer_id} kind=search rows=1" in text
    assert f"query from={ana.peer_id} kind=locate" in text
    assert "verysecret" not in text
