"""Members that flood, lie and claim to be others, against a real list of offers and real downloads."""

import json
import os
import secrets
import time

import pytest
from bench import MIB, Bench
from ends import End, packed
from holders import manifest_of

from peer_core.errors import BadInputError
from peer_core.offers import receiving
from peer_core.offers.receiving import TooManyError
from peer_core.offers.terms import News, Terms, news_bytes, offer_bytes
from peer_core.offers.types import Direction, OfferedFile, OfferState, Rule
from peer_core.transfer.types import TransferState, Wanted
from protos.agreed import encode_id


def an_offer(files: int = 1, number: str | None = None, size: int = 1) -> bytes:
    listed = tuple(OfferedFile("", f"{n}.bin", size, n.to_bytes(32, "big")) for n in range(files))
    return offer_bytes(Terms(number or secrets.token_hex(16), "hello", 1000.0, listed))


def test_a_flood_from_one_member_is_bounded_and_others_are_heard(
    ends: tuple[End, End], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, me = ends
    taken = 0
    for _ in range(200):
        try:
            me.receiving.offered("flooder", an_offer())
            taken += 1
        except TooManyError:
            continue
    assert taken == receiving.MAX_OPEN_OF_ONE
    # Long after, one that is refused leaves nothing behind that others stumble over.
    monkeypatch.setattr(receiving, "NEW_SECONDS", 0.0)
    with pytest.raises(TooManyError):
        me.receiving.offered("flooder", an_offer())
    assert me.receiving.offered("honest", an_offer()) is OfferState.DELIVERED
    for _ in range(4):
        assert me.receiving.offered("large", an_offer(10_000)) is OfferState.DELIVERED
    with pytest.raises(TooManyError):
        me.receiving.offered("large", an_offer(1))


def test_offers_that_are_withdrawn_at_once_are_bounded_too(ends: tuple[End, End]) -> None:
    _, me = ends
    taken = 0
    for _ in range(150):
        number = secrets.token_hex(16)
        try:
            me.receiving.offered("flooder", an_offer(number=number))
        except TooManyError:
            continue
        taken += 1
        offer = me.store.by_number(Direction.IN, "flooder", number)
        assert offer is not None
        assert me.receiving.told(offer, News(OfferState.WITHDRAWN)) is OfferState.WITHDRAWN
    assert taken == receiving.MAX_NEW_OF_ONE
    me.store.prune(Direction.IN, receiving.KEPT_OF_ONE, "flooder")
    assert len(me.store.all()) == receiving.KEPT_OF_ONE


def test_folders_that_lie_too_deep_are_refused_before_anything_is_done(ends: tuple[End, End]) -> None:
    _, me = ends
    deep = OfferedFile("/".join("a" * 101), "x", 0, bytes(32))
    with pytest.raises(BadInputError):
        me.receiving.offered("ana", offer_bytes(Terms(secrets.token_hex(16), "", 1000.0, (deep,))))
    assert me.store.all() == []


def test_the_number_of_an_offer_is_the_sender_s_own(ends: tuple[End, End]) -> None:
    """The same number of two members are two offers, and one cannot speak for the other."""
    one, me = ends
    number = secrets.token_hex(16)
    me.receiving.offered("ana", an_offer(number=number))
    me.receiving.offered("eva", an_offer(number=number))
    assert me.receiving.offered("ana", an_offer(2, number=number)) is OfferState.DELIVERED
    assert sorted((o.peer_id, o.files) for o in me.store.all()) == [("ana", 1), ("eva", 1)]
    withdrawn = news_bytes(News(OfferState.WITHDRAWN))
    assert me.answer("eva", "PATCH", f"/v1/offers/{number}", withdrawn) == "withdrawn"
    states = {o.peer_id: o.state for o in me.store.all()}
    assert states == {"ana": OfferState.DELIVERED, "eva": OfferState.WITHDRAWN}
    mine = one.store.get(one.offer([packed(one.root, "a.bin", b"x")]))
    assert mine is not None
    accepted = news_bytes(News(OfferState.ACCEPTED))
    with pytest.raises(Exception, match="no such offer"):
        one.answer("eva", "PATCH", f"/v1/offers/{mine.number}", accepted)
    assert one.sending.held("eva", manifest_of(b"x").content_id) is None
    assert one.sending.held(me.peer_id, manifest_of(b"x").content_id) is not None


@pytest.mark.parametrize("state", ["withdrawn", "expired", "waiting", "preparing", "delivered"])
def test_a_recipient_cannot_say_what_is_the_sender_s_to_say(ends: tuple[End, End], state: str) -> None:
    one, _ = ends
    offer = one.store.get(one.offer([packed(one.root, "a.bin", b"x")]))
    assert offer is not None
    with pytest.raises(BadInputError):
        one.sending.told(offer, News(OfferState(state)))
    assert one.store.get(offer.id) == offer


def test_more_than_all_cannot_be_done(ends: tuple[End, End]) -> None:
    one, _ = ends
    offer = one.store.get(one.offer([packed(one.root, "a.bin", b"x")]))
    assert offer is not None
    one.sending.told(offer, News(OfferState.DONE, 1 << 50, 1 << 50))
    done = one.store.get(offer.id)
    assert done is not None
    assert (done.files_done, done.bytes_done) == (1, 1)


def test_a_rule_counts_what_is_said_and_a_lie_about_it_fetches_nothing(bench: Bench) -> None:
    data = os.urandom(3 * MIB)
    holder = bench.honest(data)
    transfers = bench.start()
    ((made,), _) = transfers.add_folder([Wanted(holder.manifest.content_id, (), "small.txt", 10)], bench.root / "out")
    failed = bench.rested(made.id)
    assert failed.state is TransferState.FAILED
    assert failed.trouble is not None and "another size than was promised" in failed.trouble.message
    assert holder.bytes_sent < MIB
    assert list((bench.root / "out").iterdir()) == []
    transfers.resume(made.id)
    assert bench.rested(made.id).state is TransferState.FAILED
    assert holder.bytes_sent < MIB
    ((true,), _) = transfers.add_folder(
        [Wanted(holder.manifest.content_id, (), "true.bin", len(data))], bench.root / "out"
    )
    assert bench.rested(true.id).path.read_bytes() == data


def test_names_that_lead_elsewhere_land_inside_and_twins_get_numbers(ends: tuple[End, End]) -> None:
    _, me = ends
    names = ["CON", "a\\..\\..\\b", "C:evil", "~", "z\u202egpj.exe", "\x07", "...", "x" * 1000, "same", "same"]
    listed = [
        {"folder": "C:/..x", "name": name, "size": 1, "content_id": manifest_id(n)} for n, name in enumerate(names)
    ]
    body = {"id": "0" * 32, "message": "\x1b[31m", "expires_in": 60, "files": listed}
    me.receiving.offered("eva", json.dumps(body).encode())
    (offer,) = me.store.all()
    me.receiving.accept(offer, str(me.root / "out"))
    made = me.transfers.all()
    assert len(made) == len(names)
    for transfer in made:
        inside = transfer.path.relative_to(me.root / "out")
        assert ".." not in inside.parts and len(inside.parts) == 3
        assert all(c.isprintable() and c not in '\\:*?"<>|' for c in str(inside))


def manifest_id(n: int) -> str:
    return encode_id(n.to_bytes(32, "big"))


def test_a_rule_that_cannot_be_followed_asks_the_person(ends: tuple[End, End]) -> None:
    _, me = ends
    me.store.set_rule(Rule("eva", "eva", str(me.root / "into"), 1 << 53))
    me.receiving.offered("eva", an_offer(size=1 << 52))
    me.receiving.offered("eva", an_offer(size=5))
    me.receiving.apply_rules()
    large, small = sorted(me.store.all(), key=lambda offer: -offer.bytes)
    assert (large.state, small.state) == (OfferState.DELIVERED, OfferState.ACCEPTED)
    assert large.trouble is not None and "not enough room" in large.trouble.message
    now = time.time()
    assert me.store.take_by_rule("eva", 1, 2, now), "what could not be taken does not count"
    assert not me.store.take_by_rule("eva", 1, 2, now)
