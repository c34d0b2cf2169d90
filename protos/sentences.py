"""Sentences for a person, in English, with what is needed to say them in any language: code and values. Pure."""

import json
from collections.abc import Callable, Mapping
from typing import Any

# A refusal of the central has one in the trailing metadata, as `as_text` makes it.
CENTRAL_KEY = "barrio-sentence-bin"
MOST_PARAMS = 16
MOST_CODE = 64
_MOST_DEPTH = 4
_LARGEST = 1 << 63


class Sentence(str):
    """The text in English. `code` is kebab-case and stable, "" for what can be said in these words only; `params` are
    the values in it: texts, whole numbers (those named `…_bytes` are sizes) and other sentences."""

    code: str
    params: Mapping[str, "str | int | Sentence"]

    def __new__(
        cls, text: str, code: str = "", params: "Mapping[str, str | int | Sentence] | None" = None
    ) -> "Sentence":
        made = super().__new__(cls, text)
        made.code = code
        made.params = dict(params or {})
        return made


def say(template: str, code: str, /, **values: object) -> Sentence:
    """`template` has each of the values as `{name}`. A value that has a code of its own stays a sentence."""
    return Sentence(template.format(**values), code, {name: _param(value) for name, value in values.items()})


def sentence_of(text: str) -> Sentence:
    """The text as it is, with the code that it has, if any."""
    if isinstance(text, Sentence):
        return text
    return Sentence(str(text), getattr(text, "code", ""))


def as_json(text: str | None, name: str = "detail", params: str = "params") -> dict[str, Any]:
    """Three fields: the text as `name`, its code as `NAME_code` (null without one), its values as `params`."""
    if text is None:
        return {name: None, f"{name}_code": None, params: {}}
    sentence = sentence_of(text)
    values = {key: as_json(v) if isinstance(v, Sentence) else v for key, v in sentence.params.items()}
    return {name: str(text), f"{name}_code": sentence.code or None, params: values}


def from_json(data: Mapping[str, Any], name: str = "detail", params: str = "params") -> Sentence:
    """What `as_json` made, of this version or another; what is no code or value is left out."""
    return _read(data, name, params, lambda text: text, 0)


def heard(data: object, most: int) -> Sentence:
    """The same from somebody who may send anything: no text is longer than `most`, and each can be shown."""
    found = data if isinstance(data, dict) else {}
    return _read(found, "detail", "params", lambda text: "".join(c for c in text[:most] if c.isprintable()), 0)


def as_text(text: str) -> str:
    """With code and values, for where one text is kept or sent."""
    return json.dumps(as_json(text))


def from_text(text: str) -> Sentence:
    """What `as_text` made; anything else is a sentence without a code."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return Sentence(text)
    return from_json(data) if isinstance(data, dict) and "detail" in data else Sentence(text)


def _read(data: Mapping[str, Any], name: str, params: str, clean: Callable[[str], str], depth: int) -> Sentence:
    text, code, values = data.get(name), data.get(f"{name}_code"), data.get(params)
    shown = clean("" if text is None else str(text))
    if not isinstance(code, str) or len(code) > MOST_CODE or not isinstance(values, dict):
        return Sentence(shown)
    read: dict[str, str | int | Sentence] = {}
    for key, value in list(values.items())[:MOST_PARAMS]:
        if isinstance(value, dict) and depth < _MOST_DEPTH:
            read[key] = _read(value, "detail", "params", clean, depth + 1)
        elif isinstance(value, str):
            read[key] = clean(value)
        elif isinstance(value, int) and abs(value) < _LARGEST:
            read[key] = int(value)
    return Sentence(shown, code, read)


def _param(value: object) -> str | int | Sentence:
    if isinstance(value, int):
        return int(value)
    if isinstance(value, ValueError) and value.args and isinstance(value.args[0], Sentence):
        return value.args[0]
    if isinstance(value, str) and bool(getattr(value, "code", "")):
        return sentence_of(value)
    return str(value)
