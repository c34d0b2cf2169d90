"""Spanish and English have every string with the same values, numbers are local, and no page holds a bare string."""

import ast
import json
import re
import string
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sentence_sites import error_classes, sites

import central
import desktop
import peer_core
import protos
from desktop.words import FOLDER, LANGUAGES, Words, choose_language
from peer_core.errors import BarrioError, NoRoomError
from peer_core.library.reasons import Reason, code_of
from peer_core.library.rules import FaultKind
from peer_core.sizes import Size
from peer_core.system_words import USUAL
from protos.sentences import Sentence, say

ROOT = Path(desktop.__file__).parent
PEER, PROTOS, CENTRAL = (Path(str(module.__file__)).parent for module in (peer_core, protos, central))
SOURCES = sorted(path for path in ROOT.rglob("*.py"))
SHOWING = [path for path in SOURCES if path.parent.name in ("views", "widgets", "models")] + [ROOT / "app.py"]
# Parts of names and addresses that are the same in every language.
NOT_WORDS = {"Barrio", "Barrio ", "Ctrl+"}


def catalogue(language: str) -> dict[str, Any]:
    strings: dict[str, Any] = json.loads((FOLDER / f"{language}.json").read_text("utf-8"))
    return strings


def forms(entry: Any) -> dict[str, str]:
    return entry if isinstance(entry, dict) else {"": entry}


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def test_every_language_has_every_string_with_the_same_values() -> None:
    english = catalogue("en")
    for language in LANGUAGES:
        other = catalogue(language)
        assert other.keys() == english.keys()
        assert list(other) == sorted(other)
        for key, entry in english.items():
            assert forms(other[key]).keys() == forms(entry).keys(), key
            wanted = set().union(*(placeholders(text) for text in forms(entry).values()))
            for name, text in forms(other[key]).items():
                missing = wanted - placeholders(text) - ({"count"} if name == "one" else set())
                assert not missing and placeholders(text) <= wanted, f"{language}: {key}"
                assert text.strip(), f"{language}: {key}"


def used_keys() -> tuple[set[str], set[str]]:
    """Keys written out in the source, and the beginnings of those that are put together."""
    keys, prefixes = set(), set()
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                keys.add(node.value)
            elif isinstance(node, ast.JoinedStr) and node.values and isinstance(node.values[0], ast.Constant):
                beginning = node.values[0].value
                prefixes.add(beginning if isinstance(beginning, str) else "")
    return keys, {prefix for prefix in prefixes if prefix.endswith((".", "-"))}


def test_every_string_is_used_and_every_used_string_is_there() -> None:
    strings = catalogue("en")
    keys, prefixes = used_keys()
    for key in strings:
        assert key in keys or any(key.startswith(prefix) for prefix in prefixes), f"{key} is never said"
    for path in SOURCES:
        for call in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(call, ast.Call) and call.args and isinstance(call.args[0], ast.Constant):
                named = ast.unparse(call.func)
                if named in ("words", "self._words", "context.words", "self._context.words", "self.context.words"):
                    assert call.args[0].value in strings, f"{path.name}: {call.args[0].value}"


def bare_strings(path: Path) -> Iterator[tuple[int, str]]:
    tree = ast.parse(path.read_text("utf-8"))
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.lineno, node.value


@pytest.mark.parametrize("path", SHOWING, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_no_page_holds_a_bare_string(path: Path) -> None:
    for line, text in bare_strings(path):
        looks_like_words = re.search(r"[A-Za-zÁ-ú]{2,} [A-Za-zÁ-ú]{2,}|^[A-ZÁ-Ú][a-zá-ú]{2,}", text)
        assert not looks_like_words or text in NOT_WORDS, f"{path.name}:{line}: {text!r}"


@pytest.mark.parametrize(
    ("size", "english", "spanish"),
    [
        (0, "0 B", "0 B"),
        (999, "999 B", "999 B"),
        (1000, "1.0 kB", "1,0 kB"),
        (1_400_000, "1.4 MB", "1,4 MB"),
        (99_949_999, "99.9 MB", "99,9 MB"),
        (99_950_000, "100 MB", "100 MB"),
        (999_499_999, "999 MB", "999 MB"),
        (999_500_000, "1.0 GB", "1,0 GB"),
        (10**18, "1,000 PB", "1000 PB"),
    ],
)
def test_sizes(size: int, english: str, spanish: str) -> None:
    assert Words("en").size(size) == english
    assert Words("es").size(size) == spanish


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (3599, "1 h"),
        (4800, "1 h 20 min"),
        (187_200, "2 d 4 h"),
        (-3, "0 s"),
    ],
)
def test_durations(seconds: float, text: str) -> None:
    assert Words("en").duration(seconds) == text


def test_percent_says_all_only_of_all() -> None:
    words = Words("en")
    assert words.percent(999_999, 1_000_000) == "99 %"
    assert words.percent(1_000_000, 1_000_000) == "100 %"
    assert words.percent(0, 0) == "100 %"


