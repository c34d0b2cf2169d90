"""Starts Barrio's programs as real processes and ends them by their id. For the ready-made neighbourhood and tests."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

MODULES = {"barrio": "desktop", "barrio-peer": "peer_core", "barrio-central": "central"}

# Neither this machine's keyring nor the settings of services that are installed here.
APART = {"BARRIO_KEYRING": "off", "BARRIO_CONFIG": os.devnull}


# Where frozen programs are, to be run instead of the checkout's.
_bundles: list[Path] = []


def use_bundles(folder: Path) -> None:
    """From now on the programs are those of the bundles in `folder`."""
    _bundles[:] = [folder]


def command(program: str) -> list[str]:
    """The command line of one of Barrio's programs, in the Python that runs now or of its bundle."""
    if _bundles:
        return [str(_bundles[0] / program / program)]
    return [sys.executable, "-m", MODULES[program]]


class Program:
    """One running program. `ready` holds the fields of its `ready …` line."""

    def __init__(self, argv: Sequence[str], log: Path, env: Mapping[str, str] | None = None) -> None:
        self.argv = list(argv)
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        self._log_file = log.open("ab")
        try:
            self.process = subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=self._log_file,
                env={**os.environ, **APART, "PYTHONUNBUFFERED": "1", **(env or {})},
                start_new_session=True,
            )
        finally:
            self._log_file.close()
        self.ready: dict[str, str] = {}
        self._ready_seen = threading.Event()
        self._reader = threading.Thread(target=self._read, name="read-output")
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stdout:
            for raw in stdout:
                line = raw.decode("utf-8", "replace").strip()
                if line.startswith("ready") and not self._ready_seen.is_set():
                    self.ready = dict(f.split("=", 1) for f in line.split()[1:] if "=" in f)
                    self._ready_seen.set()
        self._ready_seen.set()

    def wait_ready(self, seconds: float = 30.0) -> "Program":
        """Raises RuntimeError, with the end of the log, when the program does not get ready in time."""
        if not self._ready_seen.wait(seconds) or not self.ready:
            tail = self.log.read_text("utf-8", "replace")[-2000:]
            self.kill()
            raise RuntimeError(f"{' '.join(self.argv)} did not get ready:\n{tail}")
        return self

    def wait_said(self, seconds: float = 30.0) -> None:
        """As `wait_ready`, for a program whose `ready` has no fields."""
        if not self._ready_seen.wait(seconds) or self.process.poll() is not None:
            self.kill()
            raise RuntimeError(f"{' '.join(self.argv)} did not get ready:\n{self.log_text()[-2000:]}")

    def signal(self, number: int) -> None:
        if self.process.poll() is None:
            self.process.send_signal(number)

    def wait(self, seconds: float) -> int:
        """Exit status; raises subprocess.TimeoutExpired."""
        status = self.process.wait(seconds)
        self._reader.join(seconds)
        return status

    def stop(self, seconds: float = 10.0) -> int:
        """Asks it to end, and ends it by force only when it does not; returns the exit status."""
        self.signal(signal.SIGTERM)
        try:
            return self.wait(seconds)
        except subprocess.TimeoutExpired:
            return self.kill()

    def kill(self) -> int:
        if self.process.poll() is None:
            self.process.kill()
        return self.wait(10)

    def log_text(self) -> str:
        return self.log.read_text("utf-8", "replace")

    def __enter__(self) -> "Program":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()


def run_command(program: str, *args: str, seconds: float = 60, env: Mapping[str, str] | None = None) -> Any:
    """Runs a verb to its end; returns the finished process with text output."""
    return subprocess.run(
        [*command(program), *args],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
        env={**os.environ, **APART, **(env or {})},
    )


