"""What members may cost each other by offers: rules are bounded, what is over leaves nothing, what is late is over."""

import secrets
import time
from pathlib import Path

import pytest
from bench import MIB, Bench
from ends import End, packed
from holders import Exchange, manifest_of, wait_until

from peer_core.errors import StorageError
from peer_core.library import loose
from peer_core.library.wire import Message
from peer_core.offers import receiving, store
from peer_core.offers.receiving import Receiving, TooManyError
from peer_core.offers.store import OfferStore
from peer_core.offers.terms import News, Terms, offer_bytes
from peer_core.offers.types import Direction, Offer, OfferedFile, OfferState, Rule
from peer_core.transfer.types import Located, TransferState


def an_offer(files: int, number: str, size: int = 0) -> bytes:
    listed = tuple(OfferedFile("", f"{n}.bin", size, secrets.token_bytes(32)) for n in range(files))
    return offer_bytes(Terms(number, "", 1000.0, listed))


def offered(end: End, files: int, sender: str = "eva") -> Offer:
    number = secrets.token_hex(16)
    end.receiving.offered(sender, an_offer(files, number))
    made = end.store.by_number(Direction.IN, sender, number)
    assert made is not None
    return made


def states(end: End) -> list[str]:
    return sorted(offer.state.value for offer in end.store.all())


