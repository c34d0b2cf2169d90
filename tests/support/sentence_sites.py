"""Where the program makes sentences for a person, read from its source: errors that are raised, and `say`. Pure."""

import ast
import string
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# The peer's own command line speaks English, and so does what is written for it alone.
ENGLISH_ONLY = {"cli"}
ROOT_ERRORS = {"BarrioError", "CentralError"}


@dataclass(frozen=True)
class Site:
    """`complaint`: what is wrong there; None when it is in order."""

    where: str
    code: str
    template: str
    values: frozenset[str]
    complaint: str | None


def values_of(template: str) -> frozenset[str]:
    return frozenset(name for _, name, _, _ in string.Formatter().parse(template) if name is not None)


def modules(root: Path) -> Iterator[tuple[Path, ast.Module]]:
    for path in sorted(root.rglob("*.py")):
        if not ENGLISH_ONLY.intersection(path.parts) and not path.stem.endswith(("_pb2", "_pb2_grpc")):
            yield path, ast.parse(path.read_text("utf-8"))


def error_classes(root: Path) -> dict[str, ast.ClassDef]:
    """By name, all classes below the roots of the trees of errors."""
    classes = [node for _, tree in modules(root) for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    found: dict[str, ast.ClassDef] = {}
    while True:
        known = ROOT_ERRORS | found.keys()
        more = {c.name: c for c in classes if c.name in ROOT_ERRORS or {ast.unparse(b) for b in c.bases} & known}
        if more.keys() == found.keys():
            return found
        found = more


def sites(root: Path, raised: bool = True) -> Iterator[Site]:
    """Each call that makes a sentence; `raised`: those of errors, too, whose texts need no code otherwise.

    A call that passes on a sentence made elsewhere is none.
    """
    errors = error_classes(root) if raised else {}
    for path, tree in modules(root):
        if path.name in ("errors.py", "sentences.py"):
            continue
        for call in _makers(tree, errors):
            site = _site(f"{path.relative_to(root.parent)}:{call.lineno}", call)
            if site is not None:
                yield site


def _makers(tree: ast.Module, errors: dict[str, ast.ClassDef]) -> Iterator[ast.Call]:
    # What those with arguments of their own hand to their parent is a site instead.
    own = {name for name, node in errors.items() if any(getattr(part, "name", "") == "__init__" for part in node.body)}
    named = {"say"} | (errors.keys() - own) | (errors.keys() & ROOT_ERRORS)
    classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef) and node.name in own]
    handed = {id(part) for node in classes for part in ast.walk(node)}
    for call in ast.walk(tree):
        if isinstance(call, ast.Call):
            called = ast.unparse(call.func)
            if called in named or (called == "super().__init__" and id(call) in handed):
                yield call


def _site(where: str, call: ast.Call) -> Site | None:
    texts = [arg.value for arg in call.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
    given = frozenset(keyword.arg or "**" for keyword in call.keywords)
    if len(call.args) == 1 and not texts and not isinstance(call.args[0], ast.JoinedStr):
        if isinstance(call.args[0], ast.BoolOp) and any(isinstance(v, ast.Constant) for v in call.args[0].values):
            return Site(where, "", "", given, "the text after “or” has no code")
        return None
    if len(texts) != 2 or len(call.args) != 2:
        return Site(where, "", "", given, "give a template and its code, both written out")
    template, code = texts
    wanted = values_of(template)
    complaint = None
    if not code or code != code.lower() or not code.replace("-", "").isalnum():
        complaint = f"{code!r} is no code in kebab-case"
    elif given != wanted:
        complaint = f"the template has {sorted(wanted)}, and the values are {sorted(given)}"
    return Site(where, code, template, given, complaint)
