"""Whether others reach this peer is asked now and then, and said only when it is sure."""

from collections.abc import Sequence

from peer_core.directory import reach
from peer_core.directory.callback import Tried
from peer_core.directory.reach import ReachWatch, Report, inwards
from peer_core.directory.types import PeerRecord

BEA = PeerRecord("bea", "Bea", ())
HERE = "https://10.0.0.7:5"
CAME_IN = Report(BEA, True, "10.0.0.7", (Tried("https://[fd00::7]:5", False), Tried(HERE, True)))
SHUT_OUT = Report(BEA, True, "10.0.0.7", (Tried(HERE, False),))
SILENT = Report(BEA, False)
BUSY = Report(BEA, True, busy=True)


class Watch:
    def __init__(self, addresses: Sequence[str] = (HERE,)) -> None:
        self.answers: list[list[Report]] = []
        self.asked = 0
        self.watch = ReachWatch(lambda: addresses, self._ask)
        assert self.step() == reach.FIRST_SECONDS

    def _ask(self) -> list[Report]:
        self.asked += 1
        return self.answers.pop(0)

    def step(self, *reports: Report) -> float:
        self.answers.append(list(reports))
        return self.watch._step()


def test_one_way_in_is_enough_and_who_tried_nothing_does_not_count() -> None:
    assert inwards([SHUT_OUT, CAME_IN]) is True
    assert inwards([SILENT, SHUT_OUT]) is False
    assert inwards([SILENT, BUSY]) is None
    assert inwards([]) is None


def test_only_the_second_failure_in_a_row_is_told_and_it_is_taken_back() -> None:
    watch = Watch()
    watch.answers.clear()
    assert watch.step(SHUT_OUT) == reach.CLOSED_SECONDS
    assert not watch.watch.closed
    assert watch.step(SILENT) == reach.UNKNOWN_SECONDS
    assert watch.step(SHUT_OUT) == reach.CLOSED_SECONDS
    assert watch.watch.closed
    assert watch.step(CAME_IN) == reach.OPEN_SECONDS
    assert not watch.watch.closed


def test_after_a_move_it_is_found_out_anew() -> None:
    watch = Watch()
    watch.answers.clear()
    for _ in range(2):
        watch.step(SHUT_OUT)
    watch.watch.look_again()
    assert watch.step() == reach.FIRST_SECONDS
    assert not watch.watch.closed


def test_a_peer_on_this_computer_alone_asks_nobody() -> None:
    watch = Watch(["https://127.0.0.1:5", "https://[::1]:5"])
    assert watch.step(SHUT_OUT) == reach.UNKNOWN_SECONDS
    assert watch.asked == 0


def test_a_peer_with_a_name_is_not_alone() -> None:
    watch = Watch(["https://ana.example:5"])
    watch.answers.clear()
    assert watch.step(CAME_IN) == reach.OPEN_SECONDS
    assert watch.asked == 1
    assert reach.alone(["https://localhost:5", "https://[::ffff:127.0.0.1]:5", "https://127.3.0.1:5"])
    assert not reach.alone(["https://127.0.0.1:5", "https://10.0.0.7:5"])
