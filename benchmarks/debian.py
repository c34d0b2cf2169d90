"""Real paths: Debian's Contents files, fetched by apt itself into a private folder, as apt-file does."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

SUITE = "bookworm"
_HELPER = "/usr/lib/apt/apt-helper"
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_LINE = re.compile(rb"^(.*?)\s+\S+$")
_CONF = """Dir::Etc::sourcelist "{root}/sources.list";
Dir::Etc::sourceparts "-";
Dir::State "{root}/state";
Dir::State::lists "{root}/lists";
Dir::Cache "{root}/cache";
APT::Architectures {{ "amd64"; }};
APT::Architecture "amd64";
Acquire::Languages "none";
Acquire::IndexTargets::deb::Packages::DefaultEnabled "false";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
Acquire::IndexTargets::deb::Contents-deb {{
  MetaKey "$(COMPONENT)/Contents-$(ARCHITECTURE)";
  ShortDescription "Contents-$(ARCHITECTURE)";
  Description "$(RELEASE)/$(COMPONENT) $(ARCHITECTURE) Contents (deb)";
  flatMetaKey "Contents-$(ARCHITECTURE)";
  flatDescription "$(RELEASE) Contents (deb)";
  PDiffs "false";
  KeepCompressed "true";
}};
"""


def contents_files(folder: Path) -> list[Path]:
    """The Contents files, fetched when they are not there yet (about 50 MB)."""
    lists = folder / "apt" / "lists"
    if not _found(lists):
        root = folder / "apt"
        for part in ("lists/partial", "state", "cache/archives/partial"):
            (root / part).mkdir(parents=True, exist_ok=True)
        (root / "sources.list").write_text(
            f"deb [signed-by={_KEYRING}] http://deb.debian.org/debian {SUITE} main\n", "utf-8"
        )
        (root / "apt.conf").write_text(_CONF.format(root=root), "utf-8")
        subprocess.run(["apt-get", "-q", "-c", str(root / "apt.conf"), "update"], check=True)
    found = _found(lists)
    if not found:
        raise SystemExit("apt fetched no Contents files; see the messages above")
    return found


def _found(lists: Path) -> list[Path]:
    return sorted(path for path in lists.glob("*Contents-*") if path.suffix != ".diff") if lists.exists() else []


def short_paths(files: list[Path]) -> Iterator[str]:
    """The last two folders and the name of each file, in the order of the files; not unique."""
    for file in files:
        # apt keeps them in a compression of its choice; its helper reads them all.
        with subprocess.Popen([_HELPER, "cat-file", str(file)], stdout=subprocess.PIPE) as reading:
            assert reading.stdout is not None
            for line in reading.stdout:
                match = _LINE.match(line.rstrip(b"\n"))
                if match is None:
                    continue
                parts = match[1].decode("utf-8", "replace").split("/")[-3:]
                if len(parts) > 1 and all(part not in ("", ".", "..") for part in parts):
                    yield "/".join(parts)
