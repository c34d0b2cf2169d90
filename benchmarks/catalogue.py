"""Bench `catalogue`: publishing, searching, plocate on the same names, withdrawing, memory, start, disk, heartbeats.

Questions go through the real service object as serialized messages, and come back as such; only the network is missing.
Each measurement that must not see another's memory or caches runs in a process of its own.
"""

import argparse
import gc
import json
import os
import random
import resource
import subprocess
import sys
import threading
import time
from array import array
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.corpus import Corpus, Universe
from benchmarks.queries import CLASSES, Questions
from benchmarks.report import Report, quantiles
from central.catalogue.sqlite.scribe_process import ScribeProcess
from central.catalogue.sqlite.store import SqliteCatalogue, totals
from central.database import Database
from central.directory import Directory
from central.domain import Batch, Member, Quota, SearchQuestion
from central.leases import Lease
from central.members import Members
from central.metrics import Metrics
from central.server import SWITCH_SECONDS
from central.service import DirectoryService
from central.warming import read_ahead
from protos.barrio.v1 import directory_pb2

SCALES = {"100k": 100_000, "1m": 1_000_000, "10m": 10_000_000}
INDEX = bytes(16)
BATCH = 1000
LIVE_SHARE = 0.5
SEARCHES_A_SECOND = 40
# Mixed questions before searching is measured beside something else, and batches published then.
WARM_UP = 600
BATCHES = 300


class _NoPresence:
    """The bench says itself who is live."""

    returning = False

    def sweep(self) -> None: ...

    def lease(self, member: int) -> Lease | None:
        return None


class Service:
    """The catalogue of a scale behind the real service."""

    def __init__(self, folder: Path) -> None:
        # As `serve` does.
        read_ahead(folder / "central.sqlite")
        self.database = Database.create(folder / "central.sqlite")
        self.catalogue = SqliteCatalogue(
            self.database, scribe=lambda secret: ScribeProcess(self.database, secret, Quota())
        )
        gc.freeze()
        sys.setswitchinterval(SWITCH_SECONDS)
        members = Members(self.database)
        directory = Directory(members, None, _NoPresence(), self.catalogue, "bench", 30.0)  # type: ignore[arg-type]
        self._query = DirectoryService(directory, Metrics()).methods["Query"]
        self._caller = Member(1, "bench", "bench")

    def ask(self, question: bytes) -> bytes:
        return self._query(self._caller, question).data

    def close(self) -> None:
        self.catalogue.close()
        self.database.close()


def message(question: SearchQuestion) -> bytes:
    search = directory_pb2.Search(
        text=question.text,
        kind=question.kind,
        min_size=question.min_size,
        max_size=question.max_size,
        limit=question.limit,
        extensions=question.extensions,
        changed_since=question.changed_since,
    )
    sealed = directory_pb2.Question(search=search).SerializeToString()
    return directory_pb2.QueryRequest(sealed=sealed).SerializeToString()


def rows_of(answer: bytes) -> directory_pb2.SearchAnswer:
    sealed = directory_pb2.QueryResponse.FromString(answer).sealed
    found = directory_pb2.Answer.FromString(sealed)
    assert found.WhichOneof("answer") == "search", found.error
    return found.search


def live_members(peers: int) -> list[int]:
    return sorted(random.Random("live").sample(range(1, peers + 1), int(peers * LIVE_SHARE)))


# --- building -------------------------------------------------------------------------------------------------------


def build(data: Path, folder: Path, scale: int) -> dict[str, Any]:
    """Publishes the whole corpus, as the peers would: batches of a thousand, peer after peer."""
    corpus = Corpus(Universe(data), scale)
    service = Service(folder)
    rates: list[tuple[int, float]] = []
    seen: set[tuple[int, int]] = set()
    names = array("Q")
    done, in_calls, lap, lap_done = 0, 0.0, 0.0, 0
    for member, share in enumerate(corpus.shares(), 1):
        for start in range(0, len(share), BATCH):
            part = share[start : start + BATCH]
            changes = tuple(corpus.change(start + n, *copy) for n, copy in enumerate(part, 1))
            batch = Batch(INDEX, start, start + len(part), changes)
            began = time.perf_counter()
            result = service.catalogue.publish(member, batch)
            lap += time.perf_counter() - began
            assert not result.resync
            done += len(part)
        names.extend(content * 64 + variant for content, variant in share)
        if done - lap_done >= scale // 20:
            rates.append((done, (done - lap_done) / lap))
            in_calls += lap
            lap, lap_done = 0.0, done
    distinct = sorted(set(names))
    del names, seen
    questions = Questions(corpus, [corpus.path(*divmod(name, 64)) for name in _some(distinct, 1_500_000)])
    made = {
        name: [message(question).hex() for question in questions.of(name, 1000 if scale >= 1_000_000 else 200)]
        for name in CLASSES
    }
    texts = {name: [json.dumps(asdict(q)) for q in questions.of(name, 200)] for name in CLASSES}
    (folder / "questions.json").write_text(json.dumps({"messages": made, "texts": texts}))
    with (folder / "names.txt").open("w", encoding="utf-8") as file:
        for name in distinct:
            file.write(corpus.path(*divmod(name, 64)) + "\n")
    counted = totals(service.database)
    service.close()
    size = (folder / "central.sqlite").stat().st_size
    tiers = sum(path.stat().st_size for path in folder.glob("central.sqlite.tiers*"))
    return {
        "entries": counted.entries,
        "contents": counted.contents,
        "names": counted.names,
        "publish_alone_rows_s": done / (in_calls + lap),
        "publish_alone_by_size": rates,
        "disk_bytes": size,
        "disk_bytes_an_entry": (size + tiers) / counted.entries,
    }


