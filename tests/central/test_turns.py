"""How many calls a member may have under way."""

import threading
import time

import pytest

from central.errors import OverloadedError
from central.turns import Turns


def test_a_member_has_few_turns_and_others_have_theirs() -> None:
    turns = Turns("batches", 1)
    with turns.of(1):
        with pytest.raises(OverloadedError, match="too many batches"), turns.of(1):
            pass
        with turns.of(2):
            pass
    with turns.of(1):
        pass


def test_some_wait_for_their_turn_but_not_for_long() -> None:
    turns = Turns("questions", 1, waiting=1, seconds=5)
    order: list[str] = []
    began = threading.Event()

    def first() -> None:
        with turns.of(1):
            began.set()
            time.sleep(0.1)
            order.append("first")

    thread = threading.Thread(target=first)
    thread.start()
    began.wait(5)
    with turns.of(1):
        order.append("second")
    thread.join()
    assert order == ["first", "second"]
    hasty = Turns("questions", 1, waiting=1, seconds=0.05)
    with hasty.of(1), pytest.raises(OverloadedError), hasty.of(1):
        pass
    with hasty.of(1):
        pass
