"""Both ends agree in the end, whatever is lost on the way and whoever is killed when."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from ends import End, packed, two_ends
from hypothesis import given, settings
from hypothesis import strategies as st

from peer_core.errors import BarrioError, ConflictError
from peer_core.library.packer import PackedFile
from peer_core.offers import courier, receiving, terms
from peer_core.offers.receiving import MAX_OPEN_OF_ONE
from peer_core.offers.types import Direction, OfferState
from protos.sentences import as_json, say

FATES = [(1, 1), (1, 0), (0, 0)]
ACTIONS = ("send", "withdraw", "accept", "decline", "arrive", "kill one", "kill other", "step one", "step other")
ACTIONS += ("clear one", "clear other")


@pytest.fixture(scope="module", autouse=True)
def impatient() -> Iterator[None]:
    """Nobody waits between two attempts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(courier, "AGAIN_SECONDS", (0.0,))
        patch.setattr(courier, "PROGRESS_SECONDS", 0.0)
        patch.setattr(receiving, "LOOK_SHARE", 0.0)
        yield


@settings(max_examples=int(os.environ.get("BARRIO_EXAMPLES", "25")))
@given(st.lists(st.sampled_from(ACTIONS), max_size=25), st.lists(st.sampled_from(FATES), max_size=12))
def test_both_ends_agree_when_all_is_quiet(actions: list[str], fates: list[tuple[int, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        one, other = two_ends(Path(folder))
        left = list(fates)
        for end in (one, other):
            end.fate = lambda: tuple(map(bool, left.pop())) if left else (True, True)  # type: ignore[assignment]
        data = os.urandom(100)
        file = packed(one.root, "a.bin", data)
        try:
            cleared: dict[str, str] = {}
            for action in actions:
                if action.startswith("clear"):
                    _clear(one if action == "clear one" else other, cleared)
                else:
                    _act(action, one, other, file)
            left.clear()
            for _ in range(3):
                one.step()
                other.step()
            outgoing = {o.number: o for o in one.offers(Direction.OUT)}
            incoming = {o.number: o for o in other.offers(Direction.IN)}
            assert not [o for end in (one, other) for o in end.store.known() if o.forgotten], "told, and gone"
            for number, end in cleared.items():
                rest = incoming if end == "one" else outgoing
                assert number not in rest or not rest[number].state.open, "how it ended is known at the other end too"
            for number, sent in outgoing.items():
                assert sent.state not in (OfferState.WAITING, OfferState.PREPARING)
                got = incoming.get(number)
                if number in cleared:
                    continue
                if got is None:
                    assert sent.state is OfferState.WITHDRAWN
                else:
                    assert sent.state is got.state
                    assert sent.files_done == got.files_done or sent.state is OfferState.ACCEPTED
                served = one.sending.held(other.peer_id, file.content_id)
                still = any(o.state in (OfferState.DELIVERED, OfferState.ACCEPTED) for o in outgoing.values())
                assert (served is not None) == still
            assert incoming.keys() - cleared.keys() <= outgoing.keys()
        finally:
            one.close()
            other.close()


def _clear(end: End, cleared: dict[str, str]) -> None:
    """Takes the first ended one off the list, as the person does."""
    for offer in [o for o in end.store.all() if not o.state.open][:1]:
        end.store.forget(offer.id)
        cleared.setdefault(offer.number, end.name)


def _act(action: str, one: End, other: End, file: PackedFile) -> None:
    undecided = [o for o in other.offers(Direction.IN) if o.state is OfferState.DELIVERED]
    match action:
        case "send":
            # More would wait for answers at the other end, by its limits.
            if len(one.offers(Direction.OUT)) < MAX_OPEN_OF_ONE:
                one.offer([file])
        case "withdraw":
            for offer in one.offers(Direction.OUT)[:1]:
                with suppress(ConflictError):
                    one.sending.withdraw(offer)
        case "accept":
            for offer in undecided[:1]:
                other.receiving.accept(offer, None)
        case "decline":
            for offer in undecided[:1]:
                other.receiving.decline(offer)
        case "arrive":
            other.receiving.arrived(file.content_id)
        case "kill one":
            one.kill()
        case "kill other":
            other.kill()
        case "step one":
            one.step()
        case "step other":
            other.step()


def test_a_second_answer_to_an_offer_comes_too_late(ends: tuple[End, End]) -> None:
    one, other = ends
    one.offer([packed(one.root, "a.bin", b"x")])
    one.step()
    (offer,) = other.offers(Direction.IN)
    other.receiving.decline(offer)
    for late in (lambda: other.receiving.accept(offer, None), lambda: other.receiving.decline(offer)):
        with pytest.raises(ConflictError, match="declined"):
            late()
    assert other.transfers.all() == []


def test_an_offer_that_is_not_taken_holds_back_no_other(ends: tuple[End, End], monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = ends
    monkeypatch.setattr(receiving, "MAX_FILES_OF_ONE", 1)
    large = one.offer([packed(one.root, "a.bin", b"x"), packed(one.root, "b.bin", b"y")])
    small = one.offer([packed(one.root, "c.bin", b"z")])
    one.step()
    assert {offer.id: offer.state for offer in one.store.all()} == {
        large: OfferState.WAITING,
        small: OfferState.DELIVERED,
    }
    sent = one.store.get(small)
    assert sent is not None
    one.sending.withdraw(sent)
    one.courier.here(other.peer_id)
    one.step()
    assert [offer.state for offer in other.offers(Direction.IN)] == [OfferState.WITHDRAWN]


def test_why_the_recipient_refused_is_kept_with_its_codes(
    ends: tuple[End, End], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = ends
    id_ = one.offer([packed(one.root, "a.bin", b"x"), packed(one.root, "b.bin", b"y")])
    # As a recipient of another version may have it.
    monkeypatch.setattr(terms, "MAX_FILES", 1)
    one.step()
    one.kill()
    offer = one.store.get(id_)
    assert offer is not None and offer.state is OfferState.FAILED and offer.trouble is not None
    assert as_json(offer.trouble.message) == {
        "detail": "other cannot take this offer: An offer has at most 1 files; send the folders one by one.",
        "detail_code": "offer-refused",
        "params": {
            "name": "other",
            "answer": as_json(
                say("An offer has at most {most} files; send the folders one by one.", "offer-most-files", most=1)
            ),
        },
    }
    assert other.offers(Direction.IN) == []


def test_a_folder_that_cannot_be_written_leaves_the_offer_as_it_was(ends: tuple[End, End], tmp_path: Path) -> None:
    one, other = ends
    one.offer([packed(one.root, "a.bin", b"x", "t")])
    one.step()
    (offer,) = other.offers(Direction.IN)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "t").symlink_to("/etc")
    for bad in ("relative", "/proc/nothing", str(tmp_path / "out")):
        with pytest.raises(BarrioError):
            other.receiving.accept(offer, bad)
        assert other.offers(Direction.IN) == [offer]
    assert other.transfers.all() == []


def test_what_is_taken_off_the_list_is_still_told(ends: tuple[End, End]) -> None:
    """Both ways, though nothing gets through at first, and the one who tells is killed meanwhile."""
    one, other = ends
    one.offer([packed(one.root, "a.bin", b"x")])
    one.offer([packed(one.root, "b.bin", b"y")])
    one.step()
    declined, withdrawn = other.offers(Direction.IN)
    other.receiving.decline(declined)
    mine = next(o for o in one.offers(Direction.OUT) if o.number == withdrawn.number)
    one.sending.withdraw(mine)
    for end, offer_id in ((one, mine.id), (other, declined.id)):
        end.store.forget(offer_id)
        end.fate = lambda: (False, False)
        end.step()
        end.kill()
        assert [o.id for o in end.store.known() if o.forgotten] == [offer_id]
        assert offer_id not in [o.id for o in end.store.all()]
        end.fate = lambda: (True, True)
        end.step()
        end.step()
        assert not [o for o in end.store.known() if o.forgotten]
    assert [o.state for o in one.store.all()] == [OfferState.DECLINED]
    assert [o.state for o in other.store.all()] == [OfferState.WITHDRAWN]
