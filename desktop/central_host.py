"""The central that this computer runs for its barrio, as a child process. Its methods block: worker threads only."""

import json
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

from desktop.hosting import HostError
from protos.sentences import say

START_SECONDS = 30.0
STOP_SECONDS = 4.0
_INVITE_SECONDS = 30.0
_TITLE = "The central could not be started"


def own_address() -> str:
    """The address by which the local network reaches this computer, as far as it can be told."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Connecting a datagram socket only chooses a route; nothing is sent.
            probe.connect(("192.0.2.1", 9))
            return str(probe.getsockname()[0])
        except OSError:
            return socket.gethostname()


class CentralHost:
    """`listen` and `enrol` are "HOST:PORT", `enrol` empty for the port after; both are exact once it runs."""

    def __init__(self, data_dir: Path, listen: str, enrol: str) -> None:
        self._folder = data_dir / "central"
        self.listen = listen
        self.enrol = enrol
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._is_ready = False
        self._adopted = False
        self._stopped = False

    @property
    def is_local_only(self) -> bool:
        return self.listen.rpartition(":")[0] in ("127.0.0.1", "localhost", "[::1]")

    def start(self, move_ports: bool, name: str = "") -> None:
        """Starts it and waits until it answers. `move_ports`: takes other ports where these are taken, as long as
        nobody knows them yet. `name` names a new barrio. Raises HostError."""
        with self._lock:
            if self._stopped or self._adopted or (self._process is not None and self._process.poll() is None):
                return
            if move_ports and not self._ports_are_free():
                host = self.listen.rpartition(":")[0]
                self.listen, self.enrol = f"{host}:0", f"{host}:0"
            self._spawn(name)

    def invite(self, host: str, uses: int, expires: str = "7d") -> str:
        """A link for `uses` peers, valid for `expires`. Raises HostError."""
        done = self._verb("invite", "--host", host, "--uses", str(uses), "--expires", expires)
        if done.returncode != 0:
            raise HostError("The invite could not be made", _last_line(done.stderr), "invite")
        return done.stdout.strip()

    def stop(self) -> None:
        """Ends what `start` started, and nothing else."""
        with self._lock:
            self._stopped = True
            if self._process is None:
                return
            if self._process.poll() is None:
                self._process.terminate()
                try:
                    self._process.wait(STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    self._process.kill()
                    self._process.wait()
            if self._reader is not None:
                self._reader.join()
            self._process = self._reader = None

    def _spawn(self, name: str) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        argv = [*_command(), "--data-dir", str(self._folder), "serve", "--listen", self.listen, "--http", "127.0.0.1:0"]
        argv += ["--enrol", self.enrol] if self.enrol else []
        argv += ["--name", name] if name else []
        log = self._folder / "central.log"
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                env=_environment(),
                start_new_session=True,
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        self._is_ready = False
        told = threading.Event()
        self._reader = threading.Thread(target=self._read, args=(self._process, told), name="central-output")
        self._reader.start()
        told.wait(START_SECONDS)
        if self._is_ready:
            return
        said = _last_line(log.read_text("utf-8", "replace")) or say("See {log}.", "see-log", log=log)
        self._process.kill()
        self._process.wait()
        self._reader.join()
        self._process = self._reader = None
        if self._already_runs():
            self._adopted = True
            return
        raise HostError(_TITLE, said, "central-start")

    def _read(self, process: "subprocess.Popen[str]", told: threading.Event) -> None:
        assert process.stdout is not None
        with process.stdout as lines:
            for line in lines:
                if line.startswith("ready"):
                    fields = dict(part.split("=", 1) for part in line.split()[1:] if "=" in part)
                    self.listen = fields.get("directory", self.listen)
                    self.enrol = fields.get("enrol", self.enrol)
                    self._is_ready = True
                    told.set()
        told.set()

    def _already_runs(self) -> bool:
        """True when a central of this folder outlived the window that started it."""
        done = self._verb("stats", "--json")
        try:
            return done.returncode == 0 and bool(json.loads(done.stdout)["serving"])
        except (ValueError, KeyError, TypeError):
            return False

    def _ports_are_free(self) -> bool:
        host, _, port = self.listen.rpartition(":")
        try:
            for number in (int(port), int(port) + 1) if int(port) else ():
                with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
                    if sys.platform != "win32":
                        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind((host, number))
        except (OSError, ValueError):
            return False
        return True

    def _verb(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        try:
            return subprocess.run(
                [*_command(), "--data-dir", str(self._folder), *arguments],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_INVITE_SECONDS,
                check=False,
                env=_environment(),
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise HostError("The central does not answer", str(error), "central-verb") from error


def _command() -> list[str]:
    """A frozen Barrio has the central beside it; a checkout runs the module."""
    if getattr(sys, "frozen", False):
        suffix = ".exe" if sys.platform == "win32" else ""
        return [str(Path(sys.executable).with_name(f"barrio-central{suffix}"))]
    return [sys.executable, "-m", "central"]


def _environment() -> dict[str, str]:
    """Without our own options: a BARRIO_LISTEN of the peer must not become the central's, nor a service's settings."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("BARRIO_")}
    return own | {"BARRIO_CONFIG": os.devnull}


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""