class Central:
    """A central with its data folder. Ports stay the same over a restart."""

    def __init__(self, data: Path, heartbeat: float = 2.0, host: str = "127.0.0.1", name: str = "Plaza Mayor") -> None:
        self.data = data
        self.name = name
        self.heartbeat = heartbeat
        self._host = host
        self.listen = self.enrol = f"{host}:0"
        self.program = self.start()

    def start(self) -> Program:
        argv = [*command("barrio-central"), "--data-dir", str(self.data), "serve", "--listen", self.listen]
        argv += [
            "--enrol",
            self.enrol,
            "--http",
            "127.0.0.1:0",
            "--heartbeat",
            str(self.heartbeat),
            "--name",
            self.name,
        ]
        # Who asked is to be seen here, where nobody's privacy is at stake.
        env = {"BARRIO_LOG_IDS": os.environ.get("BARRIO_LOG_IDS", "shown")}
        self.program = Program(argv, self.data.parent / f"{self.data.name}.log", env).wait_ready()
        self.listen, self.enrol = self.program.ready["directory"], self.program.ready["enrol"]
        return self.program

    def verb(self, *args: str) -> str:
        done = run_command("barrio-central", "--data-dir", str(self.data), *args)
        if done.returncode != 0:
            raise RuntimeError(f"barrio-central {' '.join(args)}: {done.stderr}")
        return str(done.stdout).strip()

    def invite(self, uses: int = 1, *args: str) -> str:
        return self.verb("invite", "--host", self._host, "--uses", str(uses), *args)


class LocalApi:
    """A running peer's local API, as its command line asks it, without a program for each question."""

    def __init__(self, peer: "HeadlessPeer") -> None:
        access = json.loads((peer.data / "local-api.json").read_text("utf-8"))
        self._url, self._token = access["url"], access["token"]
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """The answer's JSON; None when it is empty. Raises urllib.error.HTTPError."""
        request = urllib.request.Request(
            self._url + path,
            None if body is None else json.dumps(body).encode(),
            {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"},
            method=method,
        )
        with self._opener.open(request, timeout=30) as answer:
            data = answer.read()
        return json.loads(data) if data else None


class HeadlessPeer:
    """A headless peer with its data folder, and its verbs."""

    def __init__(self, data: Path, name: str, invite: str | None = None) -> None:
        self.data = data
        self.name = name
        self.listen = "127.0.0.1:0"
        self.program: Program | None = None
        if invite is not None:
            self.verb("join", invite, "--name", name)

    def start(self, *args: str, env: Mapping[str, str] | None = None) -> "HeadlessPeer":
        argv = [*command("barrio-peer"), "--data-dir", str(self.data), "run", "--listen", self.listen, *args]
        self.program = Program(argv, self.data.parent / f"{self.data.name}.log", env).wait_ready()
        self.listen = self.program.ready["peer_api"].removeprefix("https://")
        return self

    @property
    def peer_id(self) -> str:
        assert self.program is not None
        return self.program.ready["peer"]

    def try_verb(self, *args: str, seconds: float = 60) -> Any:
        return run_command("barrio-peer", "--data-dir", str(self.data), *args, seconds=seconds)

    def verb(self, *args: str, seconds: float = 60) -> str:
        done = self.try_verb(*args, seconds=seconds)
        if done.returncode != 0:
            raise RuntimeError(f"barrio-peer {' '.join(args)}: {done.stderr}")
        return str(done.stdout).strip()

    def json(self, *args: str, seconds: float = 60) -> Any:
        return json.loads(self.verb(*args, "--json", seconds=seconds))

    def status(self) -> Any:
        return LocalApi(self).ask("GET", "/v1/status")

    def transfers(self) -> Any:
        return LocalApi(self).ask("GET", "/v1/transfers")["transfers"]

    def offers(self) -> Any:
        return LocalApi(self).ask("GET", "/v1/offers")["offers"]

    def wait_indexed(self, files: int, seconds: float = 60) -> None:
        """Until `files` files are indexed and published."""
        wait_for(lambda: self._indexed(files), seconds, f"{self.name} to index {files} files")

    def _indexed(self, files: int) -> bool:
        shares = self.status()["shares"]
        return bool(shares["files"] >= files and shares["pending"] == 0)

    def stop(self) -> int:
        assert self.program is not None
        return self.program.stop()


def wait_for(condition: Any, seconds: float, what: str) -> Any:
    """Returns the condition's first true value; raises TimeoutError that names `what`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds} s for {what}")
        time.sleep(0.05)
