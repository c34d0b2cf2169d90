"""The named peer of searching: plocate, on the same names and the same questions."""

import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

from benchmarks.report import quantiles

_ROWS = 50
_EMPTY_RUNS = 50


def measure(folder: Path) -> dict[str, Any]:
    """Milliseconds by class for the first 50 lines, with the start of the process taken off."""
    if shutil.which("plocate") is None:
        return {"missing": "apt-get install plocate"}
    database, nothing = folder / "plocate.db", folder / "plocate-empty.db"
    if not database.exists():
        subprocess.run(["plocate-build", "-p", "-l", "no", str(folder / "names.txt"), str(database)], check=True)
    empty = folder / "empty.txt"
    empty.write_text("a/b\n")
    subprocess.run(["plocate-build", "-p", "-l", "no", str(empty), str(nothing)], check=True)
    start = sorted(_ask(nothing, ["zzzz"]) for _ in range(_EMPTY_RUNS))[_EMPTY_RUNS // 2]
    texts = json.loads((folder / "questions.json").read_text())["texts"]
    classes = {}
    for name, questions in texts.items():
        times = [max(0.0, _ask(database, _words(json.loads(question))) - start) for question in questions]
        classes[name] = quantiles(times)
    return {"process_start_ms": start * 1000, "classes": classes}


def _words(question: dict[str, Any]) -> list[str]:
    """It knows no sizes: an extension is asked for alone."""
    extensions: list[str] = question["extensions"]
    return [f".{extensions[0]}"] if extensions else question["text"].split()


def _ask(database: Path, words: list[str]) -> float:
    began = time.perf_counter()
    subprocess.run(
        ["plocate", "-i", "-l", str(_ROWS), "-d", str(database), "--", *words],
        stdout=subprocess.DEVNULL,
        check=False,
    )
    return time.perf_counter() - began
