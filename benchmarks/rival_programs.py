"""Other programs that bring a file from one machine to another, each set up to do its best on loopback.

None is a dependency of Barrio: Syncthing comes from Debian, the others live in a Python environment of their own that
`install` makes (`python -m benchmarks.rivals --install`).
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

HERE = Path(__file__).parent
PYTHON = HERE / "data" / "rivals" / "bin" / "python"
FROM_PYPI = ("libtorrent", "magic-wormhole", "magic-wormhole-mailbox-server", "magic-wormhole-transit-relay")
SECONDS = 300.0


def install() -> None:
    """Into benchmarks/data/rivals. Raises CalledProcessError."""
    subprocess.run([sys.executable, "-m", "venv", str(PYTHON.parents[1])], check=True)
    subprocess.run([str(PYTHON), "-m", "pip", "install", "-q", *FROM_PYPI], check=True)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def wait_until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited in vain for {what}")
        time.sleep(0.02)


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@dataclass(frozen=True)
class Took:
    """Seconds: of fetching alone, and from sharing until it is complete."""

    fetch: float
    from_share: float | None = None


class Syncthing:
    """Two of them, that keep one folder alike and know nobody else."""

    @staticmethod
    def available() -> bool:
        return shutil.which("syncthing") is not None

    def __init__(self, root: Path, file: Path, stack: ExitStack) -> None:
        self._file = file
        self._homes = [root / "a", root / "b"]
        self._ports = [free_port(), free_port()]
        self._api = [free_port(), free_port()]
        self.folders = [home / "files" for home in self._homes]
        ids = []
        for home in self._homes:
            home.mkdir(parents=True)
            (home / "files").mkdir()
            self._run(home, "generate", f"--home={home}")
            ids.append(self._run(home, f"--home={home}", "--device-id").strip())
        self._keys = [self._configure(number, ids) for number in range(2)]
        for home in self._homes:
            log = stack.enter_context((home / "log").open("wb"))
            process = subprocess.Popen(
                ["syncthing", f"--home={home}", "--no-browser", "--no-restart", "--no-upgrade"],
                stdout=log,
                stderr=log,
                env=self._environment(home),
            )
            stack.callback(process.wait)
            stack.callback(process.terminate)
        for port in self._api:
            wait_until(lambda port=port: _answers(port), "Syncthing")
        wait_until(self._connected, "the two Syncthings to meet")

    @staticmethod
    def _environment(home: Path) -> dict[str, str]:
        return {**os.environ, "HOME": str(home), "STNOUPGRADE": "1", "STNODEFAULTFOLDER": "1"}

    def _run(self, home: Path, *words: str) -> str:
        return subprocess.run(
            ["syncthing", *words], check=True, capture_output=True, text=True, env=self._environment(home)
        ).stdout

    def _configure(self, number: int, ids: list[str]) -> str:
        """The key of its API."""
        path = self._homes[number] / "config.xml"
        tree = ElementTree.parse(path)
        root = tree.getroot()
        for old in root.findall("folder") + root.findall("device"):
            root.remove(old)
        folder = ElementTree.SubElement(
            root,
            "folder",
            {
                "id": "bench",
                "path": str(self.folders[number]),
                "type": "sendreceive",
                "rescanIntervalS": "0",
                "fsWatcherEnabled": "false",
            },
        )
        for other, id_ in enumerate(ids):
            ElementTree.SubElement(folder, "device", {"id": id_})
            device = ElementTree.SubElement(root, "device", {"id": id_, "name": f"d{other}", "compression": "never"})
            ElementTree.SubElement(device, "address").text = f"tcp://127.0.0.1:{self._ports[other]}"
        gui, options = root.find("gui"), root.find("options")
        assert gui is not None and options is not None
        _set(gui, "address", f"127.0.0.1:{self._api[number]}")
        for old in options.findall("listenAddress"):
            options.remove(old)
        _set(options, "listenAddress", f"tcp://127.0.0.1:{self._ports[number]}")
        off = ("globalAnnounceEnabled", "localAnnounceEnabled", "relaysEnabled", "natEnabled", "crashReportingEnabled")
        for name in (*off, "startBrowser"):
            _set(options, name, "false")
        _set(options, "urAccepted", "-1")
        tree.write(path)
        return str(gui.findtext("apikey"))

    def _ask(self, number: int, method: str, path: str) -> object:
        request = urllib.request.Request(
            f"http://127.0.0.1:{self._api[number]}{path}", headers={"X-API-Key": self._keys[number]}, method=method
        )
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            return json.loads(answer.read() or b"null")

    def _connected(self) -> bool:
        connections = self._ask(1, "GET", "/rest/system/connections")
        assert isinstance(connections, dict)
        return any(each["connected"] for each in connections["connections"].values())

    def round(self) -> Took:
        source, target = self.folders[0] / self._file.name, self.folders[1] / self._file.name
        os.link(self._file, source)
        began = time.perf_counter()
        self._ask(0, "POST", "/rest/db/scan?folder=bench")
        scanned = time.perf_counter()
        wait_until(target.exists, "Syncthing to bring the file")
        done = time.perf_counter()
        if target.stat().st_size != self._file.stat().st_size:
            raise RuntimeError("Syncthing brought another file")
        # Gone at both ends, or the next round would find the blocks at the receiver.
        source.unlink()
        self._ask(0, "POST", "/rest/db/scan?folder=bench")
        wait_until(lambda: not target.exists(), "Syncthing to forget the file")
        return Took(done - scanned, done - began)


def _set(parent: ElementTree.Element, name: str, text: str) -> None:
    found = parent.find(name)
    (ElementTree.SubElement(parent, name) if found is None else found).text = text


class Libtorrent:
    """A seed and, for each round, a new peer; without encryption, over TCP."""

    @staticmethod
    def available() -> bool:
        return PYTHON.exists()

    def __init__(self, root: Path, file: Path, stack: ExitStack) -> None:
        root.mkdir()
        self._script, self._torrent = str(HERE / "torrent_ends.py"), str(root / "film.torrent")
        self._port, self._out, self._file = free_port(), root / "out", file
        seed = subprocess.Popen(
            [str(PYTHON), self._script, "seed", str(file), self._torrent, str(self._port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        stack.enter_context(seed)
        assert seed.stdout is not None and seed.stdin is not None
        stack.callback(seed.stdin.close)
        if seed.stdout.readline() != "ready\n":
            raise RuntimeError("libtorrent does not seed")

    def round(self) -> Took:
        self._out.mkdir()
        command = [str(PYTHON), self._script, "fetch", self._torrent, str(self._out), str(self._port)]
        done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=SECONDS)
        if (self._out / self._file.name).stat().st_size != self._file.stat().st_size:
            raise RuntimeError("libtorrent brought another file")
        shutil.rmtree(self._out)
        return Took(float(done.stdout))


class Wormhole:
    """A mailbox and a transit relay of our own; each round is one `send` and one `receive`."""

    @staticmethod
    def available() -> bool:
        return PYTHON.exists()

    def __init__(self, root: Path, file: Path, stack: ExitStack) -> None:
        root.mkdir()
        self._root, self._file, self._number = root, file, 0
        mailbox, relay = free_port(), free_port()
        bin_ = PYTHON.parent
        servers = (
            ["wormhole-mailbox", f"--port=tcp:{mailbox}:interface=127.0.0.1", f"--channel-db={root}/mailbox.sqlite"],
            ["transitrelay", f"--port=tcp:{relay}:interface=127.0.0.1"],
        )
        for words in servers:
            log = stack.enter_context((root / f"{words[0]}.log").open("wb"))
            process = subprocess.Popen([str(bin_ / "twist"), *words], stdout=log, stderr=log, cwd=root)
            stack.callback(process.wait)
            stack.callback(process.terminate)
        for port in (mailbox, relay):
            wait_until(lambda port=port: _answers(port), "magic-wormhole's servers")
        self._command = [str(bin_ / "wormhole"), f"--relay-url=ws://127.0.0.1:{mailbox}/v1"]
        self._command += [f"--transit-helper=tcp:127.0.0.1:{relay}"]

    def round(self) -> Took:
        self._number += 1
        code, out = f"{self._number}-film-bench", self._root / "out"
        out.mkdir()
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        began = time.perf_counter()
        send = subprocess.Popen([*self._command, "send", "--hide-progress", f"--code={code}", str(self._file)], **quiet)
        with send:
            subprocess.run(
                [*self._command, "receive", "--hide-progress", "--accept-file", f"--output-file={out}/got", code],
                check=True,
                timeout=SECONDS,
                **quiet,
            )
            took = time.perf_counter() - began
        if (out / "got").stat().st_size != self._file.stat().st_size:
            raise RuntimeError("magic-wormhole brought another file")
        shutil.rmtree(out)
        return Took(took, took)


RIVALS = {"syncthing": Syncthing, "libtorrent": Libtorrent, "magic-wormhole": Wormhole}
