"""A worker's report as it travels between the library's processes. Pure; any thread."""

from dataclasses import asdict

from peer_core.library.records import Done, Report
from peer_core.library.types import Problem
from peer_core.library.wire import Message
from protos.sentences import as_text, from_text


def told_report(report: Report) -> Message:
    return {
        **asdict(report),
        "done": [[share, done.files, done.bytes, done.unrecorded_bytes] for share, done in report.done.items()],
        "problems": [
            [share, [[p.path, as_text(p.reason)] for p in listed]] for share, listed in report.problems.items()
        ],
    }


def heard_report(told: Message) -> Report:
    done = {share: Done(*numbers) for share, *numbers in told.pop("done")}
    problems = {
        share: tuple(Problem(path, from_text(reason)) for path, reason in listed)
        for share, listed in told.pop("problems")
    }
    return Report(**told, done=done, problems=problems)
