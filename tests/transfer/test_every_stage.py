"""A holder that lies, stalls, drips, floods or breaks off at each stage of a download, over real TLS: a table of them.

Beside an honest holder: the right bytes. Alone: a state that says why. In both: little memory, little of a processor.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from bench import MIB, Bench
from holders import Exchange, manifest_of, wait_until
from hostile_cases import CASES, FAILED, RUNNING, Case, RawHolder, answer, sized
from shelves import shelf

from peer_core.limits.policy import Limits
from peer_core.transfer import bundle, choosing, crew, job, manifest_race, runner, small, source
from peer_core.transfer.types import Holder, Located, SourceState, Transfer, TransferState, Wanted

# Pieces of a large file, and small files, of each case.
PIECES, SMALL = 3, 4
PATIENCE = 0.3
HONEST_RATE = 8_000_000
# For each stage: what the buffers of its cases take, and what the test itself holds of what is sent. Of a processor, in
# seconds, for each case.
MOST_MEMORY = 64 * MIB
MOST_SECONDS = 0.4


class Party:
    """What one case downloads, the holder that the case is about, and how often that one came to its stage."""

    def __init__(self, bench: Bench, case: Case) -> None:
        self.case = case
        self.asked = 0
        self.small = case.stage == "bundle"
        sizes = [3000 + number for number in range(SMALL)] if self.small else [(PIECES - 1) * MIB + 77]
        self.files = {manifest_of(data).content_id: data for data in map(os.urandom, sizes)}
        self._raw: RawHolder | None = None
        if case.stage in ("connect", "TLS"):
            self._raw = RawHolder(bench, case.script)
            self.holder = self._raw.holder
        else:
            made = bench.hostile(next(iter(self.files.values())), self._answer, self._manifest)
            self.holder = replace(made.holder, partial=case.stage == "pieces")

    def times(self) -> int:
        return self.asked if self._raw is None else self._raw.asked

    def close(self) -> None:
        if self._raw is not None:
            self._raw.close()

    def _manifest(self, x: Exchange) -> None:
        if self.case.stage == "manifest":
            self.asked += 1
            self.case.script(x)
        elif self.small:
            x.head(0, "404 Not Found")
        else:
            x.honest_manifest()

    def _answer(self, x: Exchange) -> None:
        ending = {"pieces": "/pieces", "bundle": "/v1/bundle"}.get(self.case.stage, "")
        if not ending or x.target.endswith(ending):
            self.asked += 1
            self.case.script(x)
        else:
            x.head(0, "404 Not Found")


class Stage:
    """All cases of one stage at once, each with contents of its own, and honest holders of them that may be located."""

    def __init__(self, bench: Bench, name: str) -> None:
        self._bench = bench
        self.parties = [Party(bench, case) for case in CASES if case.stage == name]
        self.honest_is_here = False
        self._honest = [self._made_honest(number, party) for number, party in enumerate(self.parties)]
        self._by_content = {c: number for number, party in enumerate(self.parties) for c in party.files}
        bench.limits = Limits()
        bench._locate = self._locate  # type: ignore[method-assign]

    def _made_honest(self, number: int, party: Party) -> Holder:
        holder, _ = shelf(self._bench, list(party.files.values()), f"honest {number}")
        holder.limits = Limits(upload_rate=HONEST_RATE)
        return holder.holder

    def _locate(self, content_id: bytes) -> Located:
        number = self._by_content[content_id]
        holders = [self.parties[number].holder, self._honest[number]]
        return Located(0, "file", tuple(holders[: 1 + self.honest_is_here]), True)

    def begin(self) -> None:
        transfers = self._bench.start()
        for number, party in enumerate(self.parties):
            for content, data in party.files.items():
                name = f"{number}.{len(data)}"
                transfers.add(content, name, size=len(data) if party.small else None)

    def of(self, party: Party) -> list[Transfer]:
        assert self._bench.transfers is not None
        return self._bench.transfers.find(party.files)

    def resting(self, party: Party) -> list[Transfer]:
        """How it is when it is as expected, else nothing."""
        now = self.of(party)
        return now if {t.state for t in now} == {party.case.alone} else []

    def resume_failed(self) -> None:
        assert self._bench.transfers is not None
        for transfer in self._bench.transfers.all():
            if transfer.state is FAILED:
                self._bench.transfers.resume(transfer.id)

    def assert_right(self) -> None:
        """In a while."""
        for party in self.parties:
            wait_until(lambda party=party: all(t.state is TransferState.DONE for t in self.of(party)), 30)
            for transfer in self.of(party):
                assert transfer.path.read_bytes() == party.files[transfer.content_id], party.case

    def close(self) -> None:
        self._bench.stop()
        for party in self.parties:
            party.close()


@pytest.fixture
def stage(request: pytest.FixtureRequest, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    for module, names in (
        (source, ("CONNECT_SECONDS", "STALL_SECONDS")),
        (bundle, ("CONNECT_SECONDS", "STALL_SECONDS")),
        (manifest_race, ("CONNECT_SECONDS", "QUIET_SECONDS", "HEAD_SECONDS")),
    ):
        for name in names:
            monkeypatch.setattr(module, name, PATIENCE)
    monkeypatch.setattr(source, "RETRY_SECONDS", 0.05)
    monkeypatch.setattr(source, "PIECES_SECONDS", 0.1)
    monkeypatch.setattr(crew, "IDLE_SECONDS", 0.1)
    monkeypatch.setattr(small, "LINE_SECONDS", 1.0)
    monkeypatch.setattr(job, "LocatePace", lambda now: choosing.LocatePace(now, (0.5,)))
    monkeypatch.setattr(runner, "RETRY_SECONDS", (1.0,))
    made = Stage(bench, request.param)
    yield made
    made.close()


@contextlib.contextmanager
def frugal(cases: int) -> Iterator[None]:
    """What is done inside takes a bounded part of memory, and of a processor; both ends are in it."""

    def memory(key: str) -> int:
        status = Path("/proc/self/status").read_text()
        return int(status.partition(f"{key}:")[2].split()[0]) << 10

    linux = Path("/proc/self/clear_refs").exists()
    if linux:
        Path("/proc/self/clear_refs").write_text("5")
    before, used = memory("VmRSS") if linux else 0, time.process_time()
    yield
    processor = time.process_time() - used
    assert processor < 1 + MOST_SECONDS * cases, f"{processor:.1f} s of a processor"
    if linux:
        more = memory("VmHWM") - before
        assert more < MOST_MEMORY, f"{more >> 20} MiB more"


STAGES = list(dict.fromkeys(case.stage for case in CASES))


@pytest.mark.parametrize("stage", STAGES, indirect=True)
def test_beside_an_honest_holder_the_right_bytes_come(stage: Stage) -> None:
    stage.honest_is_here = True
    with frugal(len(stage.parties)):
        stage.begin()
        stage.assert_right()
    for party in stage.parties:
        assert party.times(), f"{party.case} was asked"


@pytest.mark.parametrize("stage", STAGES, indirect=True)
def test_alone_it_leaves_a_reason_and_an_honest_one_ends_it(stage: Stage) -> None:
    with frugal(len(stage.parties)):
        stage.begin()
        for party in stage.parties:
            wait_until(party.times)
            alone = wait_until(lambda party=party: stage.resting(party))
            assert not any(t.path.exists() for t in alone), party.case
            told = alone[0].trouble
            assert party.case.alone is RUNNING or (told is not None and "hostile" in told.message), party.case
        if any(party.case.alone is RUNNING for party in stage.parties):
            # They come to no end; what they take meanwhile is what counts.
            time.sleep(1.0)
            for party in stage.parties:
                assert party.case.alone is not RUNNING or stage.resting(party), f"{party.case} still runs"
    stage.honest_is_here = True
    stage.resume_failed()
    stage.assert_right()


@pytest.mark.parametrize("others", [1, bundle.MOST_CONTENTS + 10], ids=["in its last answer", "in one of several"])
def test_one_that_lies_after_a_right_content_is_quarantined_and_the_right_one_kept(bench: Bench, others: int) -> None:
    files = [os.urandom(3000 + number) for number in range(1 + others)]

    def right_then_wrong(x: Exchange) -> None:
        answer(x, sized(len(x.data), x.data) + sized(3001, bytes(3001)), 1 << 17)

    liar = bench.hostile(files[0], right_then_wrong, lambda x: x.head(0, "404 Not Found"))
    transfers = bench.start()
    wanted = [Wanted(manifest_of(data).content_id, (), f"{n:03}", len(data)) for n, data in enumerate(files)]
    first, *rest = [t.id for t in transfers.add_folder(wanted)[0]]
    (caught,) = wait_until(transfers.quarantine.all)
    assert (caught.peer_id, caught.reason) == (
        liar.holder.peer_id,
        "hostile sent wrong bytes; nothing of them is kept.",
    )
    done = wait_until(lambda: (t := transfers.get(first)).state is TransferState.DONE and t)
    assert done.path.read_bytes() == files[0]
    told = wait_until(lambda: [s for id_ in rest for s in transfers.get(id_).sources])
    assert {s.state for s in told} == {SourceState.BANNED}
