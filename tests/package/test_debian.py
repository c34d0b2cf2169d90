"""The Debian packages in a clean Debian: installed, used as their services would be, upgraded, removed."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from package_kit import Root, Started, run_alone, same_bytes, unit_settings, wait_indexed
from packages import debian
from packages.make import Made
from packages.places import version
from processes import wait_for

pytestmark = [pytest.mark.package, pytest.mark.timeout(900)]

LONG = os.environ.get("BARRIO_PACKAGE_LONG") == "1"
SERVICES = ("barrio-central", "barrio-peer")


class Service:
    """A service in a clean Debian, started as its unit says, but by this test instead of systemd."""

    def __init__(self, root: Root, name: str, log: Path, **env: str) -> None:
        unit = unit_settings(root.path / f"lib/systemd/system/{name}.service")
        own = dict(value.split("=", 1) for value in unit["Environment"])
        (command,), (user,) = unit["ExecStart"], unit["User"]
        argv = root.command(command.split(), user)
        self.program = Started(argv, log, {**own, "BARRIO_DATA_DIR": f"/var/lib/{name}", **env}, True)


@pytest.fixture
def running() -> Iterator[list[Started]]:
    programs: list[Started] = []
    yield programs
    for program in reversed(programs):
        program.stop()


class Installed:
    """Both services of a barrio, in one clean Debian."""

    def __init__(self, root: Root, logs: Path, running: list[Started]) -> None:
        self.root = root
        self.logs = logs
        self.running = running

    def start_central(self) -> Started:
        where = {"BARRIO_LISTEN": "127.0.0.1:0", "BARRIO_HTTP": "127.0.0.1:0"}
        service = Service(self.root, "barrio-central", self.logs / "central.log", **where)
        self.running.append(service.program)
        service.program.wait_ready()
        return service.program

    def start_peer(self) -> Started:
        service = Service(self.root, "barrio-peer", self.logs / "peer.log", BARRIO_LISTEN="127.0.0.1:0")
        self.running.append(service.program)
        service.program.wait_ready()
        return service.program

    def verb(self, program: str, *argv: str, data: str = "") -> str:
        env = {"BARRIO_DATA_DIR": data or f"/var/lib/{program}", "HOME": "/nonexistent"}
        return self.root.run(program, *argv, user=program, env=env).strip()


def test_installed_used_upgraded_and_removed(made: Made, root: Root, tmp_path: Path, running: list[Started]) -> None:
    before = root.files()
    packages = [made.artefact(f"{name}_", ".deb") for name in SERVICES]
    root.install(*packages)
    assert {name for name in SERVICES if f"\n{name}:" in (root.path / "etc/passwd").read_text("utf-8")} == {*SERVICES}
    barrio = Installed(root, tmp_path, running)

    central = barrio.start_central()
    ports = {"directory": central.ready["directory"], "enrol": central.ready["enrol"]}
    invite = barrio.verb("barrio-central", "invite", "--host", "127.0.0.1", "--uses", "2")
    barrio.verb("barrio-peer", "join", invite, "--name", "Service")
    peer = barrio.start_peer()
    shared = root.path / "srv/shared"
    shared.mkdir()
    contents = os.urandom(5_000_000)
    (shared / "a long evening.bin").write_bytes(contents)
    barrio.verb("barrio-peer", "share", "add", "/srv/shared")

    # Another member, who runs the same program without the service.
    other = "/var/lib/barrio-peer/other"
    barrio.verb("barrio-peer", "join", invite, "--name", "Other", data=other)
    argv = root.command(["barrio-peer", "--data-dir", other, "run", "--listen", "127.0.0.1:0"], "barrio-peer")
    running.append(Started(argv, tmp_path / "other.log", in_root=True).wait_ready())
    wait_indexed(lambda: json.loads(barrio.verb("barrio-peer", "status", "--json")), 1)
    (row,) = json.loads(barrio.verb("barrio-peer", "search", "evening", "--json", data=other))
    barrio.verb("barrio-peer", "get", row["content_id"], "--output", f"{other}/fetched", data=other)
    assert same_bytes(root.path / other[1:] / "fetched/a long evening.bin", shared / "a long evening.bin")

    # What its owner wrote stays; who was a member stays one.
    settings = root.path / "etc/barrio/central.toml"
    settings.write_text(settings.read_text("utf-8") + '\nname = "Plaza Mayor"\n', "utf-8")
    assert all(program.stop() == 0 for program in reversed(running))
    running.clear()
    root.install(*[_newer(made, name, tmp_path) for name in SERVICES])
    assert "9.9.9" in root.run("dpkg-query", "--show", "barrio-central")
    assert 'name = "Plaza Mayor"' in settings.read_text("utf-8")
    assert settings.stat().st_mode & 0o777 == 0o640
    service = Service(
        root,
        "barrio-central",
        tmp_path / "again.log",
        BARRIO_LISTEN=ports["directory"],
        BARRIO_ENROL=ports["enrol"],
        BARRIO_HTTP="127.0.0.1:0",
    )
    running.append(service.program.wait_ready())
    again = barrio.start_peer()
    assert again.ready["peer"] == peer.ready["peer"]
    (row,) = json.loads(barrio.verb("barrio-peer", "search", "evening", "--json"))
    assert row["have"] is True
    assert all(program.stop() == 0 for program in reversed(running))
    running.clear()

    # Removed but not purged, then purged: data stays, and its owner too, so that nobody else gets that number.
    root.run("dpkg", "--remove", *SERVICES)
    assert settings.exists() and not (root.path / "usr/lib/barrio-central").exists()
    told = root.run("dpkg", "--purge", *SERVICES)
    assert "/var/lib/barrio-central holds data" in told
    left = root.files() - before
    assert {path for path in left if not path.startswith(("var/lib/barrio-", "srv/shared"))} <= _SYSTEM_NOTES
    assert (root.path / "var/lib/barrio-central/central.sqlite").exists()
    assert (root.path / "var/lib/barrio-peer/identity").exists()
    assert (shared / "a long evening.bin").read_bytes() == contents
    assert "\nbarrio-central:" in (root.path / "etc/passwd").read_text("utf-8")

    # Without data nothing at all is left.
    for name in SERVICES:
        shutil.rmtree(root.path / "var/lib" / name)
    shutil.rmtree(shared)
    root.install(*packages)
    root.run("dpkg", "--purge", *SERVICES)
    assert root.files() - before <= _SYSTEM_NOTES
    assert "barrio" not in (root.path / "etc/passwd").read_text("utf-8")


@pytest.mark.skipif(not LONG, reason="a Debian with what draws windows takes minutes: ./barrio package --check")
def test_two_windows_in_a_clean_debian(
    made: Made, make_root: Callable[..., Root], tmp_path: Path, running: list[Started]
) -> None:
    root = make_root(*debian.DESKTOP_NEEDS)
    before = root.files()
    root.install(made.artefact("barrio_", ".deb"))
    people = ("ana", "bruno")
    for person in people:
        root.run("useradd", "--create-home", person)
    home = "/home/ana/central"
    central = ["/usr/lib/barrio/barrio-central", "--data-dir", home]
    serve = [*central, "serve", "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"]
    running.append(Started(root.command(serve, "ana"), tmp_path / "central.log", in_root=True).wait_ready())
    invite = root.run(*central, "invite", "--host", "127.0.0.1", "--uses", "2", user="ana").strip()
    contents = os.urandom(4_000_000)

    def verb(person: str, *argv: str) -> str:
        return root.run("/usr/lib/barrio/barrio-peer", *argv, user=person, env={"HOME": f"/home/{person}"})

    for person in people:
        verb(person, "join", invite, "--name", person)
        env = {"HOME": f"/home/{person}", "DISPLAY": os.environ["DISPLAY"], "LANG": "C.UTF-8"}
        env |= {"BARRIO_LISTEN": "127.0.0.1:0"}
        running.append(Started(root.command(["barrio"], person), tmp_path / f"{person}.log", env, True))
        data = root.path / "home" / person / ".local/share/barrio"
        wait_for((data / "local-api.json").exists, 60, f"the window of {person}")
    (root.path / "srv/shared").mkdir()
    (root.path / "srv/shared/plaza.bin").write_bytes(contents)
    verb("ana", "share", "add", "/srv/shared")
    wait_indexed(lambda: json.loads(verb("ana", "status", "--json")), 1)
    (row,) = json.loads(verb("bruno", "search", "plaza", "--json"))
    verb("bruno", "get", row["content_id"], "--output", "/home/bruno/Downloads")
    assert (root.path / "home/bruno/Downloads/plaza.bin").read_bytes() == contents
    assert [program.stop() for program in reversed(running)] == [0, 0, 0]
    assert (tmp_path / "ana.log").read_text("utf-8") == (tmp_path / "bruno.log").read_text("utf-8") == ""
    running.clear()
    root.run("dpkg", "--purge", "barrio")
    left = {path for path in root.files() - before if not path.startswith(("home/", "srv/shared"))}
    assert left <= _SYSTEM_NOTES
    assert (root.path / "home/bruno/.local/share/barrio/identity").exists()


# Copies that the tools for users keep of their own files.
_SYSTEM_NOTES = {f"etc/{name}-" for name in ("passwd", "shadow", "group", "gshadow", "subuid", "subgid")}
_SYSTEM_NOTES |= {"var/lib/systemd/deb-systemd-helper-enabled", "var/lib/systemd/deb-systemd-helper-masked"}


def _newer(made: Made, name: str, folder: Path) -> Path:
    """The same package with a higher version, as the next release would have it."""
    tree = folder / f"newer-{name}"
    run_alone(["dpkg-deb", "--raw-extract", str(made.artefact(f"{name}_", ".deb")), str(tree)])
    control = tree / "DEBIAN/control"
    control.write_text(control.read_text("utf-8").replace(f"Version: {version()}", "Version: 9.9.9"), "utf-8")
    target = folder / f"{name}_9.9.9_all.deb"
    run_alone(["dpkg-deb", "--root-owner-group", "-Znone", "--build", str(tree), str(target)])
    return target


@pytest.mark.parametrize("name", debian.PACKAGES)
def test_its_files_belong_to_root_and_nobody_else_can_write_them(made: Made, name: str) -> None:
    listing = run_alone(["dpkg-deb", "--contents", str(made.artefact(f"{name}_", ".deb"))]).splitlines()
    assert len(listing) > 100
    for line in listing:
        mode, owner = line.split()[:2]
        assert owner == "root/root", line
        assert mode[0] == "l" or (mode[5] == mode[8] == "-" and "s" not in mode), line
    homes = {part for line in listing for part in re.findall(r" \./((?:usr/lib|usr/bin|etc|lib)/[^/]+)/?$", line)}
    allowed = {f"usr/lib/{name}", f"usr/bin/{name}", "etc/barrio", "lib/systemd"}
    assert homes <= allowed


@pytest.mark.parametrize("name", SERVICES)
def test_its_unit_is_right_and_gives_little(made: Made, name: str, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    run_alone(["dpkg-deb", "--extract", str(made.artefact(f"{name}_", ".deb")), str(tree)])
    unit = tree / f"lib/systemd/system/{name}.service"
    settings = unit_settings(unit)
    assert settings["Type"] == ["notify"] and settings["User"] == [name] and "WatchdogSec" in settings
    # It would hide /proc/stat, /proc/meminfo and /proc/sys: metrics, warming and watching read them.
    assert "ProcSubset" not in settings and settings["ProtectProc"] == ["invisible"]
    # The line that says ready is no JSON, and names the peer; what an error says must still come through.
    assert settings["StandardOutput"] == ["null"] and settings["StandardError"] == ["journal"]
    assert (tree / settings["Environment"][0].removeprefix("BARRIO_CONFIG=/")).exists()
    program = settings["ExecStart"][0].split()[0]
    assert (tree / program[1:]).exists()
    # Checked where its program is not installed.
    text = unit.read_text("utf-8").replace(program, "/bin/true")
    copy = tmp_path / f"{name}.service"
    copy.write_text(re.sub(r"^Documentation=.*\n", "", text, flags=re.MULTILINE), "utf-8")
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", copy], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and name not in done.stderr, done.stderr
    offline = ["systemd-analyze", "security", "--offline=true", "--no-pager", "--threshold=20", str(copy)]
    exposed = subprocess.run(offline, capture_output=True, text=True, timeout=60)
    assert exposed.returncode == 0, exposed.stdout[-2000:] + exposed.stderr


def test_the_menu_entry_and_the_catalogue_entry_are_right(made: Made, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    run_alone(["dpkg-deb", "--extract", str(made.artefact("barrio_", ".deb")), str(tree)])
    entry = tree / "usr/share/applications/barrio.desktop"
    run_alone(["desktop-file-validate", str(entry)])
    assert "MimeType=x-scheme-handler/barrio;" in entry.read_text("utf-8").splitlines()
    run_alone(["appstreamcli", "validate", "--no-net", str(tree / "usr/share/metainfo/org.barrio.Barrio.metainfo.xml")])
    assert (tree / "usr/share/icons/hicolor/scalable/apps/barrio.svg").exists()
    for command in ("usr/bin/barrio", "usr/lib/barrio/barrio-peer", "usr/lib/barrio/barrio-central"):
        assert run_alone([str(tree / command), "--version"]).split()[0] == Path(command).name
