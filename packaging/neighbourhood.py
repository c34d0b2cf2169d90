"""`./barrio run`: a central and two peers with sample files on this machine, and the window joined to them.

Without a display it does the same job in the terminal, hop by hop. Everything lives in one temporary folder and
is cleaned up at the end.
"""

import argparse
import hashlib
import re
import shutil
import signal
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from types import FrameType

from processes import Central, HeadlessPeer, Program, command, wait_for
from samples import make_samples

from desktop.display import NONE, display_trouble

TYPES_FIRST = "plaza"


def say(text: str) -> None:
    print(text, flush=True)


class Neighbourhood:
    """The central, Ana and Bruno; `stop` ends what was started, and only that."""

    def __init__(self, root: Path, recording_seconds: int, name: str = "Plaza Mayor") -> None:
        self._stack = ExitStack()
        try:
            say("preparing a small neighbourhood on this machine …")
            self.recording = make_samples(root / "Ana", root / "Bruno", recording_seconds)
            self.central = Central(root / "central-data", heartbeat=5, name=name)
            self._stack.callback(self.central.program.stop)
            say(f"  central   directory {self.central.listen}, enrolment {self.central.enrol}")
            self.peers = [self._peer(root, name) for name in ("Ana", "Bruno")]
            for peer in self.peers:
                shared = sum(1 for f in (root / peer.name).rglob("*") if f.is_file())
                peer.wait_indexed(shared)
                say(f"  {peer.name:<9} shares {shared} files at {peer.listen}")
        except BaseException:
            self._stack.close()
            raise

    def _peer(self, root: Path, name: str) -> HeadlessPeer:
        peer = HeadlessPeer(root / f"{name.lower()}-data", name, self.central.invite()).start()
        assert peer.program is not None
        self._stack.callback(peer.program.stop)
        for folder in sorted((root / name).iterdir()):
            peer.verb("share", "add", str(folder))
        return peer

    def stop(self) -> None:
        self._stack.close()


def in_window(neighbourhood: Neighbourhood, root: Path, link: str | None) -> int:
    """Opens the desktop, already joined; returns its exit status."""
    data = root / "me-data"
    HeadlessPeer(data, "Me", neighbourhood.central.invite())
    downloads = root / "Downloads"
    downloads.mkdir()
    say(f"\nopening Barrio; try to search for: {TYPES_FIRST}, garden, recetas, market\n")
    argv = [*command("barrio"), "--data-dir", str(data), *([link] if link else [])]
    env = {"BARRIO_LISTEN": "127.0.0.1:0", "BARRIO_DOWNLOAD_DIR": str(downloads)}
    window = Program(argv, root / "window.log", env)
    try:
        status = window.process.wait()
    finally:
        window.stop()
    if status != 0:
        say(window.log_text()[-3000:])
    return status


def in_terminal(neighbourhood: Neighbourhood, root: Path) -> int:
    """Search, locate and download, telling each hop; returns the exit status."""
    me = HeadlessPeer(root / "me-data", "Me", neighbourhood.central.invite()).start()
    assert me.program is not None
    with me.program:
        wait_for(lambda: len(me.json("neighbours")) > 0, 20, "a neighbour")
        primary = next(n for n in me.json("neighbours") if n["role"] == "primary")
        say(f"\nme        {me.peer_id[:12]}… looks for “{TYPES_FIRST}”")
        before = {p.name: p.json("status")["relayed"] for p in neighbourhood.peers}
        row = wait_for(lambda: me.json("search", TYPES_FIRST), 20, "an answer")[0]
        relayed = [p.name for p in neighbourhood.peers if p.json("status")["relayed"] > before[p.name]]
        say(f"neighbour {primary['name']} passes the question on (relayed by: {', '.join(relayed) or 'nobody'})")
        asked = re.findall(r"query from=(\S+)", neighbourhood.central.program.log_text())
        who = next((p.name for p in neighbourhood.peers if asked and p.peer_id == asked[-1]), "somebody else")
        say(f"central   was asked by {who}, and never by me: {me.peer_id not in asked}")
        say(f"found     {row['name']} · {row['size']:,} bytes · {row['holders']} people have it")
        downloads = root / "Downloads"
        downloads.mkdir()
        receipt = me.json("get", row["content_id"], "--output", str(downloads), seconds=120)
        for source in receipt.get("sources", []):
            say(f"holder    {source['name']} sent {source['pieces']} pieces, straight to me")
        path = Path(receipt["path"])
        mine = hashlib.sha256(path.read_bytes()).hexdigest()
        theirs = hashlib.sha256((root / "Ana" / "Recordings" / neighbourhood.recording).read_bytes()).hexdigest()
        say(f"verified  {path.name}: {path.stat().st_size:,} bytes, the same as Ana's: {mine == theirs}")
    return 0 if mine == theirs else 1


def _end(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> int:
    parser = argparse.ArgumentParser(prog="./barrio run", description=__doc__)
    parser.add_argument("link", nargs="?", help="a barrio: link to open")
    parser.add_argument("--terminal", action="store_true", help="no window, even where there is a display")
    parser.add_argument("--recording-seconds", type=int, default=900, help="length of the large sample (1 s = 172 KB)")
    options = parser.parse_args()
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), _end)
    root = Path(tempfile.mkdtemp(prefix="barrio-"))
    neighbourhood = None
    trouble = None if options.terminal else display_trouble()
    if trouble is not None and trouble != NONE:
        say(f"{trouble}; everything runs in the terminal")
    try:
        neighbourhood = Neighbourhood(root, options.recording_seconds)
        if options.terminal or trouble is not None:
            return in_terminal(neighbourhood, root)
        return in_window(neighbourhood, root, options.link)
    except KeyboardInterrupt:
        return 0
    except (RuntimeError, TimeoutError, OSError) as error:
        print(f"barrio: {error}", file=sys.stderr)
        return 1
    finally:
        if neighbourhood is not None:
            neighbourhood.stop()
        shutil.rmtree(root, ignore_errors=True)
        say("the neighbourhood is closed and its files are removed")


if __name__ == "__main__":
    sys.exit(main())