def test_files_are_counted_over_time_also_of_what_is_over(ends: tuple[End, End]) -> None:
    _, me = ends
    for _ in range(receiving.MAX_NEW_FILES_OF_ONE // 10_000):
        me.receiving.told(offered(me, 10_000), News(OfferState.WITHDRAWN))
    assert me.store.counts(Direction.IN, "eva") == (0, 0)
    with pytest.raises(TooManyError, match="wait a while"):
        offered(me, 1)
    assert offered(me, 1, "ana").state is OfferState.DELIVERED


def test_a_rule_takes_a_few_at_a_time_and_so_many_files_a_day(
    ends: tuple[End, End], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, me = ends
    monkeypatch.setattr(receiving, "RULE_FILES", 100)
    me.store.set_rule(Rule("eva", "eva", str(me.root / "into"), 1 << 40))
    made = [offered(me, 30) for _ in range(6)]
    me.receiving.apply_rules()
    # Three fit into the day; the others are for the person, who sees why.
    assert states(me) == ["accepted"] * 3 + ["delivered"] * 3
    first = [me.store.get(offer.id) for offer in made]
    assert [o.state.value for o in first if o is not None] == ["accepted"] * 3 + ["delivered"] * 3
    asked = [o.trouble for o in first if o is not None and o.state is OfferState.DELIVERED]
    assert {t.code for t in asked if t is not None} == {"rule-used-up"} and None not in asked
    me.kill()
    late = offered(me, 11)
    me.receiving.apply_rules()
    told = me.store.get(late.id)
    assert told is not None and told.state is OfferState.DELIVERED, "a restart does not begin a day"
    me.receiving.accept(told, None)
    now = time.time()
    assert not me.store.take_by_rule("eva", 11, 100, now)
    assert me.store.take_by_rule("eva", 10, 100, now)
    assert me.store.take_by_rule("eva", 100, 100, now + store.RULE_SECONDS + 1)
    assert me.store.take_by_rule("eva", 100, 100, now - 10.0), "nor does a clock that was set back last for ever"


def test_what_a_rule_takes_waits_for_its_turn(ends: tuple[End, End]) -> None:
    _, me = ends
    me.store.set_rule(Rule("eva", "eva", "", 1 << 40))
    made = [offered(me, 1) for _ in range(receiving.RULE_OPEN + 2)]
    for _ in range(2):
        me.receiving.apply_rules()
        assert states(me).count("accepted") == receiving.RULE_OPEN
    for offer in made[:2]:
        me.receiving.told(offer, News(OfferState.WITHDRAWN))
    me.receiving.apply_rules()
    assert states(me) == ["accepted"] * receiving.RULE_OPEN + ["withdrawn"] * 2


def listed(end: End, parcel: int) -> int:
    return len(end.store.files(parcel))


def test_the_lists_of_what_is_over_go_and_what_was_in_it_is_still_told(ends: tuple[End, End], tmp_path: Path) -> None:
    one, other = ends
    files = [packed(tmp_path, f"{n}.bin", b"x" * n) for n in range(20)]
    ids = [one.offer(files) for _ in range(3)]
    for end in (one, other, one):
        end.step()
    first, second, third = [one.store.get(id_) for id_ in ids]
    assert first is not None and second is not None and third is not None
    one.sending.withdraw(first)
    (theirs,) = [o for o in other.store.all() if o.number == second.number]
    other.receiving.decline(theirs)

    def quiet() -> bool:
        one.step()
        other.step()
        return states(one) == ["declined", "delivered", "withdrawn"] == states(other)

    wait_until(quiet)
    for offer in (first, second):
        now = one.store.get(offer.id)
        assert now is not None and not now.state.open
        assert (now.files, len(now.names)) == (20, 5)
        assert listed(one, offer.parcel) == 0
    assert [listed(other, o.parcel) for o in other.store.all() if not o.state.open] == [0, 0]
    assert listed(one, third.parcel) == 20
    assert [listed(other, o.parcel) for o in other.store.all() if o.state.open] == [20]
    # What the packer tells too late of something withdrawn is not kept.
    one.store.fill(first.parcel, files)
    assert listed(one, first.parcel) == 0


def test_an_expired_offer_is_neither_served_nor_accepted_before_anybody_looked(
    ends: tuple[End, End], tmp_path: Path
) -> None:
    one, other = ends
    file = packed(tmp_path, "a.bin", b"secret")
    one.offer([file], expires_in=1000.0)
    late = one.offer([packed(tmp_path, "b.bin", b"late")], expires_in=0.0)
    gone = one.store.get(late)
    assert gone is not None and gone.state is OfferState.WAITING
    assert one.sending.held(other.peer_id, file.content_id) is not None
    assert one.sending.held(other.peer_id, packed(tmp_path, "b.bin", b"late").content_id) is None
    mine = offered(other, 1)
    with other.store._database.write() as db:
        db.execute("UPDATE offers SET expires = 1.0 WHERE id = ?", (mine.id,))
    with pytest.raises(Exception, match="expired"):
        other.receiving.accept(mine, None)
    assert other.transfers.all() == []


def slowly(x: Exchange) -> None:
    if x.wants_manifest:
        return
    x.head(len(x.honest_bytes))
    for start in range(0, len(x.honest_bytes), 64 << 10):
        if x.stopping.wait(0.05):
            return
        x.send(x.honest_bytes[start : start + (64 << 10)])


@pytest.mark.parametrize("killed", [False, True])
def test_what_is_fetched_of_a_withdrawn_offer_ends_with_a_reason(
    bench: Bench, killed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = secrets.token_bytes(4 * MIB)
    hostile = bench.hostile(data, slowly)
    everybody, content = bench._locate, manifest_of(data).content_id
    monkeypatch.setattr(bench, "_locate", lambda each: everybody(each) if each == content else Located(0, "", ()))
    transfers = bench.start()
    kept = OfferStore(bench.root / "offers.sqlite")
    mine = Receiving(kept, transfers, lambda: bench.root / "got", lambda: None)
    numbers = [secrets.token_hex(16) for _ in range(2)]
    shared = OfferedFile("", "both.bin", len(data), secrets.token_bytes(32))
    for number, own in zip(numbers, (OfferedFile("", "film.mkv", len(data), content), None), strict=True):
        files = (shared,) if own is None else (own, shared, OfferedFile("", "away.bin", 9, secrets.token_bytes(32)))
        mine.offered("eva", offer_bytes(Terms(number, "", 1000.0, files)))
        offer = kept.by_number(Direction.IN, "eva", number)
        assert offer is not None
        mine.accept(offer, str(bench.root / "got"))
    running = next(t for t in transfers.all() if t.name == "film.mkv")
    wait_until(lambda: transfers.get(running.id).pieces_done >= 1)
    withdrawn = kept.by_number(Direction.IN, "eva", numbers[0])
    assert withdrawn is not None
    if killed:
        # Told, and the program ended before anything came of it.
        kept.move(withdrawn.id, OfferState.WITHDRAWN, (OfferState.ACCEPTED,), now=1.0)
        mine.go_on()
    else:
        assert mine.told(withdrawn, News(OfferState.WITHDRAWN)) is OfferState.WITHDRAWN
    by_name = {t.name: t for t in transfers.all()}
    assert by_name["both.bin"].state is not TransferState.FAILED, "another offer still has it"
    for name in ("film.mkv", "away.bin"):
        ended = by_name[name]
        assert ended.state is TransferState.FAILED
        assert ended.trouble is not None
        assert ended.trouble.code == "withdrawn"
    assert transfers.get(running.id).pieces_done >= 1
    assert kept.files(withdrawn.parcel) == []
    # By hand it goes on, where it was.
    transfers.resume(running.id)
    wait_until(lambda: transfers.get(running.id).state is TransferState.RUNNING)
    assert hostile.requests
    bench.stop()
    kept.close()


def two_files(end: End, one: OfferedFile, other: OfferedFile) -> Offer:
    number = secrets.token_hex(16)
    end.receiving.offered("eva", offer_bytes(Terms(number, "", 1000.0, (one, other))))
    made = end.store.by_number(Direction.IN, "eva", number)
    assert made is not None
    end.receiving.accept(made, str(end.root / "got"))
    return made


def test_a_withdrawal_ends_nothing_that_was_there_before_the_offer(ends: tuple[End, End]) -> None:
    _, me = ends
    mine, shared, last = (OfferedFile("", f"{n}.bin", 9, secrets.token_bytes(32)) for n in range(3))
    own = me.transfers.add(mine.content_id, mine.name, me.root / "got")
    first, second = two_files(me, mine, shared), two_files(me, shared, last)
    assert len(me.transfers.all()) == 3

    def failed() -> set[str]:
        return {t.name for t in me.transfers.all() if t.state is TransferState.FAILED}

    me.receiving.told(first, News(OfferState.WITHDRAWN))
    assert failed() == set(), "one is the person's, one another offer's too"
    me.kill()
    me.receiving.told(second, News(OfferState.WITHDRAWN))
    assert failed() == {shared.name, last.name}
    assert me.transfers.get(own.id).state is TransferState.QUEUED


def test_a_withdrawal_that_could_not_be_noted_in_full_is_when_it_is_told_again(
    ends: tuple[End, End], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, me = ends
    offer = two_files(me, *(OfferedFile("", f"{n}.bin", 9, secrets.token_bytes(32)) for n in range(2)))

    def full(*_: object) -> None:
        raise StorageError("The disk is full.")

    with monkeypatch.context() as patch:
        patch.setattr(me.transfers, "end", full)
        with pytest.raises(StorageError):
            me.receiving.told(offer, News(OfferState.WITHDRAWN))
    for _ in range(2):
        now = me.store.get(offer.id)
        assert now is not None and me.receiving.told(now, News(OfferState.WITHDRAWN)) is OfferState.WITHDRAWN
    assert {t.state for t in me.transfers.all()} == {TransferState.FAILED}
    assert listed(me, offer.parcel) == 0


class Heard:
    def __init__(self) -> None:
        self.said: list[Message] = []

    def say(self, message: Message) -> None:
        self.said.append(message)


def test_hashing_tells_how_far_it_is_inside_a_large_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loose, "BATCH_SECONDS", 0.0)
    with (tmp_path / "large").open("wb") as file:
        file.truncate(64 * MIB)
    parent = Heard()
    packing = loose.Loose(parent, None)
    packing.order({"pack": 1, "paths": [str(tmp_path / "large")], "most": 10})
    packing.work(0.0)
    hashed = [message["hashed"] for message in parent.said if "files" in message]
    assert hashed == sorted(hashed)
    assert len({at for at in hashed if 0 < at < 64 * MIB}) >= 4
    assert parent.said[-1] == {"packed": 1}
    assert sum(len(message.get("files", ())) for message in parent.said) == 1
