"""The local API as the command line uses it. One request at a time; the caller's thread."""

import json
from pathlib import Path
from types import TracebackType
from typing import Any

from peer_core.cli.hints import PROGRAM
from peer_core.data_folder import LOCAL_API_FILE, FolderLock, read_json
from peer_core.errors import BarrioError, Fault, NotFoundError, StorageError

TIMEOUT_SECONDS = 30.0


class NoPeerError(NotFoundError):
    title = "No peer runs"


class ApiError(BarrioError):
    """What the peer answered, as an error of this process. `status`: of the answer; 0 without one."""

    def __init__(self, title: str, message: str, fault: Fault, status: int = 0) -> None:
        super().__init__(message)
        self.title = title
        self.fault = fault
        self.status = status


class LocalClient:
    """Raises NoPeerError when no peer runs with that data folder, ApiError for what it refuses."""

    def __init__(self, data_dir: Path, program: str = PROGRAM) -> None:
        """`program`: how the command line is called for this data folder."""
        self._data_dir = data_dir
        self.program = program
        access = read_json(data_dir / LOCAL_API_FILE) if data_dir.is_dir() else None
        # A file that a killed peer left behind may lead to whatever has its port now.
        if access is None or not FolderLock.is_held(data_dir):
            raise self._no_peer()
        url, token = access.get("url"), access.get("token")
        if not isinstance(url, str) or not isinstance(token, str) or not url.startswith("http://127.0.0.1:"):
            raise StorageError(f"{data_dir / LOCAL_API_FILE} is damaged; start the peer again.")
        # Here, as a peer that runs does without.
        import httpx

        self._errors = httpx.TimeoutException, httpx.HTTPError
        self._http = httpx.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=TIMEOUT_SECONDS,
            trust_env=False,
        )

    def __enter__(self) -> "LocalClient":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._http.close()

    def call(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        """The answer's JSON; None for an empty one."""
        try:
            answer = self._http.request(
                method,
                path,
                content=None if body is None else json.dumps(body).encode(),
                params={k: v for k, v in query.items() if v is not None},
            )
        except self._errors[0] as error:
            raise ApiError("The peer is slow", "The peer did not answer in time; try again.", Fault.ME) from error
        except self._errors[1] as error:
            raise self._no_peer() from error
        if answer.is_success:
            return answer.json() if answer.content else None
        try:
            problem = answer.json()
            raise ApiError(problem["title"], problem["detail"], Fault(problem["fault"]), answer.status_code)
        except (ValueError, KeyError, TypeError) as error:
            raise ApiError(
                "The peer refused", f"The peer answered with status {answer.status_code}.", Fault.ME, answer.status_code
            ) from error

    def _no_peer(self) -> NoPeerError:
        if not is_joined(self._data_dir):
            return NoPeerError(
                f"This device is in no barrio yet with the data folder {self._data_dir}; "
                f"first run: {self.program} join INVITE."
            )
        return NoPeerError(
            f"No peer runs with the data folder {self._data_dir}; start one with “{self.program} run”, or open Barrio."
        )


def is_joined(data_dir: Path) -> bool:
    return (data_dir / "identity").exists()
