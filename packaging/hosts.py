"""`./barrio hosts`: one central and five peers on hosts of their own, with a router and a bad cable between two
networks. Faults come one after the other; the scoreboard is compared with the floor that the repository keeps.

Linux, as root. Everything happens apart from this machine's network, and ends with this program, however it ends.
"""

import argparse
import json
import os
import shutil
import sys
import threading
import time
import traceback
from pathlib import Path

from several_hosts import apart
from several_hosts.members import AskError
from several_hosts.scenario import play
from several_hosts.scoreboard import Scoreboard, below, read_floor
from several_hosts.street import Size, Street

MIB = 1 << 20
SHORT = Size(2.0, 2, 12 * MIB, 3_000_000, 10.0, 0.5, 200)
LONG = Size(4.0, 20, 96 * MIB, 6_000_000, 25.0, 1.0, 100)
MEMORY_MB = 3000
NOT_HERE = 77


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _bound(seconds: float) -> None:
    """Nothing goes on for longer, whatever it waits for; all processes end with this one."""

    def end() -> None:
        say(f"barrio hosts: not done in {seconds:g} s; ended")
        os._exit(1)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()


def run(size: Size, seconds: float, logs: Path | None) -> Scoreboard:
    board = Scoreboard(size.lease_seconds)
    began = time.monotonic()
    _bound(seconds)
    root = apart.settle(MEMORY_MB)
    try:
        street = Street(root, size, board)
        try:
            play(street, lambda text: say(f"{time.monotonic() - began:5.1f} s  {text}"))
        finally:
            street.close()
    except BaseException:
        say(board.as_text())
        raise
    finally:
        board.seconds = round(time.monotonic() - began, 1)
        if logs is not None:
            logs.mkdir(parents=True, exist_ok=True)
            for log in root.glob("*.log"):
                shutil.copy(log, logs)
    return board


def main() -> int:
    """Exit status: 0 at or above the floor, 1 below it or failed, 77 where hosts cannot be made."""
    parser = argparse.ArgumentParser(prog="./barrio hosts", description=__doc__)
    parser.add_argument("--short", action="store_true", help="small files and fast heartbeats: under a minute")
    parser.add_argument("--json", action="store_true", help="the scoreboard as one JSON document")
    parser.add_argument("--limit", type=float, default=0, metavar="SECONDS", help="end after so long at most")
    parser.add_argument("--logs", type=Path, metavar="FOLDER", help="keep the programs' logs there")
    options = parser.parse_args()
    if not apart.is_apart():
        reason = apart.why_not()
        if reason:
            say(f"barrio hosts: not run: {reason}")
            return NOT_HERE
        return apart.go_apart([str(Path(__file__).resolve()), *sys.argv[1:]])
    status = 1
    try:
        status = _play(options)
    except (RuntimeError, TimeoutError, OSError, AskError) as error:
        say(f"barrio hosts: {error}")
    except Exception:
        traceback.print_exc()
    return apart.leave(status)


def _play(options: argparse.Namespace) -> int:
    board = run(SHORT if options.short else LONG, options.limit or (180 if options.short else 600), options.logs)
    print(json.dumps(board.as_json(), indent=1) if options.json else board.as_text())
    return 1 if below(board.figures(), read_floor()) else 0


if __name__ == "__main__":
    sys.exit(main())
