"""What cannot be built here is at least well formed, complete, and says the same as the rest."""

import ast
import configparser
import json
import plistlib
import re
import struct
import subprocess
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import icons
import pytest
from bundles.contents import BARRIO, CENTRAL, PEER
from packages import debian
from packages.places import LINUX, ROOT, version
from PySide6.QtGui import QImage
from windows.version_data import version_data

PACKAGING = ROOT / "packaging"
SCRIPTS = sorted([*PACKAGING.rglob("*.sh"), PACKAGING / "appimage/AppRun", ROOT / "barrio"])


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_shell_scripts_are_shell(script: Path) -> None:
    assert script.read_text("utf-8").startswith("#!/bin/sh\n")
    subprocess.run(["sh", "-n", script], check=True)
    # Those for dpkg get their mode when the package is built.
    assert script.stat().st_mode & 0o111 or script.parent.name == "debian"


@pytest.mark.parametrize("program", [BARRIO, PEER, CENTRAL], ids=lambda program: program.name)
def test_version_data_of_windows(program: object) -> None:
    name = program.name  # type: ignore[attr-defined]
    tree = ast.parse(version_data(name, "1.2.3"), mode="eval")
    assert isinstance(tree.body, ast.Call) and tree.body.func.id == "VSVersionInfo"  # type: ignore[attr-defined]
    text = version_data(name, version())
    assert f"'{name}.exe'" in text and f"'{version()}'" in text
    assert "filevers=(1, 2, 3, 0)" in version_data(name, "1.2.3+local")


def test_the_manifest_of_windows() -> None:
    root = ElementTree.fromstring((PACKAGING / "windows/barrio.manifest").read_bytes())
    found = {element.tag.rpartition("}")[2]: (element.text or "").strip() for element in root.iter()}
    assert found["longPathAware"] == "true" and found["activeCodePage"] == "UTF-8"
    assert 'level="asInvoker"' in (PACKAGING / "windows/barrio.manifest").read_text("utf-8")


def test_the_installer_of_windows() -> None:
    text = (PACKAGING / "windows/barrio.iss").read_text("utf-8")
    sections = re.findall(r"^\[(\w+)\]$", text, re.MULTILINE)
    assert {"Setup", "Tasks", "Files", "Icons", "Registry", "Run"} <= set(sections)
    # All that it takes in is there, or made by PyInstaller.
    for path in re.findall(r'(?:LicenseFile|SetupIconFile|Source)[=:] *"?([^";\n]+)', text):
        plain = (PACKAGING / "windows" / path.replace("\\", "/")).resolve()
        assert plain.is_relative_to(ROOT / "dist") or plain.exists(), path
    # In each language what the others have.
    own = re.findall(r"^(english|spanish)\.(\w+)=", text, re.MULTILINE)
    assert {key for language, key in own if language == "english"} == {key for lang, key in own if lang == "spanish"}
    assert text.count("{cm:Autostart}") == 1 and r"Software\Classes\barrio\shell\open\command" in text


def test_the_entitlements_of_macos() -> None:
    found = plistlib.loads((PACKAGING / "macos/entitlements.plist").read_bytes())
    assert all(value is True for value in found.values())
    assert "com.apple.security.get-task-allow" not in found, "nobody may debug what is released"


def test_the_icons_are_those_of_the_window(qapp: object) -> None:
    ico = icons.ICO.read_bytes()
    count = struct.unpack("<HHH", ico[:6])[2]
    entries = [struct.unpack("<BBBBHHII", ico[6 + 16 * n : 22 + 16 * n]) for n in range(count)]
    assert [entry[0] or 256 for entry in entries] == sorted(icons.ICO_SIZES)
    drawn = icons.draw(set(icons.ICO_SIZES))
    for width, _, _, _, _, _, length, start in entries:
        kept = QImage.fromData(ico[start : start + length])
        assert kept.width() == kept.height() == (width or 256)
        assert kept == QImage.fromData(drawn[width or 256]), "python packaging/icons.py draws them anew"
    icns = icons.ICNS.read_bytes()
    assert icns[:4] == b"icns" and struct.unpack(">I", icns[4:8])[0] == len(icns)


def test_the_flatpak_definition() -> None:
    definition = json.loads((PACKAGING / "flatpak/org.barrio.Barrio.json").read_text("utf-8"))
    entry = configparser.ConfigParser(interpolation=None)
    entry.read(LINUX / "barrio.desktop", "utf-8")
    assert definition["rename-desktop-file"] == "barrio.desktop"
    assert definition["rename-icon"] == entry["Desktop Entry"]["Icon"]
    (module,) = definition["modules"]
    # What it takes out of the tarball is in there.
    tarball = (PACKAGING / "packages/tarball.py").read_text("utf-8")
    for name in ("licences", "LICENSE", "start.sh", "barrio.desktop", "barrio.svg", "org.barrio.Barrio.metainfo.xml"):
        assert any(name in command for command in module["build-commands"]) and f'"{name}"' in tarball
    assert "--filesystem=host" not in definition["finish-args"]


def test_the_catalogue_entry_says_what_the_menu_entry_says() -> None:
    component = ElementTree.fromstring((LINUX / "org.barrio.Barrio.metainfo.xml").read_bytes())
    entry = configparser.ConfigParser(interpolation=None)
    entry.read(LINUX / "barrio.desktop", "utf-8")
    shown = entry["Desktop Entry"]
    language = "{http://www.w3.org/XML/1998/namespace}lang"
    summaries = {element.get(language, ""): element.text for element in component.findall("summary")}
    assert summaries == {"": shown["Comment"], "es": shown["Comment[es]"]}
    categories = {element.text for element in component.findall("categories/category")}
    assert categories <= set(shown["Categories"].split(";"))


@pytest.mark.parametrize("page", debian.PAGES)
def test_a_page_in_a_package_leads_to_pages_in_that_package(page: str) -> None:
    text = (ROOT / "docs" / page).read_text("utf-8")
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        target, _, anchor = link.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        assert not target or target in debian.PAGES, link
        heads = re.findall(r"^#+ (.+)$", (ROOT / "docs" / (target or page)).read_text("utf-8"), re.MULTILINE)
        assert not anchor or anchor in {head.lower().replace(" ", "-") for head in heads}, link


def test_the_package_of_the_central_has_what_its_page_of_monitoring_names(tmp_path: Path) -> None:
    debian.PACKAGES["barrio-central"].fill(tmp_path)
    folder = tmp_path / "usr/share/doc/barrio-central/monitoring"
    assert {path.name for path in folder.iterdir()} == {"grafana-dashboard.json", "prometheus-alerts.yml"}
    assert f"/{folder.relative_to(tmp_path)}" in (ROOT / "docs/monitoring.md").read_text("utf-8")
    assert (tmp_path / "lib/systemd/system/barrio-central.service").exists()
