"""Names from other peers become one harmless path part, whatever they are."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from peer_core.safe_names import MAX_BYTES, inside, numbered, safe_name, shorten

anything = st.text(alphabet=st.characters(codec=None), max_size=600) | st.text(
    alphabet="./\\:~ \0\nCONaux1é\u202e", max_size=40
)


@given(anything)
def test_any_text_becomes_one_part_that_every_system_takes(text: str) -> None:
    name = safe_name(text)
    assert name
    assert name not in (".", "..")
    assert not set(name) & set('/\\:*?"<>|\0')
    assert name == name.strip(" .")
    assert name.isprintable()
    assert len(name.encode()) <= MAX_BYTES
    assert name.split(".")[0].lower() not in ("con", "nul", "aux", "prn", "com1", "lpt9")


@given(anything)
def test_a_safe_name_stays_as_it_is(text: str) -> None:
    assert safe_name(safe_name(text)) == safe_name(text)


@given(anything)
def test_the_file_lands_inside_the_folder(text: str) -> None:
    folder = Path("/tmp")
    assert inside(folder, text).parent == folder.resolve()


@pytest.mark.parametrize(
    ("given", "safe"),
    [
        ("../../etc/passwd", "_.._etc_passwd"),
        ("CON", "_CON"),
        ("nul.txt", "_nul.txt"),
        ("com1 .txt", "_com1 .txt"),
        ("gpj.\u202eexe", "gpj.exe"),
        ("a\tb\x07c.txt", "a bc.txt"),
        ("...", "unnamed"),
        ("", "unnamed"),
        ("canción ñandú.flac", "canción ñandú.flac"),
        ("e\u0301.txt", "é.txt"),
        ("   .hidden. ", "hidden"),
    ],
)
def test_examples(given: str, safe: str) -> None:
    assert safe_name(given) == safe


@given(st.text(min_size=1, max_size=400), st.integers(30, 300))
def test_a_shortened_name_fits_and_keeps_its_extension(stem: str, room: int) -> None:
    name = safe_name(stem) + ".flac"
    short = shorten(name, room)
    assert len(short.encode()) <= max(room, len(name.encode()) if len(name.encode()) <= room else 0)
    assert short.endswith(".flac")


@given(st.text(min_size=1, max_size=300), st.integers(2, 9999))
def test_numbered_names_differ_and_fit(text: str, number: int) -> None:
    path = Path("/tmp") / safe_name(text)
    other = numbered(path, number)
    assert other != path
    assert other.parent == path.parent
    assert len(other.name.encode()) <= MAX_BYTES
    assert f"({number})" in other.name
