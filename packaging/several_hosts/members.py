"""Barrio's programs on hosts: the central and peers as real processes, asked over their own local API."""

import http.client
import json
import os
import signal
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from processes import APART, Program, command
from slow_link import inside

DIRECTORY_PORT, ENROL_PORT, PEER_PORT = 51015, 51016, 51020
ASK_SECONDS = 30.0


class AskError(Exception):
    """The peer said no, or nothing."""


def _on(host: str, program: str, *args: str) -> list[str]:
    return ["ip", "netns", "exec", host, *command(program), *args]


def _done(argv: list[str]) -> str:
    env = {**os.environ, **APART}
    done = subprocess.run(
        argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False, env=env
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(argv)}: {done.stderr.strip()}")
    return done.stdout.strip()


class CentralHost:
    """Its ports are the usual ones: it has a host of its own."""

    def __init__(self, host: str, root: Path, heartbeat: float) -> None:
        self._host, self._data, self._heartbeat = host, root / host, heartbeat
        self._log = root / f"{host}.log"
        self.program = self.start()

    def start(self) -> Program:
        options = [
            "--listen",
            f"0.0.0.0:{DIRECTORY_PORT}",
            "--heartbeat",
            str(self._heartbeat),
            "--name",
            "Two streets",
        ]
        argv = _on(self._host, "barrio-central", "--data-dir", str(self._data), "serve", *options)
        self.program = Program(argv, self._log).wait_ready()
        return self.program

    def invite(self, ip: str, uses: int) -> str:
        argv = ["--data-dir", str(self._data), "invite", "--host", ip, "--uses", str(uses)]
        return _done(_on(self._host, "barrio-central", *argv))


class PeerHost:
    """A headless peer that finds its addresses by itself. `shared`: the folder that it shares."""

    def __init__(self, name: str, root: Path) -> None:
        self.name = name
        self.data, self.shared, self.downloads = (root / f"{name}{end}" for end in ("", "-shared", "-downloads"))
        for folder in (self.shared, self.downloads):
            folder.mkdir()
        self._log = root / f"{name}.log"
        self.program: Program | None = None

    @property
    def peer_id(self) -> str:
        assert self.program is not None
        return self.program.ready["peer"]

    def join(self, invite: str) -> None:
        _done(_on(self.name, "barrio-peer", "--data-dir", str(self.data), "join", invite, "--name", self.name))

    def start(self) -> None:
        argv = _on(self.name, "barrio-peer", "--data-dir", str(self.data), "run")
        self.program = Program(argv, self._log, {"BARRIO_DOWNLOAD_DIR": str(self.downloads)}).wait_ready()

    def kill(self) -> None:
        """Without a goodbye, as when the power goes: its helpers end with it."""
        assert self.program is not None
        self.program.signal(signal.SIGKILL)
        self.program.wait(10)

    def ask(self, method: str, path: str, body: Mapping[str, Any] | None = None, **query: Any) -> Any:
        """The answer's JSON. Raises AskError."""
        target = f"{path}?{urlencode(query)}" if query else path
        data = None if body is None else json.dumps(body).encode()
        try:
            access = json.loads((self.data / "local-api.json").read_text("utf-8"))
            port = int(access["url"].rpartition(":")[2])
            with inside(self.name):
                sock = socket.create_connection(("127.0.0.1", port), ASK_SECONDS)
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ASK_SECONDS)
            connection.sock = sock
            try:
                connection.request(method, target, data, {"Authorization": f"Bearer {access['token']}"})
                response = connection.getresponse()
                answer = response.read()
            finally:
                connection.close()
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise AskError(f"{self.name}: {method} {path}: {error!r}") from error
        if response.status >= 300:
            raise AskError(f"{self.name}: {method} {path}: {answer.decode('utf-8', 'replace')[:300]}")
        return json.loads(answer) if answer else None
