"""The tree in the peer API: its shapes, and that no path leads out of what is shared."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from peer_core.library.library import Library
from peer_core.library.types import ShareState
from peer_core.server.peer_api import peer_api


class Serving:
    """As much of a peer as the tree needs."""

    def __init__(self, library: Library) -> None:
        self.browsing = library.browsing

    def is_revoked(self, peer_id: str) -> bool:
        return False


@pytest.fixture
def client(tmp_path: Path) -> Iterator[FlaskClient]:
    folder = tmp_path / "Música"
    for name in ("100% a#b?.txt", "disco/ñandú.mp3", "disco/b.mp3", "disco/más/x.mp3"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    (tmp_path / "secret").write_text("secret")
    (folder / "link").symlink_to(tmp_path / "secret")
    library = Library(tmp_path / "data" / "library.sqlite", rescan_seconds=3600)
    library.start()
    library.add_share(folder)
    deadline = time.monotonic() + 20
    while library.share("Música").state is not ShareState.READY or library.totals().files < 4:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    yield peer_api(Serving(library)).test_client()  # type: ignore[arg-type]
    library.stop()


def get(client: FlaskClient, path: str) -> tuple[int, Any]:
    answer = client.get(path, environ_overrides={"barrio.peer_id": "somebody"})
    return answer.status_code, answer.get_json(force=True)


def test_shares_folders_and_files_have_their_shapes(client: FlaskClient) -> None:
    status, value = get(client, "/v1/shares")
    assert (status, [s["name"] for s in value["shares"]]) == (200, ["Música"])
    assert value["shares"][0]["files"] == 4
    status, root = get(client, "/v1/shares/M%C3%BAsica")
    assert status == 200
    assert root["kind"] == "folder"
    assert [(f["name"], f["files"]) for f in root["folders"]] == [("disco", 3)]
    assert [f["name"] for f in root["files"]] == ["100% a#b?.txt"]
    assert set(root["files"][0]) == {"name", "size", "content_id", "modified"}
    assert root["next_after"] is None
    status, one = get(client, "/v1/shares/M%C3%BAsica/100%25%20a%23b%3F.txt")
    assert (status, one["kind"], [f["name"] for f in one["files"]]) == (200, "file", ["100% a#b?.txt"])
    status, below = get(client, "/v1/shares/M%C3%BAsica?below=true")
    assert [(f["folder"], f["name"]) for f in below["files"]] == [
        ("", "100% a#b?.txt"),
        ("disco", "b.mp3"),
        ("disco", "ñandú.mp3"),
        ("disco/más", "x.mp3"),
    ]
    status, first = get(client, "/v1/shares/M%C3%BAsica/disco?limit=1")
    assert first["next_after"] == "más/"
    status, second = get(client, "/v1/shares/M%C3%BAsica/disco?limit=1&after=m%C3%A1s/")
    assert [f["name"] for f in second["files"]] == ["b.mp3"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/shares/M%C3%BAsica/..", 404),
        ("/v1/shares/M%C3%BAsica/%2e%2e/secret", 404),
        ("/v1/shares/M%C3%BAsica/..%2fsecret", 404),
        ("/v1/shares/..%5c..%5csecret", 404),
        ("/v1/shares/M%C3%BAsica%5c..%5c..%5csecret", 404),
        ("/v1/shares/M%C3%BAsica/link", 404),
        ("/v1/shares/%2fetc%2fpasswd", 404),
        ("/v1/shares//etc/passwd", 404),
        ("/v1/shares/M%C3%BAsica//disco", 404),
        ("/v1/shares/M%C3%BAsica/disco%00", 400),
        ("/v1/shares/M%C3%BAsica/%ff%fe", 404),
        ("/v1/shares/" + "a" * 6000, 400),
        ("/v1/shares/M%C3%BAsica?limit=0", 400),
        ("/v1/shares/M%C3%BAsica?limit=1001", 400),
        ("/v1/shares/M%C3%BAsica?after=" + "a" * 6000, 400),
        ("/v1/shares/M%C3%BAsica?after=%00", 400),
        ("/v1/shares/M%C3%BAsica?below=perhaps", 400),
        ("/v1/shares/", 404),
    ],
)
def test_no_path_leads_out_of_what_is_shared(client: FlaskClient, path: str, status: int) -> None:
    answer, value = get(client, path)
    assert answer == status
    assert value["status"] == status
    assert "secret" not in value["detail"]
    assert "/tmp" not in value["detail"]
