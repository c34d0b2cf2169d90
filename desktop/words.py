"""What the window says: strings in the chosen language, and numbers, sizes and times written the local way. Pure."""

import json
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from PySide6.QtCore import QDate, QLocale

from protos.sentences import Sentence

FOLDER = Path(__file__).parent / "i18n"
LANGUAGES = {"en": "English", "es": "Español"}
LEAST_RATE = 1000
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def choose_language(choice: str) -> str:
    """`choice` where it is a known language, else the system's, else English."""
    if choice in LANGUAGES:
        return choice
    system = QLocale.system().name().split("_")[0]
    return system if system in LANGUAGES else "en"


class Words:
    """One language. `words("key", name=…)` says a string; a `count` chooses singular or plural."""

    def __init__(self, language: str) -> None:
        self.language = language
        self.locale = QLocale({"es": "es_ES", "en": "en_GB"}[language])
        self._strings: dict[str, Any] = json.loads((FOLDER / f"{language}.json").read_text("utf-8"))
        # The peer says its sentences in English itself.
        sentences = FOLDER / f"sentences.{language}.json"
        self._sentences: dict[str, str] = json.loads(sentences.read_text("utf-8")) if sentences.exists() else {}

    def __call__(self, key: str, /, **values: Any) -> str:
        """Raises KeyError for a string or a value that is missing: a mistake in the program."""
        text = self._strings[key]
        if isinstance(text, dict):
            text = text["one" if values["count"] == 1 else "other"]
        shown = {k: self.number(v) if isinstance(v, int) else v for k, v in values.items()}
        return str(text).format(**shown)

    def has(self, key: str) -> bool:
        return key in self._strings

    def problem(self, code: str, title: str, detail: str) -> tuple[str, str]:
        """Title and detail of an error in this language where they are known by their codes, else as the peer says
        them."""
        known = f"error.{code}"
        detail = self(f"{known}.detail") if f"{known}.detail" in self._strings else self.said(detail)
        # A sentence of the command line begins with a small letter.
        return (self(known) if known in self._strings else title), detail[:1].upper() + detail[1:]

    def said(self, text: str) -> str:
        """A sentence of the peer's in this language where it is known by its code, else as it is."""
        if not isinstance(text, Sentence) or not text.code:
            return str(text)
        template = self._sentences.get(text.code)
        if template is None:
            keys = (f"reason.{text.code}", f"pattern.{text.code}")
            return next((self(key) for key in keys if key in self._strings), str(text))
        try:
            return template.format(**{name: self._value(name, value) for name, value in text.params.items()})
        except (KeyError, IndexError, ValueError, AttributeError):
            # Of a peer of another version, with other values.
            return str(text)

    def _value(self, name: str, value: str | int | Sentence) -> str:
        if isinstance(value, str):
            return self.said(value)
        return self.size(value) if name.endswith("_bytes") else str(value)

    def number(self, value: int) -> str:
        return self.locale.toString(value)

    def size(self, size_bytes: int) -> str:
        """Decimal units with one decimal where it helps: 812 B, 1.4 MB, 151 MB."""
        value, unit = float(size_bytes), 0
        while value >= 999.5 and unit < len(_UNITS) - 1:
            value, unit = value / 1000, unit + 1
        digits = 0 if unit == 0 or value >= 99.95 else 1
        return f"{self.locale.toString(value, 'f', digits)} {_UNITS[unit]}"

    def rate(self, bytes_per_second: float) -> str:
        """Below LEAST_RATE it is nothing worth a number."""
        if bytes_per_second < LEAST_RATE:
            return "0 kB/s"
        return f"{self.size(round(bytes_per_second))}/s"

    def percent(self, done: int, total: int) -> str:
        """Rounded down, so that 100 % means all of it. An empty whole is all there."""
        return f"{done * 100 // total if total else 100} %"

    def duration(self, seconds: float) -> str:
        """The two largest units: 45 s, 3 min, 1 h 20 min, 2 d 5 h."""
        whole = max(0, round(seconds))
        if whole < 60:
            return f"{whole} s"
        minutes = round(whole / 60)
        if minutes < 60:
            return f"{minutes} min"
        hours, minutes = divmod(minutes, 60)
        if hours < 24:
            return f"{hours} h {minutes} min" if minutes else f"{hours} h"
        days, hours = divmod(hours, 24)
        return f"{self.number(days)} d {hours} h" if hours else f"{self.number(days)} d"

    def moment(self, when: datetime | None, today: datetime | None = None) -> str:
        """A point in time in the local zone, as short as it can be without doubt."""
        if when is None:
            return ""
        local = when.astimezone()
        now = (today or datetime.now().astimezone()).astimezone()
        if local.date() == now.date():
            return f"{local:%H:%M}"
        date = QDate(local.year, local.month, local.day)
        return self.locale.toString(date, "d MMM" if local.year == now.year else "d MMM yyyy")

    def day(self, day: int) -> str:
        """A day of the week in short; 0 is Monday."""
        return self.locale.dayName(day + 1, QLocale.FormatType.ShortFormat).rstrip(".")

    def slow_state(self, slow: bool, scheduled: bool, until: datetime | None) -> str:
        """Why it is slow or not, and until when at most."""
        said = self("limits.slow.scheduled" if scheduled else "limits.slow.by-hand") if slow else ""
        when = f"{self.day(until.astimezone().weekday())} {until.astimezone():%H:%M}" if until else ""
        until_text = self("limits.slow.until" if slow else "limits.slow.from", time=when) if when else ""
        return " · ".join(part for part in (said, until_text) if part)

    @cached_property
    def kinds(self) -> dict[str, str]:
        names = ("audio", "video", "image", "document", "archive", "code", "other")
        return {kind: self(f"kind.{kind}") for kind in names}