def test_moments() -> None:
    now = datetime(2026, 11, 24, 12, 0).astimezone()
    words = Words("es")
    assert words.moment(None) == ""
    assert words.moment(now - timedelta(hours=1), now) == "11:00"
    assert words.moment(datetime(2026, 3, 2, 12, tzinfo=UTC), now) == "2 mar"
    assert words.moment(datetime(2025, 3, 2, 12, tzinfo=UTC), now) == "2 mar 2025"


def test_plurals_and_numbers() -> None:
    assert Words("en")("search.results", count=1) == "1 result"
    assert Words("en")("search.results", count=12_345) == "12,345 results"
    assert Words("es")("search.results", count=12_345) == "12.345 resultados"


def test_errors_are_said_in_the_language_where_they_are_known() -> None:
    words = Words("es")
    assert (
        words.problem("no-source", "Nobody online has this file", "wait a little")[0]
        == "Nadie conectado tiene este archivo"
    )
    assert words.problem("new-code", "A title", "a detail") == ("A title", "A detail")
    assert words.problem("unreachable", "x", "y")[1].startswith("Cierra")


def test_every_reason_and_every_fault_of_the_peer_has_its_words() -> None:
    for language in LANGUAGES:
        said = {key for key in catalogue(language) if key.startswith(("reason.", "pattern."))}
        assert said == {f"reason.{r.code}" for r in Reason} | {f"pattern.{kind.value}" for kind in FaultKind}
    assert all(catalogue("en")[f"reason.{reason.code}"] == reason for reason in Reason)
    assert [code_of(reason) for reason in Reason] == [reason.code for reason in Reason]
    assert code_of("Structure needs cleaning") is None


def test_every_error_of_the_peer_has_its_title() -> None:
    classes = {name for name in error_classes(PEER) if not name.startswith("_")}
    codes = {type(name, (BarrioError,), {})("x").code for name in classes}
    for language in LANGUAGES:
        assert not {f"error.{code}" for code in codes} - catalogue(language).keys(), language


def sentences() -> dict[str, str]:
    """Of the peer, of what it reads and of the central: by code, in English."""
    made = {
        site.code: site.template
        for site in (*sites(PEER), *sites(PROTOS), *sites(CENTRAL, raised=False), *sites(ROOT, raised=False))
    }
    return made | {f"errno-{name.lower()}": "" for name in USUAL}


@pytest.mark.parametrize("language", sorted(set(LANGUAGES) - {"en"}))
def test_every_sentence_of_the_peer_is_said_with_the_same_values(language: str) -> None:
    english = sentences()
    other: dict[str, str] = json.loads((FOLDER / f"sentences.{language}.json").read_text("utf-8"))
    assert len(english) > 250
    assert not english.keys() - other.keys(), "without a sentence in this language"
    assert not other.keys() - english.keys(), "never said"
    assert list(other) == sorted(other)
    for code, template in english.items():
        assert other[code].strip() and placeholders(other[code]) == placeholders(template), code
        if template:
            assert other[code].endswith(".") == template.endswith("."), code


def test_a_code_is_one_of_sentences_reasons_and_faults() -> None:
    assert not sentences().keys() & ({r.code for r in Reason} | {kind.value for kind in FaultKind})


def test_a_sentence_is_said_in_the_language_with_its_values() -> None:
    words = Words("es")
    room = NoRoomError(
        "There is not enough room in {folder}: {needed_bytes} are needed, {free_bytes} are free. "
        "Make room, and it goes on.",
        "room-needed",
        folder=Path("/home/ana"),
        needed_bytes=Size(1_500_000),
        free_bytes=Size(0),
    )
    title, detail = words.problem(room.code, room.title, room.message)
    assert title == "El disco está lleno"
    assert detail == "No hay sitio en /home/ana: hacen falta 1,5 MB y hay 0 B libres. Haz sitio y sigue sola."
    assert Words("en").problem(room.code, room.title, room.message)[1] == room.message


def test_a_sentence_inside_a_sentence_is_said_in_the_language() -> None:
    words = Words("es")
    busy = say("{name} is busy.", "holder-busy", name="Eva")
    alone = say(
        "{reason} Nobody else online has the file now; it is tried again.", "no-other-source-again", reason=busy
    )
    assert words.said(alone) == (
        "Eva no da abasto ahora. Ahora nadie más conectado tiene el archivo; se vuelve a intentar."
    )
    refused = say("The folder {path} cannot be shared: {reason}.", "share-refused", path="/a", reason=Reason.NO_RIGHT)
    assert words.said(refused) == "La carpeta /a no se puede compartir: sin permiso: tu usuario no puede leerlo."


def test_a_sentence_that_is_not_known_is_said_as_the_peer_says_it() -> None:
    words = Words("es")
    for sentence in (
        say("{name} is new.", "of-a-newer-peer", name="Eva"),
        Sentence("other values", "holder-busy", {"who": "Eva"}),
        Sentence("no code"),
    ):
        assert words.said(sentence) == sentence
    assert words.said("a text") == "a text"


def test_language_choice() -> None:
    assert choose_language("es") == "es"
    assert choose_language("xx") in LANGUAGES