def _some(names: list[int], most: int) -> list[int]:
    return random.Random("names").sample(names, most) if len(names) > most else names


# --- what runs on a built catalogue ---------------------------------------------------------------------------------


def memory_mb() -> dict[str, float]:
    """Of this process and of the scribe's."""
    found: dict[str, float] = {}
    children = [
        child for task in Path("/proc/self/task").iterdir() for child in (task / "children").read_text().split()
    ]
    for process in ("self", *children):
        fields = dict(line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
        for key in ("VmRSS", "RssAnon", "RssFile", "VmHWM"):
            found[key] = found.get(key, 0.0) + int(fields[key].split()[0]) / 1024
    return found


def started(folder: Path) -> tuple[Service, dict[str, Any]]:
    """Opens it and lets half of the peers arrive."""
    began = time.perf_counter()
    service = Service(folder)
    opened = time.perf_counter()
    rows_of(service.ask(message(SearchQuestion("plaza"))))
    answered = time.perf_counter()
    peers = service.database.read().execute("SELECT max(member) FROM publication").fetchone()[0]
    for member in live_members(peers):
        service.catalogue.set_live(member, True)
    arrived = time.perf_counter()
    facts = {
        "open_s": opened - began,
        "first_answer_s": answered - began,
        "arrivals_s": arrived - answered,
        "arrival_us_each": (arrived - answered) / (peers * LIVE_SHARE) * 1e6,
    }
    return service, facts


def search(data: Path, folder: Path, scale: int) -> dict[str, Any]:
    """Builds the tiers as they would be by then, and asks all questions: once cold, once warm."""
    service, facts = started(folder)
    began = time.perf_counter()
    service.catalogue.build_tiers()
    facts["tiers_build_s"] = time.perf_counter() - began
    began, steps = time.perf_counter(), []
    while True:
        step = time.perf_counter()
        more = service.catalogue.merge_index()
        steps.append(time.perf_counter() - step)
        if not more:
            break
    facts["index_merge_s"] = time.perf_counter() - began
    facts["index_merge_step"] = quantiles(steps)
    messages = {
        name: [bytes.fromhex(text) for text in some]
        for name, some in json.loads((folder / "questions.json").read_text())["messages"].items()
    }
    service.close()
    # Anew, so that nothing of the building is in memory.
    service, start_facts = started(folder)
    facts["start"] = start_facts
    _drop_caches(folder)
    gc.collect()
    classes: dict[str, Any] = {}
    for name, some in messages.items():
        cold, _, pages = _ask_all(service, some)
        warm, processor, _ = _ask_all(service, some)
        whole = _ask_whole_pages(service, some)
        full = sum(1 for rows, _ in pages if rows >= 47)
        cut = sum(1 for rows, cursor in pages if rows < 47 and cursor)
        classes[name] = {
            "questions": len(some),
            "cold": quantiles(cold),
            "warm": quantiles(warm),
            "warm_processor": quantiles(processor),
            "whole_pages": quantiles(whole),
            "rows_mean": sum(rows for rows, _ in pages) / len(pages),
            "full_pages": full,
            "cut_short": cut,
            "cut_under_ten_rows": sum(1 for rows, cursor in pages if rows < 10 and cursor),
        }
    facts["classes"] = classes
    facts["memory"] = memory_mb()
    facts["tier_files_bytes"] = sum(path.stat().st_size for path in folder.glob("central.sqlite.tiers*"))
    facts["rebuilding"] = _while_rebuilding(service, messages)
    facts["memory_after_rebuilding"] = memory_mb()
    service.close()
    return facts


def _read_whole(folder: Path) -> None:
    """Brings the files into the system's cache, which some systems empty by themselves. By another process: closing
    the database here would end SQLite's locks on it."""
    for path in folder.glob("central.sqlite*"):
        subprocess.run(["dd", f"if={path}", "of=/dev/null", "bs=1M", "status=none"], check=True)


def _drop_caches(folder: Path) -> None:
    """Takes the files out of the system's cache, so that the first questions read the disk."""
    for path in folder.iterdir():
        with path.open("rb") as file:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def _ask_all(service: Service, some: list[bytes]) -> tuple[list[float], list[float], list[tuple[int, bool]]]:
    """Seconds on the clock, seconds of the processor (what others on this machine do is not in them), rows."""
    times, spent, pages = [], [], []
    for question in some:
        began, began_processor = time.perf_counter(), time.thread_time()
        answer = service.ask(question)
        spent.append(time.thread_time() - began_processor)
        times.append(time.perf_counter() - began)
        found = rows_of(answer)
        pages.append((len(found.rows), bool(found.next_cursor)))
    return times, spent, pages


def _ask_whole_pages(service: Service, some: list[bytes]) -> list[float]:
    """Seconds until each page is whole, asked on as peers do when it was ended early."""
    times = []
    for question in some:
        began = time.perf_counter()
        found = rows_of(service.ask(question))
        shown = {row.content_id for row in found.rows}
        asked = directory_pb2.Question.FromString(directory_pb2.QueryRequest.FromString(question).sealed)
        limit = asked.search.limit
        while found.next_cursor and len(shown) < limit:
            asked.search.cursor, asked.search.limit = found.next_cursor, limit - len(shown)
            again = directory_pb2.QueryRequest(sealed=asked.SerializeToString())
            found = rows_of(service.ask(again.SerializeToString()))
            shown.update(row.content_id for row in found.rows)
        times.append(time.perf_counter() - began)
    return times


class _Asking(threading.Thread):
    """Asks mixed questions at a steady rate until it is stopped; a late start counts as waiting."""

    def __init__(self, service: Service, messages: dict[str, list[bytes]], rate: float) -> None:
        super().__init__()
        self._service = service
        self._mixed = [question for some in messages.values() for question in some]
        random.Random("mixed").shuffle(self._mixed)
        self._rate = rate
        self._ended = threading.Event()
        self.times: list[float] = []

    def run(self) -> None:
        due = time.perf_counter()
        for question in self._forever():
            due += 1 / self._rate
            if self._ended.wait(max(0.0, due - time.perf_counter())):
                return
            self._service.ask(question)
            self.times.append(time.perf_counter() - due)

    def _forever(self) -> Iterator[bytes]:
        while True:
            yield from self._mixed

    def stop(self) -> None:
        self._ended.set()
        self.join()


def _warm_up(service: Service, messages: dict[str, list[bytes]]) -> None:
    mixed = [question for some in messages.values() for question in some]
    for question in random.Random("warm").sample(mixed, min(WARM_UP, len(mixed))):
        service.ask(question)


def _while_rebuilding(service: Service, messages: dict[str, list[bytes]]) -> dict[str, Any]:
    asking = _Asking(service, messages, SEARCHES_A_SECOND)
    asking.start()
    began = time.perf_counter()
    service.catalogue.build_tiers()
    took = time.perf_counter() - began
    asking.stop()
    return {"seconds": took, "searches": quantiles(asking.times)}


def publish(data: Path, folder: Path, scale: int) -> dict[str, Any]:
    """New peers publish on top of what is there while searches run; then what they published goes again."""
    corpus = Corpus(Universe(data), scale)
    service, _ = started(folder)
    messages = {
        name: [bytes.fromhex(text) for text in some]
        for name, some in json.loads((folder / "questions.json").read_text())["messages"].items()
    }
    rng = random.Random("publish")
    pool = len(corpus.universe)
    fresh = iter(range(pool + 1, 1 << 31))
    first = 1_000_000
    batches = []
    known = [copy for share, _ in zip(corpus.shares(), range(400), strict=False) for copy in share]
    for number in range(BATCHES):
        member, turn = first + number // 10, number % 10
        copies = rng.sample(known, 570) + [(next(fresh), 0) for _ in range(430)]
        changes = []
        for place, (content, variant) in enumerate(copies, 1):
            change = corpus.change(turn * BATCH + place, content % pool, variant)
            if content >= pool:
                fresh_id = content.to_bytes(32)
                path = f"{turn}-{change.path}"
                facts = type(change.file)(fresh_id, change.file.size, change.file.modified)  # type: ignore[union-attr]
                change = type(change)(change.sequence, path, facts)
            changes.append(change)
        batches.append((member, Batch(INDEX, turn * BATCH, (turn + 1) * BATCH, tuple(changes))))
    for member in {member for member, _ in batches}:
        service.catalogue.set_live(member, True)
    # What the bench has made is not the central's, and must not be looked through while that is measured.
    del known
    gc.collect()
    gc.freeze()
    found: dict[str, Any] = {}
    _read_whole(folder)
    _warm_up(service, messages)
    alone = _Asking(service, messages, SEARCHES_A_SECOND)
    alone.start()
    time.sleep(10)
    alone.stop()
    found["searches_alone"] = quantiles(alone.times)
    _read_whole(folder)
    asking = _Asking(service, messages, SEARCHES_A_SECOND)
    asking.start()
    times = []
    for member, batch in batches:
        began = time.perf_counter()
        result = service.catalogue.publish(member, batch)
        times.append(time.perf_counter() - began)
        assert not result.resync
    asking.stop()
    rows = sum(len(batch.changes) for _, batch in batches)
    found["publish_while_searching"] = {
        "rows_s": rows / sum(times),
        "batch": quantiles(times),
        "searches": quantiles(asking.times),
    }
    found["withdraw_entries_rows_s"] = _withdraw_some(service, batches[:50])
    found.update(_drop(service, [first + n for n in range(5, 10)]))
    service.close()
    return found


def _withdraw_some(service: Service, batches: list[tuple[int, Batch]]) -> float:
    """Takes entries back one by one, in batches of a thousand."""
    spent, rows = 0.0, 0
    ends: dict[int, int] = {}
    for member, batch in batches:
        ends[member] = max(ends.get(member, 0), batch.last)
    for member, batch in batches:
        before = ends[member]
        gone = tuple(type(c)(before + n, c.path, None) for n, c in enumerate(batch.changes, 1))
        step = Batch(INDEX, before, before + len(gone), gone)
        began = time.perf_counter()
        result = service.catalogue.publish(member, step)
        spent += time.perf_counter() - began
        assert not result.resync
        ends[member] = step.last
        rows += len(gone)
    return rows / spent


def _drop(service: Service, members: list[int]) -> dict[str, float]:
    """Removes whole peers: at once for everybody who asks, and then the reclaiming of the rows in the background."""
    run = service.database.read().execute
    rows = sum(run("SELECT entries FROM publication WHERE member = ?", (member,)).fetchone()[0] for member in members)
    largest = run("SELECT member FROM publication WHERE member < 1000000 ORDER BY entries DESC LIMIT 3").fetchall()
    members = members + [row[0] for row in largest]
    rows += sum(run("SELECT entries FROM publication WHERE member = ?", (row[0],)).fetchone()[0] for row in largest)
    began = time.perf_counter()
    for member in members:
        service.catalogue.withdraw(member)
    dropped = time.perf_counter() - began
    service.catalogue._cleaner._patience_seconds = -1
    began = time.perf_counter()
    while run("SELECT 1 FROM gone LIMIT 1").fetchone() is not None:
        service.catalogue.clean()
    reclaimed = time.perf_counter() - began
    return {"dropped_rows": rows, "drop_rows_s": rows / dropped, "reclaim_rows_s": rows / reclaimed}


STEPS: dict[str, Callable[[Path, Path, int], dict[str, Any]]] = {"build": build, "search": search, "publish": publish}


def run(data: Path, scale_name: str, report: Report, again: bool) -> None:
    """All steps, each in a process of its own; `again` keeps a built catalogue."""
    folder = data / f"catalogue-{scale_name}"
    folder.mkdir(parents=True, exist_ok=True)
    known = folder / "build.json"
    for name in STEPS:
        if name == "build" and again and known.exists():
            report.add(name, json.loads(known.read_text()))
            continue
        if name == "build":
            for path in folder.glob("central.sqlite*"):
                path.unlink()
        report.say(f"{name} at {scale_name}")
        found = json.loads(_in_process(name, data, folder, scale_name))
        if name == "build":
            known.write_text(json.dumps(found))
        report.add(name, found)


def _in_process(step: str, data: Path, folder: Path, scale_name: str) -> str:
    command = [sys.executable, "-m", "benchmarks.catalogue", step, str(data), str(folder), scale_name]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("step", choices=STEPS)
    parser.add_argument("data", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("scale", choices=SCALES)
    arguments = parser.parse_args()
    found = STEPS[arguments.step](arguments.data, arguments.folder, SCALES[arguments.scale])
    found["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(found))


if __name__ == "__main__":
    main()
