"""What is logged of an error is its kind: the sentences are for people, and may name people, files and addresses."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LEVELS = {"debug", "info", "warning", "error", "exception", "critical", "log"}


def sentences_logged(tree: ast.Module) -> Iterator[int]:
    """Lines of calls `log.LEVEL(…)` with the sentence of an error in an argument, itself or under a local name."""
    for function in ast.walk(tree):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        names: set[str] = set()
        for node in ast.walk(function):
            if isinstance(node, ast.Assign) and any(_is_sentence(part) for part in ast.walk(node.value)):
                names |= {part.id for target in node.targets for part in ast.walk(target) if isinstance(part, ast.Name)}
        for node in ast.walk(function):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LEVELS):
                continue
            if not (isinstance(node.func.value, ast.Name) and node.func.value.id in ("log", "logger", "logging")):
                continue
            parts = [part for argument in [*node.args, *node.keywords] for part in ast.walk(argument)]
            if any(_is_sentence(p) or (isinstance(p, ast.Name) and p.id in names & {"message", "text"}) for p in parts):
                yield node.lineno


def _is_sentence(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "message"


@pytest.mark.parametrize("room", ["peer_core", "central", "desktop", "protos"])
def test_no_sentence_of_an_error_is_logged(room: str) -> None:
    found = []
    for path in sorted((ROOT / room).rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        found += [f"{path.relative_to(ROOT)}:{line}" for line in sentences_logged(tree)]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        'log.info("%s", error.message)',
        'log.warning(f"so: {error.message}")',
        "message = error.message; log.error(message)",
    ],
)
def test_one_that_is_logged_is_found(line: str) -> None:
    assert list(sentences_logged(ast.parse(f"def f(error):\n    {line}\n"))) == [2]
    assert not list(sentences_logged(ast.parse('def f(error):\n    log.info("%s", error.logged)\n')))
