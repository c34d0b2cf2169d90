"""The container files keep what they promise, as far as can be seen without an engine: no root, nothing writable but
the volumes, health asked of the program itself, and all that the program needs is copied."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from processes import APART, Program
from ruamel.yaml import YAML

from central.cli import build_parser as central_parser
from peer_core.cli.main import _parser as peer_parser
from peer_core.settings import SETTINGS

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "packaging" / "containers"
PARSERS: dict[str, Any] = {"central": central_parser, "peer": peer_parser}
PACKAGES = {"central": "central", "peer": "peer_core"}
EACH = pytest.mark.parametrize("which", ["central", "peer"])


def instructions(which: str) -> list[tuple[str, str]]:
    """(INSTRUCTION, rest) of a Dockerfile, each on one line."""
    text = (FOLDER / f"{which}.Dockerfile").read_text("utf-8").replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines() if line.strip() and not line.startswith("#")]
    return [(first, " ".join(rest.split())) for first, _, rest in (line.partition(" ") for line in lines)]


def of(found: list[tuple[str, str]], name: str) -> list[str]:
    return [rest for instruction, rest in found if instruction == name]


def stages(which: str) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """What builds, and what is kept."""
    found = instructions(which)
    starts = [place for place, (instruction, _) in enumerate(found) if instruction == "FROM"]
    assert len(starts) == 2
    return found[starts[0] : starts[1]], found[starts[1] :]


def environment(which: str) -> dict[str, str]:
    return dict(re.findall(r"(\w+)=(\S+)", " ".join(of(stages(which)[1], "ENV"))))


def service(name: str) -> dict[str, Any]:
    loaded = YAML(typ="safe").load(FOLDER / "compose.yml")
    found: dict[str, Any] = loaded["services"][name]
    return found


@EACH
def test_the_last_stage_is_slim_and_not_root(which: str) -> None:
    build, kept = stages(which)
    assert {of(build, "FROM")[0], of(kept, "FROM")[0]} == {"${PYTHON} AS build", "${PYTHON}"}
    assert of(instructions(which), "ARG") == ["PYTHON=python:3.13-slim-bookworm"]
    order = [instruction for instruction, _ in kept]
    assert order.index("USER") < order.index("ENTRYPOINT")
    assert int(of(kept, "USER")[0]) >= 1000
    assert not of(instructions(which), "ADD")
    assert not re.search(r"\b(curl|wget|apt|apt-get|sudo|chmod 777)\b", str(instructions(which)))
    # Whatever is fetched is known by its hash, and nothing of the building stays but its result.
    assert all("--require-hashes" in step for step in of(build, "RUN") if " install " in step)
    assert of(kept, "COPY") == ["--from=build /opt/barrio /opt/barrio"]


@EACH
def test_health_is_asked_of_the_program_and_its_options_exist(which: str) -> None:
    kept = stages(which)[1]
    program = json.loads(of(kept, "ENTRYPOINT")[0])
    assert program == [f"barrio-{which}"]
    check = json.loads(of(kept, "HEALTHCHECK")[0].partition("CMD ")[2])
    assert check[:1] == program
    parser = PARSERS[which]()
    assert parser.parse_args(check[1:]).verb == "health"
    assert parser.parse_args(json.loads(of(kept, "CMD")[0])).verb in ("serve", "run")
    variables = {name for name in environment(which) if name.startswith("BARRIO_")}
    known = {"BARRIO_DATA_DIR", "BARRIO_KEYRING", "BARRIO_HTTP", *(s.environment for s in SETTINGS if which == "peer")}
    assert variables <= known
    volumes = of(kept, "VOLUME")[0].split()
    assert {value for name, value in environment(which).items() if name.endswith("_DIR")} == set(volumes)


@EACH
def test_what_is_copied_is_there_and_not_left_out(which: str) -> None:
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines() if line.startswith("!")]
    sources = [step.split()[0] for step in of(stages(which)[0], "COPY")]
    assert PACKAGES[which] in sources
    for source in sources:
        assert (ROOT / source).exists()
        assert any(Path(source).match(pattern) for pattern in allowed), source


@EACH
def test_its_lock_has_the_versions_of_the_checkout(which: str) -> None:
    def pinned(path: Path) -> set[str]:
        return set(re.findall(r"^(\S+==\S+)", path.read_text("utf-8"), re.MULTILINE))

    found = pinned(FOLDER / f"{which}.lock")
    assert len(found) > 5
    assert found <= pinned(ROOT / "requirements.lock")
    assert not any(name.lower().startswith("pyside") for name in found)
    assert "http" not in re.sub(r"(httpx|httpcore)", "", (FOLDER / f"{which}.lock").read_text("utf-8"))


def test_one_central_and_three_peers_locked_up() -> None:
    document = YAML(typ="safe").load(FOLDER / "compose.yml")
    images = [found["image"] for found in document["services"].values()]
    assert sorted(images) == ["barrio-central", *["barrio-peer"] * 3]
    writable = set(document["volumes"])
    for name in document["services"]:
        found = service(name)
        assert found["read_only"] is True
        assert found["cap_drop"] == ["ALL"]
        assert found["security_opt"] == ["no-new-privileges:true"]
        assert found["tmpfs"] == ["/tmp"]
        assert "privileged" not in found
        assert "user" not in found
        which = "central" if name == "central" else "peer"
        assert (ROOT / found["build"]["dockerfile"]).name == f"{which}.Dockerfile"
        assert (FOLDER / found["build"]["context"]).resolve() == ROOT
        mounts = [volume.split(":") for volume in found["volumes"]]
        assert all(mount[0] in writable or mount[2:] == ["ro"] for mount in mounts)
        assert {mount[1] for mount in mounts} >= set(of(stages(which)[1], "VOLUME")[0].split())
        ports = {port.split(":")[1] for port in found.get("ports", [])}
        assert ports == ({"51015", "51016"} if which == "central" else set())


@EACH
def test_what_is_copied_is_all_that_the_program_needs(which: str, tmp_path: Path) -> None:
    package = PACKAGES[which]
    for name in ("protos", package):
        shutil.copytree(ROOT / name, tmp_path / "app" / name)
    env = {"PYTHONPATH": str(tmp_path / "app"), "BARRIO_DATA_DIR": str(tmp_path / "data"), "BARRIO_KEYRING": "off"}

    def run(*words: str) -> str:
        argv, whole = [sys.executable, *words], {**os.environ, **APART, **env}
        return subprocess.run(
            argv, env=whole, cwd=tmp_path, stdout=subprocess.PIPE, text=True, check=True
        ).stdout.strip()

    main = "server" if which == "central" else "peer"
    assert Path(run("-c", f"import {package}.{main} as main; print(main.__file__)")).is_relative_to(tmp_path / "app")
    if which == "peer":
        return
    ports = [text for name in ("listen", "enrol", "http") for text in (f"--{name}", "127.0.0.1:0")]
    with Program([sys.executable, "-m", package, "serve", *ports], tmp_path / "log", env).wait_ready():
        assert run("-m", package, "health").split() == ["database", "ok", "catalogue", "ok"]
